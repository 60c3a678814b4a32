// SPDX-License-Identifier: Apache-2.0 OR MIT

//! System call drivers between processes and hardware that do anything, as fuzz targets: functions that
//! take bytes as a run of events, and panic if a driver does what it must not.
//!
//! Each ends with hardware and processes that do what they should, upon which nothing may be missing.

mod rng;
mod tap;

pub use rng::{rng_by_slice, rng_by_word};
pub use tap::tap;

/// The bench of the tap's own tests.
#[path = "../../../capsules/extra/tests/host/extended/mod.rs"]
#[expect(dead_code, reason = "those tests use more of it")]
mod extended;
