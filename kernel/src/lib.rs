// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The kernel: hardware interfaces, the process model, grants and system calls.
//!
//! Public paths, names and signatures are those of Tock 2, so capsules, chips and boards written
//! for it compile against this crate. The first file to read is `kernel.rs`, the main loop.

#![no_std]

#[cfg(any(test, feature = "testing"))]
extern crate std;

pub mod capabilities;
pub mod collections;
pub mod component;
pub mod debug;
pub mod deferred_call;
pub mod errorcode;
pub mod grant;
pub mod hil;
pub mod introspection;
pub mod ipc;
mod kernel;
mod memop;
pub mod platform;
pub mod process;
pub mod process_checker;
pub mod processbuffer;
pub mod scheduler;
pub mod storage_permissions;
pub mod syscall;
mod syscall_driver;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;
pub mod upcall;
pub mod utilities;

pub use crate::kernel::Kernel;
pub use errorcode::ErrorCode;
pub use process::ProcessId;
pub use scheduler::Scheduler;

/// Major version of the interface to processes.
pub const KERNEL_MAJOR_VERSION: u16 = 2;
/// Minor version of the interface to processes.
pub const KERNEL_MINOR_VERSION: u16 = 3;
/// Patch version.
pub const KERNEL_PATCH_VERSION: u16 = 0;
/// Number of the development version that precedes the release; zero is the release.
pub const KERNEL_PRERELEASE_VERSION: u16 = 1;
