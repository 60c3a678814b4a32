// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Fault policies: what the kernel does with a process that faulted.
//!
//! A policy only decides. The kernel carries the decision out, and asks again at the next fault, so
//! a policy that counts reads the restart count of the process instead of keeping one.

use crate::shown_name::ShownName;
use kernel::debug;
use kernel::process::{FaultAction, Process, ProcessFaultPolicy};

/// Stops the whole system at the first fault, with a panic that names the process.
pub struct PanicFaultPolicy {}

impl ProcessFaultPolicy for PanicFaultPolicy {
    fn action(&self, _process: &dyn Process) -> FaultAction {
        FaultAction::Panic
    }
}

/// Stops the process without a word; the others go on.
pub struct StopFaultPolicy {}

impl ProcessFaultPolicy for StopFaultPolicy {
    fn action(&self, _process: &dyn Process) -> FaultAction {
        FaultAction::Stop
    }
}

/// Stops the process and says so on the debug output; the others go on.
pub struct StopWithDebugFaultPolicy {}

impl ProcessFaultPolicy for StopWithDebugFaultPolicy {
    fn action(&self, process: &dyn Process) -> FaultAction {
        debug!(
            "Process {} faulted and was stopped.",
            ShownName(process.get_process_name())
        );
        FaultAction::Stop
    }
}

/// Starts the process afresh after every fault, for ever.
pub struct RestartFaultPolicy {}

impl ProcessFaultPolicy for RestartFaultPolicy {
    fn action(&self, _process: &dyn Process) -> FaultAction {
        FaultAction::Restart
    }
}

/// Starts the process afresh after every fault, and says so on the debug output.
pub struct RestartWithDebugFaultPolicy {}

impl ProcessFaultPolicy for RestartWithDebugFaultPolicy {
    fn action(&self, process: &dyn Process) -> FaultAction {
        debug!(
            "Process {} faulted and will be restarted.",
            ShownName(process.get_process_name())
        );
        FaultAction::Restart
    }
}

/// Restarts a process until it has been restarted more than `threshold` times, then stops it.
///
/// A threshold of `n` therefore allows `n + 1` restarts.
pub struct ThresholdRestartFaultPolicy {
    threshold: usize,
}

impl ThresholdRestartFaultPolicy {
    /// Creates the policy; see the type for how `threshold` counts.
    pub const fn new(threshold: usize) -> Self {
        Self { threshold }
    }
}

impl ProcessFaultPolicy for ThresholdRestartFaultPolicy {
    fn action(&self, process: &dyn Process) -> FaultAction {
        within(self.threshold, process, FaultAction::Stop)
    }
}

/// Restarts a process until it has been restarted more than `threshold` times, then panics.
///
/// A threshold of `n` therefore allows `n + 1` restarts.
pub struct ThresholdRestartThenPanicFaultPolicy {
    threshold: usize,
}

impl ThresholdRestartThenPanicFaultPolicy {
    /// Creates the policy; see the type for how `threshold` counts.
    pub const fn new(threshold: usize) -> Self {
        Self { threshold }
    }
}

impl ProcessFaultPolicy for ThresholdRestartThenPanicFaultPolicy {
    fn action(&self, process: &dyn Process) -> FaultAction {
        within(self.threshold, process, FaultAction::Panic)
    }
}

/// Restart while the count has not passed `threshold`, `afterwards` from then on.
fn within(threshold: usize, process: &dyn Process, afterwards: FaultAction) -> FaultAction {
    if process.get_restart_count() <= threshold {
        FaultAction::Restart
    } else {
        afterwards
    }
}
