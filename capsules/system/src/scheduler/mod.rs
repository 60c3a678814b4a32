// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Schedulers: which process runs next, and for how long.
//!
//! Each one looks at the board's process table directly, so a process that is loaded, restarted or
//! removed later needs no registration.

pub mod cooperative;
pub mod mlfq;
pub mod priority;
mod ring;
pub mod round_robin;
