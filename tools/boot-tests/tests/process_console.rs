// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The process console on the serial port.

use boot_tests::{Board, Guest, each_qemu};

/// Types a command once the prompt is there, and waits for the command's echo.
fn command(guest: &mut Guest, text: &str) {
    guest.type_in(&format!("{text}\r"));
    guest.expect(text);
}

#[test]
fn commands_typed_on_the_serial_port_are_answered() {
    each_qemu(|qemu| {
        let apps = ["hello", "ticker"];
        let mut guest = Board::on(qemu).apps(&apps).entropy().user_network().boot();
        guest.expect("ticker: 1");
        command(&mut guest, "help");
        let help = guest.expect("virtio");
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
        guest.expect("panic");
        let status = guest.wait_for_exit();
        if status.success() || status.code().is_none() {
            guest.fail_with(&format!("QEMU ended with {status}"));
        }
    });
}
