// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A network that sends more frames than the kernel can look at leaves time for processes.
//!
//! Time is counted in instructions, so what processes get does not depend on the machine that runs
//! this.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::thread;

use boot_tests::{Board, Guest, each_qemu};

/// One instruction is 64 ns of the guest's time.
const COUNTED_TIME: [&str; 2] = ["-icount", "shift=6,sleep=off"];

/// Part of the time that processes have to get, in percent.
const SHARE: u32 = 25;

/// Frames that the kernel has to have looked at.
const FLOOD: u32 = 10_000;

const FRAME_BYTES: u32 = 60;
const FRAMES: usize = 1000;

/// Many frames for everyone, as QEMU's stream sockets take them: a length before each.
fn frames() -> Vec<u8> {
    let mut frame = FRAME_BYTES.to_be_bytes().to_vec();
    frame.extend([0xFF; 6]);
    frame.extend([0x02, 0, 0, 0, 0, 0x09, 0x12, 0x34]);
    frame.resize(size_of::<u32>() + FRAME_BYTES as usize, 0xA5);
    frame.repeat(FRAMES)
}

/// Reads how much of the time the app got that wants all of it.
#[track_caller]
fn next_share(guest: &mut Guest) -> u32 {
    let share = |line: &str| {
        let (_, rest) = line.split_once("neighbour: ")?;
        rest.strip_suffix(" percent")?.parse::<u32>().ok()
    };
    let line = guest.expect_line("the neighbour's share", |line| share(line).is_some());
    share(&line).unwrap_or_default()
}

#[test]
fn a_flood_of_frames_leaves_processes_a_quarter_of_the_time() {
    each_qemu(|qemu| {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("cable");
        let cable = format!(
            "stream,id=cable,server=on,addr.type=unix,addr.path={}",
            path.display()
        );
        let mut guest = Board::on(qemu)
            .apps(&["ticker", "neighbour"])
            .with(&["-netdev", &cable])
            .with(&["-device", "virtio-net-device,netdev=cable"])
            .with(&COUNTED_TIME)
            .boot();
        next_share(&mut guest);
        let mut sender = UnixStream::connect(&path).expect("QEMU's end of the cable");
        let frames = frames();
        // QEMU reads as fast as the card takes frames. The flood ends with QEMU.
        thread::spawn(move || while sender.write_all(&frames).is_ok() {});
        let shares: Vec<u32> = (0..5).map(|_| next_share(&mut guest)).collect();
        if shares.iter().any(|share| *share < SHARE) {
            guest.fail_with(&format!("processes got {shares:?} percent"));
        }
        let printed = guest.printed();
        if let Some(line) = printed.lines().find(|line| line.contains("late: ticker")) {
            guest.fail_with(&format!("the bystander lost its rhythm: {line}"));
        }
        guest.type_in("status\r");
        guest.expect("Processes: ");
        guest.type_in("virtio\r");
        let line = guest.expect_line("the receive queue's counters", |line| {
            line.contains("receive: ") && line.contains(" used ")
        });
        let used = line.split_once(" used ").map_or("", |(_, rest)| rest);
        let frames = used.split(' ').next().and_then(|count| count.parse().ok());
        if frames.is_none_or(|frames: u32| frames < FLOOD) {
            guest.fail_with(&format!("that was no flood: {line}"));
        }
    });
}
