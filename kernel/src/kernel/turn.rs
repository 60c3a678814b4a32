// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The turn of a process: enter it, serve what it asks for, and so on until something ends it.
//!
//! A process keeps its turn through system calls. Before it enters the process again, the turn asks
//! only whether the kernel has work of its own; the time slice is looked at when that is so, because
//! its end is an interrupt like any other.
//!
//! System calls are frequent and short, so this code is generic over the type of the process, and
//! [`Process::take_turn`] leads from the process table to the instance for the right type. The
//! board is behind a reference to a trait, [`Host`], which most calls use twice.

use super::system_calls::Serving;
use crate::errorcode::ErrorCode;
use crate::ipc::IPCUpcallType;
use crate::process::{Process, ProcessId, State, StoppedExecutingReason, Task};
use crate::syscall::{ContextSwitchReason, SyscallClass, SyscallDriver, SyscallReturn, Trap};
use crate::utilities::arch_helpers::CallServer;
use crate::utilities::machine_register::MachineRegister;

/// What the turn of a process needs of the board.
pub(super) trait Host {
    /// Tells whether the kernel has no work of its own that should come first.
    fn may_go_on(&self) -> bool;

    /// The same, just before the process is entered.
    fn may_enter(&self) -> bool;

    /// Tells whether too little is left of the time slice, which has been started.
    fn slice_is_over(&self) -> bool;

    /// Tells whether the process can go on after what would be a fault.
    fn mends_fault(&self) -> bool;

    /// Has a driver carry out a command, if the process may ask for it.
    fn command(
        &self,
        driver_number: usize,
        subdriver_number: usize,
        arg0: usize,
        arg1: usize,
    ) -> SyscallReturn;

    /// Tells whether there is a driver of this number, for a call of a class that names it.
    ///
    /// The call comes as its registers: whoever wants it in memory can put it together again.
    ///
    /// # Errors
    ///
    /// The code of the filter, when the process may not make the call.
    fn admit(
        &self,
        class: SyscallClass,
        driver_number: usize,
        subdriver_number: usize,
        arg0: MachineRegister,
        arg1: MachineRegister,
    ) -> Result<bool, ErrorCode>;

    /// Calls `serve` with the driver of this number, if there is one.
    fn with_driver(&self, driver_number: usize, serve: &mut dyn FnMut(&dyn SyscallDriver));

    /// Delivers the inter-process upcall that `sender` asked for.
    fn deliver(&self, sender: ProcessId, kind: IPCUpcallType);
}

/// The turn that the main loop gives to a process.
pub struct Turn<'a> {
    pub(super) host: &'a dyn Host,
    /// The run of the process that the turn was given to.
    id: ProcessId,
    has_slice: bool,
}

impl<'a> Turn<'a> {
    pub(super) fn new(host: &'a dyn Host, id: ProcessId, has_slice: bool) -> Turn<'a> {
        Turn {
            host,
            id,
            has_slice,
        }
    }

    /// Runs the process that the turn was given to until something ends the turn.
    pub(crate) fn run<P: Process + ?Sized>(&self, process: &P) -> StoppedExecutingReason {
        // A scheduler may name a run that is over.
        if process.processid() != self.id {
            return StoppedExecutingReason::NoWorkLeft;
        }
        loop {
            if !process.is_running() && !process.go_on() {
                match self.wake(process) {
                    Ok(()) => continue,
                    Err(reason) => return reason,
                }
            }
            if !self.host.may_enter() {
                return self.preempted(process);
            }
            let serving = Serving {
                turn: self,
                process,
            };
            match process.enter() {
                Some(Trap::Call(registers)) => {
                    // An unknown kind of yield returns at once and changes nothing.
                    let flow = registers.decode(serving);
                    if flow.is_some_and(|flow| flow.is_break()) {
                        return StoppedExecutingReason::NoWorkLeft;
                    }
                }
                Some(Trap::Other(ContextSwitchReason::SyscallFired { syscall })) => {
                    process.debug_syscall_called(syscall);
                    if serving.serve(syscall).is_break() {
                        return StoppedExecutingReason::NoWorkLeft;
                    }
                }
                Some(Trap::Other(ContextSwitchReason::Interrupted)) => {
                    // Most often the check above says the same; a scheduler that lets processes
                    // go on regardless still gets its slices ended.
                    if self.host.may_go_on() && self.slice_is_over(process) {
                        return StoppedExecutingReason::TimesliceExpired;
                    }
                }
                Some(Trap::Other(ContextSwitchReason::Fault)) => {
                    if !self.host.mends_fault() {
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

    /// Why the turn ends when the kernel has work of its own.
    #[cold]
    fn preempted<P: Process + ?Sized>(&self, process: &P) -> StoppedExecutingReason {
        if self.slice_is_over(process) {
            StoppedExecutingReason::TimesliceExpired
        } else {
            StoppedExecutingReason::KernelPreemption
        }
    }

    #[cold]
    fn slice_is_over<P: Process + ?Sized>(&self, process: &P) -> bool {
        let over = self.has_slice && self.host.slice_is_over();
        if over {
            process.debug_timeslice_expired();
        }
        over
    }

    /// Gives a process that is not running what it waits for, or says why there is no point in
    /// going on.
    #[inline(always)]
    fn wake<P: Process + ?Sized>(&self, process: &P) -> Result<(), StoppedExecutingReason> {
        // Most often it has just yielded, and what comes for it later will set it running.
        if process.get_state() == State::Yielded && !process.has_tasks() {
            return Err(StoppedExecutingReason::NoWorkLeft);
        }
        self.take_next(process)
    }

    #[inline(never)]
    fn take_next<P: Process + ?Sized>(&self, process: &P) -> Result<(), StoppedExecutingReason> {
        match process.get_state() {
            State::Running => Ok(()),
            // A driver restarted the process; the new run gets a turn of its own.
            _ if process.processid() != self.id => Err(StoppedExecutingReason::NoWorkLeft),
            State::Yielded if process.call_next() => Ok(()),
            State::Yielded => {
                match process.dequeue_task() {
                    Some(Task::FunctionCall(call)) => process.set_process_function(call),
                    // An event without a function, which nobody waits for.
                    Some(Task::ReturnValue(_)) => {}
                    Some(Task::IPC((sender, kind))) => self.host.deliver(sender, kind),
                    None => return Err(StoppedExecutingReason::NoWorkLeft),
                }
                Ok(())
            }
            State::YieldedFor(_) if process.answer_wait() => Ok(()),
            State::YieldedFor(_) => Err(StoppedExecutingReason::NoWorkLeft),
            State::Stopped(_) => Err(StoppedExecutingReason::Stopped),
            State::Faulted => Err(StoppedExecutingReason::StoppedFaulted),
            State::Terminated => Err(StoppedExecutingReason::NoWorkLeft),
        }
    }
}

#[cfg(test)]
#[path = "turn_tests.rs"]
mod tests;
#[cfg(test)]
#[path = "yield_tests.rs"]
mod yield_tests;
