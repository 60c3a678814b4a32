// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The card and its line: what they are now, and the event that they have changed.

use super::DRIVER;
use crate::error::ErrorCode;
use crate::syscall;
use crate::upcall::Upcall;

const COMMAND_LINK: usize = 0x100;
const UPCALL_LINK_CHANGED: usize = 2;

/// Where the MTU lies in the flags of command and upcall.
const MTU_MASK: u32 = 0xFFFF;
const UP: u32 = 1 << 16;

/// Pending when the line has gone up or down since the last [`take_link_change`], once
/// [`watch_link`] has turned the event on.
pub static LINK_CHANGED: Upcall = Upcall::new(DRIVER, UPCALL_LINK_CHANGED);

/// State of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkState {
    /// Longest payload of a frame in bytes.
    pub mtu: u16,
    /// The line works.
    pub is_up: bool,
}

impl LinkState {
    fn from_flags(flags: u32) -> Self {
        Self {
            mtu: (flags & MTU_MASK) as u16,
            is_up: flags & UP != 0,
        }
    }
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
    let LinkState { mtu, is_up } = LinkState::from_flags(flags);
    Ok(Link {
        mtu,
        is_up,
        mac: super::mac_from(address),
    })
}

/// Turns [`LINK_CHANGED`] on and returns the state to start from.
///
/// # Errors
///
/// As for [`link`]; then no event will come, and the line counts as up.
pub fn watch_link() -> Result<Link, ErrorCode> {
    // A change between the two shows in the answer, and in a harmless event beside.
    link()?;
    LINK_CHANGED.enable().map_err(|error| match error {
        // A tap that tells, but has no such event.
        ErrorCode::Invalid => ErrorCode::NoSupport,
        other => other,
    })?;
    link()
}

/// Takes the latest change of the line; earlier ones that were not taken are merged into it.
pub fn take_link_change() -> Option<LinkState> {
    let [flags, ..] = LINK_CHANGED.take()?;
    Some(LinkState::from_flags(flags))
}
