// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What an app must not read stays out of its reach, even right after it was readable.
//!
//! QEMU 7.2 keeps translations that a change of protection should have dropped, so these fail
//! there if the kernel does not fence after each change of process or of break.

use boot_tests::{Board, cpus, each_qemu};

/// Boots `apps` with and without machine-mode protection, and expects `thief` to fault at its load
/// while `others` live on.
fn expect_fault(apps: &[&str], thief: &str, others: &[&str]) {
    each_qemu(|qemu| {
        for cpu in cpus(qemu) {
            let mut guest = Board::on(qemu).apps(apps).cpu(cpu).boot();
            guest.expect(&format!("{thief}: reading "));
            guest.expect_line("the fault or the loot", |line| {
                line.contains("LEAK") || line == format!("Process {thief} faulted and was stopped.")
            });
            guest.type_in("list\r");
            guest.expect("State");
            let list = guest.expect("tock$ ");
            for other in others {
                let dead = |line: &str| line.contains("Faulted") || line.contains("Terminated");
                let alive = |line: &str| line.contains(other) && !dead(line);
                if !list.lines().any(alive) {
                    guest.fail_with(&format!("{other} is not alive"));
                }
            }
            if guest.printed().contains("LEAK") {
                guest.fail_with(&format!("{thief} read what is not its own"));
            }
        }
    });
}

#[test]
fn memory_given_up_by_a_lower_break_is_out_of_reach_at_once() {
    expect_fault(&["peek"], "peek", &[]);
}

#[test]
fn memory_that_a_client_shared_is_out_of_reach_once_the_client_has_ended() {
    expect_fault(&["ipc_client", "ipc_hoarder"], "ipc_hoarder", &[]);
}

#[test]
fn memory_of_the_process_that_just_ran_is_out_of_reach_from_below() {
    expect_fault(&["victim", "peek_neighbour"], "peek_neighbour", &["victim"]);
}

#[test]
fn memory_of_the_process_that_just_ran_is_out_of_reach_from_above() {
    expect_fault(&["peek_neighbour", "victim"], "peek_neighbour", &["victim"]);
}
