// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A card that leaves checksums open, or spreads frames over several buffers: what reaches an app is
//! whole and right, or nothing does.
//!
//! The card is outside QEMU (`tools/hostile-device`), since QEMU's own ones do neither with the cables
//! of tests. The app returns each frame, and smoltcp judges checksums.

use std::path::Path;

use board_runner::qemu::Qemu;
use boot_tests::{Board, Guest, PATIENCE, each_qemu, kernel, kernel_variant};
use hostile_device::{Cable, Delivery, Server};
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    IpAddress, IpProtocol, Ipv4Address, Ipv4Packet, Ipv4Repr, TcpControl, TcpPacket, TcpRepr,
    TcpSeqNumber, UdpPacket, UdpRepr,
};
use tempfile::TempDir;

/// The driver may leave checksums to the card. This one never does.
const CSUM: u64 = 1 << 0;
/// The card may leave them to the driver.
const GUEST_CSUM: u64 = 1 << 1;
/// The card may deliver segments of 64 KiB.
const GUEST_TSO4: u64 = 1 << 7;
const MRG_RXBUF: u64 = 1 << 15;

/// Flags of the header (VirtIO 1.2, 5.1.6).
const NEEDS_CSUM: u8 = 1;
const DATA_VALID: u8 = 2;

const BOARD: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
const PEER: [u8; 6] = [0x02, 0, 0, 0, 0, 0x01];
const BOARD_IP: Ipv4Address = Ipv4Address::new(10, 0, 0, 2);
const PEER_IP: Ipv4Address = Ipv4Address::new(10, 0, 0, 1);
const ETHERNET_HEADER: usize = 14;
const IP_HEADER: usize = 20;
const TRANSPORT: usize = ETHERNET_HEADER + IP_HEADER;

/// A board with a card that offers `features` besides what QEMU adds.
struct Offloads {
    guest: Guest,
    cable: Cable,
    server: Server,
    _directory: TempDir,
}

impl Offloads {
    fn boot(qemu: &Qemu, features: u64) -> Offloads {
        Offloads::boot_kernel(qemu, &kernel(), features)
    }

    fn boot_kernel(qemu: &Qemu, kernel: &Path, features: u64) -> Offloads {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let socket = directory.path().join("device");
        let (server, cable) =
            Server::listen_with_cable(&socket, features).unwrap_or_else(|error| panic!("{error}"));
        let arguments = server.qemu_arguments();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut guest = Board::on(qemu)
            .kernel(kernel.to_owned())
            .apps(&["echo"])
            .with(&arguments)
            .boot();
        guest.expect("echo: returning every frame");
        Offloads {
            guest,
            cable,
            server,
            _directory: directory,
        }
    }

    /// What the app got next, as it comes back with the addresses swapped.
    #[track_caller]
    fn returned(&self) -> Vec<u8> {
        let Some(sent) = self.cable.receive_within(PATIENCE) else {
            self.guest.fail_with("a frame did not come back");
        };
        // Nothing is left to the card, whatever it offers.
        assert_eq!(sent.header, [0; 12]);
        let mut frame = sent.frame;
        frame[..12].rotate_left(6);
        frame
    }

    #[track_caller]
    fn expect_unchanged(&self, frame: &[u8]) {
        let came = self.returned();
        if came != frame {
            let start = &came[..came.len().min(40)];
            let reason = format!("{} bytes came instead of {}", came.len(), frame.len());
            self.guest.fail_with(&format!("{reason}: {start:02x?}"));
        }
    }

    #[track_caller]
    fn expect_counters(&mut self, title: &str, counters: &[(&str, u32)]) {
        for (name, value) in counters {
            self.guest.expect_counter(title, name, *value);
        }
    }

    /// Ends QEMU, upon which the device ends too.
    fn end(self) {
        drop(self.guest);
        let ended = self.server.join();
        ended.unwrap_or_else(|error| panic!("{error}"));
    }
}

