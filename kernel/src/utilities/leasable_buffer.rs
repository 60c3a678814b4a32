// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Buffers with a movable active window.
//!
//! A layer that works on part of a buffer passes the whole buffer on with its window narrowed, and
//! whoever owns the buffer widens the window again when it comes back. A window never leaves its
//! buffer: ranges that reach beyond the window are cut off at its end.

use core::ops::{Bound, Index, IndexMut, Range, RangeBounds};
use core::slice::SliceIndex;

/// Where the active part of a buffer lies: `start <= end`, and `end` is at most its length.
///
/// So the range always exists; asking with `get` keeps a panic out of every use all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Window {
    start: usize,
    end: usize,
}

impl Window {
    const fn whole(length: usize) -> Self {
        Self {
            start: 0,
            end: length,
        }
    }

    fn range(self) -> Range<usize> {
        self.start..self.end
    }

    /// Cuts `part`, counted from this window's start, out of this window.
    fn narrow(self, part: impl RangeBounds<usize>) -> Self {
        let inside = |offset: usize| self.start.saturating_add(offset).min(self.end);
        let start = match part.start_bound() {
            Bound::Included(&first) => inside(first),
            Bound::Excluded(&before) => inside(before.saturating_add(1)),
            Bound::Unbounded => self.start,
        };
        let end = match part.end_bound() {
            Bound::Included(&last) => inside(last.saturating_add(1)),
            Bound::Excluded(&behind) => inside(behind),
            Bound::Unbounded => self.end,
        };
        Self {
            start,
            end: end.max(start),
        }
    }
}

/// A shared buffer with an active window.
#[derive(Debug, PartialEq, Eq)]
pub struct SubSlice<'a, T> {
    buffer: &'a [T],
    window: Window,
}

/// A uniquely borrowed buffer with an active window.
#[derive(Debug)]
pub struct SubSliceMut<'a, T> {
    buffer: &'a mut [T],
    window: Window,
}

/// A buffer of either kind, for interfaces that only read it.
#[derive(Debug)]
pub enum SubSliceMutImmut<'a, T> {
    /// A shared buffer.
    Immutable(SubSlice<'a, T>),
    /// A uniquely borrowed buffer.
    Mutable(SubSliceMut<'a, T>),
}

/// The methods that both kinds of buffer have.
macro_rules! window_methods {
    () => {
        /// Makes the whole buffer active again.
        pub fn reset(&mut self) {
            self.window = Window::whole(self.buffer.len());
        }

        /// Counts the elements of the active window.
        pub fn len(&self) -> usize {
            self.window.end - self.window.start
        }

        /// Tells whether the active window has no elements.
        pub fn is_empty(&self) -> bool {
            self.len() == 0
        }

        /// Tells whether the active window is smaller than the buffer.
        pub fn is_sliced(&self) -> bool {
            self.len() != self.buffer.len()
        }

        /// Returns where in the buffer the active window lies.
        pub fn active_range(&self) -> Range<usize> {
            self.window.range()
        }

        /// Narrows the active window to `range`, counted from the window's present start.
        ///
        /// What lies beyond the present window is cut off; a range that ends before it starts
        /// leaves an empty window.
        pub fn slice<R: RangeBounds<usize>>(&mut self, range: R) {
            self.window = self.window.narrow(range);
        }

        /// Returns the address of the active window's first element.
        pub fn as_ptr(&self) -> *const T {
            self.as_slice().as_ptr()
        }
    };
}

impl<'a, T> SubSlice<'a, T> {
    /// Makes the whole of `buffer` the active window.
    pub const fn new(buffer: &'a [T]) -> Self {
        Self {
            window: Window::whole(buffer.len()),
            buffer,
        }
    }

    /// Returns the whole buffer.
    pub fn take(self) -> &'a [T] {
        self.buffer
    }

    /// Returns the active window.
    pub fn as_slice(&self) -> &'a [T] {
        self.buffer.get(self.window.range()).unwrap_or_default()
    }

    window_methods!();
}

// Not derived, since a derive would ask for `T: Clone`: only the reference is copied.
impl<T> Clone for SubSlice<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for SubSlice<'_, T> {}

impl<'a, T> SubSliceMut<'a, T> {
    /// Makes the whole of `buffer` the active window.
    pub const fn new(buffer: &'a mut [T]) -> Self {
        Self {
            window: Window::whole(buffer.len()),
            buffer,
        }
    }

    /// Returns the whole buffer.
    pub fn take(self) -> &'a mut [T] {
        self.buffer
    }

    /// Returns the active window.
    pub fn as_slice(&self) -> &[T] {
        self.buffer.get(self.window.range()).unwrap_or_default()
    }

    /// Returns the active window to write to.
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        self.buffer.get_mut(self.window.range()).unwrap_or_default()
    }

    /// Returns the address of the active window's first element, to write to.
    pub fn as_mut_ptr(&mut self) -> *mut T {
        self.as_mut_slice().as_mut_ptr()
    }

    window_methods!();
}

impl<'a, T> SubSliceMutImmut<'a, T> {
    /// Makes the whole buffer active again.
    pub fn reset(&mut self) {
        match self {
            Self::Immutable(buffer) => buffer.reset(),
            Self::Mutable(buffer) => buffer.reset(),
        }
    }

