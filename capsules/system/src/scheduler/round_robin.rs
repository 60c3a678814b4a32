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
    /// How many turns have ended, modulo 2^32.
    turns: Cell<u32>,
    /// What [`starves`](Self::starves) saw last.
    seen: Cell<Progress>,
}

/// How far processes have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Progress {
    turns: u32,
    /// What is left of the slice of the turn that has begun or is to begin.
    left_us: u32,
}

impl Progress {
    /// Tells whether `later` is less than `least_us` further, and in the same turn.
    fn is_hardly_before(self, later: Progress, least_us: u32) -> bool {
        self.turns == later.turns && self.left_us.saturating_sub(later.left_us) < least_us
    }
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
            turns: Cell::new(0),
            seen: Cell::new(Progress {
                turns: 0,
                left_us: slice_us.get(),
            }),
        }
    }

    /// Tells whether a process is ready to run, and since the last call neither ended a turn nor
    /// got `least_us` of time.
    ///
    /// Interrupts go before processes. A board that asks this once in a while finds out when there
    /// are too many of them, and can put some off.
    pub fn starves(&self, least_us: u32) -> bool {
        let now = Progress {
            turns: self.turns.get(),
            left_us: self.left_us.get().unwrap_or(self.slice_us).get(),
        };
        let before = self.seen.replace(now);
        before.is_hardly_before(now, least_us) && self.ring.any_ready()
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
            self.turns.set(self.turns.get().wrapping_add(1));
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
    fn progress_is_the_end_of_a_turn_or_time() {
        let at = |turns, left_us| Progress { turns, left_us };
        let begin = at(7, 10_000);
        for (later, starving) in [
            (at(7, 10_000), true),
            (at(7, 9_501), true),
            (at(7, 9_500), false),
            (at(8, 10_000), false),
            (at(8, 9_999), false),
        ] {
            assert_eq!(begin.is_hardly_before(later, 500), starving, "{later:?}");
        }
    }

    #[test]
    fn without_a_ready_process_nobody_starves() {
        let scheduler = RoundRobinSched::new(&[]);
        assert!(!scheduler.starves(500));
    }

    #[test]
    fn a_used_up_slice_leaves_nothing() {
        assert_eq!(remaining(us(10_000), 10_000), None);
        assert_eq!(remaining(us(10_000), u32::MAX), None);
    }
}
