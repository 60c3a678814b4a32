// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Every combination of virtqueue features that QEMU can be told to offer carries random numbers and
//! frames.

use std::time::{Duration, Instant};

use boot_tests::{Board, Guest, Peer, each_qemu};

const PEER: [u8; 6] = [0x02, 0, 0, 0, 0, 0x01];
const BOARD: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
/// More than a queue of 16 holds, many times over.
const PACED: u32 = 400;
const BURSTS: u32 = 60;
const BURST: u32 = 8;

const VERSION_1: u64 = 1 << 32;

/// A frame of `length` bytes whose contents depend on `number` alone.
fn frame(to: [u8; 6], from: [u8; 6], number: u32, length: usize) -> Vec<u8> {
    let mut frame = [&to[..], &from, &[0x88, 0xB5], &number.to_be_bytes()].concat();
    let fill = number.wrapping_mul(0x9E37_79B9).to_le_bytes();
    frame.extend(fill.iter().cycle().take(length - frame.len()));
    frame
}

fn length(number: u32) -> usize {
    60 + (number.wrapping_mul(2_654_435_761) % 1455) as usize
}

/// Waits for the frames in order and checks each.
fn expect_frames(guest: &Guest, peer: &Peer, numbers: std::ops::Range<u32>) {
    for number in numbers {
        expect_frame(guest, peer, number, length(number));
    }
}

fn expect_frame(guest: &Guest, peer: &Peer, number: u32, length: usize) {
    if peer.receive() != frame(PEER, BOARD, number, length) {
        guest.fail_with(&format!("frame {number} did not come back as it was"));
    }
}

/// A counter as the console's `virtio` command shows it.
fn counter(text: &str, line: &str, name: &str) -> u32 {
    let words = text
        .lines()
        .rfind(|candidate| candidate.trim_start().starts_with(line))
        .map(|found| found.split_whitespace().collect::<Vec<_>>())
        .unwrap_or_default();
    let value = words
        .iter()
        .position(|word| *word == name)
        .and_then(|at| words.get(at + 1));
    value
        .and_then(|value| value.parse().ok())
        .unwrap_or_else(|| panic!("no {name} of {line} in:\n{text}"))
}

fn traffic(guest: &mut Guest, peer: &Peer) {
    guest.expect("echo: returning every frame");
    guest.expect("gulp: ");
    for number in 0..PACED {
        peer.send(&frame(BOARD, PEER, number, length(number)));
        expect_frames(guest, peer, number..number + 1);
    }
    for burst in 0..BURSTS {
        let first = PACED + burst * BURST;
        for number in first..first + BURST {
            peer.send(&frame(BOARD, PEER, number, length(number)));
        }
        expect_frames(guest, peer, first..first + BURST);
    }
    assert_eq!(peer.receive_within(Duration::from_millis(1)), None);
    guest.expect("gulp: ");
    if guest.printed().contains("frames were") {
        guest.fail_with("the app noticed a loss");
    }
}

/// What the console's `virtio` command shows once the driver has collected all `frames` that it sent,
/// which it does in its own time, or after far longer than that.
fn counters_after(guest: &mut Guest, frames: u32) -> String {
    let patience = Instant::now() + Duration::from_secs(5);
    loop {
        guest.type_in("virtio\n");
        guest.expect("transmit:");
        guest.expect("  queue:");
        guest.expect("\n");
        let text = guest.printed();
        if counter(&text, "transmit:", "used") == frames || Instant::now() > patience {
            return text;
        }
    }
}

#[test]
fn rng_and_net_work_with_every_set_of_queue_features() {
    let offers = [
        "",
        "event_idx=off",
        "indirect_desc=off",
        "event_idx=off,indirect_desc=off",
        "packed=on",
        "packed=on,event_idx=off",
    ];
    each_qemu(|qemu| {
        for offer in offers {
            let option = |device: &str| match offer {
                "" => device.to_owned(),
                offer => format!("{device},{offer}"),
            };
            let (mut guest, peer) = Board::on(qemu)
                .apps(&["echo", "gulp"])
                .with(&["-device", &option("virtio-rng-device")])
                .cable_for(&option("virtio-net-device"))
                .boot_with_peer();
            traffic(&mut guest, &peer);
            let frames = PACED + BURSTS * BURST;
            let text = counters_after(&mut guest, frames);
            let is_packed = offer.contains("packed=on");
            let mut layouts = text
                .lines()
                .filter(|line| line.contains(" rings, features "));
            if !layouts.all(|line| line.contains("packed") == is_packed) {
                guest.fail_with(&format!("{offer}: not the layout that was offered"));
            }
            if counter(&text, "queue:", "used") < 1000 {
                guest.fail_with(&format!(
                    "{offer}: the entropy device's ring went around rarely"
                ));
            }
            println!(
                "{offer:32} {}",
                text.lines().rev().take(8).collect::<Vec<_>>().join(" | ")
            );
            // QEMU wants to hear of receive buffers only when it has run out of them.
            if counter(&text, "receive:", "kicks") > frames / 8 {
                guest.fail_with(&format!(
                    "{offer}: too many notifications of receive buffers"
                ));
            }
            // Frames that nobody waits for are collected without an interrupt, and are not late for it.
            // The last line may not be complete yet.
            let mut transports = text.lines().filter(|line| line.contains(" recoveries "));
            if !transports.all(|line| line.contains(" found_late 0 ")) {
                guest.fail_with(&format!("{offer}: a buffer came without an interrupt"));
            }
            for queue in ["receive:", "transmit:"] {
                if counter(&text, queue, "used") != frames || counter(&text, queue, "rejected") != 0
                {
                    guest.fail_with(&format!(
                        "{offer}: {queue} was not used for {frames} frames"
                    ));
                }
            }
        }
    });
}

