// SPDX-License-Identifier: Apache-2.0 OR MIT

//! How much of its stack the kernel needs, on the paths that need most.

use board_runner::credential::Maker;
use board_runner::flash_image;
use board_runner::workspace::Workspace;
use boot_tests::{
    Board, Gdb, Guest, StackGauge, app_objects, cpus, each_qemu, get, kernel, register, symbol,
};
use p256::ecdsa::SigningKey;

/// Types what the process console can do, and waits for the end of the last answer.
fn use_the_console(guest: &mut Guest) {
    for command in [
        "help",
        "status",
        "list",
        "kernel",
        "virtio",
        "process ticker",
        "stop ticker",
        "start ticker",
        "fault random",
        "terminate ticker",
        "boot ticker",
        "list",
        "nonsense",
    ] {
        guest.type_in(&format!("{command}\r"));
    }
    guest.expect("ticker: 0");
    guest.expect("ticker: 5");
}

/// Fails unless `depth` leaves half of the stack.
#[track_caller]
fn expect_room(guest: &Guest, gauge: &StackGauge, depth: usize, what: &str) {
    println!("{what}: {depth} of {} bytes of stack", gauge.size());
    if 2 * depth > gauge.size() {
        guest.fail_with(&format!("{what} takes {depth} bytes of stack"));
    }
}

#[test]
fn a_busy_board_and_its_last_report_leave_half_of_the_stack() {
    each_qemu(|qemu| {
        let board = Board::on(qemu)
            .apps(&[
                "ticker",
                "random",
                "web",
                "crash",
                "ipc_service",
                "ipc_client",
                "storm",
            ])
            .entropy()
            .user_network();
        let (mut guest, mut gauge) = StackGauge::boot(&kernel(), board);
        guest.expect_line("the server's address", |line| line.contains("web: http"));
        let port = guest.web_port();
        for _ in 0..5 {
            assert_eq!(get(port, "/api/status").status, 200);
        }
        use_the_console(&mut guest);
        let depth = gauge.depth(&mut guest);
        expect_room(&guest, &gauge, depth, "a busy board");
        guest.type_in("panic\r");
        gauge.wait_for_the_end();
        let depth = gauge.depth(&mut guest);
        expect_room(&guest, &gauge, depth, "a panic");
    });
}

#[test]
fn random_system_calls_leave_half_of_the_stack() {
    each_qemu(|qemu| {
        let board = Board::on(qemu)
            .apps(&["syscall-fuzz", "ipc_service", "ticker"])
            .entropy()
            .user_network();
        let (mut guest, gauge) = StackGauge::boot(&kernel(), board);
        guest.expect("syscall-fuzz: seed and calls?");
        guest.type_in("0000000100040000\r");
        guest.expect(" calls in all, ");
        let depth = gauge.depth(&mut guest);
        expect_room(&guest, &gauge, depth, "random system calls");
    });
}

#[test]
fn a_stack_that_overflows_ends_in_an_exception() {
    each_qemu(|qemu| {
        for cpu in cpus(qemu) {
            let board = Board::on(qemu).apps(&["ticker"]).cpu(cpu);
            let (mut guest, mut gdb) = Gdb::boot_into_kernel(&kernel(), board);
            // The first two registers that it saves still lie above the end of RAM.
            let guard = symbol(&kernel(), |name| name == "_sguard");
            gdb.set(&[(register::SP, guard + 8)]);
            gdb.run();
            guest.expect("kernel exception: store access fault");
            if guest.wait_for_exit().success() {
                guest.fail_with("QEMU ended with success");
            }
        }
    });
}

#[test]
fn checking_signatures_leaves_half_of_the_stack() {
    let maker = Maker::EcdsaP256(SigningKey::from_slice(&[0x21; 32]).expect("a key"));
    let kernel = Workspace::of_this_tool()
        .build_checking_kernel(&maker)
        .unwrap_or_else(|error| panic!("{error}"));
    let mut objects = app_objects(&["hello", "random", "ticker"]);
    for object in &mut objects {
        let added = maker.add_to(&mut object.bytes);
        added.expect("apps have room for credentials");
    }
    let image = flash_image::build(objects).expect("credentials keep the size");
    each_qemu(|qemu| {
        let board = Board::on(qemu)
            .image(image.clone())
            .entropy()
            .user_network();
        let (mut guest, mut gauge) = StackGauge::boot(&kernel, board);
        guest.expect("ticker: 3");
        let depth = gauge.depth(&mut guest);
        expect_room(&guest, &gauge, depth, "checking signatures");
        guest.type_in("panic\r");
        gauge.wait_for_the_end();
        let depth = gauge.depth(&mut guest);
        expect_room(&guest, &gauge, depth, "a panic");
    });
}
