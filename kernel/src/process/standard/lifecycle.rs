// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Starting, suspending, ending and restarting a process.

use super::ProcessStandard;
use crate::errorcode::ErrorCode;
use crate::platform::chip::Chip;
use crate::process::debug_info::ProcessStandardDebug;
use crate::process::load_error::ProcessLoadError;
use crate::process::policy::FaultAction;
use crate::process::shown_name::ShownName;
use crate::process::state::State;
use crate::process::task::{FunctionCall, FunctionCallSource, Task};
use crate::syscall::UserspaceKernelBoundary;
use crate::utilities::capability_ptr::{CapabilityPtr, CapabilityPtrPermissions};

impl<C: Chip, D: ProcessStandardDebug> ProcessStandard<'_, C, D> {
    /// Sets the registers and the breaks as for a process that has never run, and queues the call
    /// of its entry function. Memory protection is planned already.
    pub(super) fn begin_run(&self, app_size: usize) -> Result<(), ProcessLoadError> {
        let breaks = self.ram.breaks();
        let start = breaks.start();
        let app_break = start + app_size;
        breaks.reset(app_break, self.first_kernel_break());
        self.ram.zero_exposed(start, app_break);

        let boundary = self.chip.userspace_kernel_boundary();
        self.with_registers(|state| {
            *state = Default::default();
            // SAFETY: the bounds are this process's own and `state` is its state; nobody holds
            // a reference into what it can access.
            unsafe {
                boundary.initialize_process(self.ram.at(start), self.ram.at(app_break), state)
            }
        })
        .unwrap_or(Err(()))
        .map_err(|()| ProcessLoadError::InternalError)?;

        self.tasks.clear();
        self.tasks.push(Task::FunctionCall(FunctionCall {
            source: FunctionCallSource::Kernel,
            argument0: self.flash_address(self.header.get_app_start_offset()),
            argument1: start,
            argument2: breaks.end() - start,
            argument3: app_break.into(),
            pc: self.entry(),
        }));
        self.state.set(State::Yielded);
        Ok(())
    }

    /// The entry function, with the right to run all of the application's flash.
    fn entry(&self) -> CapabilityPtr {
        let entry = self.flash_address(self.header.get_init_function_offset());
        // SAFETY: the process runs its own flash anyway, and memory protection keeps it there.
        unsafe {
            CapabilityPtr::new_with_authority(
                self.flash.as_ptr().with_addr(entry).cast(),
                self.flash.as_ptr().addr(),
                self.flash.len(),
                CapabilityPtrPermissions::Execute,
            )
        }
    }

    /// Starts a new run in the same slot and the same memory. The process has terminated.
    fn run_again(&self) -> Result<(), ProcessLoadError> {
        // A capsule that ends a process from inside one of its grants still holds a reference
        // into memory that the new run would use.
        if self.grants.any_entered() || self.custom_grants_entered.get() > 0 {
            return Err(ProcessLoadError::InternalError);
        }
        let identifier = self
            .kernel
            .create_process_identifier()
            .ok_or(ProcessLoadError::InternalError)?;
        self.plan_same_regions()?;
        let id = self.process_id.get().with_identifier(identifier);
        self.process_id.set(id);
        self.debug.reset();
        self.begin_run(self.first_app_size())?;
        self.restart_count.set(self.restart_count.get() + 1);
        Ok(())
    }

    /// Ends the current run in this state.
    fn end_run(&self, completion_code: Option<u32>, state: State) {
        self.tasks.clear();
        self.grants.clear();
        self.completion_code.set(Some(completion_code));
        self.state.set(state);
        // What it shared is not for others to see any more, nor is what the next run puts there.
        let breaks = self.ram.breaks();
        for other in self.kernel.get_process_iter() {
            other.revoke_mpu_regions(breaks.start()..breaks.end(), None);
        }
    }

    pub(super) fn terminate_process(&self, completion_code: Option<u32>) {
        match self.state.get() {
            State::Terminated => {}
            // What ended this run was the fault, without a code.
            State::Faulted => self.end_run(None, State::Terminated),
            _ => self.end_run(completion_code, State::Terminated),
        }
    }

    pub(super) fn restart_process(&self, completion_code: Option<u32>) {
        if self.state.get() != State::Terminated {
            self.terminate_process(completion_code);
            self.start_process();
        }
    }

    /// Starts a terminated process; it stays terminated if that does not work.
    pub(super) fn start_process(&self) {
        if self.state.get() == State::Terminated && self.run_again().is_err() {
            self.tasks.clear();
            self.state.set(State::Terminated);
        }
    }

    /// Applies the fault policy.
    pub(super) fn fault(&self) {
        if !self.is_active() {
            return;
        }
        match self.fault_policy.action(self) {
            FaultAction::Panic => {
                self.state.set(State::Faulted);
                panic!("process {} faulted", ShownName(self.name()));
            }
            FaultAction::Restart => self.restart_process(None),
            FaultAction::Stop => self.end_run(None, State::Faulted),
        }
    }

    pub(super) fn stop_process(&self) {
        if let Some(stopped) = self.state.get().stopped() {
            self.state.set(stopped);
        }
    }

    pub(super) fn resume_process(&self) {
        if let Some(resumed) = self.state.get().resumed() {
            self.state.set(resumed);
        }
    }

    /// Tells whether running the process would get anywhere.
    pub(super) fn is_ready(&self) -> bool {
        match self.state.get() {
            State::Running => true,
            State::Yielded => !self.tasks.is_empty(),
            State::YieldedFor(event) => self.tasks.has_awaited(event),
            State::Stopped(_) | State::Faulted | State::Terminated => false,
        }
    }

    /// Answers for a task that did or did not find room in the queue.
    #[inline(always)]
    pub(super) fn note_place(&self, had_place: bool) -> Result<(), ErrorCode> {
        if had_place {
            return Ok(());
        }
        self.debug.note_dropped_upcall();
        Err(ErrorCode::NOMEM)
    }
}
