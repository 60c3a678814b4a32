// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A whole stack against a stand-in kernel, with frames as they are on the cable.

use super::*;
use crate::stand_in::{self, Board};
use crate::{Ipv4Address, Lookup, NameError, Resolver, ResolverMemory};
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, DnsPacket, DnsQuestion, EthernetFrame, EthernetProtocol,
    EthernetRepr, IpProtocol, Ipv4Packet, Ipv4Repr, UdpPacket, UdpRepr,
};
use std::cell::RefCell;
use tock_app::ethernet::transmit_bytes;

const OWN: Ipv4Address = Ipv4Address::new(10, 0, 2, 40);
const PEER: Ipv4Address = Ipv4Address::new(10, 0, 2, 3);
const PEER_MAC: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 0x33]);

fn start() -> Network {
    let memory = Box::leak(Box::new(Memory::<4, 4096, { transmit_bytes(3) }>::new()));
    let fallback = Fallback::QEMU_USER.host(40).fixed();
    let mut network = Network::start(memory, fallback).unwrap();
    let change = network.poll().unwrap();
    assert_eq!(change.address.map(|address| address.address()), Some(OWN));
    network
}

fn ethernet(to: [u8; 6], ethertype: EthernetProtocol, payload: usize) -> Vec<u8> {
    let header = EthernetRepr {
        src_addr: PEER_MAC,
        dst_addr: EthernetAddress(to),
        ethertype,
    };
    let mut frame = vec![0; 14 + payload];
    header.emit(&mut EthernetFrame::new_unchecked(&mut frame));
    frame
}

fn arp(to: [u8; 6], operation: ArpOperation) -> Vec<u8> {
    let mut frame = ethernet(to, EthernetProtocol::Arp, 28);
    let arp = ArpRepr::EthernetIpv4 {
        operation,
        source_hardware_addr: PEER_MAC,
        source_protocol_addr: PEER,
        target_hardware_addr: EthernetAddress(to),
        target_protocol_addr: OWN,
    };
    arp.emit(&mut ArpPacket::new_unchecked(&mut frame[14..]));
    frame
}

fn udp(to: [u8; 6], ports: (u16, u16), data: &[u8]) -> Vec<u8> {
    let udp = UdpRepr {
        src_port: ports.0,
        dst_port: ports.1,
    };
    let ip = Ipv4Repr {
        src_addr: PEER,
        dst_addr: OWN,
        next_header: IpProtocol::Udp,
        payload_len: 8 + data.len(),
        hop_limit: 64,
    };
    let mut frame = ethernet(to, EthernetProtocol::Ipv4, 28 + data.len());
    let checksums = ChecksumCapabilities::default();
    ip.emit(&mut Ipv4Packet::new_unchecked(&mut frame[14..]), &checksums);
    udp.emit(
        &mut UdpPacket::new_unchecked(&mut frame[34..]),
        &PEER.into(),
        &OWN.into(),
        data.len(),
        |place| place.copy_from_slice(data),
        &checksums,
    );
    frame
}

/// Lets the stack take in what is on its way, and answer.
fn exchange(network: &mut Network) {
    network.wait(Some(Duration::from_millis(5))).unwrap();
    network.poll();
}

/// The answer to the latest question for a name, if one was asked: the same with `tail` behind it.
fn answer(board: &RefCell<Board>, mac: [u8; 6], flags: u16, tail: &[u8]) -> Option<Vec<u8>> {
    let board = board.borrow();
    let frame = board.sent.last()?.last()?;
    let frame = EthernetFrame::new_checked(&frame[..]).ok()?;
    let packet = Ipv4Packet::new_checked(frame.payload()).ok()?;
    let datagram = UdpPacket::new_checked(packet.payload()).ok()?;
    assert_eq!(datagram.dst_port(), 53);
    let question = DnsPacket::new_checked(datagram.payload()).unwrap();
    DnsQuestion::parse(question.payload()).unwrap();
    let mut answer = datagram.payload().to_vec();
    answer[2..4].copy_from_slice(&flags.to_be_bytes());
    answer[7] = u8::from(!tail.is_empty());
    answer.extend(tail);
    Some(udp(mac, (53, datagram.src_port()), &answer))
}

