// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Counts what operations cost on the board: instructions, register accesses, interrupts.
//!
//! Apps in `userland/apps` repeat each operation in a window (`userland/bench`). QEMU runs them with
//! a plugin that counts executed instructions and accesses to device registers by address
//! (`plugin/`), and traces interrupts of VirtIO devices. `run` collects both, `cost` turns them into cost per operation, and `gate`
//! compares them with a stored baseline and with the limits in `targets`.

pub mod cost;
pub mod crates;
pub mod error;
pub mod gate;
pub mod instruction;
pub mod lines;
pub mod peer;
pub mod plugin;
pub mod program;
pub mod report;
pub mod result;
pub mod run;
pub mod targets;
pub mod windows;
