// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The saved registers: results and calls that go in, and the switch to the process.

use super::{MpuConfig, ProcessStandard, StoredState};
use crate::errorcode::ErrorCode;
use crate::ipc;
use crate::platform::chip::Chip;
use crate::platform::mpu::MPU;
use crate::process::debug_info::ProcessStandardDebug;
use crate::process::state::State;
use crate::process::task::{FunctionCall, FunctionCallSource};
use crate::syscall::{SyscallReturn, Trap, UserspaceKernelBoundary};
use crate::upcall::UpcallId;
use crate::utilities::capability_ptr::CapabilityPtr;
use crate::utilities::machine_register::MachineRegister;

impl<C: Chip, D: ProcessStandardDebug> ProcessStandard<'_, C, D> {
    /// Start and end of the memory that the process can access.
    #[inline(always)]
    fn bounds(&self) -> (*const u8, *const u8) {
        let breaks = self.ram.breaks();
        (self.ram.at(breaks.start()), self.ram.at(breaks.app_break()))
    }

    /// Calls `f` with the saved registers; returns `None` when those are in use already.
    #[inline(always)]
    pub(super) fn with_registers<R>(&self, f: impl FnOnce(&mut StoredState<C>) -> R) -> Option<R> {
        self.context.map(|context| f(&mut context.stored_state))
    }

    /// Calls `f` with the plan of memory protection; returns `None` when that is in use already.
    #[inline(always)]
    pub(super) fn with_protection<R>(&self, f: impl FnOnce(&mut MpuConfig<C>) -> R) -> Option<R> {
        self.context.map(|context| f(&mut context.mpu_config))
    }

    #[inline(always)]
    pub(super) fn store_return_value(&self, return_value: SyscallReturn) {
        let (start, app_break) = self.bounds();
        let boundary = self.chip.userspace_kernel_boundary();
        // A loan and no closure, so that of an answer that is known only its own part is compiled.
        let Some(mut context) = self.context.lend() else {
            return;
        };
        let state = &mut context.stored_state;
        // SAFETY: the bounds and the state are those of this process, and nobody holds a reference
        // into what it can access.
        let stored =
            unsafe { boundary.set_syscall_return_value(start, app_break, state, return_value) };
        drop(context);
        if stored.is_err() {
            return self.fault();
        }
        if let State::YieldedFor(_) = self.state.get() {
            self.tasks.end_wait();
            self.state.set(State::Running);
        }
    }

    /// Lets the process run again if it waits for one event and that has come.
    #[inline(always)]
    pub(super) fn take_up(&self) -> bool {
        if !matches!(self.state.get(), State::YieldedFor(_)) {
            return false;
        }
        let Some([argument0, argument1, argument2]) = self.tasks.take_awaited() else {
            return false;
        };
        self.state.set(State::Running);
        self.store_return_value(SyscallReturn::YieldWaitFor(argument0, argument1, argument2));
        self.state.get() == State::Running
    }

    /// Puts what becomes of an event into the registers of the process, if that is what it waits for,
    /// and so past the queue. Returns whether it was done.
    ///
    /// The process then has a task that it goes on with when it gets its turn, in all respects as if
    /// that were queued, but that nobody can withdraw; so this is not for inter-process communication.
    #[inline(always)]
    pub(super) fn load_upcall(
        &self,
        event: UpcallId,
        [argument0, argument1, argument2]: [usize; 3],
        function: CapabilityPtr,
        appdata: MachineRegister,
    ) -> bool {
        let boundary = self.chip.userspace_kernel_boundary();
        if !boundary.passes_values_in_registers() || event.driver_num == ipc::DRIVER_NUM {
            return false;
        }
        let calls = match self.state.get() {
            State::Yielded if self.tasks.is_empty() && function.addr() != 0 => true,
            State::YieldedFor(awaited) if self.tasks.is_next() && awaited == event => false,
            _ => return false,
        };
        let Some(mut context) = self.context.lend() else {
            return false;
        };
        let (start, app_break) = self.bounds();
        let state = &mut context.stored_state;
        let stored = if calls {
            let upcall = FunctionCall {
                source: FunctionCallSource::Driver(event),
                argument0,
                argument1,
                argument2,
                argument3: appdata,
                pc: function,
            };
            // SAFETY: the bounds and the state are those of this process, and the architecture does
            // not touch memory for this.
            unsafe { boundary.set_process_function(start, app_break, state, upcall) }
        } else {
            let values = SyscallReturn::YieldWaitFor(argument0, argument1, argument2);
            // SAFETY: as above.
            unsafe { boundary.set_syscall_return_value(start, app_break, state, values) }
        };
        if stored.is_ok() {
            self.tasks.note_loaded();
        }
        stored.is_ok()
    }

    /// Sets the process running if its registers have what it waits for. Returns whether they had.
    #[inline(always)]
    pub(super) fn go_on_loaded(&self) -> bool {
        let waits = matches!(self.state.get(), State::Yielded | State::YieldedFor(_));
        let goes_on = waits && self.tasks.take_loaded();
        if goes_on {
            self.state.set(State::Running);
        }
        goes_on
    }

    /// Has the process run the function that is the oldest task, if it is one.
    #[inline(always)]
    pub(super) fn call_next_function(&self) -> bool {
        let call = self.tasks.pop_call();
        call.map(|call| self.store_function(call)).is_some()
    }

    #[inline(always)]
    pub(super) fn store_function(&self, callback: FunctionCall) {
        let (start, app_break) = self.bounds();
        let boundary = self.chip.userspace_kernel_boundary();
        let Some(mut context) = self.context.lend() else {
            return;
        };
        let state = &mut context.stored_state;
        // SAFETY: as for return values.
        let stored = unsafe { boundary.set_process_function(start, app_break, state, callback) };
        drop(context);
        if stored.is_err() {
            return self.fault();
        }
        self.tasks.end_wait();
        self.state.set(State::Running);
    }

    #[inline(always)]
    pub(super) fn run(&self, prepare: impl FnOnce(&MpuConfig<C>)) -> Option<Trap> {
        if self.state.get() != State::Running {
            return None;
        }
        let (start, app_break) = self.bounds();
        let mpu = self.chip.mpu();
        let trap = self.context.map(|context| {
            prepare(&context.mpu_config);
            mpu.enable_app_mpu();
            // SAFETY: the bounds and the state are those of this process. It can change what is
            // between the bounds, and nobody holds references there but shared ones to cells.
            unsafe {
                self.chip.userspace_kernel_boundary().run_process(
                    start,
                    app_break,
                    &mut context.stored_state,
                    |stack_pointer| self.debug.note_stack_pointer(stack_pointer.addr()),
                )
            }
        });
        // SAFETY: no process runs until this function is called again, which enables it first.
        unsafe { mpu.disable_app_mpu() };
        trap
    }

    /// Loads the process's memory protection and runs the process.
    #[inline(always)]
    pub(super) fn load_and_run(&self) -> Option<Trap> {
        let trap = self.run(|config| self.load_protection(config));
        if let Some(Trap::Call(registers)) = &trap {
            self.debug.note_syscall(*registers);
        }
        trap
    }

    pub(super) fn copy_stored_state(&self, out: &mut [u8]) -> Result<usize, ErrorCode> {
        self.with_registers(|state| {
            self.chip
                .userspace_kernel_boundary()
                .store_context(state, out)
        })
        .unwrap_or(Err(ErrorCode::FAIL))
    }
}
