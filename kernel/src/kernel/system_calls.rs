// SPDX-License-Identifier: Apache-2.0 OR MIT

//! System calls, from the filter to the answer (TRD 104).
//!
//! Arguments are whatever the process put there. A call that makes no sense gets an error code;
//! it never does the process any other harm.

use core::ops::ControlFlow;

use super::turn::{Host, Turn};
use crate::errorcode::ErrorCode;
use crate::grant::requests::{self, Partner};
use crate::memop::{bound, memop};
use crate::process::{Error, Process, ProcessId};
use crate::processbuffer::UserspaceReadableProcessBuffer;
use crate::syscall::{Syscall, SyscallClass, SyscallReturn, YieldVariant};
use crate::upcall::UpcallId;
use crate::utilities::arch_helpers::CallServer;
use crate::utilities::machine_register::MachineRegister;

mod exit {
    pub(super) const TERMINATE: usize = 0;
    pub(super) const RESTART: usize = 1;
}

impl Turn<'_> {
    /// Serves a call that leaves something with a driver and takes back what was there.
    #[inline(always)]
    fn exchange(
        &self,
        class: SyscallClass,
        driver_number: usize,
        number: usize,
        (arg0, arg1): (MachineRegister, MachineRegister),
        serve: impl FnOnce(Option<&Named>) -> SyscallReturn,
    ) -> SyscallReturn {
        let driver = Named {
            host: self.host,
            driver_number,
        };
        match self.host.admit(class, driver_number, number, arg0, arg1) {
            Ok(present) => serve(present.then_some(&driver)),
            Err(code) => SyscallReturn::Failure(code),
        }
    }
}

/// The process of a turn, to serve its system calls.
pub(super) struct Serving<'a, P: ?Sized> {
    pub(super) turn: &'a Turn<'a>,
    pub(super) process: &'a P,
}

impl<P: Process + ?Sized> CallServer for Serving<'_, P> {
    /// Breaks if nothing is left to do: the call ended this run of the process, or the process
    /// waits for an event that has not come.
    type Served = ControlFlow<()>;

    #[inline(always)]
    fn serve(self, call: Syscall) -> ControlFlow<()> {
        let Serving { turn, process } = self;
        let answer = match call {
            Syscall::Yield { yield_type } => return yield_process(process, yield_type),
            Syscall::Exit {
                which,
                completion_code,
            } => match exit(process, which, completion_code) {
                ControlFlow::Continue(answer) => answer,
                ControlFlow::Break(()) => return ControlFlow::Break(()),
            },
            Syscall::Memop { operand, arg0 } => match bound(process, operand) {
                Some(address) => {
                    // On its own, so that it need not be told from the other answers again.
                    process.set_syscall_return_value(SyscallReturn::SuccessAddr(address));
                    return ControlFlow::Continue(());
                }
                None => memop(process, operand, arg0),
            },
            Syscall::Command {
                driver_number,
                subdriver_number,
                arg0,
                arg1,
            } => {
                let host = turn.host;
                let answer = host.command(driver_number, subdriver_number, arg0, arg1);
                if let SyscallReturn::Success = answer {
                    // The most frequent one, and the shortest.
                    process.set_syscall_return_value(SyscallReturn::Success);
                    return ControlFlow::Continue(());
                }
                answer
            }
            Syscall::Subscribe {
                driver_number,
                subdriver_number: number,
                upcall_ptr,
                appdata,
            } => {
                let upcall_id = UpcallId {
                    driver_num: driver_number,
                    subscribe_num: number,
                };
                let registers = (upcall_ptr.into(), appdata);
                let class = SyscallClass::Subscribe;
                turn.exchange(class, driver_number, number, registers, |driver| {
                    requests::subscribe(process, driver, upcall_id, upcall_ptr, appdata)
                })
            }
            Syscall::ReadWriteAllow {
                driver_number,
                subdriver_number: number,
                allow_address: address,
                allow_size: size,
            } => {
                let registers = (address.addr().into(), size.into());
                let class = SyscallClass::ReadWriteAllow;
                turn.exchange(class, driver_number, number, registers, |driver| {
                    requests::allow_read_write(
                        process,
                        driver,
                        driver_number,
                        number,
                        address,
                        size,
                    )
                })
            }
            Syscall::ReadOnlyAllow {
                driver_number,
                subdriver_number: number,
                allow_address: address,
                allow_size: size,
            } => {
                let registers = (address.addr().into(), size.into());
                let class = SyscallClass::ReadOnlyAllow;
                turn.exchange(class, driver_number, number, registers, |driver| {
                    requests::allow_read_only(process, driver, driver_number, number, address, size)
                })
            }
            Syscall::UserspaceReadableAllow {
                driver_number,
                subdriver_number: number,
                allow_address: address,
                allow_size: size,
            } => {
                let registers = (address.addr().into(), size.into());
                let class = SyscallClass::UserspaceReadableAllow;
                turn.exchange(class, driver_number, number, registers, |driver| {
                    requests::allow_userspace_readable(process, driver, number, address, size)
                })
            }
        };
        store(process, answer);
        ControlFlow::Continue(())
    }
}