    /// Counts the elements of the active window.
    pub fn len(&self) -> usize {
        match self {
            Self::Immutable(buffer) => buffer.len(),
            Self::Mutable(buffer) => buffer.len(),
        }
    }

    /// Tells whether the active window has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Narrows the active window, see [`SubSlice::slice`].
    pub fn slice<R: RangeBounds<usize>>(&mut self, range: R) {
        match self {
            Self::Immutable(buffer) => buffer.slice(range),
            Self::Mutable(buffer) => buffer.slice(range),
        }
    }

    /// Returns the active window.
    pub fn as_slice(&self) -> &[T] {
        match self {
            Self::Immutable(buffer) => buffer.as_slice(),
            Self::Mutable(buffer) => buffer.as_slice(),
        }
    }

    /// Returns the address of the active window's first element.
    pub fn as_ptr(&self) -> *const T {
        self.as_slice().as_ptr()
    }

    /// Calls `f` with the buffer if it is uniquely borrowed.
    pub fn map_mut(&mut self, f: impl FnOnce(&mut SubSliceMut<'a, T>)) {
        if let Self::Mutable(buffer) = self {
            f(buffer);
        }
    }
}

impl<'a, T> From<&'a [T]> for SubSlice<'a, T> {
    fn from(buffer: &'a [T]) -> Self {
        Self::new(buffer)
    }
}

impl<'a, T> From<&'a mut [T]> for SubSliceMut<'a, T> {
    fn from(buffer: &'a mut [T]) -> Self {
        Self::new(buffer)
    }
}

impl<'a, T> From<&'a [T]> for SubSliceMutImmut<'a, T> {
    fn from(buffer: &'a [T]) -> Self {
        Self::Immutable(buffer.into())
    }
}

impl<'a, T> From<&'a mut [T]> for SubSliceMutImmut<'a, T> {
    fn from(buffer: &'a mut [T]) -> Self {
        Self::Mutable(buffer.into())
    }
}

// Like any index, these panic beyond the active window; `as_slice().get()` does not.

impl<T, I: SliceIndex<[T]>> Index<I> for SubSlice<'_, T> {
    type Output = I::Output;

    fn index(&self, index: I) -> &I::Output {
        &self.as_slice()[index]
    }
}

impl<T, I: SliceIndex<[T]>> Index<I> for SubSliceMut<'_, T> {
    type Output = I::Output;

    fn index(&self, index: I) -> &I::Output {
        &self.as_slice()[index]
    }
}

impl<T, I: SliceIndex<[T]>> IndexMut<I> for SubSliceMut<'_, T> {
    fn index_mut(&mut self, index: I) -> &mut I::Output {
        &mut self.as_mut_slice()[index]
    }
}

impl<T, I: SliceIndex<[T]>> Index<I> for SubSliceMutImmut<'_, T> {
    type Output = I::Output;

    fn index(&self, index: I) -> &I::Output {
        &self.as_slice()[index]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_narrow_one_inside_the_other() {
        let bytes: [u8; 10] = core::array::from_fn(|place| place as u8);
        let mut window = SubSlice::new(&bytes[..]);
        assert!(!window.is_sliced());
        window.slice(2..8);
        window.slice(1..=3);
        assert_eq!(window.as_slice(), [3, 4, 5]);
        assert_eq!(
            (window.active_range(), window[0], window.len()),
            (3..6, 3, 3)
        );
        assert_eq!(window.as_ptr(), &raw const bytes[3]);
        window.reset();
        assert_eq!(window.take(), bytes);
    }

    #[test]
    fn a_range_beyond_the_window_is_cut_off() {
        let bytes = [0u8; 10];
        let narrowed = |part: (Bound<usize>, Bound<usize>)| {
            let mut window = SubSlice::new(&bytes[..]);
            window.slice(4..7);
            window.slice(part);
            window.active_range()
        };
        use Bound::{Excluded, Included, Unbounded};
        assert_eq!(narrowed((Included(1), Excluded(100))), 5..7);
        assert_eq!(narrowed((Included(50), Unbounded)), 7..7);
        assert_eq!(narrowed((Unbounded, Included(usize::MAX))), 4..7);
        assert_eq!(narrowed((Excluded(usize::MAX), Included(usize::MAX))), 7..7);
        assert_eq!(narrowed((Included(2), Excluded(1))), 6..6);
        assert_eq!(narrowed((Unbounded, Excluded(0))), 4..4);
    }

    #[test]
    fn writing_goes_to_the_active_window() {
        let mut bytes = [0u8; 6];
        let mut window = SubSliceMut::from(&mut bytes[..]);
        window.slice(2..4);
        window.as_mut_slice().fill(1);
        window[1] = 2;
        assert!(window.is_sliced());
        assert_eq!(window.take(), [0, 0, 1, 2, 0, 0]);
    }

    #[test]
    fn only_the_unique_kind_is_mapped_mutably() {
        let (shared, mut unique) = ([1u8, 2], [3u8, 4]);
        let mut buffer = SubSliceMutImmut::from(&shared[..]);
        buffer.map_mut(|_| panic!("shared"));
        let mut buffer = SubSliceMutImmut::from(&mut unique[..]);
        buffer.slice(1..);
        buffer.map_mut(|unique| unique[0] = 9);
        assert_eq!((buffer[0], buffer.len(), buffer.is_empty()), (9, 1, false));
        buffer.reset();
        assert_eq!(buffer.as_slice(), [3, 9]);
    }
}
