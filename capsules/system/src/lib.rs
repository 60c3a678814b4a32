// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Policies a board chooses: what a fault leads to, who runs next, how a process is described.
//!
//! Nothing here talks to hardware or to an app. Each module is one choice behind one kernel trait.

#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::unreachable
    )
)]

#[cfg(test)]
extern crate std;

pub mod process_policies;
pub mod process_printer;
pub mod scheduler;
mod shown_name;
mod shown_syscall;
pub mod storage_permissions;
