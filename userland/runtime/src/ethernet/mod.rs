// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Ethernet tap (driver 0x30007): whole frames to and from the board's network card.
//!
//! A frame runs from the destination address to the end of the payload, without checksum. [`Tap`]
//! owns the buffers it shares with the kernel; its two halves can be used apart.

mod address;
mod chunks;
mod link;
mod receiver;
mod statistics;
mod transmitter;

pub use address::{Filter, claim_mac, join_multicast, leave_multicast, release_mac, set_filter};
pub use link::{LINK_CHANGED, Link, LinkState, link, take_link_change, watch_link};
pub use receiver::{RECEIVED, Receiver};
pub use statistics::{
    ReceiveDrops, ReceiveStatistics, TransmitDrops, receive_drops, receive_statistics,
    transmit_drops, transmit_statistics,
};
pub use transmitter::Transmitter;

use crate::error::ErrorCode;
use crate::syscall;

const DRIVER: usize = 0x30007;

const COMMAND_RECEIVE_STATISTICS: usize = 1;
const COMMAND_TRANSMIT_STATISTICS: usize = 2;
const COMMAND_TRANSMIT: usize = 3;

/// Longest frame that the tap transmits: 1500 bytes of payload, a VLAN tag and the header.
pub const FRAME_LIMIT: usize = 1518;

/// Smallest receive buffer that holds one frame of any size with its headers.
pub const RECEIVE_MINIMUM: usize =
    crate::streaming::HEADER_BYTES + chunks::HEADER_BYTES + FRAME_LIMIT;

/// Smallest transmit buffer: one frame of any size with its length.
pub const TRANSMIT_MINIMUM: usize = transmitter::LENGTH_BYTES + FRAME_LIMIT;

/// Size of a transmit buffer from which `frames` frames of 1514 bytes leave together, or more shorter
/// ones.
pub const fn transmit_bytes(frames: usize) -> usize {
    // The last one must find room for a frame of any size.
    frames.saturating_sub(1) * (transmitter::LENGTH_BYTES + 1514) + TRANSMIT_MINIMUM
}

/// Bytes at the alignment that lets their header be read in one load.
#[repr(C, align(4))]
struct Aligned<const BYTES: usize>([u8; BYTES]);

/// Bytes that begin between two words, so that the first frame behind its length begins at one.
#[repr(C, align(4))]
struct Shifted<const BYTES: usize> {
    gap: [u8; 4 - transmitter::LENGTH_BYTES],
    bytes: [u8; BYTES],
}

/// The memory of a tap: two receive buffers of `RECEIVE` bytes, and `TRANSMIT` bytes for frames to
/// transmit, by default for one of any size. [`transmit_bytes`] tells what several need.
///
/// Keep it in a [`Singleton`](crate::Singleton): the kernel holds part of it from
/// [`Tap::open`] to the end of the process.
pub struct Buffers<const RECEIVE: usize, const TRANSMIT: usize = TRANSMIT_MINIMUM> {
    receive: [Aligned<RECEIVE>; 2],
    transmit: Shifted<TRANSMIT>,
}

impl<const RECEIVE: usize, const TRANSMIT: usize> Default for Buffers<RECEIVE, TRANSMIT> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const RECEIVE: usize, const TRANSMIT: usize> Buffers<RECEIVE, TRANSMIT> {
    /// Makes empty buffers.
    pub const fn new() -> Self {
        const {
            assert!(
                RECEIVE >= RECEIVE_MINIMUM && TRANSMIT >= TRANSMIT_MINIMUM,
                "no room for the longest frame"
            );
        };
        Self {
            receive: [const { Aligned([0; RECEIVE]) }; 2],
            transmit: Shifted {
                gap: [0; 4 - transmitter::LENGTH_BYTES],
                bytes: [0; TRANSMIT],
            },
        }
    }
}

/// The network card as seen by this process.
pub struct Tap {
    /// The half that frames come in by.
    pub receiver: Receiver,
    /// The half that frames go out by.
    pub transmitter: Transmitter,
}

impl Tap {
    /// Starts receiving into `buffers`.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::NoDevice`] without a network card, [`ErrorCode::NoMemory`] without room for the
    /// driver's state.
    pub fn open<const RECEIVE: usize, const TRANSMIT: usize>(
        buffers: &'static mut Buffers<RECEIVE, TRANSMIT>,
    ) -> Result<Self, ErrorCode> {
        let Buffers {
            receive: [first, second],
            transmit,
        } = buffers;
        let transmitter = Transmitter::open(&mut transmit.bytes)?;
        let receiver = Receiver::open(&mut first.0, &mut second.0)?;
        Ok(Self {
            receiver,
            transmitter,
        })
    }
}

/// From this length on, sharing a frame where it lies costs less than copying it. A command less for each
/// frame of a batch saves more than either.
const LONG_FRAME: usize = 400;

impl Tap {
    /// Takes the next frame, has `edit` change it where it lies, and sends it if `edit` says so: together
    /// with others (see [`Transmitter::queue_with`]), or a long one that is alone from where it lies.
    ///
    /// Returns `None` when there is no frame at the moment. [`flush`](Transmitter::flush) the transmitter
    /// before waiting for the next one.
    ///
    /// # Errors
    ///
    /// Why a frame was not sent, this one or one before.
    pub fn forward(
        &mut self,
        edit: impl FnOnce(&mut [u8]) -> bool,
    ) -> Option<Result<(), ErrorCode>> {
        let (frame, is_last) = self.receiver.receive_of_batch()?;
        if !edit(frame) {
            return Some(Ok(()));
        }
        let transmitter = &mut self.transmitter;
        Some(
            if !is_last || frame.len() < LONG_FRAME || transmitter.has_queued() {
                transmitter.queue_with(frame.len(), |place| place.copy_from_slice(frame))
            } else {
                // SAFETY: receive buffers are static memory.
                unsafe { transmitter.transmit_from(frame) }
            },
        )
    }
}

/// Tells whether the board has a network card behind the tap.
pub fn exists() -> bool {
    syscall::exists(DRIVER)
}

#[cfg(not(target_os = "none"))]
pub(crate) fn reset_events() {
    for event in [
        &RECEIVED,
        &LINK_CHANGED,
        &transmitter::SENT,
        &transmitter::BATCH_DONE,
    ] {
        event.disable();
    }
}

/// Reads a hardware address from a number that has its first octet lowest.
fn mac_from(number: u64) -> [u8; 6] {
    let [a, b, c, d, e, f, _, _] = number.to_le_bytes();
    [a, b, c, d, e, f]
}

#[cfg(test)]
mod tests;
