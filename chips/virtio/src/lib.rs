// SPDX-License-Identifier: Apache-2.0 OR MIT

//! VirtIO devices for Tock: transports, virtqueues and device drivers.
//!
//! The device is not trusted. Whatever it writes, in registers, rings or buffers, is checked against
//! what the driver offered, and a device that breaks the rules costs an error and a counter, never a
//! panic or a buffer. [`queues::split_queue`] is the file to read first, `README.md` the overview.

#![no_std]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::unreachable
    )
)]

#[cfg(test)]
extern crate std;

mod barriers;
pub mod counters;
pub mod devices;
pub mod features;
pub mod queues;
pub mod transports;

#[cfg(test)]
mod testing;
