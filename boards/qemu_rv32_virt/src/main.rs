// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Board for QEMU's `virt` machine with one 32-bit RISC-V hart.
//!
//! `main` reads like a table of contents: memory protection, chip, drivers, devices, apps, loop. How
//! drivers are wired is in `boards/components`; where things lie in memory is in `memory.rs`.

#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod announcement;
#[cfg(target_os = "none")]
mod board;
#[cfg(target_os = "none")]
#[cfg_attr(not(feature = "kernel-ping"), path = "own_card.rs")]
#[cfg_attr(feature = "kernel-ping", path = "shared_card.rs")]
mod card;
#[cfg(target_os = "none")]
mod device_memory;
#[cfg(target_os = "none")]
mod devices;
#[cfg(target_os = "none")]
#[cfg_attr(feature = "credentials", path = "checked_loading.rs")]
mod loading;
#[cfg(target_os = "none")]
mod memory;
#[cfg(target_os = "none")]
mod panic;
#[cfg(target_os = "none")]
mod user_share;

/// Says what to do instead: the image only runs on the machine it is made for.
#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("This is a kernel image. Build it with `make kernel`, run it with `make run`.");
}
