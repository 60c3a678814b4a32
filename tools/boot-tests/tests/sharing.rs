// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Several apps on one card: each has an address of its own, and frames between them stay on the board.

use std::collections::BTreeSet;
use std::time::Duration;

use boot_tests::{Board, Guest, HOST_MAC, Host, Peer, each_qemu};

type Mac = [u8; 6];

const EVERYONE: Mac = [0xFF; 6];
const ASK: [u8; 2] = [0x88, 0xB5];
const REPORT: [u8; 2] = [0x88, 0xB6];
const COUNT: [u8; 2] = [0x88, 0xB7];

/// What `station` can be asked for.
#[derive(Clone, Copy)]
enum Wish {
    Nothing = 0,
    Broadcast = 1,
    Unicast = 2,
    Stall = 3,
    Tell = 4,
    Laze = 5,
    TellMissed = 6,
}

fn frame(to: Mac, kind: [u8; 2], payload: &[u8], length: usize) -> Vec<u8> {
    let mut frame = [&to[..], &HOST_MAC, &kind, payload].concat();
    frame.resize(length, 0);
    frame
}

fn ask(to: Mac, wish: Wish, number: u32, address: Mac) -> Vec<u8> {
    let payload = [&[wish as u8][..], &number.to_be_bytes(), &address].concat();
    frame(to, ASK, &payload, 60)
}

/// What a station tells about a frame it got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Report {
    station: Mac,
    destination: Mac,
    source: Mac,
    number: u32,
}

impl Report {
    fn read(frame: &[u8]) -> Option<Report> {
        let mac = |at: usize| frame[at..at + 6].try_into().expect("six bytes");
        (frame[12..14] == REPORT).then(|| Report {
            station: mac(6),
            destination: mac(14),
            source: mac(20),
            number: u32::from_be_bytes(frame[27..31].try_into().expect("four bytes")),
        })
    }
}

/// Waits for the addresses that `count` stations print.
#[track_caller]
fn stations(guest: &mut Guest, count: usize) -> Vec<Mac> {
    let mut found = Vec::new();
    for _ in 0..count {
        let line = guest.expect_line("an address", |line| line.starts_with("station: "));
        let digits = line.trim_start_matches("station: ").split(':');
        let bytes: Vec<u8> = digits
            .map(|byte| u8::from_str_radix(byte, 16).expect("a byte"))
            .collect();
        found.push(bytes.try_into().expect("six bytes"));
    }
    found
}

/// The next frame from the board; all that it sends in these tests are expected.
#[track_caller]
fn report(guest: &Guest, peer: &Peer) -> Report {
    let frame = peer.receive();
    Report::read(&frame).unwrap_or_else(|| guest.fail_with(&format!("no report: {frame:02x?}")))
}

/// The next reports, in any order.
#[track_caller]
fn reports(guest: &Guest, peer: &Peer, count: usize) -> BTreeSet<Report> {
    (0..count).map(|_| report(guest, peer)).collect()
}

