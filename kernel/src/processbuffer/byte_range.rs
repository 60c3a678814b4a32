// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Positions and ranges that process slices can be indexed with.

use core::ops::{Range, RangeFrom, RangeFull, RangeInclusive, RangeTo};

mod sealed {
    pub trait Sealed {}
}

/// A range of bytes within a slice of known length.
pub trait ByteRange: sealed::Sealed {
    /// Returns start and length of the range, `None` unless it lies within `available` bytes.
    fn resolve(self, available: usize) -> Option<(usize, usize)>;
}

impl sealed::Sealed for Range<usize> {}

impl ByteRange for Range<usize> {
    #[inline]
    fn resolve(self, available: usize) -> Option<(usize, usize)> {
        let length = self.end.checked_sub(self.start)?;
        (self.end <= available).then_some((self.start, length))
    }
}

impl sealed::Sealed for RangeTo<usize> {}

impl ByteRange for RangeTo<usize> {
    #[inline]
    fn resolve(self, available: usize) -> Option<(usize, usize)> {
        (0..self.end).resolve(available)
    }
}

impl sealed::Sealed for RangeFrom<usize> {}

impl ByteRange for RangeFrom<usize> {
    #[inline]
    fn resolve(self, available: usize) -> Option<(usize, usize)> {
        (self.start..available).resolve(available)
    }
}

impl sealed::Sealed for RangeFull {}

impl ByteRange for RangeFull {
    #[inline]
    fn resolve(self, available: usize) -> Option<(usize, usize)> {
        Some((0, available))
    }
}

impl sealed::Sealed for RangeInclusive<usize> {}

impl ByteRange for RangeInclusive<usize> {
    #[inline]
    fn resolve(self, available: usize) -> Option<(usize, usize)> {
        let (start, last) = self.into_inner();
        (start..last.checked_add(1)?).resolve(available)
    }
}

impl sealed::Sealed for usize {}

/// A byte's position in a slice of type `S`, or a range of positions.
pub trait Position<S: ?Sized>: sealed::Sealed {
    /// What is there: one byte or a shorter slice.
    type Output: ?Sized;

    /// Returns what is there, `None` unless all of it lies within `slice`.
    fn find(self, slice: &S) -> Option<&Self::Output>;
}

/// Ends an index operation that was out of range.
#[cold]
#[track_caller]
pub(super) fn out_of_range() -> ! {
    panic!("index out of range of a process buffer")
}

/// Ends a copy between slices of different lengths.
#[cold]
#[track_caller]
pub(super) fn length_mismatch() -> ! {
    panic!("copy between lengths that differ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_within_resolve_to_start_and_length() {
        assert_eq!((1..3).resolve(3), Some((1, 2)));
        assert_eq!((3..3).resolve(3), Some((3, 0)));
        assert_eq!((..3).resolve(3), Some((0, 3)));
        assert_eq!((1..).resolve(3), Some((1, 2)));
        assert_eq!((3..).resolve(3), Some((3, 0)));
        assert_eq!((..).resolve(3), Some((0, 3)));
        assert_eq!((1..=2).resolve(3), Some((1, 2)));
    }

    #[test]
    #[expect(clippy::reversed_empty_ranges, reason = "this is the case under test")]
    fn ranges_beyond_or_backwards_resolve_to_nothing() {
        assert_eq!((1..4).resolve(3), None);
        assert_eq!((4..4).resolve(3), None);
        assert_eq!((2..1).resolve(3), None);
        assert_eq!((..4).resolve(3), None);
        assert_eq!((4..).resolve(3), None);
        assert_eq!((0..=3).resolve(3), None);
        assert_eq!((0..=usize::MAX).resolve(usize::MAX), None);
    }
}
