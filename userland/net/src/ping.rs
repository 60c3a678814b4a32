// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Echo requests (RFC 792) and what comes back.

use crate::network::Network;
use core::fmt;
use smoltcp::iface::SocketHandle;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::socket::icmp;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{Icmpv4Packet, Icmpv4Repr, IpAddress, Ipv4Address};

/// Data bytes of a request, as many as `ping` sends elsewhere.
pub const DATA_BYTES: usize = 56;
/// Bytes of the header before them.
const HEADER_BYTES: usize = 8;
const PACKETS: usize = 4;
const PACKET_BYTES: usize = HEADER_BYTES + DATA_BYTES;

/// Memory of a [`Pinger`]; keep it in a [`Singleton`](tock_app::Singleton).
pub struct PingMemory {
    metadata: [[icmp::PacketMetadata; PACKETS]; 2],
    // Errors of routers are longer than answers.
    received: [u8; 4 * PACKET_BYTES],
    transmitted: [u8; 2 * PACKET_BYTES],
}

impl Default for PingMemory {
    fn default() -> Self {
        Self::new()
    }
}

impl PingMemory {
    /// Makes empty memory.
    pub const fn new() -> Self {
        Self {
            metadata: [[icmp::PacketMetadata::EMPTY; PACKETS]; 2],
            received: [0; 4 * PACKET_BYTES],
            transmitted: [0; 2 * PACKET_BYTES],
        }
    }
}

/// An answer to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Which request: they count from zero.
    pub sequence: u16,
    /// Bytes of the answer, its header included.
    pub bytes: usize,
    /// From request to answer.
    pub time: Duration,
}

/// Sends requests to one address and recognises their answers. Takes one of the network's sockets.
pub struct Pinger {
    socket: SocketHandle,
    identifier: u16,
    target: Ipv4Address,
    /// The latest request while its answer is out.
    waiting: Option<(u16, Instant)>,
    next: u16,
    statistics: Statistics,
}

impl Pinger {
    /// Makes a pinger without a target. `identifier` tells its requests from those of others.
    ///
    /// # Panics
    ///
    /// When the memory of `network` has no place for a socket left.
    pub fn new(network: &mut Network, memory: &'static mut PingMemory, identifier: u16) -> Self {
        let PingMemory {
            metadata: [receive, transmit],
            received,
            transmitted,
        } = memory;
        let mut socket = icmp::Socket::new(
            icmp::PacketBuffer::new(&mut receive[..], &mut received[..]),
            icmp::PacketBuffer::new(&mut transmit[..], &mut transmitted[..]),
        );
        // A fresh socket takes any identifier.
        let _ = socket.bind(icmp::Endpoint::Ident(identifier));
        Self {
            socket: network.sockets().add(socket),
            identifier,
            target: Ipv4Address::UNSPECIFIED,
            waiting: None,
            next: 0,
            statistics: Statistics::default(),
        }
    }

    /// Starts anew with another target.
    pub fn aim(&mut self, target: Ipv4Address) {
        self.target = target;
        self.waiting = None;
        self.next = 0;
        self.statistics = Statistics::default();
    }

    /// Sends the next request; an answer to the one before is late from here on.
    pub fn send(&mut self, network: &mut Network) {
        let now = network.now();
        let request = Icmpv4Repr::EchoRequest {
            ident: self.identifier,
            seq_no: self.next,
            data: &data(self.next),
        };
        let socket = network.sockets().get_mut::<icmp::Socket>(self.socket);
        if let Ok(bytes) = socket.send(PACKET_BYTES, IpAddress::Ipv4(self.target)) {
            let mut packet = Icmpv4Packet::new_unchecked(bytes);
            request.emit(&mut packet, &ChecksumCapabilities::default());
        }
        // A request that found no room counts: it was wanted, and will not be answered.
        self.waiting = Some((self.next, now));
        self.next = self.next.wrapping_add(1);
        self.statistics.sent();
    }

    /// Takes the answer to the latest request, if it has come.
    pub fn poll(&mut self, network: &mut Network) -> Option<Reply> {
        let now = network.now();
        let socket = network.sockets().get_mut::<icmp::Socket>(self.socket);
        while let Ok((packet, source)) = socket.recv() {
            let (sequence, since) = self.waiting?;
            let is_answer = source == IpAddress::Ipv4(self.target)
                && answers(packet, self.identifier, sequence);
            if is_answer {
                let bytes = packet.len();
                self.waiting = None;
                let time = if now > since {
                    now - since
                } else {
                    Duration::ZERO
                };
                self.statistics.received(time);
                return Some(Reply {
                    sequence,
                    bytes,
                    time,
                });
            }
        }
        None
    }

    /// Returns the counts since the target was chosen.
    pub fn statistics(&self) -> Statistics {
        self.statistics
    }
}

