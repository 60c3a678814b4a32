// SPDX-License-Identifier: Apache-2.0 OR MIT

//! QEMU's 32-bit RISC-V `virt` machine: serial port, timer, interrupt controller, test device.
//!
//! `chip.rs` ties the parts together for the kernel; `memory_map.rs` has the addresses. Each driver
//! talks to its registers through a small trait, so its logic runs in host tests.

#![no_std]

#[cfg(test)]
extern crate std;

pub mod chip;
pub mod clint;
mod deadlines;
pub mod memory_map;
pub mod peripherals;
pub mod plic;
pub mod sifive_test;
pub mod uart;
