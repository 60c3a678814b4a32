// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Which frames this process gets: an address of its own, and what else it listens to.
//!
//! Without any of this a process gets every frame that the card takes in, as on kernels that know none
//! of these commands and answer them with [`ErrorCode::NoSupport`].

use super::DRIVER;
use crate::error::ErrorCode;
use crate::syscall;

const COMMAND_CLAIM: usize = 0x101;
const COMMAND_FILTER: usize = 0x102;
const COMMAND_JOIN: usize = 0x103;
const COMMAND_LEAVE: usize = 0x104;

const RELEASE: usize = 0;
const CLAIM: usize = 1;

/// Claims a hardware address for this process and returns it: locally administered, and, if the board
/// gives the app a fixed identifier, the same at each start unless another app has taken it.
///
/// From then on the process gets no unicast frames but its own. Frames between processes with claims
/// stay on the board.
///
/// # Errors
///
/// [`ErrorCode::NoSupport`] from a kernel without claims: all processes share the card's address.
/// [`ErrorCode::NoDevice`] without a card.
pub fn claim_mac() -> Result<[u8; 6], ErrorCode> {
    syscall::command_u64(DRIVER, COMMAND_CLAIM, CLAIM, 0).map(super::mac_from)
}

/// Gives a claimed address back.
///
/// # Errors
///
/// As for [`claim_mac`].
pub fn release_mac() -> Result<(), ErrorCode> {
    syscall::command_u64(DRIVER, COMMAND_CLAIM, RELEASE, 0).map(|_| ())
}

/// Which frames the tap is to deliver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    bits: u32,
    ethertype: u16,
}

impl Filter {
    /// Nothing at all; choose from here on.
    pub const NOTHING: Self = Self {
        bits: 0,
        ethertype: 0,
    };
    /// What a process without a claim starts with.
    pub const EVERYTHING: Self = Self {
        bits: 1 << 3,
        ethertype: 0,
    };

    /// And frames to the claimed address.
    #[must_use]
    pub const fn own_unicast(self) -> Self {
        self.with(1 << 0)
    }

    /// And frames to everyone.
    #[must_use]
    pub const fn broadcast(self) -> Self {
        self.with(1 << 1)
    }

    /// And frames to any group, joined or not.
    #[must_use]
    pub const fn all_multicast(self) -> Self {
        self.with(1 << 2)
    }

    /// Of all these, only frames of one ethertype.
    #[must_use]
    pub const fn only(self, ethertype: u16) -> Self {
        Self {
            ethertype,
            ..self.with(1 << 4)
        }
    }

    const fn with(self, bit: u32) -> Self {
        Self {
            bits: self.bits | bit,
            ..self
        }
    }
}

/// Sets the filter; frames that it keeps out are counted.
///
/// # Errors
///
/// [`ErrorCode::NoSupport`] from a kernel that filters nothing, [`ErrorCode::Invalid`] for a filter that
/// the kernel cannot make, [`ErrorCode::NoDevice`] without a card.
pub fn set_filter(filter: Filter) -> Result<(), ErrorCode> {
    let Filter { bits, ethertype } = filter;
    syscall::command(
        DRIVER,
        COMMAND_FILTER,
        bits as usize,
        usize::from(ethertype),
    )
}

/// Also takes in frames to a group.
///
/// # Errors
///
/// [`ErrorCode::Invalid`] for an address that is no group's, [`ErrorCode::NoMemory`] with no room for
/// another, [`ErrorCode::NoSupport`] from a kernel that delivers all groups anyway.
pub fn join_multicast(group: [u8; 6]) -> Result<(), ErrorCode> {
    multicast(COMMAND_JOIN, group)
}

/// Undoes [`join_multicast`].
///
/// # Errors
///
/// [`ErrorCode::Invalid`] for a group that was not joined; else as for [`join_multicast`].
pub fn leave_multicast(group: [u8; 6]) -> Result<(), ErrorCode> {
    multicast(COMMAND_LEAVE, group)
}

fn multicast(command: usize, [a, b, c, d, e, f]: [u8; 6]) -> Result<(), ErrorCode> {
    let low = u32::from_le_bytes([a, b, c, d]);
    let high = u16::from_le_bytes([e, f]);
    syscall::command(DRIVER, command, low as usize, usize::from(high))
}
