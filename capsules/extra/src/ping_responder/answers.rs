// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Answers to ARP questions (RFC 826) and echo requests (RFC 792), from a frame to a frame.
//!
//! A frame comes from anyone: whatever is not exactly a question for this host gets no answer.

use kernel::hil::ethernet_adapter::Address;

/// The shortest frame without its checksum: shorter ones end in zeros.
const SHORTEST_FRAME: usize = 60;

const BROADCAST: Address = [0xFF; 6];
const TYPE_ARP: [u8; 2] = [0x08, 0x06];
const TYPE_IPV4: [u8; 2] = [0x08, 0x00];

/// How an ARP packet between Ethernet and IPv4 begins, up to the last byte of its operation.
const ARP_START: [u8; 7] = [0, 1, 8, 0, 6, 4, 0];
const ARP_REQUEST: u8 = 1;
const ARP_REPLY: u8 = 2;

const VERSION_4_WITHOUT_OPTIONS: u8 = 0x45;
const IPV4_HEADER: usize = 20;
const DONT_FRAGMENT: u8 = 0x40;
const HOPS: u8 = 64;
const ICMP: u8 = 1;
const ECHO_REQUEST: u8 = 8;
const ECHO_REPLY: u8 = 0;

/// Who answers.
#[derive(Clone, Copy)]
pub(super) struct Host {
    pub mac: Address,
    pub ip: [u8; 4],
}

impl Host {
    /// Writes the answer to `frame` into `answer` and returns its length; `None` if it asks nothing of
    /// this host, or if the answer does not fit.
    pub(super) fn answer(&self, frame: &[u8], answer: &mut [u8]) -> Option<usize> {
        let (to, rest) = frame.split_first_chunk::<6>()?;
        let (from, rest) = rest.split_first_chunk::<6>()?;
        let (kind, payload) = rest.split_first_chunk()?;
        let [first, ..] = from;
        if first & 1 != 0 {
            return None;
        }
        match *kind {
            TYPE_ARP => self.answer_arp(from, payload, answer),
            TYPE_IPV4 if *to == self.mac => self.answer_echo(from, payload, answer),
            _ => None,
        }
    }

    /// Writes the frame that tells all others where this host is (RFC 5227, 3).
    pub(super) fn announcement(&self, frame: &mut [u8]) -> Option<usize> {
        let nobody = [0; 6];
        let packet: [&[u8]; 6] = [
            &ARP_START,
            &[ARP_REQUEST],
            &self.mac,
            &self.ip,
            &nobody,
            &self.ip,
        ];
        self.write(frame, &BROADCAST, TYPE_ARP, &packet)
    }

    fn answer_arp(&self, from: &Address, packet: &[u8], answer: &mut [u8]) -> Option<usize> {
        let (start, rest) = packet.split_first_chunk()?;
        let (operation, rest) = rest.split_first()?;
        let (sender, rest) = rest.split_first_chunk::<10>()?;
        let (_mac, rest) = rest.split_first_chunk::<6>()?;
        let target = rest.first_chunk()?;
        if *start != ARP_START || *operation != ARP_REQUEST || *target != self.ip {
            return None;
        }
        let packet: [&[u8]; 5] = [&ARP_START, &[ARP_REPLY], &self.mac, &self.ip, sender];
        self.write(answer, from, TYPE_ARP, &packet)
    }

    fn answer_echo(&self, from: &Address, packet: &[u8], answer: &mut [u8]) -> Option<usize> {
        let header: &[u8; IPV4_HEADER] = packet.first_chunk()?;
        let &[
            VERSION_4_WITHOUT_OPTIONS,
            service,
            length_high,
            length_low,
            id_high,
            id_low,
            0 | DONT_FRAGMENT,
            0,
            _,
            ICMP,
            _,
            _,
            ref addresses @ ..,
        ] = header
        else {
            return None;
        };
        let (source, destination) = addresses.split_first_chunk::<4>()?;
        let length = u16::from_be_bytes([length_high, length_low]);
        let message = packet.get(IPV4_HEADER..length.into())?;
        let (&[ECHO_REQUEST, 0, _, _], data) = message.split_first_chunk()? else {
            return None;
        };
        // Identifier and sequence number belong to the data.
        let is_for_us = destination == self.ip && is_one_host(*source) && data.len() >= 4;
        if !is_for_us || sum(&[header]) != 0xFFFF || sum(&[message]) != 0xFFFF {
            return None;
        }
        let start = [
            VERSION_4_WITHOUT_OPTIONS,
            service,
            length_high,
            length_low,
            id_high,
            id_low,
            DONT_FRAGMENT,
            0,
            HOPS,
            ICMP,
        ];
        let header_checksum = (!sum(&[&start, &self.ip, source])).to_be_bytes();
        let checksum = (!sum(&[&[ECHO_REPLY, 0], data])).to_be_bytes();
        let packet: [&[u8]; 7] = [
            &start,
            &header_checksum,
            &self.ip,
            source,
            &[ECHO_REPLY, 0],
            &checksum,
            data,
        ];
        self.write(answer, from, TYPE_IPV4, &packet)
    }