/// A frame of `len` bytes whose contents depend on `number` alone.
fn raw_frame(number: u8, len: usize) -> Vec<u8> {
    let mut frame = [&BOARD[..], &PEER, &[0x88, 0xB5]].concat();
    frame.extend((ETHERNET_HEADER..len).map(|at| (at as u8).wrapping_mul(31) ^ number));
    frame
}

/// A protocol above IP, and where in its header the checksum is.
#[derive(Clone, Copy, Debug)]
enum Protocol {
    Udp,
    Tcp,
}

impl Protocol {
    fn checksum_offset(self) -> usize {
        match self {
            Protocol::Udp => 6,
            Protocol::Tcp => 16,
        }
    }

    /// A frame for the board with this payload, complete.
    fn frame(self, payload: &[u8]) -> Vec<u8> {
        let (from, to): (IpAddress, IpAddress) = (PEER_IP.into(), BOARD_IP.into());
        let udp = UdpRepr {
            src_port: 4000,
            dst_port: 7,
        };
        let tcp = TcpRepr {
            src_port: 4000,
            dst_port: 7,
            control: TcpControl::Psh,
            seq_number: TcpSeqNumber(1000),
            ack_number: Some(TcpSeqNumber(7)),
            window_len: 4096,
            window_scale: None,
            max_seg_size: None,
            sack_permitted: false,
            sack_ranges: [None; 3],
            timestamp: None,
            payload,
        };
        let (next_header, header) = match self {
            Protocol::Udp => (IpProtocol::Udp, udp.header_len()),
            Protocol::Tcp => (IpProtocol::Tcp, tcp.header_len()),
        };
        let ip = Ipv4Repr {
            src_addr: PEER_IP,
            dst_addr: BOARD_IP,
            next_header,
            payload_len: header + payload.len(),
            hop_limit: 64,
        };
        let mut frame = [&BOARD[..], &PEER, &[0x08, 0x00]].concat();
        frame.resize(TRANSPORT + header + payload.len(), 0);
        let caps = ChecksumCapabilities::default();
        ip.emit(
            &mut Ipv4Packet::new_unchecked(&mut frame[ETHERNET_HEADER..]),
            &caps,
        );
        let inside = &mut frame[TRANSPORT..];
        match self {
            Protocol::Udp => udp.emit(
                &mut UdpPacket::new_unchecked(inside),
                &from,
                &to,
                payload.len(),
                |place| place.copy_from_slice(payload),
                &caps,
            ),
            Protocol::Tcp => tcp.emit(&mut TcpPacket::new_unchecked(inside), &from, &to, &caps),
        }
        frame
    }

    fn holds(self, frame: &[u8]) -> bool {
        let (from, to): (IpAddress, IpAddress) = (PEER_IP.into(), BOARD_IP.into());
        let inside = &frame[TRANSPORT..];
        match self {
            Protocol::Udp => UdpPacket::new_checked(inside)
                .is_ok_and(|packet| packet.checksum() != 0 && packet.verify_checksum(&from, &to)),
            Protocol::Tcp => TcpPacket::new_checked(inside)
                .is_ok_and(|packet| packet.verify_checksum(&from, &to)),
        }
    }

    /// The sum over what stands in for the IP header, which is what an open checksum holds (5.1.6.2).
    fn open(self, frame: &mut [u8]) {
        let len = (frame.len() - TRANSPORT) as u16;
        let number = match self {
            Protocol::Udp => 17,
            Protocol::Tcp => 6,
        };
        let addresses = [PEER_IP.octets(), BOARD_IP.octets()].concat();
        let words = addresses
            .as_chunks()
            .0
            .iter()
            .map(|pair| u16::from_be_bytes(*pair));
        let sum: u32 = words.chain([number, len]).map(u32::from).sum();
        let sum = ((sum & 0xFFFF) + (sum >> 16)) as u16;
        let place = TRANSPORT + self.checksum_offset();
        frame[place..place + 2].copy_from_slice(&sum.to_be_bytes());
    }

