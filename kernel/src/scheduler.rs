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
    #[inline(always)]
    fn execute_kernel_work(&self, chip: &C) {
        chip.service_pending_interrupts();
        // Asking for a call costs more than asking whether there is any.
        while !chip.has_pending_interrupts()
            && DeferredCall::has_tasks()
            && DeferredCall::service_next_pending().is_some()
        {}
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deferred_call::{DeferredCallClient, initialize_deferred_call_state};
    use crate::process::Process;
    use crate::process::fakes::FakeChip;
    use crate::testing::TestThread;
    use crate::testing::{forever, kernel_with_process};
    use core::cell::Cell;

    /// Has only what a scheduler must have.
    struct Idle;

    impl<C: Chip> Scheduler<C> for Idle {
        fn next(&self) -> SchedulingDecision {
            SchedulingDecision::TrySleep
        }

        fn result(&self, _result: StoppedExecutingReason, _execution_time_us: Option<u32>) {}
    }

    /// A driver whose deferred call can come with an interrupt.
    struct Driver {
        call: DeferredCall,
        runs: Cell<u32>,
        interrupts: Option<&'static FakeChip>,
    }

    impl DeferredCallClient for Driver {
        fn handle_deferred_call(&self) {
            self.runs.set(self.runs.get() + 1);
            if let Some(chip) = self.interrupts {
                chip.boundary.interrupt.set(true);
            }
        }

        fn register(&'static self) {
            self.call.register(self);
        }
    }

    fn driver(interrupts: Option<&'static FakeChip>) -> &'static Driver {
        initialize_deferred_call_state::<TestThread>();
        let driver = forever(Driver {
            call: DeferredCall::new(),
            runs: Cell::new(0),
            interrupts,
        });
        driver.register();
        driver.call.set();
        driver
    }

    #[test]
    fn kernel_work_goes_before_processes_until_none_is_left() {
        let chip = FakeChip::default();
        let (_, process) = kernel_with_process();
        let id = process.processid();
        assert!(!Idle.do_kernel_work_now(&chip) && Idle.continue_process(id, &chip));
        let drivers = [driver(None), driver(None)];
        assert!(Idle.do_kernel_work_now(&chip) && !Idle.continue_process(id, &chip));
        chip.boundary.interrupt.set(true);
        Idle.execute_kernel_work(&chip);
        assert_eq!(chip.served.get(), 1);
        assert!(drivers.iter().all(|driver| driver.runs.get() == 1));
        assert!(!Idle.do_kernel_work_now(&chip) && Idle.continue_process(id, &chip));
    }

    #[test]
    fn an_interrupt_goes_before_the_next_deferred_call() {
        let chip: &FakeChip = forever(FakeChip::default());
        let drivers = [driver(Some(chip)), driver(None)];
        Idle.execute_kernel_work(chip);
        assert_eq!(drivers.map(|driver| driver.runs.get()), [1, 0]);
        assert!(Idle.do_kernel_work_now(chip));
        Idle.execute_kernel_work(chip);
        assert_eq!(drivers.map(|driver| driver.runs.get()), [1, 1]);
        assert_eq!(chip.served.get(), 1);
    }
}