    /// Writes a frame of these parts, and zeros up to the length of the shortest one.
    fn write(
        &self,
        frame: &mut [u8],
        to: &Address,
        kind: [u8; 2],
        payload: &[&[u8]],
    ) -> Option<usize> {
        let room = frame.len();
        let header: [&[u8]; 3] = [to, &self.mac, &kind];
        let mut rest = frame;
        for part in header.iter().chain(payload) {
            let (place, behind) = rest.split_at_mut_checked(part.len())?;
            place.copy_from_slice(part);
            rest = behind;
        }
        let written = room.saturating_sub(rest.len());
        let padding = SHORTEST_FRAME.saturating_sub(written);
        rest.get_mut(..padding)?.fill(0);
        Some(written.saturating_add(padding))
    }
}

/// Whether an answer may go to this address: not to a group, nor to a network or this machine.
fn is_one_host([first, ..]: [u8; 4]) -> bool {
    first != 0 && first != 127 && first < 224
}

/// The one's complement sum of parts, all but the last of which have an even length (RFC 1071).
fn sum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0u32;
    for part in parts {
        for pair in part.chunks(2) {
            let value = match *pair {
                [high, low] => u16::from_be_bytes([high, low]),
                [high] => u16::from_be_bytes([high, 0]),
                _ => 0,
            };
            // A frame has too few pairs to reach the end of 32 bits.
            sum = sum.wrapping_add(value.into());
        }
    }
    let folded = (sum & 0xFFFF).wrapping_add(sum >> 16);
    (folded & 0xFFFF).wrapping_add(folded >> 16) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec;
    use std::vec::Vec;

    const HOST: Host = Host {
        mac: [0x52, 0x54, 0, 0x12, 0x34, 0x56],
        ip: [10, 0, 2, 14],
    };
    const PEER: Address = [2, 0, 0, 0, 0, 9];
    const PEER_IP: [u8; 4] = [10, 0, 2, 2];

    fn answer(frame: &[u8]) -> Option<Vec<u8>> {
        let mut answer = vec![0xAA; 1514];
        let length = HOST.answer(frame, &mut answer)?;
        answer.truncate(length);
        Some(answer)
    }

    fn arp() -> Vec<u8> {
        let packet = [&ARP_START[..], &[1], &PEER, &PEER_IP, &[0; 6], &HOST.ip].concat();
        let mut frame = [&BROADCAST[..], &PEER, &TYPE_ARP, &packet].concat();
        frame.resize(60, 0);
        frame
    }

    /// Fills in the checksums of an echo request without options.
    fn seal(frame: &mut [u8]) {
        for (range, at) in [(14..34, 24), (34..frame.len(), 36)] {
            frame[at..at + 2].fill(0);
            let checksum = !sum(&[&frame[range]]);
            frame[at..at + 2].copy_from_slice(&checksum.to_be_bytes());
        }
    }

    fn echo(data: &[u8]) -> Vec<u8> {
        let length = (28 + data.len()) as u16;
        let [high, low] = length.to_be_bytes();
        let mut frame = [
            &HOST.mac[..],
            &PEER,
            &TYPE_IPV4,
            &[0x45, 0, high, low, 0x12, 0x34, 0, 0, 60, 1, 0, 0],
            &PEER_IP,
            &HOST.ip,
            &[8, 0, 0, 0, 0x51, 0x52, 0, 7],
            data,
        ]
        .concat();
        seal(&mut frame);
        frame
    }

    #[test]
    fn a_question_for_the_address_gets_the_hardware_address() {
        let answer = answer(&arp()).unwrap();
        let packet = [&ARP_START[..], &[2], &HOST.mac, &HOST.ip, &PEER, &PEER_IP].concat();
        let mut expected = [&PEER[..], &HOST.mac, &TYPE_ARP, &packet].concat();
        expected.resize(60, 0);
        assert_eq!(answer, expected);
    }

    #[test]
    fn an_echo_request_comes_back_as_a_reply_with_its_data() {
        for length in [0, 1, 17, 18, 19, 56, 1471, 1472] {
            let data: Vec<u8> = (0..length).map(|at| at as u8).collect();
            let request = echo(&data);
            let mut frame = request.clone();
            // The cable may add what the packet does not count.
            frame.resize(frame.len().max(60), 0xEE);
            let answer = answer(&frame).unwrap();
            assert_eq!(answer.len(), request.len().max(60));
            let (reply, padding) = answer.split_at(request.len());
            assert_eq!(&reply[..12], [PEER, HOST.mac].concat());
            assert_eq!(&reply[26..34], [HOST.ip, PEER_IP].concat());
            assert_eq!(
                (reply[22], reply[34], &reply[38..]),
                (64, 0, &request[38..])
            );
            assert_eq!(sum(&[&reply[14..34]]), 0xFFFF);
            assert_eq!(sum(&[&reply[34..]]), 0xFFFF);
            assert!(padding.iter().all(|byte| *byte == 0));
        }
    }

    #[test]
    fn a_carry_that_comes_of_a_carry_is_added_too() {
        assert_eq!(sum(&[&[0xFF; 4], &[0, 1]]), 1);
    }

    #[test]
    fn an_announcement_asks_everyone_for_the_own_address() {
        let mut frame = [0xAA; 64];
        assert_eq!(HOST.announcement(&mut frame), Some(60));
        let packet = [&ARP_START[..], &[1], &HOST.mac, &HOST.ip, &[0; 6], &HOST.ip].concat();
        let expected = [&BROADCAST[..], &HOST.mac, &TYPE_ARP, &packet].concat();
        assert_eq!(frame[..42], expected);
        assert!(frame[42..60].iter().all(|byte| *byte == 0));
        assert_eq!(HOST.announcement(&mut [0; 59]), None);
    }

    #[test]
    fn what_is_not_a_question_for_this_host_gets_no_answer() {
        let mut request = echo(b"payload");
        assert!(answer(&request).is_some());
        for (at, value) in [
            (0, 0x02),  // to another host
            (6, 0x01),  // from a group
            (12, 0x86), // another protocol
            (14, 0x46), // with options
            (14, 0x65), // another version
            (16, 0xFF), // longer than the frame
            (20, 0x20), // a first fragment
            (21, 0x01), // a later one
            (23, 17),   // UDP
            (26, 127),  // from a loopback
            (26, 224),  // from a group
            (26, 0),    // from nobody
            (33, 15),   // another address
            (34, 0),    // a reply
            (35, 1),    // another code
        ] {
            let kept = core::mem::replace(&mut request[at], value);
            seal(&mut request);
            assert_eq!(answer(&request), None, "byte {at} is {value:#x}");
            request[at] = kept;
        }
        seal(&mut request);
        assert!(answer(&request).is_some());
        for at in 14..request.len() {
            request[at] ^= 0x10;
            assert_eq!(answer(&request), None, "byte {at} was damaged");
            request[at] ^= 0x10;
        }
        let question = arp();
        for at in [6, 13, 14, 15, 16, 18, 19, 20, 21, 38, 41] {
            let mut question = question.clone();
            question[at] ^= 1;
            assert_eq!(answer(&question), None, "byte {at} was damaged");
        }
    }

    proptest! {
        #[test]
        fn frames_of_any_bytes_and_lengths_are_harmless(
            start in any::<prop::sample::Index>(),
            noise in prop::collection::vec(any::<u8>(), 0..80),
            room in 0usize..80,
        ) {
            let mut frame = if room % 2 == 0 { arp() } else { echo(&[7; 20]) };
            let start = start.index(frame.len());
            frame.truncate(start);
            frame.extend(noise);
            let mut answer = vec![0; room];
            if let Some(length) = HOST.answer(&frame, &mut answer) {
                prop_assert!((SHORTEST_FRAME..=room).contains(&length));
            }
        }
    }
}
