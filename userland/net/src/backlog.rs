// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Connection requests that have to wait until a socket listens again.
//!
//! A socket serves one connection, and a request that finds none listening is refused. A host with a
//! queue for such requests would look better: clients see a short delay instead of an error. Requests
//! are kept as the frames they came in, and given to the stack later.

use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{
    EthernetFrame, EthernetProtocol, IpProtocol, Ipv4Address, Ipv4Packet, TcpPacket,
};

/// Requests kept at most; clients repeat what gets lost.
const CAPACITY: usize = 16;

/// Longest frame that is kept: all headers with every option they can carry.
pub const FRAME_LIMIT: usize = 14 + 60 + 60;

/// After this time a client has most likely given up, or asked again.
const LIFETIME: Duration = Duration::from_secs(5);

/// Who asks to be connected to what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Address and port of who asks.
    pub source: (Ipv4Address, u16),
    /// The port asked for.
    pub port: u16,
}

/// Reads a frame that opens a TCP connection.
///
/// Checksums and addresses are the stack's affair when it gets the frame in the end.
pub fn request(frame: &[u8]) -> Option<Request> {
    let frame = EthernetFrame::new_checked(frame).ok()?;
    if frame.ethertype() != EthernetProtocol::Ipv4 {
        return None;
    }
    let packet = Ipv4Packet::new_checked(frame.payload()).ok()?;
    if packet.next_header() != IpProtocol::Tcp || packet.frag_offset() != 0 {
        return None;
    }
    let segment = TcpPacket::new_checked(packet.payload()).ok()?;
    (segment.syn() && !segment.ack() && !segment.rst()).then_some(Request {
        source: (packet.src_addr(), segment.src_port()),
        port: segment.dst_port(),
    })
}

struct Waiting {
    request: Request,
    since: Instant,
    length: usize,
    frame: [u8; FRAME_LIMIT],
}

/// Frames of waiting requests, oldest first as far as it matters.
pub struct Backlog {
    waiting: [Option<Waiting>; CAPACITY],
}

impl Backlog {
    /// Makes an empty backlog.
    pub const fn new() -> Self {
        Self {
            waiting: [const { None }; CAPACITY],
        }
    }

    /// Keeps a request; one that repeats an earlier one takes its place. Without room it is dropped.
    pub fn hold(&mut self, request: Request, frame: &[u8], now: Instant) {
        self.expire(now);
        let repeated =
            |slot: &Option<Waiting>| slot.as_ref().is_some_and(|entry| entry.request == request);
        let slot = match self.waiting.iter().position(repeated) {
            Some(position) => self.waiting.get_mut(position),
            None => self.waiting.iter_mut().find(|slot| slot.is_none()),
        };
        // A request that carries data as well is rare enough to be left to its repetition.
        if let (Some(slot), true) = (slot, frame.len() <= FRAME_LIMIT) {
            let mut entry = Waiting {
                request,
                since: now,
                length: frame.len(),
                frame: [0; FRAME_LIMIT],
            };
            for (to, from) in entry.frame.iter_mut().zip(frame) {
                *to = *from;
            }
            *slot = Some(entry);
        }
    }

    /// Takes the oldest request for a port that `accepts` and has `read` look at its frame.
    pub fn release<R>(
        &mut self,
        now: Instant,
        accepts: impl Fn(u16) -> bool,
        read: impl FnOnce(&[u8]) -> R,
    ) -> Option<R> {
        self.expire(now);
        let oldest = self
            .waiting
            .iter_mut()
            .filter(|slot| {
                slot.as_ref()
                    .is_some_and(|entry| accepts(entry.request.port))
            })
            .min_by_key(|slot| slot.as_ref().map(|entry| entry.since))?;
        let entry = oldest.take()?;
        entry.frame.get(..entry.length).map(read)
    }

    /// Tells whether [`release`](Self::release) has something for `accepts`.
    pub fn has_request_for(&self, accepts: impl Fn(u16) -> bool) -> bool {
        self.waiting
            .iter()
            .flatten()
            .any(|entry| accepts(entry.request.port))
    }

