// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Places in a packed ring, with the wrap counter that tells one lap from the next (VirtIO 1.2,
//! 2.8.1).

/// A count of descriptors since the ring was set up, modulo 2^32.
///
/// The size of a ring is a power of two, so both its index and its wrap counter are bits of the count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Position(u32);

impl Position {
    #[inline(always)]
    pub(super) fn plus(self, descriptors: u16) -> Self {
        Self(self.0.wrapping_add(descriptors.into()))
    }

    /// Counts the descriptors from `earlier` to here, which are at most one lap.
    #[inline(always)]
    pub(super) fn since(self, earlier: Self) -> u16 {
        self.0.wrapping_sub(earlier.0) as u16
    }

    /// The index in a ring of any size; what lies beyond the size is for the ring to cut off.
    #[inline(always)]
    pub(super) fn index(self) -> u16 {
        self.0 as u16
    }

    /// The wrap counter, which begins with one.
    #[inline(always)]
    pub(super) fn wrap(self, size: u16) -> bool {
        self.0 & u32::from(size) == 0
    }

    /// Index and wrap counter as event suppression has them: 15 bits and one (2.8.14).
    #[inline(always)]
    pub(super) fn event_word(self, size: u16) -> u16 {
        let index = self.index() & size.wrapping_sub(1);
        index | if self.wrap(size) { 1 << 15 } else { 0 }
    }

    /// Whether the last `fresh` descriptors up to here include the one that `event` names.
    ///
    /// A ring of `size` has twice as many event words, so that a place one lap ago and the same place
    /// now differ. What names no place is taken for one.
    #[inline]
    pub(super) fn passed(self, event: u16, fresh: u16, size: u16) -> bool {
        let lap = if event & 1 << 15 == 0 { size } else { 0 };
        let event = u32::from(event & !(1 << 15)) + u32::from(lap);
        let both_laps = 2 * u32::from(size) - 1;
        let distance = self.0.wrapping_sub(event) & both_laps;
        distance.wrapping_sub(1) < u32::from(fresh)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u16 = 4;

    #[test]
    fn the_wrap_counter_begins_with_one_and_flips_at_the_end_of_the_ring() {
        let wraps = [0, 3, 4, 7, 8, u32::MAX - 3, u32::MAX].map(|count| Position(count).wrap(SIZE));
        assert_eq!(wraps, [true, true, false, false, true, false, false]);
        assert!(Position(u32::MAX).plus(1).wrap(SIZE));
    }

    #[test]
    fn an_event_is_passed_by_the_descriptors_that_contain_it() {
        for start in (0..20).chain(u32::MAX - 20..=u32::MAX) {
            let start = Position(start);
            for fresh in 0..=SIZE {
                let now = start.plus(fresh);
                for at in 0..SIZE {
                    let event = start.plus(at).event_word(SIZE);
                    assert_eq!(
                        now.passed(event, fresh, SIZE),
                        at < fresh,
                        "{start:?} {fresh} {at}"
                    );
                }
            }
        }
    }

    #[test]
    fn an_event_of_the_lap_before_is_not_passed_again() {
        let then = Position(1);
        let now = then.plus(SIZE + 1);
        assert!(!now.passed(then.event_word(SIZE), 1, SIZE));
        assert!(now.passed(then.plus(SIZE).event_word(SIZE), 1, SIZE));
    }

    #[test]
    fn words_that_name_no_place_do_no_harm() {
        for event in 0..=u16::MAX {
            let _ = Position(5).passed(event, 3, SIZE);
            let _ = Position(u32::MAX).passed(event, 32_768, 32_768);
        }
    }
}
