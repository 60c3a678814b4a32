// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What a scheduler decides: which process runs next, for how long, and when the kernel goes first.

use core::num::NonZeroU32;

use crate::deferred_call::DeferredCall;
use crate::platform::chip::Chip;
use crate::process::{ProcessId, StoppedExecutingReason};

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchedulingDecision {
    /// Run a process, for a time slice in microseconds or for as long as it likes.
    RunProcess((ProcessId, Option<NonZeroU32>)),
    /// Sleep, since no process has anything to do.
    TrySleep,
}

/// A scheduling policy.
///
/// The main loop serves interrupts and deferred calls as often as the policy says, asks it for the
/// [`next`](Self::next) process, runs that process and reports the [`result`](Self::result).
pub trait Scheduler<C: Chip> {
    /// Decides what to do next.
    fn next(&self) -> SchedulingDecision;

    /// Takes note of why the process stopped running and how many microseconds it used.
    ///
    /// The time is `None` when the process ran without a time slice.
    fn result(&self, result: StoppedExecutingReason, execution_time_us: Option<u32>);

    /// Serves what waits in the kernel.
    ///
    /// Unless implemented otherwise, all interrupts come first and then one deferred call after
    /// the other, as long as no further interrupt is pending.
    fn execute_kernel_work(&self, chip: &C) {
        chip.service_pending_interrupts();
        while !chip.has_pending_interrupts() && DeferredCall::has_tasks() {
            DeferredCall::service_next_pending();
        }
    }

    /// Tells whether the kernel's own work goes before the next process.
    ///
    /// Unless implemented otherwise, it does whenever there is some.
    fn do_kernel_work_now(&self, chip: &C) -> bool {
        chip.has_pending_interrupts() || DeferredCall::has_tasks()
    }

    /// Tells whether process `id` may go on, within its time slice, after an interruption.
    ///
    /// Unless implemented otherwise, it may when the kernel has nothing to do.
    fn continue_process(&self, id: ProcessId, chip: &C) -> bool {
        let _ = id;
        !(chip.has_pending_interrupts() || DeferredCall::has_tasks())
    }
}
