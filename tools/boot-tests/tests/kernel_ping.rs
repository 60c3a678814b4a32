// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A kernel with two users of one network card: the tap for apps, and a host that answers pings by itself.

use std::net::Ipv4Addr;
use std::time::Instant;

use boot_tests::{Board, Guest, HOST, HOST_MAC, Host, PATIENCE, each_qemu, kernel_variant};
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol,
    Icmpv4Packet, Icmpv4Repr, IpProtocol, Ipv4Packet, Ipv4Repr,
};

const CARD: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
const EVERYONE: [u8; 6] = [0xFF; 6];
const KERNEL: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 14);
const APP: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 15);
const IDENTIFIER: u16 = 0x0517;

fn ethernet(to: [u8; 6], kind: EthernetProtocol, length: usize) -> Vec<u8> {
    let mut frame = vec![0; (14 + length).max(60)];
    let mut header = EthernetFrame::new_unchecked(&mut frame);
    header.set_dst_addr(EthernetAddress(to));
    header.set_src_addr(EthernetAddress(HOST_MAC));
    header.set_ethertype(kind);
    frame
}

/// Asks who has the kernel's address.
fn question() -> Vec<u8> {
    let mut frame = ethernet(EVERYONE, EthernetProtocol::Arp, 28);
    let arp = ArpRepr::EthernetIpv4 {
        operation: ArpOperation::Request,
        source_hardware_addr: EthernetAddress(HOST_MAC),
        source_protocol_addr: HOST,
        target_hardware_addr: EthernetAddress([0; 6]),
        target_protocol_addr: KERNEL,
    };
    arp.emit(&mut ArpPacket::new_unchecked(&mut frame[14..]));
    frame
}

/// What an ARP frame says: the operation, whose addresses they are, and to whom.
fn arp(frame: &[u8]) -> Option<(ArpOperation, [u8; 6], Ipv4Addr, Ipv4Addr)> {
    let frame = EthernetFrame::new_checked(frame).ok()?;
    if frame.ethertype() != EthernetProtocol::Arp {
        return None;
    }
    let packet = ArpPacket::new_checked(frame.payload()).ok()?;
    let ArpRepr::EthernetIpv4 {
        operation,
        source_hardware_addr: EthernetAddress(mac),
        source_protocol_addr: from,
        target_protocol_addr: to,
        ..
    } = ArpRepr::parse(&packet).ok()?
    else {
        return None;
    };
    Some((operation, mac, from, to))
}

fn is_announcement(frame: &[u8]) -> bool {
    frame[..6] == EVERYONE && arp(frame) == Some((ArpOperation::Request, CARD, KERNEL, KERNEL))
}

fn ping(sequence: u16, data: &[u8]) -> Vec<u8> {
    let message = Icmpv4Repr::EchoRequest {
        ident: IDENTIFIER,
        seq_no: sequence,
        data,
    };
    let packet = Ipv4Repr {
        src_addr: HOST,
        dst_addr: KERNEL,
        next_header: IpProtocol::Icmp,
        payload_len: message.buffer_len(),
        hop_limit: 64,
    };
    let checksums = ChecksumCapabilities::default();
    let length = packet.buffer_len() + message.buffer_len();
    let mut frame = ethernet(CARD, EthernetProtocol::Ipv4, length);
    packet.emit(&mut Ipv4Packet::new_unchecked(&mut frame[14..]), &checksums);
    let end = 14 + length;
    let mut icmp = Icmpv4Packet::new_unchecked(&mut frame[34..end]);
    message.emit(&mut icmp, &checksums);
    frame
}

/// Tells whether the frame is the kernel's answer to [`ping`], with all checksums in order.
fn is_pong(frame: &[u8], sequence: u16, data: &[u8]) -> bool {
    let expected = Icmpv4Repr::EchoReply {
        ident: IDENTIFIER,
        seq_no: sequence,
        data,
    };
    let checksums = ChecksumCapabilities::default();
    let is_it = || {
        let frame = EthernetFrame::new_checked(frame).ok()?;
        let packet = Ipv4Packet::new_checked(frame.payload()).ok()?;
        let header = Ipv4Repr::parse(&packet, &checksums).ok()?;
        let icmp = Icmpv4Packet::new_checked(packet.payload()).ok()?;
        let message = Icmpv4Repr::parse(&icmp, &checksums).ok()?;
        let ends = (header.src_addr, header.dst_addr) == (KERNEL, HOST);
        Some(frame.dst_addr().0 == HOST_MAC && ends && message == expected)
    };
    is_it() == Some(true)
}

/// Pings the kernel and waits for its answer.
#[track_caller]
fn expect_pong(host: &Host, sequence: u16) {
    let data: Vec<u8> = (0..usize::from(sequence) * 97 % 1473)
        .map(|at| at as u8)
        .collect();
    host.send_frame(&ping(sequence, &data));
    host.wait_for_frame(
        &format!("the kernel's answer to ping {sequence}"),
        |frame| is_pong(frame, sequence, &data),
    );
    drop(host.take_seen());
}

#[test]
fn the_kernel_answers_pings_beside_an_app_and_while_the_app_is_stopped() {
    let kernel = kernel_variant("kernel-ping");
    each_qemu(|qemu| {
        let (mut guest, peer) = Board::on(qemu)
            .kernel(kernel.clone())
            .apps(&["udp_echo"])
            .cable()
            .boot_with_peer();
        let host = Host::new(peer, &[]);
        host.wait_for_frame("the kernel's announcement", is_announcement);
        guest.expect("udp_echo: listening on 10.0.2.15:7");
        let expect_echo = |number: u16| {
            let datagram = vec![number as u8; usize::from(number) * 31 % 1473];
            host.send_udp((APP, 7), &datagram);
            assert_eq!(host.receive_udp(), (APP, datagram));
        };
        for number in 0..200 {
            expect_echo(number);
            expect_pong(&host, number);
        }
        host.send_frame(&question());
        host.wait_for_frame("the kernel's hardware address", |frame| {
            arp(frame) == Some((ArpOperation::Reply, CARD, KERNEL, HOST))
        });

        // An app that takes nothing holds up only itself.
        guest.type_in("stop udp_echo\r");
        guest.expect("Stopped");
        for number in 0..100 {
            host.send_frame(&ethernet(EVERYONE, EthernetProtocol::Unknown(0x88B5), 1500));
            expect_pong(&host, number);
        }
        guest.type_in("start udp_echo\r");
        expect_echo(1);

        // Who comes back tells where it is.
        guest.qmp().set_link("cable", false);
        // A cable that is back before the kernel looks was never away.
        let begin = Instant::now();
        let is_down = |guest: &mut Guest| {
            guest.type_in("virtio\r");
            let card = guest.expect_line("the card", |line| line.contains("network card"));
            card.contains("link down")
        };
        while !is_down(&mut guest) {
            assert!(
                begin.elapsed() < PATIENCE,
                "the cable's end was not noticed"
            );
        }
        drop(host.take_seen());
        guest.qmp().set_link("cable", true);
        host.wait_for_frame("an announcement of the link's return", is_announcement);
        expect_pong(&host, 1);
        expect_echo(2);
    });
}

#[test]
fn the_kernel_answers_pings_without_any_app() {
    let kernel = kernel_variant("kernel-ping");
    each_qemu(|qemu| {
        let (mut guest, peer) = Board::on(qemu)
            .kernel(kernel.clone())
            .cable()
            .boot_with_peer();
        let host = Host::new(peer, &[]);
        guest.expect("tock$ ");
        (0..20).for_each(|sequence| expect_pong(&host, sequence));
    });
}
