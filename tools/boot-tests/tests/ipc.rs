// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Processes that share memory.

use boot_tests::{Board, cpus, each_qemu};

#[test]
fn a_service_changes_the_buffer_that_its_client_shares() {
    each_qemu(|qemu| {
        for cpu in cpus(qemu) {
            for apps in [["ipc_client", "ipc_service"], ["ipc_service", "ipc_client"]] {
                let mut guest = Board::on(qemu).apps(&apps).cpu(cpu).boot();
                for round in 0..3 {
                    guest.expect(&format!("ipc_client: TOCK {round}! "));
                }
            }
        }
    });
}

#[test]
fn a_client_with_many_buffers_and_many_lives_leaves_the_service_room_for_others() {
    each_qemu(|qemu| {
        for cpu in cpus(qemu) {
            let apps = ["ipc_storm", "ipc_service", "ipc_client"];
            let mut guest = Board::on(qemu).apps(&apps).cpu(cpu).boot();
            for life in 0..5 {
                let line = guest.expect_line("an account of the storm", |line| {
                    line.starts_with("ipc_storm: ")
                });
                assert_eq!(line, "ipc_storm: 8 of 8 buffers", "life {life}");
            }
            if guest.count_lines("ipc_client: TOCK 2! ") == 0 {
                guest.expect("ipc_client: TOCK 2! ");
            }
        }
    });
}
