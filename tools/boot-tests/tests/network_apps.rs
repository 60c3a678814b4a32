// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The small network apps, mostly with a host at the other end of the cable that leases addresses and
//! knows names.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown};

use boot_tests::{Board, HOST, Host, connect, each_qemu};

#[test]
fn ping_finds_hosts_by_name_and_by_address_and_says_when_there_is_none() {
    each_qemu(|qemu| {
        let targets = format!("peer.test nowhere.test {HOST}");
        let (mut guest, peer) = Board::on(qemu)
            .apps_with(&["ping"], ("PING", &targets))
            .entropy()
            .cable()
            .boot_with_peer();
        let host = Host::new(peer, &[("peer.test", HOST)]);
        guest.expect_line("a leased address", |line| line == "ping: here is 10.0.2.15");
        for name in ["peer.test", &HOST.to_string()] {
            guest.expect(&format!("ping: {name} ({HOST}): 56 data bytes"));
            for sequence in 0..4 {
                guest.expect_line("an answer", |line| {
                    line.starts_with(&format!("ping: 64 bytes from {name}: icmp_seq={sequence} "))
                });
            }
            guest.expect(&format!(
                "ping: {name}: 4 packets transmitted, 4 received, 0% packet loss"
            ));
            guest.expect(&format!("ping: {name}: round-trip min/avg/max = "));
        }
        let reason = "ping: nowhere.test: the name server gives no address";
        assert!(guest.printed().contains(reason), "{}", guest.printed());
        // An empty line on the console stands for the router, which the lease named.
        guest.expect("ping: whom?");
        // The process console reads as well. What comes in the moment between two reads of the app is lost to
        // it, so a second and a third key follow the answer to the one before.
        for _ in 0..3 {
            guest.type_in("\r");
            guest.expect("tock$ ");
        }
        guest.expect("ping: the router: 4 packets transmitted, 4 received");
        drop(host);
    });
}

#[test]
fn udp_echo_returns_a_thousand_datagrams_of_all_sizes() {
    each_qemu(|qemu| {
        let (mut guest, peer) = Board::on(qemu).apps(&["udp_echo"]).cable().boot_with_peer();
        let host = Host::new(peer, &[]);
        guest.expect("udp_echo: listening on 10.0.2.15:7");
        let board = Ipv4Addr::new(10, 0, 2, 15);
        let datagram = |number: u32| {
            let length = (number as usize * 977) % 1473;
            let bytes = (0..length).map(|at| (at as u32 ^ number) as u8);
            bytes.collect::<Vec<u8>>()
        };
        for number in 0..1_000 {
            host.send_udp((board, 7), &datagram(number));
            let (from, answer) = host.receive_udp();
            if (from, &answer) != (board, &datagram(number)) {
                guest.fail_with(&format!("datagram {number} was damaged"));
            }
        }
    });
}

#[test]
fn tcp_echo_returns_the_bytes_of_one_connection_after_the_other() {
    each_qemu(|qemu| {
        let mut guest = Board::on(qemu)
            .apps(&["tcp_echo"])
            .user_network_to(7)
            .boot();
        guest.expect("tcp_echo: listening on 10.0.2.15:7");
        let port = guest.web_port();
        for round in 0..3u8 {
            let sent: Vec<u8> = (0..20_000u32).map(|at| (at >> 3) as u8 ^ round).collect();
            let mut stream = connect(port);
            let mut sender = stream.try_clone().expect("a second handle");
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    sender.write_all(&sent).expect("the app takes all");
                    sender.shutdown(Shutdown::Write).expect("an end");
                });
                let mut echoed = Vec::new();
                stream.read_to_end(&mut echoed).expect("the app ends too");
                assert!(echoed == sent, "{} of {} bytes", echoed.len(), sent.len());
            });
        }
    });
}

#[test]
fn fetch_says_what_is_missing_and_netstat_counts_in_words() {
    each_qemu(|qemu| {
        let (mut guest, _peer) = Board::on(qemu)
            .apps(&["fetch", "netstat"])
            .cable()
            .boot_with_peer();
        // The questions of one for the address are broadcast, so the other counts them.
        guest.expect_line("counts of frames", |line| {
            line.starts_with("netstat: in ")
                && line.ends_with("; dropped 0 for want of room, 0 by filter, 0 malformed")
        });
        guest.expect("fetch: 10.0.2.15 does not answer");
        guest.expect("fetch: the page is that of `web`; start the board with APPS=\"web fetch\"");
        guest.expect("fetch: 10.0.2.15 does not answer");
        assert_eq!(guest.count_lines("fetch: the page"), 1);
    });
}
