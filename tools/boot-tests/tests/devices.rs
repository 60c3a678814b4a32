// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The board boots whatever devices and CPU it finds, and says what it found.

use std::time::Duration;

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
fn devices_with_the_legacy_interface_work_like_any_other() {
    const PEER: [u8; 6] = [0x02, 0, 0, 0, 0, 0x01];
    const BOARD: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
    // With and without the promise that headers and frames may share a buffer.
    for any_layout in ["on", "off"] {
        each_qemu(|qemu| {
            let layout = format!("virtio-net-device.any_layout={any_layout}");
            let (mut guest, peer) = Board::on(qemu)
                .apps(&["random", "echo"])
                .entropy()
                .cable()
                .legacy_devices()
                .with(&["-global", &layout])
                .boot_with_peer();
            guest.expect("echo: returning every frame");
            for number in 0..5_000u32 {
                let length = 60 + number as usize * 37 % 1455;
                let payload = number.to_be_bytes();
                let payload = payload.iter().cycle().take(length - 14);
                let sent: Vec<u8> = [BOARD, PEER].concat();
                let sent: Vec<u8> = [&sent[..], &[0x88, 0xB5]].concat();
                let sent: Vec<u8> = sent.iter().chain(payload).copied().collect();
                peer.send(&sent);
                let answer = peer.receive();
                if answer[..12] != [PEER, BOARD].concat() || answer[12..] != sent[12..] {
                    guest.fail_with(&format!("frame {number} of {length} bytes was damaged"));
                }
            }
            guest.expect_line("random bytes", |line| {
                line.starts_with("random: ") && line.len() == "random: ".len() + 64
            });
        });
    }
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
fn two_cards_are_in_service_and_the_one_in_the_lower_slot_has_the_apps() {
    each_qemu(|qemu| {
        // QEMU fills the slots from the highest one down, so the cable is in the lower one.
        let more = [
            "-netdev",
            "user,id=other",
            "-device",
            "virtio-net-device,netdev=other",
        ];
        let board = Board::on(qemu).apps(&["echo"]).with(&more).cable();
        let (mut guest, peer) = board.boot_with_peer();
        let boot = guest.expect("echo: returning every frame");
        let in_service = boot
            .lines()
            .filter(|line| line.contains("network card") && line.contains(", in service"))
            .count();
        if in_service != 2 {
            guest.fail_with(&format!("{in_service} cards in service instead of 2"));
        }
        let mut frame = [[0x52, 0x54, 0, 0x12, 0x34, 0x57], [2, 0, 0, 0, 0, 1]].concat();
        frame.extend([0x88, 0xB5]);
        frame.resize(60, 0x5A);
        peer.send(&frame);
        assert_eq!(peer.receive()[12..], frame[12..]);
    });
}

#[test]
fn frames_for_a_card_without_apps_are_counted_and_hold_up_nothing() {
    const FRAMES: u32 = 500;
    each_qemu(|qemu| {
        let board = Board::on(qemu).apps(&["echo"]);
        let board = board.cable_named("other", "virtio-net-device").cable();
        let (mut guest, peers) = board.boot_with_peers();
        let [other, peer] = &peers[..] else {
            unreachable!("two cables were plugged in")
        };
        guest.expect("echo: returning every frame");
        for number in 0..FRAMES {
            let mut frame = [[0xFF; 6], [2, 0, 0, 0, 0, 1]].concat();
            frame.extend([0x88, 0xB5]);
            frame.extend(number.to_be_bytes());
            frame.resize(1514, 0xA5);
            other.send(&frame);
            peer.send(&frame);
            assert_eq!(peer.receive()[12..], frame[12..]);
        }
        // The one in the lower slot is shown first.
        guest.type_in("virtio\r");
        for (counter, of) in [("received", "with apps"), ("dropped_unwanted", "without")] {
            let line = guest.expect_line("counters", |line| line.starts_with("  driver: "));
            let mut words = line.split_whitespace().skip_while(|word| *word != counter);
            let value = words.nth(1).and_then(|value| value.parse().ok());
            assert_eq!(value, Some(FRAMES), "{counter} of the card {of}: {line}");
        }
        assert_eq!(other.receive_within(Duration::from_millis(1)), None);
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

#[test]
fn a_cpu_without_memory_protection_is_refused_in_one_line() {
    each_qemu(|qemu| {
        let mut guest = Board::on(qemu)
            .apps(&["ticker"])
            .cpu("rv32,pmp=false")
            .boot();
        guest.expect("memory protection: the CPU has none");
        if guest.wait_for_exit().success() || guest.printed().contains("ticker") {
            guest.fail_with("the board came up");
        }
    });
}
