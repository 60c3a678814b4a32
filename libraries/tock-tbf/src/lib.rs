// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Tock Binary Format: the headers in front of an application and the footers behind it.
//!
//! Whoever fills the flash controls every byte that is read here. Nothing is trusted: numbers are
//! read with bounds checks, sums are checked, and what the parser accepts is consistent, so that a
//! loader can use the offsets of a [`TbfHeader`](types::TbfHeader) without checking them again.
//! Any bytes give a value or an error, never a panic.
//!
//! Where the format leaves a choice:
//!
//! - Of several Main or Program entries the first counts, of the other entries the last, except
//!   that the regions of all writeable-flash entries count, as tools write one entry per region.
//! - An object without Main and Program is padding, whatever other entries it has.
//! - A permission or storage entry that is too short for its own count makes the object invalid.
//!   To ignore it would grant what its author meant to restrict.
//! - An object whose program is not inside it is invalid: the protected part must end before the
//!   binary does, and the entry point must lie in the binary.

#![no_std]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod bytes;
pub mod parse;
#[cfg(test)]
mod testing;
pub mod types;
