// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Half-open ranges of 32-bit physical addresses.

use core::fmt;

/// The bytes from `start` up to but not including `end`; empty when `end <= start`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// First byte.
    pub start: u32,
    /// First byte after the range.
    pub end: u32,
}

impl Range {
    /// A range without bytes, at address zero.
    pub const EMPTY: Range = Range { start: 0, end: 0 };

    /// Creates the range `[start, end)`.
    pub const fn new(start: u32, end: u32) -> Self {
        Range { start, end }
    }

    /// Tells whether the range has no byte.
    pub const fn is_empty(self) -> bool {
        self.end <= self.start
    }

    /// Returns the number of bytes.
    pub const fn len(self) -> u32 {
        self.end.saturating_sub(self.start)
    }

    /// Tells whether the size is a power of two, at least 8, of which the start is a multiple: what one
    /// entry can cover by itself.
    pub const fn is_naturally_aligned(self) -> bool {
        let length = self.len();
        length.is_power_of_two() && length >= 8 && self.start & (length - 1) == 0
    }

    /// Tells whether every byte of `inner` lies in `self`; an empty `inner` always does.
    pub const fn contains(self, inner: Range) -> bool {
        inner.is_empty() || (self.start <= inner.start && inner.end <= self.end)
    }

    /// Tells whether the two ranges share a byte.
    pub const fn overlaps(self, other: Range) -> bool {
        !self.is_empty() && !other.is_empty() && self.start < other.end && other.start < self.end
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}-{:#x}", self.start, self.end)
    }
}

/// Rounds up to the 4-byte granule of a top-of-range rule; `None` at the end of the address space.
pub const fn round_up(address: u32) -> Option<u32> {
    match address.checked_add(3) {
        Some(sum) => Some(sum & !3),
        None => None,
    }
}
