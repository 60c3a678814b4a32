// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Between the kernel's clock and the 32 bits of it that processes see.
//!
//! A narrow counter is shifted up to 32 bits, so that processes know a single rule for the
//! wrap-around. Of a wide counter they see the low 32 bits.

use crate::deadline::Deadline;
use kernel::hil::time::Ticks;

/// A reading of the clock as processes see it.
pub(super) fn present<T: Ticks>(now: T) -> u32 {
    now.into_u32_left_justified()
}

/// Finds the deadline that a process means by `reference` and `dt`.
///
/// The reference is the latest reading of the clock, not after `now`, that a process sees as
/// `reference`: one whose low bits are above those of `now` belongs to the turn before. On a
/// narrow counter the end is rounded up to a whole tick, so the alarm is never early.
pub(super) fn expand<T: Ticks>(now: T, reference: u32, dt: u32) -> Deadline<T> {
    let padding = T::u32_padding();
    if padding == 0 {
        let age = present(now).wrapping_sub(reference);
        return Deadline {
            reference: now.wrapping_sub(T::from(age)),
            dt: T::from(dt),
        };
    }
    let step = 1u64 << padding;
    let start = u64::from(reference) / step;
    let end = (u64::from(reference) + u64::from(dt)).div_ceil(step);
    Deadline {
        reference: T::from(start as u32),
        dt: T::from_or_max(end - start),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fakes::Xorshift;
    use kernel::hil::time::{Ticks16, Ticks24, Ticks32, Ticks64};

    /// The rule of the system call page, in plain numbers.
    fn model(now: u64, reference: u32, dt: u32) -> (u64, bool) {
        let (low, turn) = (now as u32, now & !0xFFFF_FFFF);
        let reference = if low < reference {
            turn.wrapping_sub(1 << 32) + u64::from(reference)
        } else {
            turn + u64::from(reference)
        };
        let due = now.wrapping_sub(reference) >= u64::from(dt);
        (reference, due)
    }

    fn edge(random: &mut Xorshift) -> u32 {
        let near = [0, 1, 0x7FFF_FFFF, 0x8000_0000, u32::MAX];
        match random.below(3) {
            0 => random.next() as u32,
            1 => near[random.below(5)].wrapping_add(random.below(5) as u32),
            _ => random.below(1000) as u32,
        }
    }

    #[test]
    fn wide_counters_follow_the_documented_rule() {
        let mut random = Xorshift::new(7);
        for _ in 0..200_000 {
            let turn = (random.below(4) as u64 + 1) << 32;
            let now = turn | u64::from(edge(&mut random));
            let (reference, dt) = (edge(&mut random), edge(&mut random));
            let deadline = expand(Ticks64::from(now), reference, dt);
            let (expected, due) = model(now, reference, dt);
            assert_eq!(deadline.reference.into_u64(), expected);
            assert_eq!(
                deadline.is_due(now.into()),
                due,
                "{now:#x} {reference:#x} {dt:#x}"
            );
            assert_eq!(present(deadline.end()), reference.wrapping_add(dt));
        }
    }

    #[test]
    fn a_32_bit_counter_takes_values_as_they_are() {
        let mut random = Xorshift::new(8);
        for _ in 0..10_000 {
            let (now, reference, dt) = (edge(&mut random), edge(&mut random), edge(&mut random));
            let deadline = expand(Ticks32::from(now), reference, dt);
            assert_eq!(deadline.reference.into_u32(), reference);
            assert_eq!(
                deadline.is_due(now.into()),
                now.wrapping_sub(reference) >= dt
            );
        }
    }

    #[test]
    fn a_fresh_clock_accepts_references_from_before_its_start() {
        let now = Ticks64::from(5u64);
        let deadline = expand(now, u32::MAX, 100);
        assert!(!deadline.is_due(now));
        assert_eq!(deadline.remaining(now).into_u64(), 94);
    }

    #[test]
    fn narrow_counters_never_fire_early() {
        fn check<T: Ticks>(seed: u64) {
            let mut random = Xorshift::new(seed);
            let unit = 1u64 << T::u32_padding();
            for _ in 0..50_000 {
                let tick = random.next() as u32 & T::max_value().into_u32();
                let reference =
                    present(T::from(tick)).wrapping_add(random.below(unit as usize) as u32);
                // A longer interval would not fit the counter.
                let dt = (random.next() as u32) >> 1;
                let deadline = expand(T::from(tick), reference, dt);
                let span = u64::from(deadline.dt.into_u32());
                let offset = u64::from(reference) % unit;
                assert!(span * unit >= offset + u64::from(dt));
                assert!(span * unit < offset + u64::from(dt) + unit);
            }
        }
        check::<Ticks24>(1);
        check::<Ticks16>(2);
    }

    #[test]
    fn presented_time_wraps_with_32_bits() {
        assert_eq!(present(Ticks24::from(0x00FF_FFFF)), 0xFFFF_FF00);
        assert_eq!(present(Ticks64::from(0x1_2345_6789u64)), 0x2345_6789);
    }
}
