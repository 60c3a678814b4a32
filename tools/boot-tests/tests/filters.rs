// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The card passes no more frames than apps want: what is for nobody on the board costs it nothing.

use std::time::Instant;

use boot_tests::{Board, Guest, HOST_MAC, PATIENCE, Peer, each_qemu};

type Mac = [u8; 6];

/// Nobody's address.
const STRANGER: Mac = [0x02, 0, 0, 0, 0, 0x99];
/// A group that nobody has joined.
const GROUP: Mac = [0x01, 0, 0x5E, 1, 2, 3];

/// Ethertypes and the wish of `station` for its report.
const ASK: [u8; 2] = [0x88, 0xB5];
const REPORT: [u8; 2] = [0x88, 0xB6];
const COUNT: [u8; 2] = [0x88, 0xB7];
const TELL: u8 = 4;

fn frame(to: Mac, kind: [u8; 2], wish: u8) -> Vec<u8> {
    let mut frame = [&to[..], &HOST_MAC, &kind, &[wish]].concat();
    frame.resize(60, 0);
    frame
}

/// The address that `station` prints.
#[track_caller]
fn address_of_station(guest: &mut Guest) -> Mac {
    let line = guest.expect_line("an address", |line| line.starts_with("station: "));
    let digits = line.trim_start_matches("station: ").split(':');
    let bytes: Vec<u8> = digits
        .map(|byte| u8::from_str_radix(byte, 16).expect("a byte"))
        .collect();
    bytes.try_into().expect("six bytes")
}

/// Sends `count` frames to `to`, and one that has `station` answer behind them. Returns how many frames
/// the card has passed to the driver, but for the last one, and how many of them `station` got.
#[track_caller]
fn passed(guest: &mut Guest, peer: &Peer, station: Mac, (to, count): (Mac, u32)) -> (u32, u32) {
    let before = guest.counter("driver", "received");
    for _ in 0..count {
        peer.send(&frame(to, COUNT, 0));
    }
    peer.send(&frame(station, ASK, TELL));
    let report = peer.receive();
    assert_eq!(
        (&report[6..12], &report[12..14]),
        (&station[..], &REPORT[..])
    );
    let got = u32::from_be_bytes(report[27..31].try_into().expect("four bytes"));
    let received = guest.counter("driver", "received") - before;
    (received - 1, got)
}

/// Waits until the card has been told what is wanted now: with the card it takes a moment.
#[track_caller]
fn await_strangers(guest: &mut Guest, peer: &Peer, station: Mac, are_passed: bool) {
    let start = Instant::now();
    while passed(guest, peer, station, (STRANGER, 1)) != (are_passed.into(), 0) {
        if start.elapsed() > PATIENCE {
            guest.fail_with(&format!("frames for others pass: not {are_passed}"));
        }
    }
}

#[test]
fn a_card_passes_frames_for_others_only_while_an_app_wants_them() {
    const FRAMES: u32 = 50;
    each_qemu(|qemu| {
        // `netstat` has no address of its own, and counts everything.
        let (mut guest, peer) = Board::on(qemu)
            .apps(&["station", "netstat"])
            .cable()
            .boot_with_peer();
        let station = address_of_station(&mut guest);
        // It prints this once it takes frames, before the other is through or after.
        if !guest.printed().contains("netstat: in ") {
            guest.expect("netstat: in ");
        }
        await_strangers(&mut guest, &peer, station, true);
        let strangers = (STRANGER, FRAMES);
        let all = passed(&mut guest, &peer, station, strangers);
        assert_eq!(all, (FRAMES, 0));
        guest.type_in("terminate netstat\r");
        guest.expect("): Terminated");
        await_strangers(&mut guest, &peer, station, false);
        let none = passed(&mut guest, &peer, station, strangers);
        assert_eq!(none, (0, 0));
        // Everyone and groups are the rest of what `station` wants.
        for to in [[0xFF; 6], GROUP, station] {
            let some = passed(&mut guest, &peer, station, (to, FRAMES));
            assert_eq!(some, (FRAMES, FRAMES), "{to:02x?}");
        }
        for name in ["control_refused", "control_garbled", "dropped_unwanted"] {
            guest.expect_counter("driver", name, 0);
        }
    });
}
