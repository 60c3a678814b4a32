// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A long stream of frames to the `echo` app and back: none is lost, and nothing but work is counted.
//!
//! `SOAK_FRAMES` asks for more of them; `make soak-net` sets it.

use std::collections::BTreeMap;
use std::env;
use std::time::{Duration, Instant};

use boot_tests::{Board, Guest, HOST_MAC, PATIENCE, each_qemu};

const CARD: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];

/// More than a 16-bit ring index counts, and as many as the usual run of all tests has time for.
const FRAMES: u32 = 100_000;

/// Frames under way at a time.
const WINDOW: u32 = 32;

/// What it takes to tell the card of an app that wants every frame: two modes and a list of addresses.
const FILTER_REQUESTS: u32 = 3;

/// A pause that a busy machine alone makes rarely.
const PAUSE: Duration = Duration::from_millis(300);

/// Counters that grow with honest work. Each of the others says that something went wrong.
const WORK: [&str; 12] = [
    "transport notifications",
    "transport interrupts",
    "driver received",
    "driver transmitted",
    "receive kicks",
    "receive kicks_suppressed",
    "receive scans",
    "receive used",
    "transmit kicks",
    "transmit kicks_suppressed",
    "transmit scans",
    "transmit used",
];

/// Counters that depend on who is faster, without harm: looks that found nothing, and frames or chains
/// that waited for room.
const RACES: [&str; 5] = [
    "driver held",
    "receive empty_scans",
    "receive full",
    "transmit empty_scans",
    "transmit full",
];

/// Counters of interrupts that came too late, or found the work done, when the host is busy elsewhere.
const RARE_RACES: [&str; 3] = [
    "transport empty",
    "transport found_late",
    "transport spurious",
];
/// One in so many frames is too often for a rare race.
const RARE: u32 = 500;

/// The counters of the only device, as the console shows them.
#[track_caller]
fn counters(guest: &mut Guest) -> BTreeMap<String, u32> {
    guest.type_in("virtio\r");
    let mut counters = BTreeMap::new();
    for group in ["transport", "driver", "receive", "transmit"] {
        let start = format!("  {group}: ");
        let line = guest.expect_line("counters", |line| line.starts_with(&start));
        let words: Vec<&str> = line[start.len()..].split_whitespace().collect();
        for pair in words.chunks_exact(2) {
            let value = pair[1].parse().expect("a number");
            counters.insert(format!("{group} {}", pair[0]), value);
        }
    }
    counters
}

/// The counters once the card has been told what the app wants to receive.
fn counters_once_settled(guest: &mut Guest) -> BTreeMap<String, u32> {
    let start = Instant::now();
    loop {
        let counters = counters(guest);
        if counters["driver control_requests"] == FILTER_REQUESTS {
            return counters;
        }
        if start.elapsed() > PATIENCE {
            guest.fail_with("the card was not told what the app wants");
        }
    }
}

/// Mixed sizes that hit the smallest and the largest frame often.
fn length(number: u32) -> usize {
    match number % 7 {
        0 => 60,
        1 => 1514,
        _ => 60 + (number.wrapping_mul(2_654_435_761) % 1455) as usize,
    }
}

/// A frame whose contents depend on `number` alone, and differ from those of its neighbours throughout.
fn frame(to: [u8; 6], from: [u8; 6], number: u32) -> Vec<u8> {
    let mut frame = [&to[..], &from, &[0x88, 0xB5]].concat();
    let pattern = number.wrapping_mul(0x9E37_79B9).to_be_bytes();
    frame.extend(number.to_be_bytes());
    frame.extend(pattern.iter().cycle().take(length(number) - frame.len()));
    frame
}

#[test]
fn a_long_stream_of_frames_comes_back_whole_and_only_work_is_counted() {
    let frames = match env::var("SOAK_FRAMES") {
        Ok(frames) if !frames.is_empty() => frames.parse().expect("SOAK_FRAMES is a number"),
        _ => FRAMES,
    };
    each_qemu(|qemu| {
        let (mut guest, peer) = Board::on(qemu).apps(&["echo"]).cable().boot_with_peer();
        guest.expect("echo: returning every frame");
        let before = counters_once_settled(&mut guest);
        let start = Instant::now();
        let (mut sent, mut pauses) = (0, 0);
        for number in 0..frames {
            while sent < frames && sent - number < WINDOW {
                peer.send(&frame(CARD, HOST_MAC, sent));
                sent += 1;
            }
            let waiting = Instant::now();
            let Some(answer) = peer.receive_within(PATIENCE) else {
                let counters = counters(&mut guest);
                guest.fail_with(&format!("frame {number} is missing: {counters:#?}"));
            };
            let waited = waiting.elapsed();
            if waited > PAUSE {
                println!("frame {number} took {waited:.1?}");
                pauses += 1;
            }
            if answer != frame(HOST_MAC, CARD, number) {
                let counters = counters(&mut guest);
                guest.fail_with(&format!(
                    "instead of frame {number} of {} bytes came one of {} bytes, {:02x?}: {counters:#?}",
                    length(number),
                    answer.len(),
                    answer.get(14..18)
                ));
            }
        }
        let taken = start.elapsed();
        let rate = f64::from(frames) / taken.as_secs_f64();
        println!("{frames} frames in {taken:.0?}, {rate:.0} a second, {pauses} pauses");
        let mut grown = counters(&mut guest);
        for (name, value) in &mut grown {
            *value = value.wrapping_sub(before.get(name).copied().unwrap_or(0));
        }
        println!("{grown:#?}");
        // The card may keep the last ones that it has sent until there is more to send.
        for (done, missing) in [("driver received", 0), ("driver transmitted", WINDOW)] {
            let done = grown.get(done).map(|done| frames - done);
            assert!(done.is_some_and(|left| left <= missing), "{done:?} missing");
        }
        for harmless in WORK.iter().chain(&RACES) {
            assert!(grown.remove(*harmless).is_some(), "no counter {harmless}");
        }
        for rare in RARE_RACES {
            let times = grown.remove(rare).expect("a counter");
            assert!(times < frames / RARE, "{rare} {times} times");
        }
        grown.retain(|_, growth| *growth != 0);
        assert!(grown.is_empty(), "counted besides work: {grown:?}");
        if guest.printed().contains("frames were") {
            guest.fail_with("the app noticed a loss");
        }
    });
}
