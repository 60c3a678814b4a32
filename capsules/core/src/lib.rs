// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Drivers that nearly every board has: time, console, random numbers and their sharing.
//!
//! Capsules are safe code on top of hardware interfaces. None of them panics: whatever an app or
//! the hardware does ends in an error code. The first file to read is `alarm.rs`.

#![no_std]
#![forbid(unsafe_code)]
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

pub mod alarm;
pub mod console;
pub mod debug_writer;
pub mod driver;
pub mod jitter_mix;
pub mod late_upcalls;
pub mod low_level_debug;
pub mod process_console;
pub mod rng;
pub mod turns;
pub mod virtualizers;

mod deadline;
mod text;
mod waiting;

#[cfg(test)]
mod fakes;
