// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The saved registers: results and calls that go in, and the switch to the process.

use super::{MpuConfig, ProcessStandard, StoredState};
use crate::errorcode::ErrorCode;
use crate::platform::chip::Chip;
use crate::platform::mpu::MPU;
use crate::process::debug_info::ProcessStandardDebug;
use crate::process::state::State;
use crate::process::task::FunctionCall;
use crate::syscall::{SyscallReturn, Trap, UserspaceKernelBoundary};

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
        let stored = self.with_registers(|state| {
            // SAFETY: the bounds and the state are those of this process, and nobody holds a
            // reference into what it can access.
            unsafe {
                self.chip
                    .userspace_kernel_boundary()
                    .set_syscall_return_value(start, app_break, state, return_value)
            }
        });
        match stored {
            Some(Ok(())) => {
                if let State::YieldedFor(_) = self.state.get() {
                    self.tasks.end_wait();
                    self.state.set(State::Running);
                }
            }
            Some(Err(())) => self.fault(),
            None => {}
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

    /// Has the process run the function that is the oldest task, if it is one.
    #[inline(always)]
    pub(super) fn call_next_function(&self) -> bool {
        let call = self.tasks.pop_call();
        call.map(|call| self.store_function(call)).is_some()
    }

    #[inline(always)]
    pub(super) fn store_function(&self, callback: FunctionCall) {
        let (start, app_break) = self.bounds();
        let stored = self.with_registers(|state| {
            // SAFETY: as for return values.
            unsafe {
                self.chip
                    .userspace_kernel_boundary()
                    .set_process_function(start, app_break, state, callback)
            }
        });
        match stored {
            Some(Ok(())) => {
                self.tasks.end_wait();
                self.state.set(State::Running);
            }
            Some(Err(())) => self.fault(),
            None => {}
        }
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
