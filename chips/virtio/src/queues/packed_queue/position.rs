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
}
