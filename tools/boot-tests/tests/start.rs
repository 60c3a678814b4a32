// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What the board says when it starts, and that it says so before anyone else speaks.

use board_runner::flash_image;
use boot_tests::{Board, app_objects, each_qemu};

const BANNER: &str = "Tock 2.";

/// Processes that the board has room for.
const PROCESSES: usize = 8;

/// Header bytes of an object; code follows.
const PROTECTED: usize = 0x80;

/// Tells whether every one of `words` is in `text`, in this order.
fn in_order(text: &str, words: &[&str]) -> bool {
    let mut rest = text;
    words.iter().all(|word| {
        let found = rest.find(word);
        rest = found.map_or("", |at| &rest[at + word.len()..]);
        found.is_some()
    })
}

#[test]
fn the_board_is_announced_before_its_first_app_speaks() {
    each_qemu(|qemu| {
        let mut guest = Board::on(qemu).apps(&["hello", "random"]).entropy().boot();
        guest.expect("Hello from Tock");
        let order = [
            BANNER,
            "VirtIO slot",
            "App hello",
            "App random",
            "Hello from Tock",
        ];
        if !in_order(&guest.printed(), &order) {
            guest.fail_with(&format!("not in the order {order:?}"));
        }
    });
}

#[test]
fn the_board_is_announced_before_the_fault_of_an_app_that_does_nothing_else() {
    each_qemu(|qemu| {
        let mut objects = app_objects(&["crash", "ticker"]);
        // Zeros are no instruction.
        objects[0].bytes[PROTECTED..].fill(0);
        let image = flash_image::build(objects).expect("the size is as it was");
        let mut guest = Board::on(qemu).image(image).boot();
        guest.expect("ticker: 3");
        let order = [BANNER, "App crash", "App ticker", "faulted", "ticker: 3"];
        if !in_order(&guest.printed(), &order) {
            guest.fail_with(&format!("not in the order {order:?}"));
        }
    });
}

#[test]
fn a_board_without_apps_is_announced_and_has_a_prompt() {
    each_qemu(|qemu| {
        let mut guest = Board::on(qemu).entropy().boot();
        guest.expect("tock$");
        if !in_order(&guest.printed(), &[BANNER, "VirtIO slot", "tock$"]) {
            guest.fail_with("no announcement before the prompt");
        }
    });
}

#[test]
fn every_app_gets_its_line_however_many_there_are() {
    let apps = [
        "ticker", "hello", "random", "echo", "tcp_echo", "web", "peek", "storm", "victim", "copies",
    ];
    each_qemu(|qemu| {
        let mut guest = Board::on(qemu).apps(&apps).boot();
        guest.expect("ticker: 3");
        let mut lines = vec![BANNER];
        let starts = apps.map(|app| format!("App {app} at"));
        lines.extend(starts.iter().map(String::as_str));
        lines.push("Not all apps were loaded");
        if !in_order(&guest.printed(), &lines) {
            guest.fail_with(&format!("not in the order {lines:?}"));
        }
        let count = |end: &str| {
            let printed = guest.printed();
            let about_apps = printed.lines().filter(|line| line.starts_with("App "));
            about_apps.filter(|line| line.contains(end)).count()
        };
        let counts = (
            count(": loaded, RAM"),
            count("not loaded: process table full"),
        );
        if counts != (PROCESSES, apps.len() - PROCESSES) {
            guest.fail_with(&format!("{counts:?} apps were loaded and not loaded"));
        }
    });
}
