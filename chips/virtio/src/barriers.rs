// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Memory order between the driver and the device.
//!
//! Queues and transports name the order they need through [`Barriers`], so that a test can look at
//! shared memory at the very moment a barrier executes. Lent buffers have a fence of their own,
//! `kernel::platform::dma_fence::DmaFence`.

use core::sync::atomic::{Ordering, fence};

/// The barriers that VirtIO 1.2 asks of a driver (2.7.13, 2.7.14 and 4.2.3.3).
pub trait Barriers: Copy {
    /// All earlier accesses to memory before any later store to memory.
    fn release(self);

    /// All earlier loads from memory before any later access to memory.
    fn acquire(self);

    /// All earlier accesses to memory before all later ones, a store before a load included.
    fn full(self);

    /// All earlier stores to memory before any later write to a device register.
    fn doorbell(self);

    /// All earlier accesses to registers and memory before all later ones.
    fn registers_and_memory(self);
}

/// The barriers of the machine this crate is compiled for.
#[derive(Clone, Copy, Debug, Default)]
pub struct MachineBarriers;

impl Barriers for MachineBarriers {
    #[inline(always)]
    fn release(self) {
        fence(Ordering::Release);
    }

    #[inline(always)]
    fn acquire(self) {
        fence(Ordering::Acquire);
    }

    #[inline(always)]
    fn full(self) {
        fence(Ordering::SeqCst);
    }

    // The fences of `core` order memory only, and a register write is output: without `o` among the
    // successors it may overtake the stores that it announces.
    #[inline(always)]
    fn doorbell(self) {
        #[cfg(any(target_arch = "riscv32", target_arch = "riscv64"))]
        // SAFETY: a fence changes no register and no memory.
        unsafe {
            core::arch::asm!("fence w, o", options(nostack, preserves_flags))
        };
        #[cfg(not(any(target_arch = "riscv32", target_arch = "riscv64")))]
        fence(Ordering::SeqCst);
    }

    #[inline(always)]
    fn registers_and_memory(self) {
        #[cfg(any(target_arch = "riscv32", target_arch = "riscv64"))]
        // SAFETY: a fence changes no register and no memory.
        unsafe {
            core::arch::asm!("fence iorw, iorw", options(nostack, preserves_flags))
        };
        #[cfg(not(any(target_arch = "riscv32", target_arch = "riscv64")))]
        fence(Ordering::SeqCst);
    }
}
