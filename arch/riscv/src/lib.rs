// SPDX-License-Identifier: Apache-2.0 OR MIT

//! 32-bit RISC-V with machine and user mode: start, traps, context switch, memory protection.
//!
//! The kernel runs in machine mode with interrupts disabled; they are taken from user mode only,
//! where they end the run of the process. The first file to read is `trap.rs`.

#![no_std]

#[cfg(test)]
extern crate std;

pub mod dma_fence;
pub mod fault;
mod memset;
pub mod pmp;
pub mod print;
pub mod start;
pub mod support;
pub mod syscall;
mod trap;

// For its symbol, which calls made by the compiler find.
use riscv_memcpy as _;
