// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What the tap tells an app of its frames is what the far end of the cable and the driver know of them.

use std::time::{Duration, Instant};

use boot_tests::{Board, Guest, HOST_MAC, PATIENCE, Peer, each_qemu};

type Mac = [u8; 6];

/// Ethertypes, and wishes of `station`: a report, and to print what the kernel counts.
const ASK: [u8; 2] = [0x88, 0xB5];
const REPORT: [u8; 2] = [0x88, 0xB6];
const COUNT: [u8; 2] = [0x88, 0xB7];
const NOTHING: u8 = 0;
const PRINT: u8 = 7;

const REPORT_BYTES: u32 = 60;

fn frame(to: Mac, kind: [u8; 2], wish: u8, number: u32, length: usize) -> Vec<u8> {
    let mut frame = [&to[..], &HOST_MAC, &kind, &[wish], &number.to_be_bytes()].concat();
    frame.resize(length, 0);
    frame
}

/// The number in a report.
fn number(report: &[u8]) -> Option<u32> {
    let number = report.get(27..31)?.try_into().ok()?;
    (report[12..14] == REPORT).then(|| u32::from_be_bytes(number))
}

/// The address of the next station that prints one, as it prints it and in bytes.
#[track_caller]
fn next_station(guest: &mut Guest) -> (String, Mac) {
    let line = guest.expect_line("an address", |line| line.starts_with("station: "));
    let text = line.trim_start_matches("station: ").to_owned();
    let bytes: Vec<u8> = text
        .split(':')
        .map(|byte| u8::from_str_radix(byte, 16).expect("a byte"))
        .collect();
    (text, bytes.try_into().expect("six bytes"))
}

/// Has a station print what the kernel counts.
#[track_caller]
fn counts(guest: &mut Guest, peer: &Peer, (name, mac): &(String, Mac)) -> String {
    peer.send(&frame(*mac, ASK, PRINT, 0, 60));
    let start = format!("station {name}: ");
    let line = guest.expect_line("counts", |line| line.starts_with(&start));
    line[start.len()..].to_owned()
}

#[test]
fn an_app_is_told_of_each_frame_and_byte_and_of_no_other() {
    const FRAMES: u32 = 50;
    each_qemu(|qemu| {
        let (mut guest, peer) = Board::on(qemu)
            .apps(&["station", "station_b"])
            .cable()
            .boot_with_peer();
        let stations = [next_station(&mut guest), next_station(&mut guest)];
        let (mut bytes, mut reports) = ([0; 2], [0; 2]);
        for number in 0..FRAMES {
            for (at, (_, mac)) in stations.iter().enumerate() {
                let length = 60 + (number as usize * 577 + at * 31) % 1455;
                let kind = if (number as usize + at).is_multiple_of(5) {
                    reports[at] += 1;
                    ASK
                } else {
                    COUNT
                };
                peer.send(&frame(*mac, kind, NOTHING, number, length));
                if kind == ASK && self::number(&peer.receive()) != Some(number) {
                    guest.fail_with("no report");
                }
                bytes[at] += length;
            }
        }
        for (at, station) in stations.iter().enumerate() {
            let counts = counts(&mut guest, &peer, station);
            // With the last question and its report.
            let (frames, bytes) = (FRAMES + 1, bytes[at] + 60);
            let (sent, sent_bytes) = (reports[at] + 1, (reports[at] + 1) * REPORT_BYTES);
            assert_eq!(
                counts,
                format!(
                    "in {frames} frames, {bytes} bytes; out {sent} frames, {sent_bytes} bytes; refused 0, lost 0, too long 0"
                )
            );
        }
    });
}

#[test]
fn an_app_whose_frames_are_lost_with_a_reset_is_told_and_no_other() {
    /// Several times as many as the cable and the card hold.
    const FRAMES: u32 = 64;
    each_qemu(|qemu| {
        let (mut guest, peer) = Board::on(qemu)
            .apps(&["station", "station_b"])
            .cable()
            .boot_with_peer();
        let stations = [next_station(&mut guest), next_station(&mut guest)];
        let [(_, loser), _] = &stations;
        // Nobody takes the reports: the card is stuck with one, and reset.
        for number in 0..FRAMES {
            peer.send(&frame(*loser, ASK, NOTHING, number, 60));
        }
        let start = Instant::now();
        while guest.counter("driver", "lost") == 0 {
            if start.elapsed() > PATIENCE {
                guest.fail_with("no frame is lost");
            }
        }
        // From here on somebody does. Once the last question is answered, no other is open.
        let (mut asked, mut answered) = (FRAMES, None);
        while answered != Some(asked) {
            if start.elapsed() > 2 * PATIENCE {
                guest.fail_with("the card does not come back");
            }
            asked += 1;
            peer.send(&frame(*loser, ASK, NOTHING, asked, 60));
            while let Some(report) = peer.receive_within(Duration::from_millis(100)) {
                answered = number(&report);
            }
        }
        let told = stations.each_ref().map(|station| {
            let counts = counts(&mut guest, &peer, station);
            let lost = counts.split_once("lost ").and_then(|(_, rest)| {
                let (lost, _) = rest.split_once(',')?;
                lost.parse::<u32>().ok()
            });
            lost.unwrap_or_else(|| {
                guest.fail_with(&format!("no number of lost frames in {counts}"))
            })
        });
        assert_eq!(told, [guest.counter("driver", "lost"), 0]);
    });
}