    /// `frame` with its checksum left open.
    fn left_open(self, frame: &[u8]) -> Delivery {
        let mut frame = frame.to_vec();
        self.open(&mut frame);
        assert!(!self.holds(&frame));
        Delivery {
            flags: NEEDS_CSUM,
            checksum_start: TRANSPORT as u16,
            checksum_offset: self.checksum_offset() as u16,
            ..Delivery::plain(frame)
        }
    }
}

#[test]
fn checksums_left_open_are_right_when_an_app_sees_the_frame() {
    each_qemu(|qemu| {
        let offered = CSUM | GUEST_CSUM | GUEST_TSO4 | MRG_RXBUF;
        let mut card = Offloads::boot(qemu, offered);
        let agreed = card.guest.agreed_features();
        assert_eq!(agreed & offered, GUEST_CSUM | MRG_RXBUF, "{agreed:#x}");
        assert_eq!(
            card.cable.accepted_features() & offered,
            GUEST_CSUM | MRG_RXBUF
        );
        let mut completed = 0;
        for protocol in [Protocol::Udp, Protocol::Tcp] {
            for len in [0, 1, 2, 63, 512, 1459, 1460] {
                let payload: Vec<u8> = (0..len).map(|n: u32| (n * 7 + len) as u8).collect();
                let right = protocol.frame(&payload);
                for more_flags in [0, DATA_VALID, 0xF8] {
                    let mut delivery = protocol.left_open(&right);
                    delivery.flags |= more_flags;
                    card.cable.send(delivery);
                    let came = card.returned();
                    assert!(protocol.holds(&came), "{protocol:?} {len}");
                    assert_eq!(came, right, "{protocol:?} {len}");
                    completed += 1;
                }
            }
        }
        // What the card has checked, or nobody has, is the app's as it came.
        let mut wrong = Protocol::Udp.frame(b"as it came");
        *wrong.last_mut().expect("a byte") ^= 1;
        for flags in [0, DATA_VALID] {
            card.cable.send(Delivery {
                flags,
                ..Delivery::plain(wrong.clone())
            });
            card.expect_unchanged(&wrong);
        }
        let counters = [("checksums_completed", completed), ("dropped_malformed", 0)];
        card.expect_counters("driver", &counters);
        card.end();
    });
}

#[test]
fn checksums_that_cannot_be_filled_in_cost_their_frame_alone() {
    each_qemu(|qemu| {
        let mut card = Offloads::boot(qemu, GUEST_CSUM | MRG_RXBUF);
        let right = Protocol::Udp.frame(b"complete");
        let places = [
            (right.len(), 0),
            (TRANSPORT, right.len() - TRANSPORT - 1),
            (usize::from(u16::MAX), usize::from(u16::MAX)),
        ];
        for (start, offset) in places {
            card.cable.send(Delivery {
                checksum_start: start as u16,
                checksum_offset: offset as u16,
                ..Protocol::Udp.left_open(&right)
            });
            card.cable.send(Delivery::plain(right.clone()));
            card.expect_unchanged(&right);
        }
        let dropped = places.len() as u32;
        let counters = [
            ("dropped_malformed", dropped),
            ("checksums_completed", 0),
            ("received", dropped),
        ];
        card.expect_counters("driver", &counters);
        card.expect_counters("receive", &[("used", 2 * dropped), ("rejected", 0)]);
        card.end();
    });
}

#[test]
fn checksums_may_not_be_left_open_by_a_card_that_did_not_offer_to() {
    each_qemu(|qemu| {
        let mut card = Offloads::boot(qemu, CSUM);
        let agreed = card.guest.agreed_features() | card.cable.accepted_features();
        assert_eq!(agreed & (CSUM | GUEST_CSUM | MRG_RXBUF), 0);
        let right = Protocol::Tcp.frame(b"complete");
        for _ in 0..20 {
            card.cable.send(Protocol::Tcp.left_open(&right));
            card.cable.send(Delivery {
                // The number of buffers means nothing to this card either.
                claimed_buffers: Some(7),
                flags: DATA_VALID,
                ..Delivery::plain(right.clone())
            });
            card.expect_unchanged(&right);
        }
        let counters = [
            ("dropped_malformed", 20),
            ("received", 20),
            ("checksums_completed", 0),
        ];
        card.expect_counters("driver", &counters);
        card.expect_counters("receive", &[("used", 40), ("rejected", 0)]);
        card.end();
    });
}