#[test]
fn three_apps_share_a_card_without_seeing_each_others_traffic() {
    each_qemu(|qemu| {
        let (mut guest, peer) = Board::on(qemu)
            .apps(&["station", "station_b", "station_c"])
            .cable()
            .boot_with_peer();
        let macs = stations(&mut guest, 3);
        assert_eq!(BTreeSet::from_iter(&macs).len(), 3, "{macs:02x?}");
        let expect = |station, destination, source, number| Report {
            station,
            destination,
            source,
            number,
        };

        // Unicast from the cable: only its receiver reports. The one after it would show a stray report.
        for (number, &to) in macs.iter().cycle().take(30).enumerate() {
            let number = number as u32;
            peer.send(&ask(to, Wish::Nothing, number, to));
            assert_eq!(report(&guest, &peer), expect(to, to, HOST_MAC, number));
        }

        // Broadcast from the cable: all report.
        peer.send(&ask(EVERYONE, Wish::Nothing, 100, EVERYONE));
        let expected = macs.iter().map(|&mac| expect(mac, EVERYONE, HOST_MAC, 100));
        assert_eq!(reports(&guest, &peer, 3), expected.collect());

        // Broadcast from one: to the cable once, to the others, and not back to the sender.
        let [first, second, third] = macs[..] else {
            unreachable!("there are three")
        };
        peer.send(&ask(first, Wish::Broadcast, 101, first));
        let mut seen: Vec<Vec<u8>> = (0..4).map(|_| peer.receive()).collect();
        let broadcast = seen.iter().position(|frame| frame[..6] == EVERYONE);
        let broadcast = seen.remove(broadcast.expect("the broadcast on the cable"));
        assert_eq!(
            (&broadcast[6..12], &broadcast[12..14]),
            (&first[..], &ASK[..])
        );
        let seen: BTreeSet<_> = seen
            .iter()
            .filter_map(|frame| Report::read(frame))
            .collect();
        let expected = [
            expect(first, first, HOST_MAC, 101),
            expect(second, EVERYONE, first, 101),
            expect(third, EVERYONE, first, 101),
        ];
        assert_eq!(seen, BTreeSet::from(expected));

        // Unicast between two: not on the cable, and not with the third.
        for number in 200..230 {
            peer.send(&ask(first, Wish::Unicast, number, second));
            let expected = [
                expect(first, first, HOST_MAC, number),
                expect(second, second, first, number),
            ];
            assert_eq!(reports(&guest, &peer, 2), BTreeSet::from(expected));
        }

        // Whoever takes no frames loses his own, and nobody else waits for him.
        peer.send(&ask(third, Wish::Stall, 300, third));
        assert_eq!(report(&guest, &peer), expect(third, third, HOST_MAC, 300));
        guest.expect("station: stalled");
        for number in 0..64 {
            peer.send(&frame(third, COUNT, &[], 1514));
            peer.send(&ask(first, Wish::Unicast, number, second));
            let expected = [
                expect(first, first, HOST_MAC, number),
                expect(second, second, first, number),
            ];
            assert_eq!(reports(&guest, &peer, 2), BTreeSet::from(expected));
        }
        assert!(!guest.printed().contains("station: awake"));
        guest.type_in("\r");
        guest.expect("station: awake");
        peer.send(&ask(third, Wish::Tell, 0, third));
        let Report {
            station, number, ..
        } = report(&guest, &peer);
        assert_eq!(station, third);
        // What its slice held; the rest found no room, after a short wait.
        assert!((5..64).contains(&number), "{number} frames");
    });
}

#[test]
fn a_burst_waits_in_the_ring_for_an_app_with_a_small_buffer() {
    const BURST: u32 = 64;
    each_qemu(|qemu| {
        let (mut guest, peer) = Board::on(qemu).apps(&["station"]).cable().boot_with_peer();
        let station = stations(&mut guest, 1)[0];
        for _ in 0..20 {
            for _ in 0..BURST {
                peer.send(&frame(station, COUNT, &[], 1514));
            }
            peer.send(&ask(station, Wish::Tell, 0, station));
            assert_eq!(report(&guest, &peer).number, BURST);
        }
        // With a sleeping receiver the frames wait as well, as far as ring and cable reach.
        peer.send(&ask(station, Wish::Stall, 0, station));
        report(&guest, &peer);
        guest.expect("station: stalled");
        for _ in 0..16 {
            peer.send(&frame(station, COUNT, &[], 1514));
        }
        guest.type_in("\r");
        guest.expect("station: awake");
        peer.send(&ask(station, Wish::Tell, 0, station));
        assert_eq!(report(&guest, &peer).number, 16);
    });
}

