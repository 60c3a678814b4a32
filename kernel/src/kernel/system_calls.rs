// SPDX-License-Identifier: Apache-2.0 OR MIT

//! System calls, from the filter to the answer (TRD 104).
//!
//! Arguments are whatever the process put there. A call that makes no sense gets an error code;
//! it never does the process any other harm.

use core::ops::ControlFlow;

use super::main_loop::Turn;
use crate::errorcode::ErrorCode;
use crate::grant::requests;
use crate::memop::memop;
use crate::platform::chip::Chip;
use crate::platform::{KernelResources, SyscallDriverLookup, SyscallFilter};
use crate::syscall::{Syscall, SyscallReturn, YieldVariant};
use crate::upcall::UpcallId;

mod exit {
    pub(super) const TERMINATE: usize = 0;
    pub(super) const RESTART: usize = 1;
}

impl<KR: KernelResources<C>, C: Chip, const NUM_PROCS: u8> Turn<'_, KR, C, NUM_PROCS> {
    /// Serves a system call. Breaks if it ended this run of the process.
    #[inline]
    pub(super) fn system_call(&self, call: Syscall) -> ControlFlow<()> {
        let process = self.process;
        process.debug_syscall_called(call);
        let answer = match call {
            Syscall::Yield { yield_type } => {
                self.yield_process(yield_type);
                return ControlFlow::Continue(());
            }
            Syscall::Exit {
                which,
                completion_code,
            } => match self.exit(which, completion_code) {
                ControlFlow::Continue(answer) => answer,
                ControlFlow::Break(()) => return ControlFlow::Break(()),
            },
            Syscall::Memop { operand, arg0 } => memop(process, operand, arg0),
            Syscall::Subscribe { .. }
            | Syscall::Command { .. }
            | Syscall::ReadWriteAllow { .. }
            | Syscall::UserspaceReadableAllow { .. }
            | Syscall::ReadOnlyAllow { .. } => {
                let filter = self.resources.syscall_filter();
                match filter.filter_syscall(process, &call) {
                    Ok(()) => self.ask_driver(call),
                    Err(code) => SyscallReturn::Failure(code),
                }
            }
        };
        process.set_syscall_return_value(answer);
        ControlFlow::Continue(())
    }

    /// Serves the calls that name a driver.
    #[inline]
    fn ask_driver(&self, call: Syscall) -> SyscallReturn {
        let process = self.process;
        let drivers = self.resources.syscall_driver_lookup();
        match call {
            Syscall::Command {
                driver_number,
                subdriver_number,
                arg0,
                arg1,
            } => drivers.with_driver(driver_number, |driver| match driver {
                Some(driver) => driver
                    .command(subdriver_number, arg0, arg1, self.id)
                    .into_syscall_return(),
                None => SyscallReturn::Failure(ErrorCode::NODEVICE),
            }),
            Syscall::Subscribe {
                driver_number,
                subdriver_number,
                upcall_ptr,
                appdata,
            } => drivers.with_driver(driver_number, |driver| {
                let upcall_id = UpcallId {
                    driver_num: driver_number,
                    subscribe_num: subdriver_number,
                };
                requests::subscribe(process, driver, upcall_id, upcall_ptr, appdata)
            }),
            Syscall::ReadWriteAllow {
                driver_number,
                subdriver_number,
                allow_address,
                allow_size,
            } => drivers.with_driver(driver_number, |driver| {
                requests::allow_read_write(
                    process,
                    driver,
                    driver_number,
                    subdriver_number,
                    allow_address,
                    allow_size,
                )
            }),
            Syscall::ReadOnlyAllow {
                driver_number,
                subdriver_number,
                allow_address,
                allow_size,
            } => drivers.with_driver(driver_number, |driver| {
                requests::allow_read_only(
                    process,
                    driver,
                    driver_number,
                    subdriver_number,
                    allow_address,
                    allow_size,
                )
            }),
            Syscall::UserspaceReadableAllow {
                driver_number,
                subdriver_number,
                allow_address,
                allow_size,
            } => drivers.with_driver(driver_number, |driver| {
                requests::allow_userspace_readable(
                    process,
                    driver,
                    subdriver_number,
                    allow_address,
                    allow_size,
                )
            }),
            Syscall::Yield { .. } | Syscall::Memop { .. } | Syscall::Exit { .. } => {
                SyscallReturn::Failure(ErrorCode::NOSUPPORT)
            }
        }
    }

    fn yield_process(&self, variant: YieldVariant) {
        let process = self.process;
        match variant {
            YieldVariant::NoWait { ptr } => {
                // An event without a function would not end a wait, so it does not count here.
                let upcall_runs = process.has_callable_tasks();
                // SAFETY: capsules are not running, and all that they keep of process memory are
                // shared references to cells.
                unsafe { process.set_byte(ptr, upcall_runs.into()) };
                if upcall_runs {
                    process.set_yielded_state();
                }
            }
            YieldVariant::Wait => process.set_yielded_state(),
            YieldVariant::WaitFor {
                driver_number,
                subdriver_number,
            } => process.set_yielded_for_state(UpcallId {
                driver_num: driver_number,
                subscribe_num: subdriver_number,
            }),
        }
    }

    /// Ends or restarts the process; continues with an answer for any other wish.
    fn exit(&self, which: usize, completion_code: usize) -> ControlFlow<(), SyscallReturn> {
        // A completion code is 32 bits wide on every machine.
        let code = Some(completion_code as u32);
        match which {
            exit::TERMINATE => self.process.terminate(code),
            exit::RESTART => self.process.try_restart(code),
            _ => return ControlFlow::Continue(SyscallReturn::Failure(ErrorCode::NOSUPPORT)),
        }
        ControlFlow::Break(())
    }
}

#[cfg(test)]
mod tests;
