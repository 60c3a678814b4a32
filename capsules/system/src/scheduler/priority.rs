// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Fixed priorities: the ready process with the lowest slot number runs, without a time slice.
//!
//! A process of higher priority that becomes ready takes over at once. A process that never waits
//! starves all below it, which is what fixed priorities mean.

use core::cell::Cell;

use kernel::ProcessId;
use kernel::deferred_call::DeferredCall;
use kernel::platform::chip::Chip;
use kernel::process::{Process, ProcessSlot, StoppedExecutingReason};
use kernel::scheduler::{Scheduler, SchedulingDecision};

/// Runs the first ready process of the table.
pub struct PrioritySched {
    slots: &'static [ProcessSlot],
    running: Cell<usize>,
}

impl PrioritySched {
    /// Schedules the processes in `slots`, the first one with the highest priority.
    pub const fn new(slots: &'static [ProcessSlot]) -> Self {
        Self {
            slots,
            running: Cell::new(0),
        }
    }
}

impl<C: Chip> Scheduler<C> for PrioritySched {
    fn next(&self) -> SchedulingDecision {
        let first = self.slots.iter().enumerate().find_map(|(index, slot)| {
            let process = slot.get().filter(|process| process.ready())?;
            Some((index, process.processid()))
        });
        match first {
            Some((index, id)) => {
                self.running.set(index);
                SchedulingDecision::RunProcess((id, None))
            }
            None => SchedulingDecision::TrySleep,
        }
    }

    fn result(&self, _result: StoppedExecutingReason, _execution_time_us: Option<u32>) {}

    fn continue_process(&self, _id: ProcessId, chip: &C) -> bool {
        let overtaken = self
            .slots
            .iter()
            .take(self.running.get())
            .any(|slot| slot.get().is_some_and(Process::ready));
        !(overtaken || chip.has_pending_interrupts() || DeferredCall::has_tasks())
    }
}
