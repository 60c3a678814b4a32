// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The cable is pulled and plugged in again while frames go both ways: apps are told, and traffic
//! resumes.

use std::io::{Read, Write};
use std::net::Ipv4Addr;
use std::time::Instant;

use boot_tests::{Board, Guest, HOST, HOST_MAC, Host, PATIENCE, connect, each_qemu};
use serde_json::json;

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
        let board = Ipv4Addr::new(10, 0, 2, 15);
        host.send_udp((board, 7), &[7; 1400 - 28]);
        assert_eq!(host.receive_udp(), (board, vec![7; 1400 - 28]));
        let longest = host.take_seen().iter().map(Vec::len).max();
        assert_eq!(longest, Some(1400 + 14));
    });
}

/// Whether the frame tells everyone of an address in 10.0.2.0/24.
fn is_announcement_of(frame: &[u8], last: u8) -> bool {
    let address = [10, 0, 2, last];
    frame[..6] == EVERYONE
        && frame[12..14] == [0x08, 0x06]
        && frame[28..32] == address
        && frame[38..42] == address
}

/// Whether the frame asks for an address by DHCP.
fn asks_for_an_address(frame: &[u8]) -> bool {
    frame[12..14] == [0x08, 0x00] && frame[23] == 17 && frame[34..38] == [0, 68, 0, 67]
}

#[test]
fn pings_go_on_when_the_cable_is_back_and_at_another_address_where_it_leads_elsewhere() {
    each_qemu(|qemu| {
        let targets = [HOST.to_string().as_str(); 40].join(" ");
        let (mut guest, peer) = Board::on(qemu)
            .apps_with(&["ping", "netstat"], ("PING", &targets))
            .cable()
            .boot_with_peer();
        let host = Host::new(peer, &[]);
        guest.expect("ping: here is 10.0.2.15");
        let all_came = |guest: &mut Guest| {
            guest.expect_line("a target that answered each time", |line| {
                line.ends_with(": 4 packets transmitted, 4 received, 0% packet loss")
            });
        };
        let pull = |guest: &mut Guest| {
            guest.qmp().set_link("cable", false);
            guest.expect("netstat: link down");
            guest.expect("ping: no answer to icmp_seq=");
            drop(host.take_seen());
        };
        all_came(&mut guest);
        for _ in 0..2 {
            pull(&mut guest);
            guest.qmp().set_link("cable", true);
            host.wait_for_frame("an announcement", |frame| is_announcement_of(frame, 15));
            host.wait_for_frame("a question for an address", asks_for_an_address);
            all_came(&mut guest);
        }
        // The address was the same all the time.
        assert_eq!(guest.count_lines("ping: here is"), 1);
        pull(&mut guest);
        host.lease_anew(90);
        guest.qmp().set_link("cable", true);
        guest.expect("ping: here is 10.0.2.90");
        all_came(&mut guest);
    });
}

/// How many requests the card has answered, when there are no more to come.
fn requests_so_far(guest: &mut Guest) -> u32 {
    let start = Instant::now();
    let mut readings = [0; 3];
    while readings[0] == 0 || readings.iter().any(|reading| *reading != readings[0]) {
        readings.rotate_left(1);
        readings[2] = guest.counter("driver", "control_requests");
        if start.elapsed() > PATIENCE {
            guest.fail_with("there is no end of requests, or no beginning");
        }
    }
    readings[0]
}

/// As a host does that has moved the machine to another place.
#[test]
fn an_app_tells_its_address_anew_when_the_card_asks_and_the_card_hears_of_it() {
    each_qemu(|qemu| {
        let (mut guest, peer) = Board::on(qemu)
            .apps(&["udp_echo", "netstat"])
            .cable()
            .boot_with_peer();
        let host = Host::new(peer, &[]);
        guest.expect("udp_echo: listening on 10.0.2.15:7");
        // Once it prints this, its wishes are known too, and the card is about to be told.
        if !guest.printed().contains("netstat: out ") {
            guest.expect("netstat: out ");
        }
        let requests = requests_so_far(&mut guest);
        for asked in 1..=2 {
            drop(host.take_seen());
            // One request.
            let schedule = json!({ "initial": 1, "max": 1, "rounds": 1, "step": 1 });
            guest.qmp().execute("announce-self", schedule);
            host.wait_for_frame("an announcement", |frame| is_announcement_of(frame, 15));
            guest.expect_counter("driver", "announcements", asked);
            // Nothing else is told to the card meanwhile.
            guest.expect_counter("driver", "control_requests", requests + asked);
        }
        // A card that had not heard would go on asking whenever something else changes.
        guest.qmp().set_link("cable", false);
        guest.expect("netstat: link down");
        guest.qmp().set_link("cable", true);
        guest.expect("netstat: link up");
        guest.expect_counter("driver", "link_changes", 2);
        guest.expect_counter("driver", "announcements", 2);
        for name in ["control_refused", "control_garbled"] {
            guest.expect_counter("driver", name, 0);
        }
        let board = Ipv4Addr::new(10, 0, 2, 15);
        host.send_udp((board, 7), b"still here");
        assert_eq!(host.receive_udp(), (board, b"still here".to_vec()));
    });
}

#[test]
fn a_connection_outlasts_a_cable_that_is_pulled_while_bytes_are_under_way() {
    const CHUNK: usize = 20_000;
    const FLAPS: usize = 3;
    each_qemu(|qemu| {
        let mut guest = Board::on(qemu)
            .apps(&["tcp_echo", "netstat"])
            .user_network_to(7)
            .boot();
        guest.expect("tcp_echo: listening on 10.0.2.15:7");
        let sent: Vec<u8> = (0..CHUNK * FLAPS)
            .map(|at| (at >> 4) as u8 ^ (at >> 11) as u8)
            .collect();
        let mut stream = connect(guest.web_port());
        let mut sender = stream.try_clone().expect("a second handle");
        std::thread::scope(|scope| {
            scope.spawn(|| sender.write_all(&sent).expect("the app takes all"));
            let mut echoed = vec![0; sent.len()];
            for chunk in echoed.chunks_mut(CHUNK) {
                // Some of it is back, most of it somewhere between.
                let (begin, rest) = chunk.split_at_mut(CHUNK / 10);
                stream.read_exact(begin).expect("the connection lasts");
                guest.qmp().set_link("net0", false);
                guest.expect("netstat: link down");
                guest.qmp().set_link("net0", true);
                guest.expect("netstat: link up");
                stream.read_exact(rest).expect("the connection lasts");
            }
            assert!(echoed == sent, "the bytes were damaged");
        });
        assert_eq!(guest.count_lines("tcp_echo: listening on"), 1);
    });
}
