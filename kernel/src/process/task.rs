// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Work queued for a process until it yields.

use super::id::ProcessId;
use crate::ipc::IPCUpcallType;
use crate::upcall::UpcallId;
use crate::utilities::capability_ptr::CapabilityPtr;
use crate::utilities::machine_register::MachineRegister;

/// An entry of a process's queue.
#[derive(Clone, Copy, Debug)]
pub enum Task {
    /// Run a function in the process.
    FunctionCall(FunctionCall),
    /// Hand values to a wait-for call. This is what an event becomes when the process registered
    /// no function for it; other yields discard it.
    ReturnValue(ReturnArguments),
    /// Run the inter-process upcall that the named process asked for.
    IPC((ProcessId, IPCUpcallType)),
}

/// Who asked for a [`FunctionCall`].
#[derive(Clone, Copy, Debug)]
pub enum FunctionCallSource {
    /// The kernel itself: the first entry to a process, or inter-process communication.
    Kernel,
    /// A driver, through this upcall.
    Driver(UpcallId),
}

/// A function to run in a process, with its four arguments.
#[derive(Clone, Copy, Debug)]
pub struct FunctionCall {
    /// Who asked for the call.
    pub source: FunctionCallSource,
    /// First argument.
    pub argument0: usize,
    /// Second argument.
    pub argument1: usize,
    /// Third argument.
    pub argument2: usize,
    /// Fourth argument; for upcalls, the word the process gave when it subscribed.
    pub argument3: MachineRegister,
    /// Address of the function.
    pub pc: CapabilityPtr,
}

/// The values that a wait-for call returns.
#[derive(Clone, Copy, Debug)]
pub struct ReturnArguments {
    /// The event they belong to.
    pub upcall_id: UpcallId,
    /// First value.
    pub argument0: usize,
    /// Second value.
    pub argument1: usize,
    /// Third value.
    pub argument2: usize,
}

impl Task {
    /// The driver event that queued this task, if one did.
    pub(crate) fn upcall_id(&self) -> Option<UpcallId> {
        match self {
            Task::FunctionCall(FunctionCall {
                source: FunctionCallSource::Driver(upcall_id),
                ..
            })
            | Task::ReturnValue(ReturnArguments { upcall_id, .. }) => Some(*upcall_id),
            Task::FunctionCall(_) | Task::IPC(_) => None,
        }
    }
}
