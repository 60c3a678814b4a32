// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Processes that share memory.

use boot_tests::{Board, each_qemu};

#[test]
fn a_service_changes_the_buffer_that_its_client_shares() {
    each_qemu(|qemu| {
        for cpu in [qemu.protected_cpu(), "rv32"] {
            for apps in [["ipc_client", "ipc_service"], ["ipc_service", "ipc_client"]] {
                let mut guest = Board::on(qemu).apps(&apps).cpu(cpu).boot();
                for round in 0..3 {
                    guest.expect(&format!("ipc_client: TOCK {round}! "));
                }
            }
        }
    });
}
