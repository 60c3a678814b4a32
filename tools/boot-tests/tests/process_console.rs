// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The process console on the serial port.

use boot_tests::{Board, Guest, cpus, each_qemu, get};

/// Types a command. Its echo may come in the midst of an app's line, so nobody waits for it.
fn command(guest: &mut Guest, text: &str) {
    guest.type_in(&format!("{text}\r"));
}

#[test]
fn commands_typed_on_the_serial_port_are_answered() {
    each_qemu(|qemu| {
        let apps = ["hello", "ticker"];
        let mut guest = Board::on(qemu).apps(&apps).entropy().user_network().boot();
        guest.expect("ticker: 1");
        command(&mut guest, "help");
        let help = guest.expect("show the VirtIO devices");
        for name in ["status", "list", "stop", "start"] {
            if !help.contains(name) {
                guest.fail_with(&format!("help does not name {name}"));
            }
        }
        command(&mut guest, "status");
        guest.expect_line("the number of processes", |line| {
            line.starts_with("Processes: ")
        });
        guest.expect_line("the number of active ones", |line| {
            line.starts_with("Active: ")
        });
        command(&mut guest, "list");
        guest.expect_line("ticker in the list", |line| {
            line.contains("ticker") && !line.starts_with("ticker: ")
        });
        command(&mut guest, "virtio");
        let virtio = guest.expect("entropy source");
        if !virtio.contains("network card") {
            guest.fail_with("the network card is not shown");
        }
        guest.expect("tock$ ");
    });
}

#[test]
fn a_process_is_stopped_and_started_by_name() {
    each_qemu(|qemu| {
        let mut guest = Board::on(qemu).apps(&["ticker", "random"]).entropy().boot();
        guest.expect("ticker: 3");
        command(&mut guest, "stop ticker");
        guest.expect_line("the answer", |line| {
            line.starts_with("Process ticker (PID") && line.contains("Stopped")
        });
        // Two lines a second apart, with no tick in between.
        guest.expect_line("random bytes", |line| line.starts_with("random: "));
        let silence = guest.expect("random: ");
        if silence.contains("ticker: ") {
            guest.fail_with("the stopped process went on");
        }
        command(&mut guest, "start ticker");
        guest.expect_line("a tick", |line| line.starts_with("ticker: "));
    });
}

#[test]
fn a_kernel_panic_ends_qemu_with_a_failing_status() {
    each_qemu(|qemu| {
        let mut guest = Board::on(qemu).apps(&["ticker"]).boot();
        guest.expect("ticker: 1");
        command(&mut guest, "panic");
        // Each part of the report, in order.
        for part in [
            "\r\n\r\npanicked at ",
            "\r\n\tKernel version 2.3.0",
            "mcause",
            "PMP",
            "---| App Status |---",
            "ticker",
            "Events queued: ",
            "Restarts: ",
            "Last syscall: ",
            "Completion code: ",
            "grant pointers",
            "protected",
            "R0 ",
            "R31",
            "PC",
            "mcause",
            "Grant ",
            "PMP",
        ] {
            guest.expect(part);
        }
        let status = guest.wait_for_exit();
        if status.success() || status.code().is_none() {
            guest.fail_with(&format!("QEMU ended with {status}"));
        }
    });
}

#[test]
fn a_process_that_ended_runs_anew_and_a_running_one_is_ended() {
    each_qemu(|qemu| {
        let mut guest = Board::on(qemu).apps(&["hello", "ticker"]).boot();
        guest.expect("Hello from Tock");
        // By then it has ended, too.
        guest.expect("ticker: 3");
        command(&mut guest, "boot hello");
        guest.expect("Hello from Tock");
        guest.expect_line("a tick", |line| line.starts_with("ticker: "));
        command(&mut guest, "terminate ticker");
        guest.expect_line("the outcome", |line| {
            line.starts_with("Process ticker (PID") && line.contains("Terminated")
        });
        command(&mut guest, "boot ticker");
        guest.expect("ticker: 0");
        guest.expect("ticker: 3");
    });
}

#[test]
fn a_fault_on_command_stops_that_process_only() {
    each_qemu(|qemu| {
        let mut guest = Board::on(qemu).apps(&["random", "ticker"]).entropy().boot();
        guest.expect("random: ");
        command(&mut guest, "fault random");
        guest.expect_line("the fault policy's line", |line| {
            line.contains("Process random faulted and was stopped.")
        });
        let line = guest.expect_line("a tick", |line| line.starts_with("ticker: "));
        let count: u32 = line["ticker: ".len()..].parse().expect("a number");
        let meanwhile = guest.expect(&format!("ticker: {}", count + 15));
        if meanwhile.contains("random: ") {
            guest.fail_with("the faulted process went on");
        }
    });
}

#[test]
fn the_board_comes_up_again_after_a_reset() {
    each_qemu(|qemu| {
        for cpu in cpus(qemu) {
            let board = Board::on(qemu)
                .apps(&["random", "web"])
                .entropy()
                .user_network();
            let mut guest = board.cpu(cpu).boot();
            for _ in 0..2 {
                guest.expect("on QEMU virt");
                guest.expect_line("the server's address", |line| line.starts_with("web: http"));
                guest.expect("random: ");
                let port = guest.web_port();
                assert_eq!(get(port, "/api/status").status, 200);
                command(&mut guest, "reset");
            }
        }
    });
}

#[test]
fn mistyped_commands_are_answered_and_do_no_harm() {
    each_qemu(|qemu| {
        let mut guest = Board::on(qemu).apps(&["ticker"]).boot();
        guest.expect("tock$ ");
        command(&mut guest, "frobnicate");
        guest.expect("Unknown command");
        command(&mut guest, "stop nobody");
        guest.expect("No process named nobody");
        guest.type_in(&"x".repeat(5_000));
        guest.type_in("\r\x1b[A\x00\x7f\x7f\u{FFFD}\rlist\r");
        guest.expect("State");
        guest.expect_line("ticker in the list", |line| {
            line.contains("ticker") && !line.starts_with("ticker: ")
        });
        guest.expect_line("a tick", |line| line.starts_with("ticker: "));
    });
}
