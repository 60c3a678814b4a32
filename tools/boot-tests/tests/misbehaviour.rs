// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Apps that break rules harm only themselves: a bystander keeps its rhythm.
//!
//! Where an app keeps the CPU busy, time is counted in instructions, so the rhythm does not depend on
//! how busy the machine is that runs the tests.

use std::time::{Duration, Instant};

use std::ops::Range;

use boot_tests::{Board, Guest, HOST_MAC, PATIENCE, cpus, each_qemu};

/// One instruction is 64 ns of the guest's time.
const COUNTED_TIME: [&str; 2] = ["-icount", "shift=6,sleep=off"];

/// Reads the number of the next tick.
#[track_caller]
fn next_tick(guest: &mut Guest) -> u32 {
    let line = guest.expect_line("a tick", |line| tick(line).is_some());
    tick(&line).unwrap_or_default()
}

fn tick(line: &str) -> Option<u32> {
    line.split_once("ticker: ")?.1.trim().parse().ok()
}

/// Expects `count` ticks from here on, and none so far that came late.
#[track_caller]
fn expect_rhythm(guest: &mut Guest, count: u32) {
    let first = next_tick(guest);
    while next_tick(guest) < first + count {}
    let printed = guest.printed();
    let late = printed.lines().find(|line| line.contains("late: ticker"));
    if let Some(line) = late {
        guest.fail_with(&format!("the bystander lost its rhythm: {line}"));
    }
}

/// Starts the named app anew, whatever became of it.
fn boot_again(guest: &mut Guest, app: &str) {
    guest.type_in(&format!("terminate {app}\r"));
    // The echo may come in pieces, between what apps print; the answer comes whole.
    guest.expect("): Terminated");
    guest.type_in(&format!("boot {app}\r"));
}

/// The range of memory; elsewhere there is nothing to write to.
const MEMORY: Range<u64> = 0x8000_0000..0x8800_0000;

/// Puts a `ret` where the app is about to jump, so that it survives unless protection stops it.
fn plant_return(guest: &mut Guest) {
    const START: &str = "offender: code at 0x";
    const RET: [u8; 2] = [0x82, 0x80];
    let line = guest.expect_line("where it jumps to", |line| line.starts_with(START));
    let address = line.strip_prefix(START);
    let address = address.and_then(|text| u64::from_str_radix(text.trim_end(), 16).ok());
    let Some(address) = address else {
        guest.fail_with("it does not say where it jumps to");
    };
    guest.expect("offender: go?");
    if MEMORY.contains(&address) {
        let mut debugger = guest.debugger();
        debugger.write(address, &RET).expect("memory is written");
        debugger.detach().expect("the board goes on");
    }
    guest.type_in("\r");
}

#[test]
fn every_offence_faults_its_process_and_no_other() {
    each_qemu(|qemu| {
        for cpu in cpus(qemu) {
            let mut guest = Board::on(qemu)
                .apps(&["offender", "ticker"])
                .entropy()
                .cpu(cpu)
                .debuggable()
                .boot();
            let mut number = 0;
            loop {
                let line = guest.expect_line("their number", |line| line.ends_with(" offences"));
                let count = line.rsplit(' ').nth(1);
                let count: u32 = count.and_then(|count| count.parse().ok()).unwrap_or(0);
                if count < 30 {
                    guest.fail_with("the list of offences is short");
                }
                if number == count {
                    break;
                }
                guest.expect("offender: which?");
                guest.type_in(&format!("{number:02}\r"));
                let name = guest.expect_line("the offence", |line| line.contains("offender: "));
                if name.contains("jump to ") {
                    plant_return(&mut guest);
                }
                let end = guest.expect_line("the end of the offender", |line| {
                    line.contains("SURVIVED") || line.contains("Process offender")
                });
                if !end.contains("Process offender faulted and was stopped.") {
                    guest.fail_with(&format!("not stopped: {name}"));
                }
                next_tick(&mut guest);
                boot_again(&mut guest, "offender");
                number += 1;
            }
        }
    });
}

#[test]
fn arguments_at_the_edges_are_answered_as_the_abi_says() {
    each_qemu(|qemu| {
        for cpu in cpus(qemu) {
            let (mut guest, peer) = Board::on(qemu)
                .apps(&["boundary", "ticker"])
                .entropy()
                .cable()
                .cpu(cpu)
                .with(&COUNTED_TIME)
                .boot_with_peer();
            let line = guest.expect_line("the outcome", |line| line.contains(" checks, "));
            if !line.ends_with(" checks, 0 wrong") {
                guest.fail_with("an answer is wrong");
            }
            // What was accepted left the board, and nothing that was refused.
            for length in [14, 1514, 60, 61] {
                assert_eq!(peer.receive().len(), length);
            }
            expect_rhythm(&mut guest, 3);
            assert_eq!(peer.receive_within(Duration::from_millis(1)), None);
        }
    });
}