#[test]
fn frames_in_several_buffers_are_dropped_whole_where_there_is_no_room_to_join_them() {
    each_qemu(|qemu| {
        let mut card = Offloads::boot(qemu, GUEST_CSUM | MRG_RXBUF);
        let whole = raw_frame(1, 900);
        let spreads: [&[usize]; 5] = [&[20], &[0], &[100, 100, 0], &[1; 15], &[899, 1]];
        let mut buffers = 0;
        for pieces in spreads {
            let frame = raw_frame(2, 900);
            // The last buffer takes what the pieces left.
            let taken: usize = pieces.iter().sum();
            buffers += pieces.len() as u32 + u32::from(taken < frame.len());
            card.cable.send(Delivery {
                pieces: pieces.to_vec(),
                ..Delivery::plain(frame)
            });
            card.cable.send(Delivery::plain(whole.clone()));
            buffers += 1;
            card.expect_unchanged(&whole);
        }
        // As the standard has it: each buffer but the last is full.
        for (len, taken) in [(2000, 2), (9000, 6), (16_000, 11)] {
            card.cable.send(Delivery::plain(raw_frame(3, len)));
            card.cable.send(Delivery::plain(whole.clone()));
            buffers += taken + 1;
            card.expect_unchanged(&whole);
        }
        let frames = spreads.len() as u32 + 3;
        let counters = [
            ("received", frames),
            ("dropped_overlong", frames),
            ("dropped_scattered", 0),
            ("dropped_malformed", 0),
        ];
        card.expect_counters("driver", &counters);
        card.expect_counters("receive", &[("used", buffers), ("rejected", 0)]);
        card.end();
    });
}

#[test]
fn a_number_of_buffers_that_is_a_lie_costs_what_it_covers_and_is_counted() {
    each_qemu(|qemu| {
        let mut card = Offloads::boot(qemu, MRG_RXBUF);
        let whole = raw_frame(1, 300);
        let mut lies = 0;
        for claimed in [0, 17, 256, u16::MAX] {
            card.cable.send(Delivery {
                claimed_buffers: Some(claimed),
                ..Delivery::plain(raw_frame(2, 300))
            });
            card.cable.send(Delivery::plain(whole.clone()));
            card.expect_unchanged(&whole);
            lies += 1;
        }
        card.expect_counters("driver", &[("dropped_scattered", lies)]);
        // One that there could be has the next frames taken for parts of this one.
        card.cable.send(Delivery {
            claimed_buffers: Some(4),
            ..Delivery::plain(raw_frame(2, 300))
        });
        for number in 3..6 {
            card.cable.send(Delivery::plain(raw_frame(number, 300)));
        }
        card.cable.send(Delivery::plain(whole.clone()));
        card.expect_unchanged(&whole);
        let counters = [
            ("received", lies + 1),
            ("dropped_scattered", lies),
            ("dropped_overlong", 1),
        ];
        card.expect_counters("driver", &counters);
        card.expect_counters("receive", &[("rejected", 0)]);
        card.expect_counters("transport", &[("broken", 0)]);
        card.end();
    });
}