#[test]
fn an_app_fetches_the_page_of_another_without_a_frame_on_the_cable() {
    each_qemu(|qemu| {
        let (mut guest, peer) = Board::on(qemu)
            .apps(&["web", "fetch", "netstat"])
            .entropy()
            .cable()
            .boot_with_peer();
        let host = Host::new(peer, &[]);
        guest.expect("web: http://10.0.2.15/");
        for _ in 0..3 {
            guest.expect_line("a page", |line| {
                line.starts_with("fetch: 10.0.2.15: HTTP/1.1 200 OK, ")
            });
        }
        let seen = host.take_seen();
        let is_stray = |frame: &&Vec<u8>| frame[0] & 1 == 0 && frame[..6] != HOST_MAC;
        if let Some(frame) = seen.iter().find(is_stray) {
            guest.fail_with(&format!("a frame left the board: {frame:02x?}"));
        }
        // The cable was not dead: questions to everyone went there.
        assert!(seen.iter().any(|frame| frame[..6] == EVERYONE));
    });
}

/// Frames to the quick station before it is waited for: as many as its slice holds, so it loses none however
/// late it gets to run.
const ROUND: u32 = 100;
const ROUNDS: u32 = 30;
/// Frames for the lazy one to each of the quick one's: many times as many as it takes.
const OTHERS: u32 = 2;

/// Asks a station for a number until it answers the last question; returns the sum of what it answered, the last answer, and how many
/// questions found no room with it.
#[track_caller]
fn insist(peer: &Peer, station: Mac, wish: Wish) -> (u32, u32, u32) {
    let (mut sum, mut answers) = (0, 0);
    for question in 1..=u8::MAX {
        // Where it comes from says which question an answer belongs to.
        let source = [0x02, 0, 0, 0, 0x77, question];
        let mut frame = ask(station, wish, 0, station);
        frame[6..12].copy_from_slice(&source);
        peer.send(&frame);
        while let Some(frame) = peer.receive_within(Duration::from_secs(1)) {
            let report = Report::read(&frame).expect("a report");
            assert_eq!(report.station, station);
            (sum, answers) = (sum + report.number, answers + 1);
            // Questions keep their order, so those before it will not be answered any more.
            if report.source == source {
                return (sum, report.number, u32::from(question) - answers);
            }
        }
    }
    panic!("it answers no question")
}

#[test]
fn an_app_that_makes_room_only_now_and_then_does_not_set_the_pace_for_another() {
    each_qemu(|qemu| {
        let (mut guest, peer) = Board::on(qemu)
            .apps(&["station", "station_b"])
            .cable()
            .boot_with_peer();
        let [quick, lazy] = stations(&mut guest, 2)[..] else {
            unreachable!("there are two")
        };
        peer.send(&ask(lazy, Wish::Laze, 0, lazy));
        assert_eq!(report(&guest, &peer).station, lazy);
        let (small, large) = (frame(quick, COUNT, &[], 60), frame(lazy, COUNT, &[], 1514));
        for _ in 0..ROUNDS {
            for _ in 0..ROUND {
                peer.send(&small);
                (0..OTHERS).for_each(|_| peer.send(&large));
            }
            // It comes behind all of them, and so does its answer.
            peer.send(&ask(quick, Wish::Tell, 0, quick));
            let report = report(&guest, &peer);
            assert_eq!((report.station, report.number), (quick, ROUND));
        }
        // The card keeps the order of frames. Had they waited for the lazy one, it would have got them all,
        // at its own pace, and the quick one as slowly. How long that took does not matter here.
        let (taken, _, unheard) = insist(&peer, lazy, Wish::Tell);
        let (_, missed, unheard_too) = insist(&peer, lazy, Wish::TellMissed);
        println!("the lazy one got {taken} frames and missed {missed}");
        if taken > ROUNDS * ROUND {
            guest.fail_with(&format!(
                "the quick one waited for {taken} frames of the lazy one"
            ));
        }
        // What it lost was counted, for it alone.
        assert_eq!(
            taken + missed,
            ROUNDS * ROUND * OTHERS + unheard + unheard_too
        );
        assert_eq!(insist(&peer, quick, Wish::TellMissed), (0, 0, 0));
    });
}
