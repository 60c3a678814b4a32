// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The kernel itself runs nothing but its text and writes nothing of it: machine-mode protection holds
//! for what a bug could do.

use board_runner::qemu::Qemu;
use boot_tests::{Board, Gdb, each_qemu, kernel, register, symbol};

/// Boots, sets registers as `mischief` says in the midst of the kernel's work, and expects the exception.
#[track_caller]
fn expect_exception(qemu: &Qemu, mischief: &[(usize, u32)], exception: &str) {
    let board = Board::on(qemu).apps(&["ticker"]).cpu(qemu.protected_cpu());
    let (mut guest, mut gdb) = Gdb::boot_into_kernel(&kernel(), board);
    gdb.set(mischief);
    gdb.run();
    guest.expect(&format!("kernel exception: {exception}, mepc"));
    if guest.wait_for_exit().success() {
        guest.fail_with("QEMU ended with success");
    }
}

fn place(name: &str) -> u32 {
    symbol(&kernel(), |symbol| symbol == name)
}

#[test]
fn the_kernel_runs_nothing_that_it_can_write() {
    each_qemu(|qemu| {
        let mischief = [(register::PC, place("_sstack"))];
        expect_exception(qemu, &mischief, "instruction access fault");
    });
}

#[test]
fn the_kernel_writes_nothing_that_it_can_run() {
    each_qemu(|qemu| {
        let mischief = [
            (register::PC, place("memset")),
            (register::A0, place("_stext")),
            (register::A1, 0),
            (register::A2, 64),
        ];
        expect_exception(qemu, &mischief, "store access fault");
    });
}