/// Has more frames returned than an index counts, by a card with the properties in `offer`.
fn wrap_the_indices(offer: &str, is_legacy: bool) {
    const FRAMES: u32 = 66_000;
    const WINDOW: u32 = 32;
    let short = |number: u32| 60 + (number % 97) as usize;
    each_qemu(|qemu| {
        let mut board = Board::on(qemu)
            .apps(&["echo"])
            .cable_for(&format!("virtio-net-device,{offer}"));
        if is_legacy {
            board = board.legacy_devices();
        }
        let (mut guest, peer) = board.boot_with_peer();
        guest.expect("echo: returning every frame");
        let mut sent = 0;
        for number in 0..FRAMES {
            while sent < FRAMES && sent - number < WINDOW {
                peer.send(&frame(BOARD, PEER, sent, short(sent)));
                sent += 1;
            }
            let answer = peer.receive();
            if answer != frame(PEER, BOARD, number, short(number)) {
                guest.type_in("virtio\n");
                guest.expect("transmit:");
                let came = &answer[..answer.len().min(24)];
                guest.fail_with(&format!("{offer}: instead of frame {number}: {came:02x?}"));
            }
        }
        guest.type_in("virtio\n");
        guest.expect("transmit:");
        guest.expect("\n");
        let text = guest.printed();
        let has_version_1 = guest.agreed_features() & VERSION_1 != 0;
        assert_eq!(has_version_1, !is_legacy, "{offer}");
        for queue in ["receive:", "transmit:"] {
            let used = counter(&text, queue, "used");
            assert!(used > 65_536, "{offer}: {queue} {used} chains");
            assert_eq!(counter(&text, queue, "rejected"), 0);
        }
    });
}

/// The default layout has `soak_network.rs`.
#[test]
fn frames_come_back_while_the_indices_wrap_in_other_layouts() {
    for offer in ["packed=on", "event_idx=off,indirect_desc=off"] {
        wrap_the_indices(offer, false);
    }
}

/// With headers in the buffers of their frames and in ones of their own: the latter take two
/// descriptors a frame in either direction.
#[test]
fn frames_come_back_while_the_indices_of_legacy_devices_wrap() {
    for offer in ["any_layout=on", "any_layout=off"] {
        wrap_the_indices(offer, true);
    }
}

/// QEMU takes FEATURES_OK back if the driver leaves this feature out.
#[test]
fn devices_that_insist_on_platform_access_work() {
    each_qemu(|qemu| {
        let (mut guest, peer) = Board::on(qemu)
            .apps(&["echo", "gulp"])
            .with(&["-device", "virtio-rng-device,iommu_platform=on"])
            .cable_for("virtio-net-device,iommu_platform=on")
            .boot_with_peer();
        traffic(&mut guest, &peer);
    });
}

/// The features of a card by which it merges receive buffers, and takes filters, as the console shows them.
const MERGES_AND_FILTERS: u64 = 1 << 15 | 1 << 17 | 1 << 18;

/// Without merged buffers QEMU would drop the giant and say nothing.
#[test]
fn a_frame_longer_than_any_buffer_is_counted_and_filters_are_taken() {
    each_qemu(|qemu| {
        let (mut guest, peer) = Board::on(qemu)
            .apps(&["echo", "netstat"])
            .cable()
            .boot_with_peer();
        guest.expect("echo: returning every frame");
        // Prints this once it takes frames, before the other or after.
        if !guest.printed().contains("netstat: in ") {
            guest.expect("netstat: in ");
        }
        for length in [1519, 3000, 9000] {
            peer.send(&frame(BOARD, PEER, 0, length));
        }
        peer.send(&frame(BOARD, PEER, 1, 1514));
        expect_frame(&guest, &peer, 1, 1514);
        // Apps are told of them, too.
        guest.expect_line("an app's counts", |line| {
            line == "netstat: in 1 frames, 1514 bytes; dropped 0 for want of room, 0 by filter, 3 malformed"
        });
        if guest.agreed_features() & MERGES_AND_FILTERS != MERGES_AND_FILTERS {
            guest.fail_with("a feature was not agreed on");
        }
        for (name, expected) in [
            ("received", 1),
            ("dropped_overlong", 3),
            ("dropped_scattered", 0),
            ("dropped_malformed", 0),
            ("control_refused", 0),
            ("control_garbled", 0),
        ] {
            guest.expect_counter("driver", name, expected);
        }
        if guest.counter("driver", "control_requests") == 0 {
            guest.fail_with("the card was told nothing");
        }
    });
}