#[test]
fn an_endless_loop_is_preempted() {
    each_qemu(|qemu| {
        let apps = ["busy", "ticker"];
        let mut guest = Board::on(qemu).apps(&apps).with(&COUNTED_TIME).boot();
        guest.expect("busy: looping");
        expect_rhythm(&mut guest, 20);
    });
}

#[test]
fn a_restart_storm_disturbs_nobody() {
    each_qemu(|qemu| {
        let apps = ["storm", "ticker"];
        let mut guest = Board::on(qemu)
            .apps(&apps)
            .entropy()
            .user_network()
            .with(&COUNTED_TIME)
            .boot();
        expect_rhythm(&mut guest, 20);
        guest.type_in("list\r");
        let line = guest.expect_line("storm in the list", |line| line.contains("storm"));
        let most = line.split_whitespace().filter_map(|word| word.parse().ok());
        if most.max().unwrap_or(0) < 1000 {
            guest.fail_with("the storm did not restart often");
        }
    });
}

#[test]
fn a_restart_storm_costs_its_neighbours_neither_frames_nor_random_bytes() {
    const FRAMES: u32 = 1000;
    const DRAWS: usize = 3;
    const CARD: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
    let frame = |to: [u8; 6], from: [u8; 6], number: u32| {
        let mut frame = [&to[..], &from, &[0x88, 0xB5], &number.to_be_bytes()].concat();
        frame.resize(60 + (number * 97 % 1455) as usize, number as u8);
        frame
    };
    // Complete lines of `random`; single characters of the storm may stand before them.
    fn draws(printed: &str) -> Vec<&str> {
        let parts = printed.split("random: ").skip(1);
        parts
            .filter_map(|rest| Some(rest.split_once('\n')?.0.trim_end()))
            .collect()
    }
    each_qemu(|qemu| {
        let (mut guest, peer) = Board::on(qemu)
            .apps(&["storm", "echo", "random"])
            .entropy()
            .cable()
            .boot_with_peer();
        guest.expect("echo: returning every frame");
        let start = Instant::now();
        let (mut number, mut of_storm) = (0, 0);
        while number < FRAMES || draws(&guest.printed()).len() < DRAWS {
            for _ in 0..100 {
                peer.send(&frame(CARD, HOST_MAC, number));
                let expected = frame(HOST_MAC, CARD, number);
                // The storm's have to be taken off the cable all the while.
                while peer.receive() != expected {
                    of_storm += 1;
                    if start.elapsed() > 2 * PATIENCE {
                        guest.fail_with(&format!("frame {number} does not come back"));
                    }
                }
                number += 1;
            }
            if start.elapsed() > 2 * PATIENCE {
                guest.fail_with("no random bytes come");
            }
        }
        let printed = guest.printed();
        let draws = draws(&printed);
        let whole =
            |draw: &&str| draw.len() == 64 && draw.bytes().all(|digit| digit.is_ascii_hexdigit());
        if !draws.iter().all(whole) {
            guest.fail_with(&format!("not 32 bytes in hexadecimal: {draws:?}"));
        }
        assert!(of_storm >= 100, "the storm sent {of_storm} frames");
    });
}

#[test]
fn an_exit_storm_disturbs_nobody() {
    each_qemu(|qemu| {
        let mut guest = Board::on(qemu).apps(&["hello", "ticker"]).boot();
        for _ in 0..50 {
            guest.expect("Hello from Tock");
            boot_again(&mut guest, "hello");
        }
        next_tick(&mut guest);
    });
}

#[test]
fn flooded_queues_delay_only_their_owner() {
    each_qemu(|qemu| {
        let apps = ["flood", "ticker"];
        let mut guest = Board::on(qemu)
            .apps(&apps)
            .entropy()
            .with(&COUNTED_TIME)
            .boot();
        guest.expect("flood: rising");
        guest.expect("prints 0x");
        expect_rhythm(&mut guest, 20);
        // It is still at it.
        guest.expect("prints 0x");
    });
}

#[test]
fn a_flood_of_notifications_leaves_services_and_clients_theirs() {
    each_qemu(|qemu| {
        let apps = ["flood", "ipc_service", "ipc_client"];
        let mut guest = Board::on(qemu).apps(&apps).with(&COUNTED_TIME).boot();
        for round in 0..3 {
            guest.expect(&format!("ipc_client: TOCK {round}! "));
        }
    });
}

#[test]
fn neighbours_of_busy_polite_and_greedy_apps_get_their_share() {
    each_qemu(|qemu| {
        let apps = ["busy", "polite", "greedy", "neighbour"];
        let mut guest = Board::on(qemu).apps(&apps).with(&COUNTED_TIME).boot();
        for _ in 0..2 {
            let line = guest.expect_line("a share", |line| line.contains(" percent"));
            let words = line.split_whitespace();
            let share = words.rev().nth(1).and_then(|share| share.parse().ok());
            // A quarter, less what the kernel and switching take.
            if share.unwrap_or(0) < 20 {
                guest.fail_with("the neighbour does not get its share");
            }
        }
    });
}
