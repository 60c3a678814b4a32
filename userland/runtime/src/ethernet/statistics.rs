// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The kernel's counts for this process; all of them wrap.

use super::{COMMAND_RECEIVE_STATISTICS, COMMAND_TRANSMIT_STATISTICS, DRIVER};
use crate::error::ErrorCode;
use crate::syscall;

const COMMAND_DROPS: usize = 0x105;

const RECEIVE: usize = 0;
const TRANSMIT: usize = 1;

/// What came in for this process.
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

/// Asks for the kernel's counts of transmitted frames and bytes, in this order; some kernels leave them
/// at zero.
///
/// # Errors
///
/// [`ErrorCode::NoDevice`] without a card.
pub fn transmit_statistics() -> Result<[u32; 2], ErrorCode> {
    syscall::command_2_u32(DRIVER, COMMAND_TRANSMIT_STATISTICS, 0, 0)
}

/// Frames for this process that it did not get, by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReceiveDrops {
    /// No receive buffer had room.
    pub no_room: u32,
    /// The filter kept them out.
    pub filtered: u32,
    /// They were no Ethernet frames.
    pub malformed: u32,
}

/// Frames of this process that did not go out, by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TransmitDrops {
    /// The card took no frames.
    pub refused: u32,
    /// The card had them and lost them, by a reset or with the link.
    pub lost: u32,
    /// Longer than the link allows.
    pub oversize: u32,
}

/// Asks what was not received.
///
/// # Errors
///
/// [`ErrorCode::NoSupport`] from a kernel that does not tell causes apart,
/// [`ErrorCode::NoDevice`] without a card.
pub fn receive_drops() -> Result<ReceiveDrops, ErrorCode> {
    let [no_room, filtered, malformed] = syscall::command_3_u32(DRIVER, COMMAND_DROPS, RECEIVE, 0)?;
    Ok(ReceiveDrops {
        no_room,
        filtered,
        malformed,
    })
}

/// Asks what was not transmitted.
///
/// # Errors
///
/// As for [`receive_drops`].
pub fn transmit_drops() -> Result<TransmitDrops, ErrorCode> {
    let [refused, lost, oversize] = syscall::command_3_u32(DRIVER, COMMAND_DROPS, TRANSMIT, 0)?;
    Ok(TransmitDrops {
        refused,
        lost,
        oversize,
    })
}
