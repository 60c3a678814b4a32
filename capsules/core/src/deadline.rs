// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A point in wrapping time.

use kernel::hil::time::Ticks;

/// The point `dt` ticks after `reference`, where `reference` lies in the past or present.
///
/// Two ends of the same wrapped number line look alike, so the pair is kept as it was given and
/// every question is asked with a current reading of the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deadline<T: Ticks> {
    /// A reading of the clock.
    pub(crate) reference: T,
    /// The distance from it.
    pub(crate) dt: T,
}

impl<T: Ticks> Deadline<T> {
    /// The point itself, wrapped.
    pub(crate) fn end(&self) -> T {
        self.reference.wrapping_add(self.dt)
    }

    /// Tells whether the point is reached.
    pub(crate) fn is_due(&self, now: T) -> bool {
        !now.within_range(self.reference, self.end())
    }

    /// Ticks left until the point, zero once it is reached.
    pub(crate) fn remaining(&self, now: T) -> T {
        if self.is_due(now) {
            T::from(0u32)
        } else {
            self.end().wrapping_sub(now)
        }
    }
}

/// The nearest of several deadlines, all seen from one reading of the clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Nearest<T: Ticks> {
    now: T,
    remaining: Option<T>,
}

impl<T: Ticks> Nearest<T> {
    pub(crate) fn seen_from(now: T) -> Self {
        Nearest {
            now,
            remaining: None,
        }
    }

    pub(crate) fn consider(&mut self, deadline: Deadline<T>) {
        let remaining = deadline.remaining(self.now);
        if self.remaining.is_none_or(|best| remaining < best) {
            self.remaining = Some(remaining);
        }
    }

    /// The nearest one, with the present as its reference.
    ///
    /// A short interval from the present is kept by a narrow counter even when the original one
    /// nearly spans it, where a small delay would already look like a whole turn.
    pub(crate) fn into_deadline(self) -> Option<Deadline<T>> {
        self.remaining.map(|dt| Deadline {
            reference: self.now,
            dt,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::hil::time::{Ticks32, Ticks64};

    fn at(reference: u32, dt: u32) -> Deadline<Ticks32> {
        Deadline {
            reference: reference.into(),
            dt: dt.into(),
        }
    }

    #[test]
    fn is_due_exactly_from_its_end_on() {
        let deadline = at(u32::MAX - 5, 10);
        assert!(!deadline.is_due((u32::MAX - 5).into()));
        assert!(!deadline.is_due(3.into()));
        assert!(deadline.is_due(4.into()));
        assert_eq!(deadline.remaining(3.into()).into_u32(), 1);
        assert_eq!(deadline.remaining(4.into()).into_u32(), 0);
    }

    #[test]
    fn zero_interval_is_due_at_once() {
        assert!(at(77, 0).is_due(77.into()));
    }

    #[test]
    fn remaining_agrees_with_plain_numbers_on_a_wide_counter() {
        for (reference, dt, now) in [(0u64, 1u64 << 40, 5u64), (1 << 33, 9, (1 << 33) + 4)] {
            let deadline = Deadline {
                reference: Ticks64::from(reference),
                dt: Ticks64::from(dt),
            };
            assert_eq!(
                deadline.remaining(now.into()).into_u64(),
                reference + dt - now
            );
        }
    }

    #[test]
    fn nearest_prefers_what_is_due_over_what_ends_at_a_smaller_number() {
        let mut nearest = Nearest::seen_from(Ticks32::from(1000));
        nearest.consider(at(990, 100));
        nearest.consider(at(u32::MAX, 5));
        assert_eq!(nearest.into_deadline(), Some(at(1000, 0)));
    }

    #[test]
    fn nearest_of_nothing_is_nothing() {
        assert_eq!(Nearest::seen_from(Ticks32::from(3)).into_deadline(), None);
    }
}
