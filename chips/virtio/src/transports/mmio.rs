// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The memory-mapped transport (VirtIO 1.2, 4.2), register layout version 2.
//!
//! [`registers`](VirtIOMMIODeviceRegisters) is the window as the standard draws it, `access` the
//! narrow trait through which the rest touches it, `device` the transport itself, and
//! `initialization` and `interrupts` are its two halves.

mod access;
mod device;
mod initialization;
mod interrupts;
mod registers;

pub use device::VirtIOMMIODevice;
pub use registers::VirtIOMMIODeviceRegisters;

#[cfg(test)]
pub(crate) use access::{Readable, RegisterAccess, Writable};

#[cfg(test)]
mod tests;
