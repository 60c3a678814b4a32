// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The board boots whatever devices and CPU it finds, and says what it found.

use boot_tests::{Board, each_qemu};

#[test]
fn every_subset_of_entropy_and_network_boots_and_is_reported() {
    each_qemu(|qemu| {
        for (entropy, network) in [(false, false), (false, true), (true, false), (true, true)] {
            let mut board = Board::on(qemu).apps(&["hello"]);
            if entropy {
                board = board.entropy();
            }
            if network {
                board = board.user_network();
            }
            let mut guest = board.boot();
            let boot = guest.expect("Hello from Tock");
            let reported = |kind: &str| {
                boot.lines()
                    .any(|line| line.starts_with("VirtIO slot") && line.contains(kind))
            };
            if (reported("entropy"), reported("network")) != (entropy, network) {
                guest.fail_with(&format!(
                    "entropy {entropy}, network {network}: wrong report"
                ));
            }
        }
    });
}

#[test]
fn devices_with_the_legacy_interface_are_a_line_each_and_no_obstacle() {
    each_qemu(|qemu| {
        let board = Board::on(qemu)
            .apps(&["hello"])
            .entropy()
            .user_network()
            .legacy_devices();
        let mut guest = board.boot();
        let boot = guest.expect("Hello from Tock");
        let lines = boot.lines().filter(|line| line.contains("legacy")).count();
        if lines != 2 {
            guest.fail_with(&format!("{lines} lines about legacy devices instead of 2"));
        }
    });
}

#[test]
fn a_device_without_driver_is_a_line_and_no_obstacle() {
    each_qemu(|qemu| {
        let board = Board::on(qemu)
            .apps(&["hello"])
            .with(&["-device", "virtio-balloon-device"]);
        let mut guest = board.boot();
        let boot = guest.expect("Hello from Tock");
        let reported = boot
            .lines()
            .filter(|line| line.starts_with("VirtIO slot"))
            .count();
        if reported != 1 {
            guest.fail_with(&format!("{reported} lines about one device"));
        }
    });
}

#[test]
fn a_second_device_of_a_kind_is_no_obstacle() {
    each_qemu(|qemu| {
        let second = [
            "-device",
            "virtio-rng-device",
            "-device",
            "virtio-rng-device",
        ];
        let mut guest = Board::on(qemu).apps(&["random"]).with(&second).boot();
        guest.expect_line("random bytes", |line| line.starts_with("random: "));
    });
}

#[test]
fn a_cpu_without_machine_mode_protection_boots_too() {
    each_qemu(|qemu| {
        let mut guest = Board::on(qemu)
            .apps(&["hello", "ticker"])
            .cpu("rv32")
            .boot();
        guest.expect("Hello from Tock");
        guest.expect("ticker: 3");
    });
}
