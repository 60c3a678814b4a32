// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Multilevel feedback queue: short turns go first, long ones get longer slices later.
//!
//! A process starts at the top level. One that uses up its slice sinks a level; one that gives the
//! CPU up earlier stays. A lower level runs when all above it have nothing to do, and every five
//! seconds all processes rise to the top, so none waits for ever.

use core::cell::Cell;
use core::num::NonZeroU32;

use kernel::platform::chip::Chip;
use kernel::process::{Process, ProcessSlot, StoppedExecutingReason};
use kernel::scheduler::{Scheduler, SchedulingDecision};

use kernel::hil::time::{ConvertTicks, Ticks, Time};

use super::ring::{after, first_from};

/// Slice of each level in microseconds, top level first.
const SLICES_US: [NonZeroU32; LEVELS] = [us(10_000), us(20_000), us(50_000)];

/// How long a process may be kept at a lower level, in seconds.
const RISE_EVERY_S: u32 = 5;

const LEVELS: usize = 3;

const fn us(value: u32) -> NonZeroU32 {
    match NonZeroU32::new(value) {
        Some(value) => value,
        None => NonZeroU32::MIN,
    }
}

/// Runs ready processes of the highest level that has any, in table order.
///
/// `N` is the number of slots in the process table.
pub struct MlfqSched<'a, T: Time, const N: usize> {
    slots: &'static [ProcessSlot],
    time: &'a T,
    risen_at: Cell<T::Ticks>,
    queue: Queue<N>,
}

impl<'a, T: Time, const N: usize> MlfqSched<'a, T, N> {
    /// Schedules the processes in `slots`; slots beyond the first `N` never run.
    pub fn new(slots: &'static [ProcessSlot], time: &'a T) -> Self {
        Self {
            slots,
            time,
            risen_at: Cell::new(time.now()),
            queue: Queue::new(),
        }
    }

    fn process(&self, index: usize) -> Option<&'static dyn Process> {
        self.slots.get(index)?.get()
    }
}

impl<T: Time, const N: usize, C: Chip> Scheduler<C> for MlfqSched<'_, T, N> {
    fn next(&self) -> SchedulingDecision {
        let now = self.time.now();
        let since = now.wrapping_sub(self.risen_at.get());
        if since >= self.time.ticks_from_seconds(RISE_EVERY_S) {
            self.risen_at.set(now);
            self.queue.rise();
        }
        let picked = self
            .queue
            .pick(|index| self.process(index).is_some_and(Process::ready));
        let process = picked.and_then(|(index, slice)| Some((self.process(index)?, slice)));
        match process {
            Some((process, slice)) => {
                SchedulingDecision::RunProcess((process.processid(), Some(slice)))
            }
            None => SchedulingDecision::TrySleep,
        }
    }

    fn result(&self, result: StoppedExecutingReason, execution_time_us: Option<u32>) {
        self.queue.ended(result, execution_time_us);
    }
}

/// What the scheduler knows of one slot.
struct Entry {
    level: Cell<usize>,
    /// The rest of a slice that the kernel's own work cut short.
    left_us: Cell<Option<NonZeroU32>>,
}

/// Levels and turns, by slot number.
struct Queue<const N: usize> {
    entries: [Entry; N],
    /// Where the search for the next turn starts.
    head: Cell<usize>,
    running: Cell<usize>,
    granted_us: Cell<NonZeroU32>,
}

impl<const N: usize> Queue<N> {
    const fn new() -> Self {
        Self {
            entries: [const {
                Entry {
                    level: Cell::new(0),
                    left_us: Cell::new(None),
                }
            }; N],
            head: Cell::new(0),
            running: Cell::new(0),
            granted_us: Cell::new(SLICES_US[0]),
        }
    }

    /// Puts every process on the top level.
    fn rise(&self) {
        for entry in &self.entries {
            entry.level.set(0);
        }
    }

