// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Raw frames to the `echo` app and back.

use boot_tests::{Board, PATIENCE, cpus, each_qemu};

const PEER: [u8; 6] = [0x02, 0, 0, 0, 0, 0x01];
const BOARD: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
const FRAMES: u32 = 10_000;

/// A frame of `length` bytes whose contents depend on `number` alone.
fn frame(to: [u8; 6], from: [u8; 6], number: u32, length: usize) -> Vec<u8> {
    let mut frame = Vec::with_capacity(length);
    frame.extend(to);
    frame.extend(from);
    // An EtherType for local experiments.
    frame.extend([0x88, 0xB5]);
    frame.extend(number.to_be_bytes());
    let mut state = number.wrapping_mul(0x9E37_79B9) | 1;
    while frame.len() < length {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        frame.push(state.to_le_bytes()[1]);
    }
    frame
}

/// Mixed sizes that hit the smallest and the largest frame often.
fn length(number: u32) -> usize {
    match number % 7 {
        0 => 60,
        1 => 1514,
        _ => 60 + (number.wrapping_mul(2_654_435_761) % 1455) as usize,
    }
}

#[test]
fn ten_thousand_frames_of_all_sizes_come_back_whole_and_in_order() {
    each_qemu(|qemu| {
        let (mut guest, peer) = Board::on(qemu).apps(&["echo"]).cable().boot_with_peer();
        guest.expect("echo: returning every frame");
        for number in 0..FRAMES {
            peer.send(&frame(BOARD, PEER, number, length(number)));
            let answer = peer.receive();
            if answer != frame(PEER, BOARD, number, length(number)) {
                guest.fail_with(&format!(
                    "frame {number} of {} bytes came back as {} other bytes",
                    length(number),
                    answer.len()
                ));
            }
        }
        if guest.printed().contains("frames were") {
            guest.fail_with("the app noticed a loss");
        }
    });
}

#[test]
fn an_app_that_knows_no_additions_of_this_tap_returns_frames_all_the_same() {
    const FRAMES: u32 = 100;
    /// Frames under way at a time, so that some share a slice.
    const WINDOW: u32 = 4;
    each_qemu(|qemu| {
        for cpu in cpus(qemu) {
            let (mut guest, peer) = Board::on(qemu)
                .apps(&["plain_echo"])
                .entropy()
                .cable()
                .cpu(cpu)
                .boot_with_peer();
            guest.expect("plain_echo: returning every frame");
            let (mut sent, mut bytes) = (0, 0);
            for number in 0..FRAMES {
                while sent < FRAMES && sent - number < WINDOW {
                    peer.send(&frame(BOARD, PEER, sent, length(sent)));
                    bytes += length(sent);
                    sent += 1;
                }
                let Some(answer) = peer.receive_within(PATIENCE) else {
                    guest.fail_with(&format!("frame {number} did not come back"));
                };
                if answer != frame(PEER, BOARD, number, length(number)) {
                    guest.fail_with(&format!("frame {number} came back as another"));
                }
            }
            let counts = format!("{FRAMES} frames, {bytes} bytes");
            let report = format!("plain_echo: in {counts}, 0 missed; out {counts}");
            guest.expect_line("the kernel's counts", |line| line == report);
        }
    });
}
