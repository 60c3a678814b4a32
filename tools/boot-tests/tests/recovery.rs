// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Devices whose other half lets them down: they are reset, and come back when it does.

use std::iter;
use std::time::{Duration, Instant};

use boot_tests::{Board, Guest, MUTE_ENTROPY, PATIENCE, Peer, each_qemu};
use serde_json::json;

const PEER: [u8; 6] = [0x02, 0, 0, 0, 0, 0x01];
const BOARD: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];

fn frame(number: u32) -> Vec<u8> {
    let mut frame = [BOARD, PEER].concat();
    frame.extend([0x88, 0xB5]);
    frame.extend(number.to_be_bytes());
    frame.resize(60, 0);
    frame
}

/// The number in a frame that `echo` has returned.
fn number(frame: &[u8]) -> u32 {
    u32::from_be_bytes(frame[14..18].try_into().expect("a number"))
}

/// A counter of a device as the console shows it.
#[track_caller]
fn counter(guest: &mut Guest, name: &str) -> u32 {
    guest.type_in("virtio\r");
    let line = guest.expect_line("counters", |line| line.contains(name));
    let mut words = line.split_whitespace().skip_while(|word| *word != name);
    let value = words.nth(1).and_then(|value| value.parse().ok());
    value.unwrap_or_else(|| guest.fail_with(&format!("{name} has no value")))
}

/// Does something until a counter of a device is above zero.
#[track_caller]
fn await_counter(guest: &mut Guest, name: &str, mut action: impl FnMut(&mut Guest)) {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        action(guest);
        if counter(guest, name) != 0 {
            return;
        }
    }
    guest.fail_with(&format!("{name} stays zero"));
}

#[test]
fn an_app_is_told_when_the_entropy_device_never_answers_and_the_network_works_on() {
    each_qemu(|qemu| {
        let (mut guest, peer) = Board::on(qemu)
            .apps(&["random", "echo"])
            .with(&MUTE_ENTROPY)
            .cable()
            .boot_with_peer();
        guest.expect("echo: returning every frame");
        for round in 0..3 {
            guest.expect_line("an error", |line| {
                line.starts_with("random: the entropy device failed")
            });
            for at in 0..500 {
                let sent = round * 500 + at;
                peer.send(&frame(sent));
                assert_eq!(number(&peer.receive()), sent);
            }
        }
        await_counter(&mut guest, "stalled", |_| ());
        await_counter(&mut guest, "recoveries", |_| ());
    });
}

#[test]
fn frames_that_the_card_cannot_send_are_lost_and_traffic_resumes() {
    each_qemu(|qemu| {
        let (mut guest, peer) = Board::on(qemu).apps(&["echo"]).cable().boot_with_peer();
        guest.expect("echo: returning every frame");
        // Nobody takes the answers: the cable is full soon, and the card is stuck with a frame.
        for sent in 0..1_000 {
            peer.send(&frame(sent));
        }
        await_counter(&mut guest, "stalled", |_| ());
        await_counter(&mut guest, "lost", |_| ());
        // The card comes back, and with a peer that listens everything works.
        while peer.receive_within(Duration::from_millis(1)).is_some() {}
        await_counter(&mut guest, "recoveries", |_| ());
        let marker = u32::MAX;
        for _ in 0..1_000 {
            peer.send(&frame(marker));
            if (0..100).any(|_| {
                let answer = peer.receive_within(Duration::from_millis(20));
                answer.is_some_and(|answer| number(&answer) == marker)
            }) {
                return;
            }
        }
        guest.fail_with("the card does not come back");
    });
}

#[test]
fn a_card_that_interrupts_without_end_is_masked_while_the_rest_of_the_board_runs() {
    each_qemu(|qemu| {
        let apps = ["ticker", "echo", "random"];
        let (mut guest, peer) = Board::on(qemu)
            .apps(&apps)
            .with(&["-device", "virtio-rng-device"])
            .cable()
            .boot_with_peer();
        guest.expect("echo: returning every frame");
        // The console answers all the while.
        await_counter(&mut guest, "masked", |guest| {
            for _ in 0..1_000 {
                guest.qmp().set_link("cable", false);
                guest.qmp().set_link("cable", true);
            }
        });
        guest.expect_line("a tick", |line| line.starts_with("ticker: "));
        for _ in 0..4 {
            guest.expect_line("random bytes", |line| {
                let bytes = line.strip_prefix("random: ");
                bytes.is_some_and(|bytes| bytes.len() == 64)
            });
        }
        // Masked or not, the card hears of the last change, and carries frames again.
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            peer.send(&frame(1));
            if peer.receive_within(Duration::from_millis(200)).is_some() {
                return;
            }
        }
        guest.fail_with("the card does not come back");
    });
}

/// Where the descriptors of a queue are, and how many, as QEMU knows it.
fn descriptors(guest: &mut Guest, device: &str, queue: u64) -> (u64, u64) {
    let devices = guest.qmp().execute("x-query-virtio", json!({}));
    let path = devices
        .as_array()
        .and_then(|devices| devices.iter().find(|found| found["name"] == device))
        .map(|found| found["path"].clone());
    let path = path.unwrap_or_else(|| guest.fail_with(&format!("no {device} in {devices}")));
    let status = guest.qmp().execute(
        "x-query-virtio-queue-status",
        json!({ "path": path, "queue": queue }),
    );
    let number = |name: &str| status[name].as_u64();
    match (number("vring-desc"), number("vring-num")) {
        (Some(address), Some(count)) => (address, count),
        _ => guest.fail_with(&format!("no descriptors in {status}")),
    }
}

/// QEMU gives up on a card whose queue makes no sense to it, sets DEVICE_NEEDS_RESET and interrupts. The
/// driver never makes such a queue, so somebody else does.
#[test]
fn a_card_that_needs_a_reset_gets_one_and_carries_frames_again() {
    /// Frames that may be lost. Answers to some come late.
    const PROBE: u32 = 1_000;
    let expect_back = |peer: &Peer, sent: u32| {
        peer.send(&frame(sent));
        let back = iter::repeat_with(|| number(&peer.receive())).find(|back| *back != PROBE);
        assert_eq!(back, Some(sent));
    };
    each_qemu(|qemu| {
        let (mut guest, peer) = Board::on(qemu)
            .apps(&["echo"])
            .cable()
            .debuggable()
            .boot_with_peer();
        guest.expect("echo: returning every frame");
        for round in 0..3 {
            for sent in 0..100 {
                expect_back(&peer, sent);
            }
            let (address, count) = descriptors(&mut guest, "virtio-net", 1);
            let mut debugger = guest.debugger();
            for index in 0..count {
                // The flag NEXT, and a next descriptor beyond the table.
                let written = debugger.write(address + 16 * index + 12, &[1, 0, 0xFF, 0xFF]);
                written.unwrap_or_else(|error| guest.fail_with(&error.to_string()));
            }
            let detached = debugger.detach();
            detached.unwrap_or_else(|error| guest.fail_with(&error.to_string()));
            let start = Instant::now();
            while counter(&mut guest, "recoveries") <= round {
                if start.elapsed() > PATIENCE {
                    guest.fail_with("the card is not reset and brought back");
                }
                // Lost, or answered by a card that is back.
                peer.send(&frame(PROBE));
                while peer.receive_within(Duration::from_millis(20)).is_some() {}
            }
            assert_eq!(counter(&mut guest, "needs_reset"), round + 1);
        }
        expect_back(&peer, 7);
        if guest.printed().contains("panic") {
            guest.fail_with("the kernel panicked");
        }
    });
}
