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
use core::ptr::NonNull;

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
#[repr(C)]
pub struct Buffers<const RECEIVE: usize, const TRANSMIT: usize = TRANSMIT_MINIMUM> {
    /// First, so that the memory from here on can be shared as one place to send frames from.
    transmit: Shifted<TRANSMIT>,
    receive: [Aligned<RECEIVE>; 2],
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
        let whole = core::ptr::from_mut(buffers);
        let shared = size_of::<Buffers<RECEIVE, TRANSMIT>>()
            - core::mem::offset_of!(Buffers<RECEIVE, TRANSMIT>, transmit)
            - core::mem::offset_of!(Shifted<TRANSMIT>, bytes);
        // SAFETY: the places of fields of a value that exists, which are not null; nothing is read here.
        // The last one reaches from a field to the end of the value.
        let [first, second, transmit, area] = unsafe {
            let transmit = (&raw mut (*whole).transmit.bytes).cast::<u8>();
            [
                ((&raw mut (*whole).receive[0].0).cast::<u8>(), RECEIVE),
                ((&raw mut (*whole).receive[1].0).cast::<u8>(), RECEIVE),
                (transmit, TRANSMIT),
                (transmit, shared),
            ]
            .map(|(first, length)| {
                NonNull::slice_from_raw_parts(NonNull::new_unchecked(first), length)
            })
        };
        // SAFETY: parts of the static value, the first as long as `new` asks for.
        let transmitter = unsafe { Transmitter::open(transmit, area) }?;
        // SAFETY: the two parts of the static value, aligned by their types and as long as `new` asks for.
        let receiver = unsafe { Receiver::open(first, second, transmitter.has_batches()) }?;
        Ok(Self {
            receiver,
            transmitter,
        })
    }
}

impl Tap {
    /// Takes the next frame, has `edit` change it where it lies, and sends it if `edit` says so: one that
    /// came alone from where it lies, others together (see [`Transmitter::queue_with`]).
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
        if is_last && let Some(sent) = transmitter.transmit_from(frame) {
            return Some(sent);
        }
        Some(transmitter.queue_with(frame.len(), |place| place.copy_from_slice(frame)))
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
