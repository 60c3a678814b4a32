// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What a board hands to the main loop.

use super::chip::Chip;
use super::scheduler_timer::SchedulerTimer;
use super::watchdog::WatchDog;
use crate::errorcode::ErrorCode;
use crate::process::Process;
use crate::scheduler::Scheduler;
use crate::syscall::{Syscall, SyscallDriver};

/// A board's drivers and policies.
///
/// The unit type is there for each policy that a board does not need.
pub trait KernelResources<C: Chip> {
    /// Which driver has which number.
    type SyscallDriverLookup: SyscallDriverLookup;

    /// Which system calls a process may make.
    type SyscallFilter: SyscallFilter;

    /// Whether a fault can be mended.
    type ProcessFault: ProcessFault;

    /// What is done before a process runs.
    type ContextSwitchCallback: ContextSwitchCallback;

    /// Which process runs next.
    type Scheduler: Scheduler<C>;

    /// What ends a time slice.
    type SchedulerTimer: SchedulerTimer;

    /// What resets the chip if the main loop hangs.
    type WatchDog: WatchDog;

    /// Returns the drivers.
    fn syscall_driver_lookup(&self) -> &Self::SyscallDriverLookup;

    /// Returns the system call policy.
    fn syscall_filter(&self) -> &Self::SyscallFilter;

    /// Returns the fault hook.
    fn process_fault(&self) -> &Self::ProcessFault;

    /// Returns the hook for context switches.
    fn context_switch_callback(&self) -> &Self::ContextSwitchCallback;

    /// Returns the scheduler.
    fn scheduler(&self) -> &Self::Scheduler;

    /// Returns the timer of time slices.
    fn scheduler_timer(&self) -> &Self::SchedulerTimer;

    /// Returns the watchdog.
    fn watchdog(&self) -> &Self::WatchDog;
}

/// A board's table of drivers.
pub trait SyscallDriverLookup {
    /// Calls `f` with the driver that has number `driver_num`, or with `None`.
    ///
    /// A `match` over the numbers is the usual body. The number comes from a process.
    fn with_driver<F, R>(&self, driver_num: usize, f: F) -> R
    where
        F: FnOnce(Option<&dyn SyscallDriver>) -> R;
}

/// A policy about which system calls are carried out.
pub trait SyscallFilter {
    /// Decides whether `process` may make `syscall`: a subscribe, a command or an allow.
    ///
    /// Unless implemented otherwise, it may.
    ///
    /// # Errors
    ///
    /// The code that the process gets, as a plain failure, instead of the answer.
    fn filter_syscall(&self, process: &dyn Process, syscall: &Syscall) -> Result<(), ErrorCode> {
        let _ = (process, syscall);
        Ok(())
    }
}

/// Permits every system call.
impl SyscallFilter for () {}

/// A hook for faults, ahead of the fault policy of the process.
pub trait ProcessFault {
    /// Mends a fault of `process`, if that is possible.
    ///
    /// After `Ok` the process goes on where it was. Unless implemented otherwise, nothing can be
    /// mended.
    ///
    /// # Errors
    ///
    /// `Err(())` leaves the fault to the fault policy.
    #[expect(
        clippy::result_unit_err,
        reason = "boards implement this signature as it is"
    )]
    fn process_fault_hook(&self, process: &dyn Process) -> Result<(), ()> {
        let _ = process;
        Err(())
    }
}

/// Mends no fault.
impl ProcessFault for () {}

/// A hook that is called each time before a process runs.
pub trait ContextSwitchCallback {
    /// Takes note that `process` is about to run.
    fn context_switch_hook(&self, process: &dyn Process);
}

/// Takes no note.
impl ContextSwitchCallback for () {
    #[inline]
    fn context_switch_hook(&self, _process: &dyn Process) {}
}
