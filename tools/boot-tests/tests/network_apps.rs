// SPDX-License-Identifier: Apache-2.0 OR MIT

//! `ping` and `udp_echo` with a host at the other end of the cable that leases addresses and knows names.

use std::net::Ipv4Addr;

use boot_tests::{Board, HOST, Host, each_qemu};

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
        assert!(
            guest.printed().contains("ping: nowhere.test: NotFound"),
            "{}",
            guest.printed()
        );
        // An empty line on the console stands for the router, which the lease named.
        guest.expect("ping: whom?");
        guest.type_in("\r");
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
