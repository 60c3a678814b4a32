// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Random system calls beside a bystander: no call gets an impossible answer, stops the kernel or
//! costs the bystander its rhythm.
//!
//! `FUZZ_SEED` and `FUZZ_ROUNDS` ask for more; `make fuzz-syscalls` sets them. Each round has the next
//! seed. Time is counted in instructions, so the rhythm does not depend on the machine that runs this.

use std::env;

use board_runner::qemu::Qemu;
use boot_tests::{Board, cpus, each_qemu};

/// System calls in a round.
const CALLS: u32 = 2_000_000;

fn from_environment(name: &str, default: u32) -> u32 {
    match env::var(name) {
        Ok(value) if !value.is_empty() => value
            .parse()
            .unwrap_or_else(|_| panic!("{name} is not a number: {value}")),
        _ => default,
    }
}

/// Tells whether the app printed this line. It may have shared its flash with the console, so the words
/// alone prove nothing; they are followed by a number.
fn is_report(line: &str) -> bool {
    ["syscall-fuzz: ", "WRONG answer to call "]
        .iter()
        .filter_map(|words| line.split_once(words))
        .any(|(_, rest)| rest.starts_with(|first: char| first.is_ascii_digit()))
}

/// Boots a board on `cpu` and has it make `CALLS` calls.
fn fuzz(qemu: &Qemu, cpu: &str, seed: u32) {
    let mut guest = Board::on(qemu)
        .apps(&[
            "syscall-fuzz",
            "ipc_service",
            "ipc_client",
            "ticker",
            "random",
        ])
        .entropy()
        .user_network()
        .cpu(cpu)
        .with(&["-icount", "shift=6,sleep=off"])
        .boot();
    guest.expect("syscall-fuzz: seed and calls?");
    guest.type_in(&format!("{seed:08x}{CALLS:08x}\r"));
    loop {
        let line = guest.expect_line("progress", |line| {
            is_report(line) || line.contains(" faulted and was ") || line.contains("late: ticker")
        });
        if !line.contains(" left out, ") {
            guest.fail_with(&format!("seed {seed}: {line}"));
        }
        if line.contains(" calls in all, ") {
            println!("seed {seed} on QEMU {}: {line}", qemu.version().major);
            break;
        }
    }
    guest.expect("ticker: ");
    // The service, which the calls reach, still has an answer for a client.
    guest.type_in("terminate ipc_client\r");
    guest.expect("): Terminated");
    guest.type_in("boot ipc_client\r");
    guest.expect("ipc_client: TOCK");
    // Nor has the entropy device suffered, which the calls reach as well.
    guest.expect_line("random bytes", |line| {
        let digits = line.split_once("random: ").map_or("", |(_, rest)| rest);
        digits.len() == 64 && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
    });
}

#[test]
fn random_system_calls_disturb_nobody() {
    let first = from_environment("FUZZ_SEED", 1);
    let rounds = from_environment("FUZZ_ROUNDS", 2);
    each_qemu(|qemu| {
        for seed in (first..).take(rounds as usize) {
            for cpu in cpus(qemu) {
                fuzz(qemu, cpu, seed);
            }
        }
    });
}
