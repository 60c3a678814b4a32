// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The chip as the kernel sees it.
//!
//! Interrupts are disabled while the kernel runs and trap from user mode only. The main loop asks
//! whether any is pending and serves them here, one after another, in its own thread. Those of devices
//! can be put off for a while (`Plic::put_off`); whoever does that sets an alarm, which ends it even if
//! the CPU sleeps.

use crate::clint::Clint;
use crate::plic::Plic;
use core::cell::Cell;
use core::fmt::Write;
use kernel::platform::chip::{Chip, InterruptService, ThreadIdProvider};
use kernel::utilities::cells::OptionalCell;
use kernel::utilities::registers::interfaces::Readable;
use riscv::pmp::Pmp;
use riscv::syscall::SysCall;
use riscv::{print, support};
use riscv_csr::Mip;

const TIMER: u32 = 1 << 7;
const EXTERNAL: u32 = 1 << 11;

/// Interrupts served before the main loop gets a chance to run deferred calls.
const SERVICE_BATCH: usize = 64;

/// External interrupts between two calls of an [`InterruptWatch`].
pub const WATCHED_BATCH: u32 = 16;

/// Learns about interrupts in bulk, to see whether they leave enough time for processes.
pub trait InterruptWatch {
    /// Takes note that another [`WATCHED_BATCH`] external interrupts were served.
    fn batch_served(&self);
}

/// The one thread there is: interrupts are served where they are polled.
pub struct SingleThread;

// SAFETY: the kernel runs on hart 0 alone (start-up parks the others) with interrupts disabled, so
// no kernel code ever interrupts other kernel code.
unsafe impl ThreadIdProvider for SingleThread {
    fn running_thread_id() -> usize {
        0
    }
}

/// QEMU's `virt` machine with one hart.
pub struct QemuRv32VirtChip<'a, I: InterruptService + 'a> {
    boundary: SysCall,
    mpu: Pmp,
    plic: &'a Plic,
    timer: &'a Clint<'a>,
    peripherals: &'a I,
    pending: Mip,
    watch: OptionalCell<&'a dyn InterruptWatch>,
    /// External interrupts that are left of the batch, less one.
    left_of_batch: Cell<u32>,
}

impl<'a, I: InterruptService + 'a> QemuRv32VirtChip<'a, I> {
    /// Puts the chip together.
    ///
    /// # Safety
    ///
    /// Call it once, on hart 0 in machine mode with interrupts disabled, as start-up leaves it.
    pub unsafe fn new(mpu: Pmp, plic: &'a Plic, timer: &'a Clint<'a>, peripherals: &'a I) -> Self {
        QemuRv32VirtChip {
            // SAFETY: start-up set the trap vector, and the caller vouches for the rest.
            boundary: unsafe { SysCall::new() },
            mpu,
            plic,
            timer,
            peripherals,
            // SAFETY: the register is only read.
            pending: unsafe { Mip::new() },
            watch: OptionalCell::empty(),
            left_of_batch: Cell::new(WATCHED_BATCH - 1),
        }
    }

    /// Sets who learns about interrupts in bulk.
    pub fn set_interrupt_watch(&self, watch: &'a dyn InterruptWatch) {
        self.watch.set(watch);
    }

    /// Returns the interrupt controller, to mask single sources or to read its counters.
    pub fn plic(&self) -> &'a Plic {
        self.plic
    }

    fn serve_external(&self) {
        let Some(source) = self.plic.claim() else {
            return;
        };
        if self.peripherals.service_interrupt(source.get()) {
            self.plic.complete(source);
        } else {
            self.plic.reject(source);
        }
        match self.left_of_batch.get().checked_sub(1) {
            Some(left) => self.left_of_batch.set(left),
            None => self.end_batch(),
        }
    }

    #[cold]
    fn end_batch(&self) {
        self.left_of_batch.set(WATCHED_BATCH - 1);
        self.watch.map(|watch| watch.batch_served());
    }
}

impl<'a, I: InterruptService + 'a> Chip for QemuRv32VirtChip<'a, I> {
    type MPU = Pmp;
    type ThreadIdProvider = SingleThread;
    type UserspaceKernelBoundary = SysCall;

    /// Lets timer and external interrupts wake the CPU and interrupt processes.
    fn init() {
        support::enable_interrupt_sources();
    }

    #[inline(always)]
    fn service_pending_interrupts(&self) {
        for _ in 0..SERVICE_BATCH {
            let pending = self.pending.get();
            if pending & EXTERNAL != 0 {
                self.serve_external();
            }
            if pending & TIMER != 0 {
                self.timer.handle_interrupt();
            }
            if pending & (TIMER | EXTERNAL) == 0 {
                break;
            }
        }
    }

    #[inline]
    fn has_pending_interrupts(&self) -> bool {
        self.pending.get() & (TIMER | EXTERNAL) != 0
    }

    #[inline]
    fn mpu(&self) -> &Pmp {
        &self.mpu
    }

    #[inline]
    fn userspace_kernel_boundary(&self) -> &SysCall {
        &self.boundary
    }

    fn sleep(&self) {
        support::wfi();
    }

    /// Just runs `f`: no interrupt is taken outside of user mode, which the kernel enters nowhere
    /// but to run a process.
    #[inline(always)]
    fn with_interrupts_disabled<F, R>(&self, f: F) -> R
    where
        F: FnOnce() -> R,
    {
        f()
    }

    unsafe fn print_state(this: Option<&Self>, writer: &mut dyn Write) {
        print::machine_state(writer);
        if let Some(chip) = this {
            let counters = chip.plic.counters();
            let _ = writer.write_str("PLIC empty claims: ");
            print::hex(writer, counters.empty_claims);
            let _ = writer.write_str(", unknown sources: ");
            print::hex(writer, counters.unknown_sources);
            let _ = writer.write_str("\r\n");
        }
    }
}
