// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Apps run side by side, and what one of them does is its own affair.

use std::collections::HashSet;

use boot_tests::{Board, each_qemu};

#[test]
fn three_apps_run_at_once() {
    each_qemu(|qemu| {
        let mut guest = Board::on(qemu)
            .apps(&["hello", "random", "ticker"])
            .entropy()
            .boot();
        guest.expect("ticker: 15");
        let lines = ["Hello from Tock", "random: "].map(|start| guest.count_lines(start));
        if lines[0] != 1 || lines[1] < 2 {
            guest.fail_with("an app did not get its turn");
        }
    });
}

#[test]
fn every_line_of_random_bytes_is_a_new_one() {
    each_qemu(|qemu| {
        let mut guest = Board::on(qemu).apps(&["random"]).entropy().boot();
        let mut lines = HashSet::new();
        for _ in 0..5 {
            let line = guest.expect_line("random bytes", |line| line.starts_with("random: "));
            let digits = line.trim_start_matches("random: ").to_owned();
            if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                guest.fail_with(&format!("not 32 bytes in hexadecimal: {line}"));
            }
            lines.insert(digits);
        }
        if lines.len() != 5 {
            guest.fail_with("random bytes repeat");
        }
    });
}

#[test]
fn an_app_that_faults_is_stopped_and_its_neighbour_keeps_running() {
    each_qemu(|qemu| {
        let mut guest = Board::on(qemu).apps(&["crash", "ticker"]).boot();
        guest.expect("crash: reading address 0");
        guest.expect_line("the fault policy's line", |line| {
            line.contains("crash") && line.contains("faulted")
        });
        let line = guest.expect_line("a tick", |line| line.starts_with("ticker: "));
        let count: u32 = line["ticker: ".len()..].trim().parse().expect("a number");
        guest.expect(&format!("ticker: {}", count + 10));
        if guest.printed().contains("LEAK") {
            guest.fail_with("the app read what is not its own");
        }
    });
}

#[test]
fn an_app_that_draws_random_bytes_without_a_pause_leaves_others_theirs() {
    each_qemu(|qemu| {
        let apps = ["gulp", "random"];
        let mut guest = Board::on(qemu).apps(&apps).entropy().boot();
        guest.expect("gulp: ");
        let mut lines = HashSet::new();
        for _ in 0..3 {
            let line = guest.expect_line("random bytes", |line| line.starts_with("random: "));
            let digits = line.trim_start_matches("random: ").to_owned();
            if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                guest.fail_with(&format!("not 32 bytes in hexadecimal: {line}"));
            }
            lines.insert(digits);
            // It is still at it.
            guest.expect("gulp: ");
        }
        assert_eq!(lines.len(), 3, "random bytes repeat");
    });
}

#[test]
fn what_ends_while_the_queue_is_full_is_told_later() {
    each_qemu(|qemu| {
        let mut guest = Board::on(qemu).apps(&["late"]).entropy().boot();
        guest.expect_line("random bytes", |line| line == "late: random [0, 8, 0]");
        guest.expect_line("the text", |line| line == "text");
        guest.expect_line("the end of the write", |line| {
            line == "late: written [5, 0, 0]"
        });
    });
}

#[test]
fn text_is_copied_whole_from_any_address_and_of_any_length() {
    const TEXT: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz*-+/=%";
    each_qemu(|qemu| {
        let mut guest = Board::on(qemu).apps(&["copies"]).boot();
        guest.expect("copies: done");
        for name in ["flash", "ram"] {
            for start in 0..4 {
                for length in 1..=64 {
                    let line = format!("{name} {}\r\n", &TEXT[start..start + length]);
                    if !guest.printed().contains(&line) {
                        guest.fail_with(&format!("no line {line:?}"));
                    }
                }
            }
        }
    });
}

#[test]
fn copies_of_every_length_and_alignment_are_exact() {
    each_qemu(|qemu| {
        let mut guest = Board::on(qemu).apps(&["copying"]).boot();
        guest.expect("copying: 2512 copies, 0 wrong");
    });
}
