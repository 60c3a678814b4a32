// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Two points in time that share one comparator.

/// A comparator value that never comes.
pub(crate) const NEVER: u64 = u64::MAX;

/// The deadlines of the alarm and of the time slice, in ticks since start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadlines {
    /// When the alarm fires; [`NEVER`] when it is not set.
    pub(crate) alarm: u64,
    /// When the time slice ends; [`NEVER`] when there is none.
    pub(crate) slice: u64,
    /// Whether the end of the time slice is to interrupt.
    pub(crate) slice_armed: bool,
}

impl Deadlines {
    /// Nothing is to come.
    pub(crate) const NONE: Deadlines = Deadlines {
        alarm: NEVER,
        slice: NEVER,
        slice_armed: false,
    };

    /// Returns what the comparator should hold.
    pub(crate) fn next(&self) -> u64 {
        if self.slice_armed {
            self.alarm.min(self.slice)
        } else {
            self.alarm
        }
    }

    /// Returns the tick at which an alarm with this reference and interval fires: `now` when
    /// `now` is not in `[reference, reference + interval)`.
    pub(crate) fn alarm_time(now: u64, reference: u64, interval: u64) -> u64 {
        if now.wrapping_sub(reference) < interval {
            // The one sum that would read as "no alarm" is brought forward by a tick.
            reference.wrapping_add(interval).min(NEVER - 1)
        } else {
            now
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_in_the_past_is_due_now() {
        assert_eq!(Deadlines::alarm_time(100, 50, 20), 100);
        assert_eq!(Deadlines::alarm_time(100, 90, 10), 100);
        assert_eq!(Deadlines::alarm_time(100, 100, 0), 100);
        assert_eq!(Deadlines::alarm_time(100, 90, 11), 101);
        assert_eq!(Deadlines::alarm_time(100, 101, 50), 100);
    }

    #[test]
    fn the_longest_alarm_still_counts_as_set() {
        assert_eq!(Deadlines::alarm_time(0, 0, u64::MAX), NEVER - 1);
    }

    #[test]
    fn the_slice_counts_only_while_armed() {
        let mut deadlines = Deadlines {
            alarm: 50,
            slice: 20,
            slice_armed: false,
        };
        assert_eq!(deadlines.next(), 50);
        deadlines.slice_armed = true;
        assert_eq!(deadlines.next(), 20);
        deadlines.alarm = 10;
        assert_eq!(deadlines.next(), 10);
        assert_eq!(Deadlines::NONE.next(), NEVER);
    }
}
