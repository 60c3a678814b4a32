// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The memory-mapped transport (VirtIO 1.2, 4.2), register layout version 2, or 1 for legacy devices.
//!
//! [`registers`](VirtIOMMIODeviceRegisters) is the window as the standard draws it, `access` the
//! narrow trait through which the rest touches it, and `device` the transport itself, whose parts are
//! `initialization`, `interrupts` and `recovery`. When recovery acts is decided by `lifecycle` and
//! `storm`, which know nothing of devices.

mod access;
mod device;
mod initialization;
mod interrupts;
mod lifecycle;
mod recovery;
mod registers;
mod storm;

use super::poller::POLLS_IN_A_SECOND;

pub use device::VirtIOMMIODevice;
pub use registers::VirtIOMMIODeviceRegisters;

#[cfg(feature = "device-seams")]
pub use access::{Readable, RegisterAccess, Writable};
#[cfg(all(test, not(feature = "device-seams")))]
pub(crate) use access::{Readable, RegisterAccess, Writable};

#[cfg(test)]
mod tests;
