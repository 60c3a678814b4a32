// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The timer that ends a process's time slice.

use core::num::NonZeroU32;

/// A countdown for time slices.
///
/// It counts whether or not it is armed; only an armed timer interrupts a process.
pub trait SchedulerTimer {
    /// Starts a time slice of `us` microseconds. Does not arm the interrupt.
    fn start(&self, us: NonZeroU32);

    /// Ends the time slice. No interrupt comes from it any more.
    fn reset(&self);

    /// Lets the end of the time slice interrupt the process that is about to run.
    fn arm(&self);

    /// Keeps the end of the time slice from interrupting the kernel. The countdown goes on.
    fn disarm(&self);

    /// Returns how many microseconds of the time slice are left, `None` once it has expired.
    fn get_remaining_us(&self) -> Option<NonZeroU32>;
}

/// No timer: time slices never end.
impl SchedulerTimer for () {
    fn start(&self, _us: NonZeroU32) {}

    fn reset(&self) {}

    fn arm(&self) {}

    fn disarm(&self) {}

    fn get_remaining_us(&self) -> Option<NonZeroU32> {
        Some(NonZeroU32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_timer_a_slice_never_ends() {
        ().start(NonZeroU32::MIN);
        ().arm();
        assert_eq!(().get_remaining_us(), Some(NonZeroU32::MAX));
    }
}
