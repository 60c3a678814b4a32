// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What a chip provides: interrupts, sleep, memory protection and the switch to processes.

use core::fmt::Write;

use super::mpu;
use crate::syscall;
use crate::utilities::io_write::IoWrite;

/// A chip, as the main loop uses it.
pub trait Chip {
    /// The memory protection of processes.
    type MPU: mpu::MPU;

    /// How running code finds out in which thread it runs.
    type ThreadIdProvider: ThreadIdProvider;

    /// The way into a process and back.
    type UserspaceKernelBoundary: syscall::UserspaceKernelBoundary;

    /// Prepares the processor core itself. A board calls this first of all.
    fn init();

    /// Serves every interrupt that is pending, until none is.
    fn service_pending_interrupts(&self);

    /// Tells whether an interrupt waits to be served.
    fn has_pending_interrupts(&self) -> bool;

    /// Returns the memory protection.
    fn mpu(&self) -> &Self::MPU;

    /// Returns the way into a process.
    fn userspace_kernel_boundary(&self) -> &Self::UserspaceKernelBoundary;

    /// Waits for an interrupt, with as little power as possible.
    ///
    /// The caller has disabled interrupts and made sure that none is pending. One that comes
    /// after that ends the sleep, disabled as it is.
    fn sleep(&self);

    /// Calls `f` while no interrupt can come in between.
    fn with_interrupts_disabled<F, R>(&self, f: F) -> R
    where
        F: FnOnce() -> R;

    /// Prints the state of the chip for a human reader, as part of panic output.
    ///
    /// `this` is `None` when the panic came before the chip was set up.
    ///
    /// # Safety
    ///
    /// May read and reset hardware that others are using, so nothing but the panic handler may be
    /// running, and nothing else may run after it.
    unsafe fn print_state(this: Option<&Self>, writer: &mut dyn Write);
}

/// Peripherals that interrupts are handed to.
pub trait InterruptService {
    /// Serves `interrupt`. Returns `false` when no peripheral here has that number.
    fn service_interrupt(&self, interrupt: u32) -> bool;
}

/// No peripheral at all.
impl InterruptService for () {
    fn service_interrupt(&self, _interrupt: u32) -> bool {
        false
    }
}

/// Names the thread of execution that the caller is in: the kernel, or an interrupt handler.
///
/// Values shared through [`SingleThreadValue`](crate::utilities::single_thread_value) are bound to
/// the thread that this names.
///
/// # Safety
///
/// Two calls return the same number only when the code between them cannot have been interrupted
/// by, nor run beside, code of another number that uses the same memory.
pub unsafe trait ThreadIdProvider {
    /// Returns the number of the running thread.
    fn running_thread_id() -> usize;
}

/// A way to print when nothing else works any more.
pub trait PanicWriter {
    /// What it takes to make the writer, such as the address of a serial port.
    type Config;

    /// Makes a writer that needs neither interrupts nor the rest of the kernel.
    ///
    /// # Safety
    ///
    /// Takes over hardware that a driver may own, so it is only for the panic handler, which never
    /// returns to that driver.
    unsafe fn create_panic_writer(config: Self::Config) -> impl IoWrite + Write;
}

/// The clock of one peripheral, which can be switched.
pub trait ClockInterface {
    /// Tells whether the clock runs.
    fn is_enabled(&self) -> bool;

    /// Starts the clock.
    fn enable(&self);

    /// Stops the clock.
    fn disable(&self);
}

/// A clock that always runs.
pub struct NoClockControl;

/// The one [`NoClockControl`] that there needs to be.
pub static NO_CLOCK_CONTROL: NoClockControl = NoClockControl;

impl ClockInterface for NoClockControl {
    fn is_enabled(&self) -> bool {
        true
    }

    fn enable(&self) {}

    fn disable(&self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chip_without_peripherals_serves_no_interrupt() {
        assert!(
            [0, 1, u32::MAX]
                .iter()
                .all(|&number| !().service_interrupt(number))
        );
    }

    #[test]
    fn a_clock_without_control_cannot_be_stopped() {
        NO_CLOCK_CONTROL.disable();
        assert!(NO_CLOCK_CONTROL.is_enabled());
    }
}