    fn expire(&mut self, now: Instant) {
        for slot in &mut self.waiting {
            slot.take_if(|entry| now >= entry.since + LIFETIME);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smoltcp::phy::ChecksumCapabilities;
    use smoltcp::wire::{Ipv4Repr, TcpControl, TcpRepr, TcpSeqNumber, TcpTimestampRepr};

    fn segment(source: u16, control: TcpControl, is_answer: bool) -> Vec<u8> {
        let tcp = TcpRepr {
            src_port: source,
            dst_port: 80,
            control,
            seq_number: TcpSeqNumber(1),
            ack_number: is_answer.then_some(TcpSeqNumber(1)),
            window_len: 1000,
            window_scale: None,
            max_seg_size: Some(1460),
            sack_permitted: true,
            sack_ranges: [None; 3],
            timestamp: Some(TcpTimestampRepr::new(1, 2)),
            payload: &[],
        };
        let (client, server) = (
            Ipv4Address::new(10, 0, 2, 2),
            Ipv4Address::new(10, 0, 2, 15),
        );
        let ip = Ipv4Repr {
            src_addr: client,
            dst_addr: server,
            next_header: IpProtocol::Tcp,
            payload_len: tcp.buffer_len(),
            hop_limit: 64,
        };
        let mut frame = vec![0; 14 + ip.buffer_len() + tcp.buffer_len()];
        let checksums = ChecksumCapabilities::default();
        EthernetFrame::new_unchecked(&mut frame[..]).set_ethertype(EthernetProtocol::Ipv4);
        ip.emit(&mut Ipv4Packet::new_unchecked(&mut frame[14..]), &checksums);
        tcp.emit(
            &mut TcpPacket::new_unchecked(&mut frame[34..]),
            &client.into(),
            &server.into(),
            &checksums,
        );
        frame
    }

    fn at(millis: i64) -> Instant {
        Instant::from_millis(millis)
    }

    fn hold(backlog: &mut Backlog, source: u16, now: Instant) {
        let frame = segment(source, TcpControl::Syn, false);
        backlog.hold(request(&frame).unwrap(), &frame, now);
    }

    fn release(backlog: &mut Backlog, now: Instant) -> Option<u16> {
        backlog.release(
            now,
            |port| port == 80,
            |frame| request(frame).unwrap().source.1,
        )
    }

    #[test]
    fn only_the_first_segment_of_a_connection_is_a_request() {
        assert_eq!(
            request(&segment(5, TcpControl::Syn, false)).unwrap().port,
            80
        );
        for (control, is_answer) in [
            (TcpControl::Syn, true),
            (TcpControl::None, true),
            (TcpControl::Fin, true),
            (TcpControl::Rst, false),
        ] {
            assert_eq!(request(&segment(5, control, is_answer)), None);
        }
    }

    #[test]
    fn cut_frames_are_no_requests() {
        let frame = segment(5, TcpControl::Syn, false);
        for length in 0..frame.len() {
            assert_eq!(request(&frame[..length]), None);
        }
    }

    #[test]
    fn requests_leave_in_the_order_they_came() {
        let mut backlog = Backlog::new();
        for source in 1..=3 {
            hold(&mut backlog, source, at(source.into()));
        }
        let order = [1, 2, 3].map(|_| release(&mut backlog, at(10)).unwrap());
        assert_eq!(order, [1, 2, 3]);
        assert_eq!(release(&mut backlog, at(10)), None);
    }

    #[test]
    fn a_repeated_request_is_kept_once() {
        let mut backlog = Backlog::new();
        hold(&mut backlog, 1, at(0));
        hold(&mut backlog, 1, at(1000));
        assert_eq!(release(&mut backlog, at(1001)), Some(1));
        assert_eq!(release(&mut backlog, at(1001)), None);
    }

    #[test]
    fn old_requests_are_forgotten_and_make_room() {
        let mut backlog = Backlog::new();
        for source in 0..CAPACITY as u16 + 1 {
            hold(&mut backlog, source, at(0));
        }
        hold(&mut backlog, 99, at(5000));
        assert_eq!(release(&mut backlog, at(5001)), Some(99));
        assert_eq!(release(&mut backlog, at(5001)), None);
    }

    #[test]
    fn requests_for_other_ports_stay() {
        let mut backlog = Backlog::new();
        hold(&mut backlog, 1, at(0));
        assert_eq!(backlog.release(at(1), |port| port == 22, |_| ()), None);
        assert!(backlog.has_request_for(|port| port == 80));
        assert_eq!(release(&mut backlog, at(1)), Some(1));
    }
}
