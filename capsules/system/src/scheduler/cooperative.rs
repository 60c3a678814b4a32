// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Cooperative scheduling: a process runs until it yields, blocks or stops.
//!
//! A process that never yields keeps the others waiting. Interrupts are still served in between,
//! and the interrupted process then goes on.

use kernel::platform::chip::Chip;
use kernel::process::{ProcessSlot, StoppedExecutingReason};
use kernel::scheduler::{Scheduler, SchedulingDecision};

use super::ring::Ring;

/// Runs ready processes in table order, each for as long as it wants.
pub struct CooperativeSched {
    ring: Ring,
}

impl CooperativeSched {
    /// Schedules the processes in `slots`.
    pub const fn new(slots: &'static [ProcessSlot]) -> Self {
        Self {
            ring: Ring::new(slots),
        }
    }
}

impl<C: Chip> Scheduler<C> for CooperativeSched {
    fn next(&self) -> SchedulingDecision {
        match self.ring.seek_ready() {
            Some((process, _)) => SchedulingDecision::RunProcess((process.processid(), None)),
            None => SchedulingDecision::TrySleep,
        }
    }

    fn result(&self, result: StoppedExecutingReason, _execution_time_us: Option<u32>) {
        if result != StoppedExecutingReason::KernelPreemption {
            self.ring.advance();
        }
    }
}