/// The data of a request: bytes in a row that depend on its number.
fn data(sequence: u16) -> [u8; DATA_BYTES] {
    core::array::from_fn(|index| (index as u8).wrapping_add(sequence as u8))
}

/// Tells whether a packet is the whole and undamaged answer to a request.
fn answers(packet: &[u8], identifier: u16, sequence: u16) -> bool {
    let Ok(packet) = Icmpv4Packet::new_checked(packet) else {
        return false;
    };
    let reply = Icmpv4Repr::parse(&packet, &ChecksumCapabilities::default());
    reply.is_ok_and(|reply| {
        reply
            == Icmpv4Repr::EchoReply {
                ident: identifier,
                seq_no: sequence,
                data: &data(sequence),
            }
    })
}

/// How many requests were answered, and how fast.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    sent: u32,
    received: u32,
    shortest: Duration,
    longest: Duration,
    total: Duration,
}

impl Statistics {
    fn sent(&mut self) {
        self.sent += 1;
    }

    fn received(&mut self, time: Duration) {
        self.shortest = match self.received {
            0 => time,
            _ => self.shortest.min(time),
        };
        self.longest = self.longest.max(time);
        self.total += time;
        self.received += 1;
    }

    /// Returns how many requests were sent.
    pub fn requests(&self) -> u32 {
        self.sent
    }

    /// Returns the times, if there was any answer.
    pub fn round_trip(&self) -> Option<RoundTrip> {
        let mean = (self.received > 0).then(|| self.total / self.received)?;
        Some(RoundTrip([self.shortest, mean, self.longest]))
    }
}

impl fmt::Display for Statistics {
    fn fmt(&self, output: &mut fmt::Formatter) -> fmt::Result {
        let Self { sent, received, .. } = *self;
        let lost = (sent - received) * 100 / sent.max(1);
        write!(
            output,
            "{sent} packets transmitted, {received} received, {lost}% packet loss"
        )
    }
}

/// Shortest, mean and longest time of the answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoundTrip([Duration; 3]);

impl fmt::Display for RoundTrip {
    fn fmt(&self, output: &mut fmt::Formatter) -> fmt::Result {
        let [shortest, mean, longest] = self.0.map(Millis);
        write!(
            output,
            "round-trip min/avg/max = {shortest}/{mean}/{longest} ms"
        )
    }
}

/// A time in milliseconds with three decimals.
#[derive(Clone, Copy, Debug)]
pub struct Millis(pub Duration);

impl fmt::Display for Millis {
    fn fmt(&self, output: &mut fmt::Formatter) -> fmt::Result {
        let micros = self.0.total_micros();
        write!(output, "{}.{:03}", micros / 1000, micros % 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(identifier: u16, sequence: u16, data: &[u8]) -> Vec<u8> {
        let reply = Icmpv4Repr::EchoReply {
            ident: identifier,
            seq_no: sequence,
            data,
        };
        let mut bytes = vec![0; reply.buffer_len()];
        let mut packet = Icmpv4Packet::new_unchecked(&mut bytes);
        reply.emit(&mut packet, &ChecksumCapabilities::default());
        bytes
    }

    #[test]
    fn only_the_whole_answer_to_this_request_counts() {
        let right = reply(7, 300, &data(300));
        assert_eq!(right.len(), PACKET_BYTES);
        assert!(answers(&right, 7, 300));
        for wrong in [
            reply(8, 300, &data(300)),
            reply(7, 301, &data(300)),
            reply(7, 300, &data(301)),
            reply(7, 300, &data(300)[..DATA_BYTES - 1]),
        ] {
            assert!(!answers(&wrong, 7, 300));
        }
        for length in 0..right.len() {
            assert!(!answers(&right[..length], 7, 300));
        }
        for damaged in 0..right.len() {
            let mut bytes = right.clone();
            bytes[damaged] ^= 0x10;
            assert!(!answers(&bytes, 7, 300), "byte {damaged}");
        }
    }

    #[test]
    fn statistics_read_as_they_do_elsewhere() {
        let mut statistics = Statistics::default();
        for micros in [Some(1500), None, Some(500), Some(1003)] {
            statistics.sent();
            if let Some(micros) = micros {
                statistics.received(Duration::from_micros(micros));
            }
        }
        assert_eq!(
            statistics.to_string(),
            "4 packets transmitted, 3 received, 25% packet loss"
        );
        assert_eq!(
            statistics.round_trip().unwrap().to_string(),
            "round-trip min/avg/max = 0.500/1.001/1.500 ms"
        );
    }

    #[test]
    fn without_an_answer_there_are_no_times() {
        let mut statistics = Statistics::default();
        assert_eq!(
            statistics.to_string(),
            "0 packets transmitted, 0 received, 0% packet loss"
        );
        statistics.sent();
        assert_eq!(statistics.round_trip(), None);
        assert_eq!(
            statistics.to_string(),
            "1 packets transmitted, 0 received, 100% packet loss"
        );
    }
}
