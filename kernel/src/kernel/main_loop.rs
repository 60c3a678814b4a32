// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The main loop: the kernel's own work, then the process that the scheduler picks, then sleep.
//!
//! A process keeps its turn through system calls. Per call the loop asks only whether the kernel
//! has work of its own; the time slice is looked at when that is so, because its end is an
//! interrupt like any other.

use core::num::NonZeroU32;

use super::Kernel;
use crate::capabilities::MainLoopCapability;
use crate::deferred_call::DeferredCall;
use crate::ipc::IPC;
use crate::platform::chip::Chip;
use crate::platform::mpu::MPU;
use crate::platform::scheduler_timer::SchedulerTimer;
use crate::platform::watchdog::WatchDog;
use crate::platform::{ContextSwitchCallback, KernelResources, ProcessFault};
use crate::process::{Process, ProcessId, State, StoppedExecutingReason, Task};
use crate::scheduler::{Scheduler, SchedulingDecision};
use crate::syscall::{ContextSwitchReason, SyscallReturn};

/// A time slice with less than this left is not worth a switch to the process.
const SHORTEST_SLICE_US: u32 = 500;

/// What the turn of a process needs.
pub(super) struct Turn<'a, KR, C, const NUM_PROCS: u8> {
    pub(super) resources: &'a KR,
    pub(super) chip: &'a C,
    pub(super) ipc: Option<&'a IPC<NUM_PROCS>>,
    pub(super) process: &'a dyn Process,
    /// The run of the process that the turn was given to.
    pub(super) id: ProcessId,
}

impl Kernel {
    /// Runs the system, for ever.
    pub fn kernel_loop<KR: KernelResources<C>, C: Chip, const NUM_PROCS: u8>(
        &self,
        resources: &KR,
        chip: &C,
        ipc: Option<&IPC<NUM_PROCS>>,
        capability: &dyn MainLoopCapability,
    ) -> ! {
        resources.watchdog().setup();
        DeferredCall::verify_setup();
        loop {
            self.kernel_loop_operation(resources, chip, ipc, false, capability);
        }
    }

    /// Does one step of the main loop: the kernel's own work, the turn of one process, or sleep.
    ///
    /// With `no_sleep` it returns where it would sleep.
    pub fn kernel_loop_operation<KR: KernelResources<C>, C: Chip, const NUM_PROCS: u8>(
        &self,
        resources: &KR,
        chip: &C,
        ipc: Option<&IPC<NUM_PROCS>>,
        no_sleep: bool,
        _capability: &dyn MainLoopCapability,
    ) {
        resources.watchdog().tickle();
        let scheduler = resources.scheduler();
        if scheduler.do_kernel_work_now(chip) {
            scheduler.execute_kernel_work(chip);
            return;
        }
        match scheduler.next() {
            SchedulingDecision::RunProcess((id, slice)) => {
                let (reason, used) = match self.get_process(id) {
                    Some(process) => Turn {
                        resources,
                        chip,
                        ipc,
                        process,
                        id,
                    }
                    .run_for(slice),
                    None => (StoppedExecutingReason::NoWorkLeft, slice.map(|_| 0)),
                };
                scheduler.result(reason, used);
            }
            SchedulingDecision::TrySleep if no_sleep => {}
            SchedulingDecision::TrySleep => chip.with_interrupts_disabled(|| {
                // Work that came up since the last look must not wait for another interrupt.
                if !chip.has_pending_interrupts() && !DeferredCall::has_tasks() {
                    resources.watchdog().suspend();
                    chip.sleep();
                    resources.watchdog().resume();
                }
            }),
        }
    }
}

