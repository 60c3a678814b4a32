// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Devices whose other half lets them down: they are reset, and come back when it does.

use std::time::{Duration, Instant};

use boot_tests::{Board, Guest, PATIENCE, each_qemu};

const PEER: [u8; 6] = [0x02, 0, 0, 0, 0, 0x01];
const BOARD: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];

/// An entropy source that is never going to say anything.
const MUTE_ENTROPY: [&str; 6] = [
    "-chardev",
    "null,id=mute",
    "-object",
    "rng-egd,id=egd,chardev=mute",
    "-device",
    "virtio-rng-device,rng=egd",
];

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

/// Asks for the counters until `name` is above zero.
#[track_caller]
fn await_counter(guest: &mut Guest, name: &str) {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        guest.type_in("virtio\r");
        let line = guest.expect_line("counters", |line| line.contains(name));
        let mut words = line.split_whitespace().skip_while(|word| *word != name);
        if words.nth(1).is_some_and(|value| value != "0") {
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
        await_counter(&mut guest, "stalled");
        await_counter(&mut guest, "recoveries");
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
        await_counter(&mut guest, "stalled");
        await_counter(&mut guest, "lost");
        // The card comes back, and with a peer that listens everything works.
        while peer.receive_within(Duration::from_millis(1)).is_some() {}
        await_counter(&mut guest, "recoveries");
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
