// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Preemptive round robin: ready processes take turns of at most one time slice.
//!
//! Time that the kernel takes for its own work in the middle of a turn is not charged: the process
//! then gets the rest of its slice.

use core::cell::Cell;
use core::num::NonZeroU32;

use kernel::platform::chip::Chip;
use kernel::process::{ProcessSlot, StoppedExecutingReason};
use kernel::scheduler::{Scheduler, SchedulingDecision};

use super::ring::Ring;

/// Runs ready processes in table order, a slice each.
pub struct RoundRobinSched {
    ring: Ring,
    slice_us: NonZeroU32,
    /// What the process at the head has left of its slice, if it is in the middle of one.
    left_us: Cell<Option<NonZeroU32>>,
    /// What the last decision granted.
    granted_us: Cell<NonZeroU32>,
}

impl RoundRobinSched {
    /// The usual time slice, in microseconds.
    pub const DEFAULT_TIMESLICE_US: NonZeroU32 = NonZeroU32::new(10_000).unwrap();

    /// Schedules the processes in `slots` with the default slice.
    pub const fn new(slots: &'static [ProcessSlot]) -> Self {
        Self::with_timeslice(slots, Self::DEFAULT_TIMESLICE_US)
    }

    /// Schedules the processes in `slots` with a slice of `slice_us` microseconds.
    ///
    /// The kernel does not start a turn of 500 µs or less, so a slice has to be longer than that.
    pub const fn with_timeslice(slots: &'static [ProcessSlot], slice_us: NonZeroU32) -> Self {
        Self {
            ring: Ring::new(slots),
            slice_us,
            left_us: Cell::new(None),
            granted_us: Cell::new(slice_us),
        }
    }
}

impl<C: Chip> Scheduler<C> for RoundRobinSched {
    #[inline(always)]
    fn next(&self) -> SchedulingDecision {
        let Some((process, same_turn)) = self.ring.seek_ready() else {
            return SchedulingDecision::TrySleep;
        };
        let left_us = self.left_us.take().filter(|_| same_turn);
        let slice_us = left_us.unwrap_or(self.slice_us);
        self.granted_us.set(slice_us);
        SchedulingDecision::RunProcess((process.processid(), Some(slice_us)))
    }

    fn result(&self, result: StoppedExecutingReason, execution_time_us: Option<u32>) {
        let left_us = match result {
            StoppedExecutingReason::KernelPreemption => {
                remaining(self.granted_us.get(), execution_time_us.unwrap_or(u32::MAX))
            }
            _ => None,
        };
        if left_us.is_none() {
            self.ring.advance();
        }
        self.left_us.set(left_us);
    }
}

/// What is left of `granted_us` after `used_us`; `None` when the slice is used up.
fn remaining(granted_us: NonZeroU32, used_us: u32) -> Option<NonZeroU32> {
    granted_us
        .get()
        .checked_sub(used_us)
        .and_then(NonZeroU32::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn us(value: u32) -> NonZeroU32 {
        NonZeroU32::new(value).unwrap()
    }

    #[test]
    fn a_preempted_turn_keeps_what_it_has_not_used() {
        assert_eq!(remaining(us(10_000), 4_000), Some(us(6_000)));
        assert_eq!(remaining(us(10_000), 0), Some(us(10_000)));
    }

    #[test]
    fn a_used_up_slice_leaves_nothing() {
        assert_eq!(remaining(us(10_000), 10_000), None);
        assert_eq!(remaining(us(10_000), u32::MAX), None);
    }
}
