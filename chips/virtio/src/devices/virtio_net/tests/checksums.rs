// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Frames whose checksum the sender left open.

use super::*;

/// A rig in which these features are agreed on besides the usual ones.
fn rig(offered: u64) -> (Rig, SplitDevice) {
    let rig = Rig::cold();
    rig.device.offered.set(rig.device.offered.get() | offered);
    rig.initialize();
    rig.driver.enable_receive();
    let receive = rig.device.queue(RECEIVE);
    (rig, receive)
}

/// A header that leaves a checksum open, and a frame of `len` bytes.
fn open(len: usize, start: u16, offset: u16) -> Vec<u8> {
    let mut bytes = with_header(len);
    bytes[0] = 1;
    bytes[6..8].copy_from_slice(&start.to_le_bytes());
    bytes[8..10].copy_from_slice(&offset.to_le_bytes());
    bytes
}

#[test]
fn an_open_checksum_is_filled_in() {
    let (rig, receive) = rig(features::GUEST_CSUM);
    // UDP over IPv4: the checksum lies six bytes into the datagram, and covers it from its start.
    let mut bytes = open(60, 34, 6);
    bytes[HEADER_LEN + 40..HEADER_LEN + 42].copy_from_slice(&[0x12, 0x34]);
    rig.arrive(&receive, &bytes);
    let frame = rig.client.frames.take().pop().unwrap();
    let sum = frame[34..].chunks(2).fold(0u32, |sum, pair| {
        let sum = sum + u32::from(u16::from_be_bytes([pair[0], pair[1]]));
        (sum & 0xFFFF) + (sum >> 16)
    });
    // With what stood in its place, the sum of the pseudo-header, all ones result.
    let sum = sum + 0x1234;
    assert_eq!((sum & 0xFFFF) + (sum >> 16), 0xFFFF);
    assert_eq!(frame[..40], bytes[HEADER_LEN..][..40]);
    assert_eq!(frame[42..], bytes[HEADER_LEN..][42..]);
    assert_eq!(rig.driver.counters().checksums_completed, 1);
    assert_eq!(receive.available_index(), DEPTH as u16 + 1);
}

#[test]
fn checksums_outside_the_frame_are_malformed() {
    let (rig, receive) = rig(features::GUEST_CSUM);
    let places = [
        (34, 25),
        (60, 0),
        (59, 0),
        (0, 59),
        (65_535, 65_535),
        (0, 65_535),
    ];
    for (start, offset) in places {
        rig.arrive(&receive, &open(60, start, offset));
    }
    assert!(rig.client.frames.take().is_empty());
    assert_eq!(rig.driver.counters().dropped_malformed, places.len() as u32);
    assert_eq!(rig.driver.counters().checksums_completed, 0);
    rig.arrive(&receive, &open(60, 34, 24));
    assert_eq!(rig.client.frames.take().len(), 1);
}

#[test]
fn checksums_that_the_device_has_checked_are_left_alone() {
    let (rig, receive) = rig(features::GUEST_CSUM);
    let mut bytes = with_header(60);
    bytes[0] = 2;
    rig.arrive(&receive, &bytes);
    assert_eq!(rig.client.frames.take(), [&bytes[HEADER_LEN..]]);
    assert_eq!(rig.driver.counters().checksums_completed, 0);
}

#[test]
fn open_checksums_are_malformed_unless_they_were_agreed_on() {
    let (rig, receive) = rig(0);
    rig.arrive(&receive, &open(60, 34, 6));
    assert_eq!(rig.driver.counters().dropped_malformed, 1);
}

#[test]
fn a_checksum_over_several_buffers_is_filled_in() {
    let (rig, receive) = rig(features::GUEST_CSUM | features::MRG_RXBUF);
    rig.driver.set_assembly_area(leak([0; 1518]));
    let mut first = open(38, 20, 17);
    first[10] = 2;
    let (head, tail) = (receive.pop().unwrap(), receive.pop().unwrap());
    receive.return_used(head.head.into(), head.fill(&first));
    receive.return_used(tail.head.into(), tail.fill(&[9; 22]));
    rig.interrupt(1);
    let frame = rig.client.frames.take().pop().unwrap();
    assert_eq!(frame.len(), 60);
    // The place of the checksum begins with the last byte of the first part.
    assert_ne!(frame[37..39], [37, 9]);
    assert_eq!(rig.driver.counters().checksums_completed, 1);
}

#[test]
fn an_open_checksum_outside_a_frame_in_parts_drops_it_whole() {
    let (rig, receive) = rig(features::GUEST_CSUM | features::MRG_RXBUF);
    rig.driver.set_assembly_area(leak([0; 1518]));
    let mut first = open(38, 20, 39);
    first[10] = 2;
    let (head, tail) = (receive.pop().unwrap(), receive.pop().unwrap());
    receive.return_used(head.head.into(), head.fill(&first));
    receive.return_used(tail.head.into(), tail.fill(&[9; 22]));
    rig.interrupt(1);
    assert!(rig.client.frames.take().is_empty());
    assert_eq!(rig.driver.counters().dropped_malformed, 1);
    assert_eq!(receive.available_index(), DEPTH as u16 + 2);
}
