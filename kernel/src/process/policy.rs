// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What happens to a process that faults.

use super::process_trait::Process;

/// What the kernel does with a process that faulted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultAction {
    /// Panic the kernel, naming the process.
    Panic,
    /// Start the process afresh.
    Restart,
    /// Leave the process dead; the others go on.
    Stop,
}

/// Chooses what the kernel does with a process that faulted.
pub trait ProcessFaultPolicy {
    /// Returns the action for this fault of `process`.
    fn action(&self, process: &dyn Process) -> FaultAction;
}
