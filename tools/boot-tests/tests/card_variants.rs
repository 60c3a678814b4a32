// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Boards that use their devices in another way than the default one: without any feature that can be
//! declined, or with receive buffers that are shorter than frames.

use boot_tests::{Board, Guest, Peer, each_qemu, kernel_variant};
use serde_json::{Value, json};

const PEER: [u8; 6] = [0x02, 0, 0, 0, 0, 0x01];
const VERSION_1: u64 = 1 << 32;
const MRG_RXBUF: u64 = 1 << 15;

/// A frame for everyone, whose contents depend on `number` alone, with lengths of all sizes.
fn frame(number: u32) -> Vec<u8> {
    let len = match number % 5 {
        0 => 60,
        1 => 1514,
        _ => 60 + (number.wrapping_mul(2_654_435_761) % 1455) as usize,
    };
    let mut frame = [&[0xFF; 6][..], &PEER, &[0x88, 0xB5]].concat();
    frame.extend((frame.len()..len).map(|at| (at as u32 ^ number.wrapping_mul(0x9E37)) as u8));
    frame
}

/// Has the app return each of many frames, a few at a time.
#[track_caller]
fn traffic(guest: &mut Guest, peer: &Peer) {
    const FRAMES: u32 = 600;
    const WINDOW: u32 = 4;
    guest.expect("echo: returning every frame");
    let mut sent = 0;
    for number in 0..FRAMES {
        while sent < FRAMES && sent - number < WINDOW {
            peer.send(&frame(sent));
            sent += 1;
        }
        let came = peer.receive();
        let expected = frame(number);
        if came[..6] != PEER || came[6..12] != expected[..6] || came[12..] != expected[12..] {
            guest.fail_with(&format!("frame {number} did not come back as it was"));
        }
    }
    guest.expect_counter("driver", "received", FRAMES);
    for name in ["dropped_overlong", "dropped_scattered", "dropped_malformed"] {
        guest.expect_counter("driver", name, 0);
    }
}

/// What QEMU believes its devices were accepted with.
fn features_in_qemu(guest: &mut Guest) -> Vec<(String, Value)> {
    let devices = guest.qmp().execute("x-query-virtio", json!({}));
    let devices = devices.as_array().expect("a list of devices").clone();
    let status = |device: Value| {
        let path = device["path"].clone();
        let status = guest
            .qmp()
            .execute("x-query-virtio-status", json!({ "path": path }));
        (device["name"].to_string(), status["guest-features"].clone())
    };
    devices.into_iter().map(status).collect()
}

#[test]
fn features_that_the_board_declines_are_not_accepted_and_traffic_flows() {
    let kernel = kernel_variant("plain-virtio");
    each_qemu(|qemu| {
        let board = || {
            Board::on(qemu)
                .kernel(kernel.clone())
                .apps(&["echo", "random"])
                .entropy()
        };
        for offer in ["", ",packed=on"] {
            let (mut guest, peer) = board()
                .cable_for(&format!("virtio-net-device{offer}"))
                .boot_with_peer();
            // Without the card's address it has one of its own, and without the state of the link this is up.
            guest.expect_line("the card", |line| {
                line.contains("network card 02:54:6f:63:6b:") && line.contains("link up")
            });
            traffic(&mut guest, &peer);
            guest.expect_line("random bytes", |line| line.starts_with("random: "));
            for _ in 0..2 {
                assert_eq!(guest.agreed_features(), VERSION_1);
            }
            let devices = features_in_qemu(&mut guest);
            assert_eq!(devices.len(), 2, "{devices:?}");
            for (name, features) in devices {
                let text = features.to_string();
                assert!(text.contains("VIRTIO_F_VERSION_1"), "{name}: {text}");
                assert_eq!(text.matches("VIRTIO_").count(), 1, "{name}: {text}");
            }
        }
        let (mut guest, peer) = board().cable().legacy_devices().boot_with_peer();
        traffic(&mut guest, &peer);
        assert_eq!(guest.agreed_features(), 0);
    });
}

#[test]
fn frames_are_put_together_from_buffers_shorter_than_they_are() {
    let kernel = kernel_variant("small-receive-buffers");
    each_qemu(|qemu| {
        for offer in ["", ",packed=on", ",event_idx=off"] {
            let (mut guest, peer) = Board::on(qemu)
                .kernel(kernel.clone())
                .apps(&["echo"])
                .cable_for(&format!("virtio-net-device{offer}"))
                .boot_with_peer();
            traffic(&mut guest, &peer);
            assert_ne!(guest.agreed_features() & MRG_RXBUF, 0);
            // A third of the frames alone takes three.
            assert!(
                guest.counter("receive", "used") > 1000,
                "one buffer a frame"
            );
            guest.expect_counter("receive", "rejected", 0);
        }
    });
}

#[test]
fn short_buffers_are_not_given_to_a_card_that_cannot_merge_them() {
    let kernel = kernel_variant("small-receive-buffers");
    each_qemu(|qemu| {
        let (mut guest, _peer) = Board::on(qemu)
            .kernel(kernel.clone())
            .apps(&["hello"])
            .cable_for("virtio-net-device,mrg_rxbuf=off")
            .boot_with_peer();
        guest.expect_line("why the card is not in service", |line| {
            line.contains("network card, not in service") && line.contains("no common features")
        });
        guest.expect("Hello from Tock");
    });
}
