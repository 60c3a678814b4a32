// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Runtime for Tock apps on 32-bit RISC-V: start-up code, system calls and safe drivers.
//!
//! An app is a `no_std` binary that names its main function and the size of its stack with
//! [`entry!`], and talks to the kernel through the driver modules. The only unsafe code of an app is
//! in here; apps themselves forbid it.
//!
//! A process has one thread, and the kernel calls back only while the process yields. Drivers
//! therefore block with *yield-wait-for*, which runs no callback at all; an app that waits for several
//! things at once uses [`Upcall`](upcall::Upcall) flags and [`alarm::wait_any`].
//!
//! On the host the crate builds against a stand-in kernel (see `host`), so that drivers can be
//! tested without a board.

#![cfg_attr(target_os = "none", no_std)]

pub mod alarm;
pub mod console;
pub mod error;
pub mod ethernet;
pub mod ipc;
pub mod low_level_debug;
pub mod memory;
pub mod rng;
pub mod share;
pub mod singleton;
pub mod streaming;
pub mod syscall;
pub mod trespass;
pub mod upcall;

#[cfg(target_os = "none")]
mod panic;
#[cfg(target_os = "none")]
#[doc(hidden)]
pub mod start;

#[cfg(not(target_os = "none"))]
pub mod host;
#[cfg(not(target_os = "none"))]
use host as raw;
#[cfg(target_os = "none")]
mod raw;

mod exit;
mod line_buffer;

// For its symbol, which calls made by the compiler find.
use riscv_memcpy as _;

pub use error::ErrorCode;
pub use exit::{ExitCode, exit, restart};
pub use line_buffer::LineBuffer;
pub use singleton::Singleton;