#[test]
fn the_stack_has_the_claimed_address_or_that_of_the_card() {
    for (is_new, own) in [
        (true, [2, 0, 0, 0, 0, 1]),
        (false, [0x52, 0x54, 0, 0x12, 0x34, 0x56]),
    ] {
        let (board, _turn) = stand_in::board(is_new);
        let mut network = start();
        assert_eq!(network.mac(), own);
        assert_eq!(network.card_mac(), [0x52, 0x54, 0, 0x12, 0x34, 0x56]);
        let question = arp([0xFF; 6], ArpOperation::Request);
        board.borrow_mut().incoming.push_back(question);
        exchange(&mut network);
        let board = board.borrow();
        let answer = &board.sent[0][0];
        assert_eq!((&answer[..6], &answer[6..12]), (&PEER_MAC.0[..], &own[..]));
    }
}

#[test]
fn the_answers_of_one_round_leave_as_one_batch() {
    for (is_new, batches) in [(true, vec![8]), (false, vec![1; 8])] {
        let (board, _turn) = stand_in::board(is_new);
        let mut network = start();
        let question = arp([0xFF; 6], ArpOperation::Request);
        board.borrow_mut().incoming.extend(vec![question; 8]);
        exchange(&mut network);
        let sizes: Vec<usize> = board.borrow().sent.iter().map(Vec::len).collect();
        assert_eq!(sizes, batches);
        assert_eq!(network.transmitted_frames(), 8);
        assert_eq!(network.received_frames(), 8);
    }
}

#[test]
fn names_are_answered_by_the_name_server_and_addresses_by_themselves() {
    let (board, _turn) = stand_in::board(true);
    let mut network = start();
    let mac = network.mac();
    let memory = Box::leak(Box::new(ResolverMemory::new()));
    let mut resolver = Resolver::new(&mut network, memory);
    assert_eq!(resolver.poll(&mut network), Lookup::Pending);
    for (name, expected) in [
        ("10.1.2.3", Ok(Ipv4Address::new(10, 1, 2, 3))),
        ("two..dots", Err(NameError::Malformed)),
        ("", Err(NameError::Malformed)),
    ] {
        resolver.ask(&mut network, name);
        assert!(resolver.is_answered());
        assert_eq!(resolver.poll(&mut network), Lookup::Done(expected));
        assert!(!resolver.is_answered());
    }
    // Pointer to the name in the question, type A, class Internet, a minute, four bytes.
    let record = [0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 168, 7, 9];
    for (flags, tail, expected) in [
        (0x8180, &record[..], Ok(Ipv4Address::new(192, 168, 7, 9))),
        (0x8183, &[], Err(NameError::NotFound)),
    ] {
        resolver.ask(&mut network, "board.test");
        // The server's hardware address comes first, and the question may be repeated.
        let found = (0..20).find_map(|_| {
            exchange(&mut network);
            board
                .borrow_mut()
                .incoming
                .push_back(arp(mac, ArpOperation::Reply));
            let answer = answer(&board, mac, flags, tail);
            board.borrow_mut().incoming.extend(answer);
            exchange(&mut network);
            match resolver.poll(&mut network) {
                Lookup::Done(result) => Some(result),
                Lookup::Pending => None,
            }
        });
        assert_eq!(found, Some(expected));
    }
}

/// Whether the frame tells everyone of `address`.
fn is_announcement(frame: &[u8], network: &Network, address: Ipv4Address) -> bool {
    let mac = network.mac();
    let start = [&[0xFF; 6][..], &mac, &[8, 6, 0, 1, 8, 0, 6, 4, 0, 1], &mac].concat();
    frame.starts_with(&start) && frame[28..32] == address.octets() && frame[38..42] == frame[28..32]
}