/// Stores an answer that can be any. Each kind of call would have the code for that otherwise.
#[inline(never)]
fn store<P: Process + ?Sized>(process: &P, answer: SyscallReturn) {
    process.set_syscall_return_value(answer);
}

/// A driver, by its number. Most exchanges need no more than that it is there.
struct Named<'a> {
    host: &'a dyn Host,
    driver_number: usize,
}

impl Partner for Named<'_> {
    #[cold]
    fn allocate_grant(&self, process_id: ProcessId) -> Result<(), Error> {
        let mut outcome = Err(Error::NoSuchApp);
        self.host.with_driver(self.driver_number, &mut |driver| {
            outcome = Partner::allocate_grant(driver, process_id);
        });
        outcome
    }

    #[inline(never)]
    fn allow_userspace_readable(
        &self,
        process_id: ProcessId,
        number: usize,
        buffer: UserspaceReadableProcessBuffer,
    ) -> Result<UserspaceReadableProcessBuffer, (UserspaceReadableProcessBuffer, ErrorCode)> {
        let mut buffer = Some(buffer);
        let mut outcome = None;
        self.host.with_driver(self.driver_number, &mut |driver| {
            if let Some(buffer) = buffer.take() {
                let answer = Partner::allow_userspace_readable(driver, process_id, number, buffer);
                outcome = Some(answer);
            }
        });
        outcome.unwrap_or_else(|| Err((buffer.unwrap_or_default(), ErrorCode::NODEVICE)))
    }
}

#[inline(always)]
fn yield_process<P: Process + ?Sized>(process: &P, variant: YieldVariant) -> ControlFlow<()> {
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
        } => {
            let event = UpcallId {
                driver_num: driver_number,
                subscribe_num: subdriver_number,
            };
            match process.take_event(event) {
                // No need to wait.
                Some([argument0, argument1, argument2]) => process.set_syscall_return_value(
                    SyscallReturn::YieldWaitFor(argument0, argument1, argument2),
                ),
                None => {
                    process.set_yielded_for_state(event);
                    return ControlFlow::Break(());
                }
            }
        }
    }
    ControlFlow::Continue(())
}

/// Ends or restarts the process; continues with an answer for any other wish.
#[cold]
fn exit<P: Process + ?Sized>(
    process: &P,
    which: usize,
    completion_code: usize,
) -> ControlFlow<(), SyscallReturn> {
    // A completion code is 32 bits wide on every machine.
    let code = Some(completion_code as u32);
    match which {
        exit::TERMINATE => process.terminate(code),
        exit::RESTART => process.try_restart(code),
        _ => return ControlFlow::Continue(SyscallReturn::Failure(ErrorCode::NOSUPPORT)),
    }
    ControlFlow::Break(())
}

#[cfg(test)]
mod tests;
