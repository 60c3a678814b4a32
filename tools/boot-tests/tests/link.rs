// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The cable is pulled and plugged in again while frames go both ways: apps are told, and traffic
//! resumes.

use boot_tests::{Board, Guest, HOST_MAC, Host, each_qemu};

const CARD: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
const EVERYONE: [u8; 6] = [0xFF; 6];
const FLAPS: u32 = 20;

/// The number in a frame that `beacon` has sent.
fn beacon(frame: &[u8]) -> Option<u32> {
    (frame[..6] == EVERYONE && frame[12..14] == [0x88, 0xB5])
        .then(|| u32::from_be_bytes(frame[14..18].try_into().expect("four bytes")))
}

/// Waits until `beacon` has been told of the link's state and its frames have the outcome that goes with
/// it, in either order; returns the number of the first such frame.
#[track_caller]
fn settle(guest: &mut Guest, state: &str, outcome: &str) -> u32 {
    let told = format!("beacon: link {state}");
    let end = format!(" and following: {outcome}");
    let (mut is_told, mut first) = (false, None);
    guest.expect_line(&format!("link {state} and {outcome}"), |line| {
        is_told |= line == told;
        let number = line
            .strip_prefix("beacon: ")
            .and_then(|rest| rest.strip_suffix(&end));
        first = first.or(number.and_then(|number| number.parse().ok()));
        is_told && first.is_some()
    });
    first.expect("a line with a number")
}

#[test]
fn apps_are_told_of_a_pulled_cable_and_frames_flow_again_when_it_is_back() {
    each_qemu(|qemu| {
        let (mut guest, peer) = Board::on(qemu)
            .apps(&["beacon", "echo", "netstat"])
            .cable()
            .boot_with_peer();
        let host = Host::new(peer, &[]);
        let begin = guest.expect("echo: returning every frame");
        if !begin.contains("beacon: link up") {
            guest.expect("beacon: link up");
        }
        let ask = |number: u32| {
            let mut frame = [&CARD[..], &HOST_MAC, &[0x88, 0xB6], &number.to_be_bytes()].concat();
            frame.resize(600, 0);
            frame
        };
        for flap in 0..FLAPS {
            // Traffic in both directions at the moment of the change.
            (0..10).for_each(|_| host.send_frame(&ask(u32::MAX)));
            guest.qmp().set_link("cable", false);
            settle(&mut guest, "down", "NoDevice");
            // What comes now does not arrive.
            (0..10).for_each(|_| host.send_frame(&ask(u32::MAX)));
            guest.qmp().set_link("cable", true);
            let resumed = settle(&mut guest, "up", "sent");
            host.wait_for_frame("a beacon", |frame| {
                beacon(frame).is_some_and(|number| number >= resumed)
            });
            // `echo` has not heard a word of it, and serves as before.
            for number in 0..100 {
                let number = flap * 100 + number;
                host.send_frame(&ask(number));
                host.wait_for_frame("the answer", |frame| {
                    frame[..12] == [HOST_MAC, CARD].concat()
                        && frame[14..18] == number.to_be_bytes()
                });
            }
            drop(host.take_seen());
        }
        for state in ["down", "up"] {
            assert!(guest.count_lines(&format!("beacon: link {state}")) >= FLAPS as usize);
            let shown = guest.count_lines(&format!("netstat: link {state}"));
            // One that was over before the app looked is merged into the next.
            assert!(shown > 0, "netstat shows no link {state}");
        }
    });
}

#[test]
fn apps_learn_the_address_and_the_mtu_of_the_card() {
    each_qemu(|qemu| {
        let card = "virtio-net-device,mac=02:11:22:33:44:55,host_mtu=1400";
        let (mut guest, peer) = Board::on(qemu)
            .apps(&["netstat", "udp_echo"])
            .cable_for(card)
            .boot_with_peer();
        let host = Host::new(peer, &[]);
        guest.expect("netstat: link up, address 02:11:22:33:44:55, MTU 1400");
        // What does not fit the MTU is no frame that an app sends; what just fits is.
        guest.expect("udp_echo: listening on ");
        let board = std::net::Ipv4Addr::new(10, 0, 2, 15);
        host.send_udp((board, 7), &[7; 1400 - 28]);
        assert_eq!(host.receive_udp(), (board, vec![7; 1400 - 28]));
        let longest = host.take_seen().iter().map(Vec::len).max();
        assert_eq!(longest, Some(1400 + 14));
    });
}