#[test]
fn a_link_that_comes_back_is_told_the_address_and_asked_for_neighbours_again() {
    let (board, _turn) = stand_in::board(true);
    let mut network = start();
    for is_up in [true, false, true] {
        // The neighbour is known from here on.
        let question = arp(network.mac(), ArpOperation::Request);
        board.borrow_mut().incoming.push_back(question);
        exchange(&mut network);
        board.borrow_mut().sent.clear();
        board.borrow_mut().link_changes.push_back(is_up);
        // Neighbours are asked for once a second only.
        board.borrow_mut().now += 2000;
        exchange(&mut network);
        exchange(&mut network);
        let sent = std::mem::take(&mut board.borrow_mut().sent).concat();
        assert_eq!(sent.len(), usize::from(is_up));
        assert!(
            sent.iter()
                .all(|frame| is_announcement(frame, &network, OWN))
        );
        let buffer = || Box::leak(Box::new([0; 64]));
        let handle = network.add_tcp(buffer(), buffer());
        network.connect(handle, (PEER, 80)).unwrap();
        exchange(&mut network);
        let sent = std::mem::take(&mut board.borrow_mut().sent).concat();
        assert_eq!(sent[0][12..14], if is_up { [8, 6] } else { [8, 0] });
        network.sockets().remove(handle);
    }
}

#[test]
fn a_link_that_comes_back_has_dhcp_asked_anew_while_the_address_stays() {
    let (board, _turn) = stand_in::board(true);
    let memory = Box::leak(Box::new(Memory::<4, 4096, { transmit_bytes(3) }>::new()));
    let mut network = Network::start(memory, Fallback::QEMU_USER).unwrap();
    let address = Fallback::QEMU_USER.address.address();
    // Nobody answers, so it is the fallback.
    while network.poll().is_none() {
        network.wait(None).unwrap();
    }
    assert_eq!(network.address(), Some(address));
    board.borrow_mut().sent.clear();
    board.borrow_mut().link_changes.push_back(true);
    for _ in 0..100 {
        network.wait(None).unwrap();
        assert_eq!(network.poll(), None);
        assert_eq!(network.address(), Some(address));
    }
    let sent = board.borrow().sent.concat();
    assert!(is_announcement(&sent[0], &network, address));
    // From nobody to everyone, from the client's port to the server's.
    assert_eq!(sent[1][26..34], [0, 0, 0, 0, 255, 255, 255, 255]);
    assert_eq!(sent[1][34..38], [0, 68, 0, 67]);
}

#[test]
fn a_wait_ends_with_the_event_it_was_told_of() {
    let (board, _turn) = stand_in::board(true);
    let mut network = start();
    static NEVER: Upcall = Upcall::new(0x99, 0);
    network
        .wait_for(&[&NEVER], Some(Duration::from_millis(250)))
        .unwrap();
    assert_eq!(board.borrow().now, 250);
}

#[test]
fn connections_start_at_ports_of_their_own() {
    let (_board, _turn) = stand_in::board(true);
    let mut network = start();
    let mut ports = Vec::new();
    for _ in 0..3 {
        let buffer = || Box::leak(Box::new([0; 64]));
        let handle = network.add_tcp(buffer(), buffer());
        assert_eq!(network.connect(handle, (PEER, 80)), Ok(()));
        assert_eq!(network.connect(handle, (PEER, 80)), Err(ErrorCode::Already));
        let socket = network.sockets().get_mut::<tcp::Socket>(handle);
        ports.push(socket.local_endpoint().unwrap().port);
    }
    ports.dedup();
    assert_eq!(ports.len(), 3);
    assert!(ports.iter().all(|port| *port >= FIRST_EPHEMERAL_PORT));
}
