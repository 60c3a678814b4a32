// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Two points in time that share one comparator.

use core::cell::Cell;

/// A comparator value that never comes.
pub(crate) const NEVER: u64 = u64::MAX;

/// The deadlines of the alarm and of the time slice, in ticks since start.
pub(crate) struct Deadlines {
    /// When the alarm fires; [`NEVER`] when it is not set.
    pub(crate) alarm: Cell<u64>,
    /// When the time slice ends; [`NEVER`] when there is none.
    pub(crate) slice: Cell<u64>,
    /// Whether the end of the time slice is to interrupt.
    pub(crate) slice_armed: Cell<bool>,
}

impl Deadlines {
    /// Nothing is to come.
    pub(crate) const fn none() -> Deadlines {
        Deadlines {
            alarm: Cell::new(NEVER),
            slice: Cell::new(NEVER),
            slice_armed: Cell::new(false),
        }
    }

    /// Returns what the comparator should hold.
    pub(crate) fn next(&self) -> u64 {
        if self.slice_armed.get() {
            self.alarm.get().min(self.slice.get())
        } else {
            self.alarm.get()
        }
    }
}

/// Returns the tick at which an alarm with this reference and interval fires: `now` when `now` is
/// not in `[reference, reference + interval)`.
pub(crate) fn alarm_time(now: u64, reference: u64, interval: u64) -> u64 {
    if now.wrapping_sub(reference) < interval {
        // The one sum that would read as "no alarm" is brought forward by a tick.
        reference.wrapping_add(interval).min(NEVER - 1)
    } else {
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_in_the_past_is_due_now() {
        assert_eq!(alarm_time(100, 50, 20), 100);
        assert_eq!(alarm_time(100, 90, 10), 100);
        assert_eq!(alarm_time(100, 100, 0), 100);
        assert_eq!(alarm_time(100, 90, 11), 101);
        assert_eq!(alarm_time(100, 101, 50), 100);
    }

    #[test]
    fn the_longest_alarm_still_counts_as_set() {
        assert_eq!(alarm_time(0, 0, u64::MAX), NEVER - 1);
    }

    #[test]
    fn the_slice_counts_only_while_armed() {
        let deadlines = Deadlines {
            alarm: Cell::new(50),
            slice: Cell::new(20),
            slice_armed: Cell::new(false),
        };
        assert_eq!(deadlines.next(), 50);
        deadlines.slice_armed.set(true);
        assert_eq!(deadlines.next(), 20);
        deadlines.alarm.set(10);
        assert_eq!(deadlines.next(), 10);
        assert_eq!(Deadlines::none().next(), NEVER);
    }
}