/// Where the board has room to join the parts, since no buffer holds a whole frame.
#[test]
fn frames_in_several_buffers_are_joined_whatever_their_parts_are() {
    let kernel = kernel_variant("small-receive-buffers");
    each_qemu(|qemu| {
        let mut card = Offloads::boot_kernel(qemu, &kernel, GUEST_CSUM | MRG_RXBUF);
        let spreads: [&[usize]; 8] = [
            &[],
            &[0],
            &[1],
            &[13, 1],
            &[14],
            &[0, 0, 0],
            &[1; 12],
            &[500, 0, 500],
        ];
        let mut frames = 0;
        for len in [14, 60, 900, 1513, 1514, 1518] {
            for pieces in spreads {
                let frame = raw_frame(frames as u8, len);
                card.cable.send(Delivery {
                    pieces: pieces.to_vec(),
                    ..Delivery::plain(frame.clone())
                });
                card.expect_unchanged(&frame);
                frames += 1;
            }
        }
        // A checksum covers parts of any length, and lies in any of them.
        let mut completed = 0;
        for protocol in [Protocol::Udp, Protocol::Tcp] {
            let right = protocol.frame(&[0x5A; 1001]);
            for first in 30..60 {
                card.cable.send(Delivery {
                    pieces: vec![first, 1, 2],
                    ..protocol.left_open(&right)
                });
                card.expect_unchanged(&right);
                completed += 1;
            }
        }
        frames += completed;
        // What is no frame once it is all there is dropped, and the next one is not.
        for pieces in [&[6][..], &[13], &[0, 0, 1]] {
            card.cable.send(Delivery {
                pieces: pieces.to_vec(),
                ..Delivery::plain(raw_frame(7, 14)[..13].to_vec())
            });
        }
        card.cable.send(Delivery::plain(raw_frame(8, 1519)));
        card.cable.send(Delivery::plain(raw_frame(8, 5000)));
        let whole = raw_frame(9, 1200);
        card.cable.send(Delivery::plain(whole.clone()));
        card.expect_unchanged(&whole);
        let counters = [
            ("received", frames + 1),
            ("checksums_completed", completed),
            ("dropped_runt", 3),
            ("dropped_overlong", 2),
            ("dropped_malformed", 0),
            ("dropped_scattered", 0),
        ];
        card.expect_counters("driver", &counters);
        card.expect_counters("receive", &[("rejected", 0)]);
        card.end();
    });
}

#[test]
fn numbers_of_buffers_that_are_lies_cost_a_board_that_joins_frames_no_more() {
    let kernel = kernel_variant("small-receive-buffers");
    each_qemu(|qemu| {
        let mut card = Offloads::boot_kernel(qemu, &kernel, MRG_RXBUF);
        let whole = raw_frame(1, 1000);
        // Too few: what is left over is taken for a frame with a header of its own, which says nonsense.
        card.cable.send(Delivery {
            pieces: vec![100, 100],
            claimed_buffers: Some(2),
            ..Delivery::plain(raw_frame(2, 300))
        });
        let mut joined = card.returned();
        joined.truncate(14);
        assert_eq!(joined, raw_frame(2, 14));
        // Too many: it swallows buffers of frames that follow, and the rest of those is no frame.
        card.cable.send(Delivery {
            claimed_buffers: Some(2),
            ..Delivery::plain(raw_frame(3, 400))
        });
        card.cable.send(Delivery::plain(raw_frame(4, 400)));
        assert_eq!(card.returned().len(), 12 + 800);
        for claimed in [0, 17, u16::MAX] {
            card.cable.send(Delivery {
                claimed_buffers: Some(claimed),
                ..Delivery::plain(raw_frame(5, 400))
            });
        }
        for _ in 0..20 {
            card.cable.send(Delivery::plain(whole.clone()));
            card.expect_unchanged(&whole);
        }
        let scattered_or_malformed: u32 =
            ["dropped_scattered", "dropped_malformed", "dropped_runt"]
                .map(|name| card.guest.counter("driver", name))
                .iter()
                .sum();
        assert_eq!(scattered_or_malformed, 4);
        card.expect_counters("driver", &[("received", 22)]);
        card.expect_counters("receive", &[("rejected", 0)]);
        card.expect_counters("transport", &[("broken", 0)]);
        card.end();
    });
}