    /// Chooses whose turn it is, and for how long.
    fn pick(&self, ready: impl Fn(usize) -> bool) -> Option<(usize, NonZeroU32)> {
        let (index, slice_us) = SLICES_US.iter().enumerate().find_map(|(level, slice_us)| {
            let (index, ()) = first_from(self.head.get(), &self.entries, |index, entry| {
                (entry.level.get() == level && ready(index)).then_some(())
            })?;
            Some((index, *slice_us))
        })?;
        let left_us = self
            .entries
            .get(index)
            .and_then(|entry| entry.left_us.take());
        let slice_us = left_us.unwrap_or(slice_us);
        self.running.set(index);
        self.granted_us.set(slice_us);
        self.head.set(index);
        Some((index, slice_us))
    }

    /// Takes note of how the last turn ended.
    fn ended(&self, reason: StoppedExecutingReason, used_us: Option<u32>) {
        let index = self.running.get();
        let Some(entry) = self.entries.get(index) else {
            return;
        };
        let left_us = self
            .granted_us
            .get()
            .get()
            .checked_sub(used_us.unwrap_or(u32::MAX))
            .and_then(NonZeroU32::new);
        match (reason, left_us) {
            (StoppedExecutingReason::KernelPreemption, Some(left_us)) => {
                entry.left_us.set(Some(left_us));
            }
            (
                StoppedExecutingReason::KernelPreemption | StoppedExecutingReason::TimesliceExpired,
                _,
            ) => {
                let lower = entry.level.get().saturating_add(1);
                entry.level.set(lower.min(LEVELS.saturating_sub(1)));
                self.head.set(after(index, N));
            }
            _ => self.head.set(after(index, N)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use StoppedExecutingReason::{KernelPreemption, NoWorkLeft, TimesliceExpired};

    #[test]
    fn a_process_that_uses_up_its_slice_sinks_and_gets_a_longer_one() {
        let queue = Queue::<1>::new();
        for slice in [10_000, 20_000, 50_000, 50_000] {
            assert_eq!(queue.pick(|_| true), Some((0, us(slice))));
            queue.ended(TimesliceExpired, Some(slice));
        }
    }

    #[test]
    fn a_process_that_waits_stays_above_one_that_computes() {
        let queue = Queue::<2>::new();
        assert_eq!(queue.pick(|index| index == 0), Some((0, us(10_000))));
        queue.ended(TimesliceExpired, Some(10_000));
        for _ in 0..3 {
            assert_eq!(queue.pick(|_| true), Some((1, us(10_000))));
            queue.ended(NoWorkLeft, Some(100));
        }
        assert_eq!(queue.pick(|index| index == 0), Some((0, us(20_000))));
    }

    #[test]
    fn processes_of_a_level_take_turns() {
        let queue = Queue::<3>::new();
        for turn in [0, 1, 2, 0, 1] {
            assert_eq!(queue.pick(|_| true).map(|(index, _)| index), Some(turn));
            queue.ended(NoWorkLeft, Some(1));
        }
    }

    #[test]
    fn the_kernels_own_work_does_not_shorten_a_turn() {
        let queue = Queue::<2>::new();
        queue.pick(|_| true);
        queue.ended(KernelPreemption, Some(4_000));
        assert_eq!(queue.pick(|_| true), Some((0, us(6_000))));
        queue.ended(KernelPreemption, Some(6_000));
        assert_eq!(queue.pick(|_| true), Some((1, us(10_000))));
    }

    #[test]
    fn rising_ends_the_wait_of_those_below() {
        let queue = Queue::<2>::new();
        queue.pick(|index| index == 1);
        queue.ended(TimesliceExpired, Some(10_000));
        queue.rise();
        queue.ended(NoWorkLeft, Some(1));
        assert_eq!(queue.pick(|index| index == 1), Some((1, us(10_000))));
    }

    #[test]
    fn nothing_ready_means_no_turn() {
        assert_eq!(Queue::<2>::new().pick(|_| false), None);
    }
}
