// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The Ethernet tap as a `smoltcp` device: frames are read and written in the tap's own buffers.

use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;
use tock_app::ethernet::{FRAME_LIMIT, Tap, Transmitter};

/// Bytes of an Ethernet header.
const HEADER_BYTES: usize = 14;

/// Smallest MTU of IPv4 that hosts rely on (RFC 791); links that claim less are not believed.
const SMALLEST_MTU: usize = 576;

/// Longest frame that can be put in front of those of the tap.
pub const INJECT_LIMIT: usize = crate::backlog::FRAME_LIMIT;

/// The tap, with a place for one frame that goes to the stack before those of the tap.
pub struct TapDevice {
    /// The tap itself.
    pub tap: Tap,
    frame_limit: usize,
    injected: [u8; INJECT_LIMIT],
    injected_length: usize,
}

impl TapDevice {
    /// Wraps a tap on a link with the given MTU.
    pub fn new(tap: Tap, mtu: u16) -> Self {
        // The tap would take a VLAN tag's four bytes more, but they are no payload.
        let mtu = usize::from(mtu).clamp(SMALLEST_MTU, FRAME_LIMIT - HEADER_BYTES - 4);
        Self {
            tap,
            frame_limit: mtu + HEADER_BYTES,
            injected: [0; INJECT_LIMIT],
            injected_length: 0,
        }
    }

    /// Has the stack receive `frame` next; a frame longer than [`INJECT_LIMIT`] is cut.
    pub fn inject(&mut self, frame: &[u8]) {
        let slots = self.injected.iter_mut().zip(frame);
        self.injected_length = slots.map(|(to, from)| *to = *from).count();
    }
}

impl Device for TapDevice {
    type RxToken<'d> = Frame<'d>;
    type TxToken<'d> = Outlet<'d>;

    fn receive(&mut self, _now: Instant) -> Option<(Frame<'_>, Outlet<'_>)> {
        let Tap {
            receiver,
            transmitter,
        } = &mut self.tap;
        let injected = core::mem::take(&mut self.injected_length);
        let frame = match self.injected.get(..injected) {
            Some(frame) if injected > 0 => frame,
            _ => receiver.receive()?,
        };
        Some((Frame(frame), Outlet(transmitter)))
    }

    fn transmit(&mut self, _now: Instant) -> Option<Outlet<'_>> {
        Some(Outlet(&mut self.tap.transmitter))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = self.frame_limit;
        capabilities
    }
}

/// A received frame.
pub struct Frame<'d>(&'d [u8]);

impl RxToken for Frame<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(self.0)
    }
}

/// The right to send one frame.
pub struct Outlet<'d>(&'d mut Transmitter);

impl TxToken for Outlet<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, write: F) -> R {
        self.0.queue_or_drop(length, write)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stand_in;
    use tock_app::ethernet::{Buffers, transmit_bytes};

    #[test]
    fn frames_are_read_and_written_where_the_kernel_has_them() {
        let (board, _turn) = stand_in::board(true);
        let buffers = Box::leak(Box::new(Buffers::<4096, { transmit_bytes(3) }>::new()));
        let mut device = TapDevice::new(Tap::open(buffers).unwrap(), 1500);
        let now = Instant::ZERO;
        for round in 0..10u8 {
            board.borrow_mut().incoming.push_back(vec![round; 700]);
            device.tap.receiver.wait();
            let (frame, outlet) = device.receive(now).unwrap();
            let read_at = frame.consume(|frame| {
                assert_eq!(frame, [round; 700]);
                frame.as_ptr().addr()
            });
            let written_at = outlet.consume(900, |frame| {
                frame.fill(round);
                frame.as_ptr().addr()
            });
            device.tap.transmitter.flush().unwrap();
            let board = board.borrow();
            let received = &board.receive_buffers;
            assert!(received.iter().any(|buffer| buffer.contains(&read_at)));
            assert!(board.transmit_buffer().contains(&written_at));
            assert_eq!(board.sent[usize::from(round)], [vec![round; 900]]);
        }
    }

    #[test]
    fn what_is_written_before_the_kernel_is_told_leaves_together() {
        let (board, _turn) = stand_in::board(true);
        let buffers = Box::leak(Box::new(Buffers::<4096, { transmit_bytes(3) }>::new()));
        let mut device = TapDevice::new(Tap::open(buffers).unwrap(), 1500);
        for number in 0..5u8 {
            let outlet = device.transmit(Instant::ZERO).unwrap();
            outlet.consume(60, |frame| frame.fill(number));
        }
        assert!(board.borrow().sent.is_empty());
        device.tap.transmitter.submit().unwrap();
        let frames: Vec<Vec<u8>> = (0..5).map(|number| vec![number; 60]).collect();
        assert_eq!(board.borrow().sent, [frames]);
    }

    #[test]
    fn the_mtu_decides_on_the_longest_frame_within_reason() {
        let (_board, _turn) = stand_in::board(true);
        for (mtu, longest) in [
            (1400, 1414),
            (1500, 1514),
            (9000, 1514),
            (68, 590),
            (0, 590),
        ] {
            let buffers = Box::leak(Box::new(Buffers::<4096>::new()));
            let device = TapDevice::new(Tap::open(buffers).unwrap(), mtu);
            assert_eq!(device.capabilities().max_transmission_unit, longest);
        }
    }
}
