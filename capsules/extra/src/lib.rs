// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Drivers for the hardware that only some boards have.
//!
//! Like all capsules they are safe code that never panics. The first file to read is
//! `ethernet_tap.rs`.

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

#[cfg(feature = "ethernet-adapter")]
mod ethernet_filter;
pub mod ethernet_tap;
#[cfg(feature = "ethernet-adapter")]
pub mod mux_ethernet;
#[cfg(feature = "ethernet-adapter")]
pub mod ping_responder;
