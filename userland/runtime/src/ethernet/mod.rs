// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Ethernet tap (driver 0x30007): whole frames to and from the board's network card.
//!
//! A frame runs from the destination address to the end of the payload, without checksum. [`Tap`]
//! owns the buffers it shares with the kernel; its two halves can be used apart.

mod chunks;
mod receiver;
mod transmitter;

pub use receiver::{RECEIVED, Receiver};
pub use transmitter::Transmitter;

use crate::error::ErrorCode;
use crate::syscall;

const DRIVER: usize = 0x30007;

const COMMAND_RECEIVE_STATISTICS: usize = 1;
const COMMAND_TRANSMIT_STATISTICS: usize = 2;
const COMMAND_TRANSMIT: usize = 3;
const COMMAND_LINK: usize = 0x100;

/// Longest frame that the tap transmits: 1500 bytes of payload, a VLAN tag and the header.
pub const FRAME_LIMIT: usize = 1518;

/// Smallest receive buffer that holds one frame of any size with its headers.
pub const RECEIVE_MINIMUM: usize =
    crate::streaming::HEADER_BYTES + chunks::HEADER_BYTES + FRAME_LIMIT;

/// Bytes at the alignment that lets their header be read in one load.
#[repr(C, align(4))]
struct Aligned<const BYTES: usize>([u8; BYTES]);

/// The memory of a tap: two receive buffers of `RECEIVE` bytes and one frame to transmit.
///
/// Keep it in a [`Singleton`](crate::Singleton): the kernel holds part of it from
/// [`Tap::open`] to the end of the process.
pub struct Buffers<const RECEIVE: usize> {
    receive: [Aligned<RECEIVE>; 2],
    transmit: [u8; FRAME_LIMIT],
}

impl<const RECEIVE: usize> Buffers<RECEIVE> {
    /// Makes empty buffers.
    #[allow(clippy::new_without_default, reason = "only a static makes sense")]
    pub const fn new() -> Self {
        const { assert!(RECEIVE >= RECEIVE_MINIMUM, "no room for the longest frame") };
        Self {
            receive: [const { Aligned([0; RECEIVE]) }; 2],
            transmit: [0; FRAME_LIMIT],
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
    pub fn open<const RECEIVE: usize>(
        buffers: &'static mut Buffers<RECEIVE>,
    ) -> Result<Self, ErrorCode> {
        let Buffers {
            receive: [first, second],
            transmit,
        } = buffers;
        let transmitter = Transmitter::open(transmit)?;
        let receiver = Receiver::open(&mut first.0, &mut second.0)?;
        Ok(Self {
            receiver,
            transmitter,
        })
    }
}

/// Tells whether the board has a network card behind the tap.
pub fn exists() -> bool {
    syscall::exists(DRIVER)
}

/// State of the card and its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Longest payload of a frame in bytes.
    pub mtu: u16,
    /// The line works.
    pub is_up: bool,
    /// Hardware address of the card.
    pub mac: [u8; 6],
}

/// Asks for the state of the card.
///
/// # Errors
///
/// [`ErrorCode::NoSupport`] from a kernel whose tap does not tell, [`ErrorCode::NoDevice`] without a
/// card.
pub fn link() -> Result<Link, ErrorCode> {
    let (flags, address) = syscall::command_u32_u64(DRIVER, COMMAND_LINK, 0, 0)?;
    let [a, b, c, d, e, f, _, _] = address.to_le_bytes();
    Ok(Link {
        mtu: flags as u16,
        is_up: flags & 1 << 16 != 0,
        mac: [a, b, c, d, e, f],
    })
}

/// The kernel's counts of what came in for this process; they wrap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReceiveStatistics {
    /// Frames put into a receive buffer.
    pub frames: u32,
    /// Their bytes.
    pub bytes: u32,
    /// Frames that found no room.
    pub dropped: u32,
}

/// Asks for the kernel's receive counts.
///
/// # Errors
///
/// [`ErrorCode::NoDevice`] without a card.
pub fn receive_statistics() -> Result<ReceiveStatistics, ErrorCode> {
    let [frames, bytes, dropped] =
        syscall::command_3_u32(DRIVER, COMMAND_RECEIVE_STATISTICS, 0, 0)?;
    Ok(ReceiveStatistics {
        frames,
        bytes,
        dropped,
    })
}

/// Asks for the kernel's counts of transmitted frames and bytes, in this order; they wrap, and some
/// kernels leave them at zero.
///
/// # Errors
///
/// [`ErrorCode::NoDevice`] without a card.
pub fn transmit_statistics() -> Result<[u32; 2], ErrorCode> {
    syscall::command_2_u32(DRIVER, COMMAND_TRANSMIT_STATISTICS, 0, 0)
}

#[cfg(test)]
mod tests;