impl<KR: KernelResources<C>, C: Chip, const NUM_PROCS: u8> Turn<'_, KR, C, NUM_PROCS> {
    /// Runs the process within a time slice, or without one. Returns why it stopped and how many
    /// microseconds of the slice it used.
    fn run_for(&self, slice: Option<NonZeroU32>) -> (StoppedExecutingReason, Option<u32>) {
        let timer = self.resources.scheduler_timer();
        let Some(slice) = slice else {
            return (self.run(false), None);
        };
        if slice.get() <= SHORTEST_SLICE_US {
            self.process.debug_timeslice_expired();
            return (StoppedExecutingReason::TimesliceExpired, Some(0));
        }
        timer.start(slice);
        timer.arm();
        let reason = self.run(true);
        timer.disarm();
        let left = timer.get_remaining_us().map_or(0, NonZeroU32::get);
        timer.reset();
        (reason, Some(slice.get().saturating_sub(left)))
    }

    /// Tells whether too little is left of the time slice.
    #[cold]
    fn slice_is_over(&self) -> bool {
        let left = self.resources.scheduler_timer().get_remaining_us();
        let over = left.is_none_or(|left| left.get() <= SHORTEST_SLICE_US);
        if over {
            self.process.debug_timeslice_expired();
        }
        over
    }

    /// Runs the process until something ends its turn.
    fn run(&self, has_slice: bool) -> StoppedExecutingReason {
        let Turn { chip, process, .. } = *self;
        loop {
            if !self.resources.scheduler().continue_process(self.id, chip) {
                return if has_slice && self.slice_is_over() {
                    StoppedExecutingReason::TimesliceExpired
                } else {
                    StoppedExecutingReason::KernelPreemption
                };
            }
            if !process.is_running() {
                match self.wake() {
                    Ok(()) => continue,
                    Err(reason) => return reason,
                }
            }
            match self.switch() {
                Some(ContextSwitchReason::SyscallFired { syscall }) => {
                    if self.system_call(syscall).is_break() {
                        return StoppedExecutingReason::NoWorkLeft;
                    }
                }
                Some(ContextSwitchReason::Interrupted) => {
                    // Most often the check above says the same; a scheduler that lets processes
                    // go on regardless still gets its slices ended.
                    if has_slice
                        && self.resources.scheduler().continue_process(self.id, chip)
                        && self.slice_is_over()
                    {
                        return StoppedExecutingReason::TimesliceExpired;
                    }
                }
                Some(ContextSwitchReason::Fault) => {
                    let hook = self.resources.process_fault();
                    if hook.process_fault_hook(process).is_err() {
                        process.set_fault_state();
                        return StoppedExecutingReason::StoppedFaulted;
                    }
                }
                // It says that it runs but cannot be entered; no use in asking again.
                None => {
                    process.set_fault_state();
                    return StoppedExecutingReason::StoppedFaulted;
                }
            }
        }
    }

    /// Enters the process and returns when it traps.
    #[inline]
    fn switch(&self) -> Option<ContextSwitchReason> {
        let mpu = self.chip.mpu();
        self.process.setup_mpu();
        mpu.enable_app_mpu();
        self.resources
            .context_switch_callback()
            .context_switch_hook(self.process);
        let reason = self.process.switch_to();
        // SAFETY: no process runs until this function is called again, which enables it first.
        unsafe { mpu.disable_app_mpu() };
        reason
    }

    /// Gives a process that is not running what it waits for, or says why there is no point in
    /// going on.
    fn wake(&self) -> Result<(), StoppedExecutingReason> {
        let process = self.process;
        match process.get_state() {
            State::Running => Ok(()),
            // A driver restarted the process; the new run gets a turn of its own.
            _ if process.processid() != self.id => Err(StoppedExecutingReason::NoWorkLeft),
            State::Yielded => {
                match process.dequeue_task() {
                    Some(Task::FunctionCall(call)) => process.set_process_function(call),
                    // An event without a function, which nobody waits for.
                    Some(Task::ReturnValue(_)) => {}
                    Some(Task::IPC((sender, kind))) => {
                        if let Some(ipc) = self.ipc {
                            // The sender may be gone; then there is nothing to deliver.
                            let _ = ipc.deliver(process, sender, kind);
                        }
                    }
                    None => return Err(StoppedExecutingReason::NoWorkLeft),
                }
                Ok(())
            }
            State::YieldedFor(event) => {
                let (argument0, argument1, argument2) = match process.remove_upcall(event) {
                    Some(Task::FunctionCall(call)) => {
                        (call.argument0, call.argument1, call.argument2)
                    }
                    Some(Task::ReturnValue(values)) => {
                        (values.argument0, values.argument1, values.argument2)
                    }
                    Some(Task::IPC(_)) | None => return Err(StoppedExecutingReason::NoWorkLeft),
                };
                process.set_syscall_return_value(SyscallReturn::YieldWaitFor(
                    argument0, argument1, argument2,
                ));
                Ok(())
            }
            State::Stopped(_) => Err(StoppedExecutingReason::Stopped),
            State::Faulted => Err(StoppedExecutingReason::StoppedFaulted),
            State::Terminated => Err(StoppedExecutingReason::NoWorkLeft),
        }
    }
}

#[cfg(test)]
mod tests;
