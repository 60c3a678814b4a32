// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Bytes of a process that a driver may read.
//!
//! They can lie in flash, or in RAM that another buffer makes writeable at the same time. A
//! reference to a [`ReadableProcessSlice`] therefore spans no memory as far as the language is
//! concerned: its elements have no size, and the reference is an address and a length. Bytes are
//! read through raw pointers, each time they are asked for.

use core::cell::UnsafeCell;
use core::ops::Index;
use core::ptr;

use super::byte_range::{ByteRange, Position, length_mismatch, out_of_range};
use crate::ErrorCode;

/// The place of one byte that can be read.
#[repr(transparent)]
pub struct ReadableProcessByte {
    /// Takes no space. The cell says that what is found here may change behind a shared reference.
    place: UnsafeCell<[u8; 0]>,
}

impl ReadableProcessByte {
    /// Reads the byte.
    #[inline]
    pub fn get(&self) -> u8 {
        let address = ptr::from_ref(&self.place).addr();
        // SAFETY: references to this type are made in this module only, from within a slice whose
        // maker vouched, in `ReadableProcessSlice::new`, that each byte may be read while the
        // reference lives.
        unsafe { ptr::with_exposed_provenance::<u8>(address).read() }
    }
}

/// A stretch of a process's bytes that can be read.
#[repr(transparent)]
pub struct ReadableProcessSlice {
    /// As many places as there are bytes. They have no size, so address arithmetic is on
    /// [`base`](Self::base).
    places: [ReadableProcessByte],
}

impl ReadableProcessSlice {
    /// Describes the `length` bytes at `start`.
    ///
    /// # Safety
    ///
    /// `start` is not null, its provenance has been exposed, and throughout `'a` all `length`
    /// bytes may be read through it. They may change meanwhile, though not while one of them is
    /// being read.
    #[inline]
    pub(super) unsafe fn new<'a>(start: *const u8, length: usize) -> &'a Self {
        let places = ptr::slice_from_raw_parts(start.cast::<ReadableProcessByte>(), length);
        // SAFETY: `Self` is transparent over a slice of elements with size 0 and alignment 1, for
        // which any address but null will do.
        unsafe { &*(places as *const Self) }
    }

    /// Returns the address of the first byte, as a pointer that may read all of them.
    #[inline]
    fn base(&self) -> *const u8 {
        ptr::with_exposed_provenance(self.places.as_ptr().addr())
    }

    /// Returns the number of bytes.
    #[inline]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Tells whether there are no bytes.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the byte at a position, or the slice in a range; `None` if it is not all there.
    #[inline]
    pub fn get<I: Position<Self>>(&self, index: I) -> Option<&I::Output> {
        index.find(self)
    }

    /// Copies all bytes to `dest`.
    ///
    /// # Panics
    ///
    /// When `dest` has another length. Where a process decides about lengths, use
    /// [`copy_to_slice_or_err`](Self::copy_to_slice_or_err).
    #[track_caller]
    pub fn copy_to_slice(&self, dest: &mut [u8]) {
        if self.copy_to_slice_or_err(dest).is_err() {
            length_mismatch()
        }
    }

    /// Copies all bytes to `dest`.
    ///
    /// # Errors
    ///
    /// - [`ErrorCode::SIZE`]: `dest` has another length; nothing was copied.
    #[inline]
    pub fn copy_to_slice_or_err(&self, dest: &mut [u8]) -> Result<(), ErrorCode> {
        if self.len() != dest.len() {
            return Err(ErrorCode::SIZE);
        }
        // SAFETY: the maker of this slice vouched that `len` bytes can be read, and `dest` has as
        // many. They do not overlap: `dest` is an exclusive borrow of memory, while the bytes here
        // are either a process's, which nobody borrows exclusively, or borrowed from another slice
        // for as long as this one lives.
        unsafe { ptr::copy_nonoverlapping(self.base(), dest.as_mut_ptr(), dest.len()) };
        Ok(())
    }

    /// Returns the bytes one by one.
    #[inline]
    pub fn iter(&self) -> ReadableProcessBytes<'_> {
        ReadableProcessBytes { rest: self }
    }

    /// Returns the bytes in slices of `size`, the last of which may be shorter.
    ///
    /// A `size` of 0 counts as 1.
    #[inline]
    pub fn chunks(&self, size: usize) -> ReadableProcessChunks<'_> {
        ReadableProcessChunks {
            rest: self,
            size: size.max(1),
        }
    }

    /// Splits off the first `count` bytes, or all if there are fewer.
    #[inline]
    fn split(&self, count: usize) -> (&Self, &Self) {
        let count = count.min(self.len());
        let second = self.base().wrapping_add(count);
        // SAFETY: both parts lie within this slice, so its maker vouched for them. The address of
        // the second is at most one past the end, which is not null.
        unsafe {
            (
                Self::new(self.base(), count),
                Self::new(second, self.len() - count),
            )
        }
    }
}

impl Position<ReadableProcessSlice> for usize {
    type Output = ReadableProcessByte;

    #[inline]
    fn find(self, slice: &ReadableProcessSlice) -> Option<&ReadableProcessByte> {
        if self >= slice.len() {
            return None;
        }
        let place = slice.base().wrapping_add(self);
        // SAFETY: the byte lies within the slice, so the address is not null; nothing else is
        // needed for a type of size 0.
        Some(unsafe { &*place.cast::<ReadableProcessByte>() })
    }
}

impl<R: ByteRange> Position<ReadableProcessSlice> for R {
    type Output = ReadableProcessSlice;

    #[inline]
    fn find(self, slice: &ReadableProcessSlice) -> Option<&ReadableProcessSlice> {
        let (start, length) = self.resolve(slice.len())?;
        let first = slice.base().wrapping_add(start);
        // SAFETY: `resolve` keeps the range within the slice, whose maker vouched for all of it.
        Some(unsafe { ReadableProcessSlice::new(first, length) })
    }
}

impl<I: Position<ReadableProcessSlice>> Index<I> for ReadableProcessSlice {
    type Output = I::Output;

    /// Returns what is at `index`.
    ///
    /// # Panics
    ///
    /// When it is not all there. Where a process decides about lengths, use
    /// [`get`](ReadableProcessSlice::get).
    #[inline]
    #[track_caller]
    fn index(&self, index: I) -> &I::Output {
        match self.get(index) {
            Some(found) => found,
            None => out_of_range(),
        }
    }
}

impl<'a> From<&'a [u8]> for &'a ReadableProcessSlice {
    /// Lets kernel memory pass for a process's.
    fn from(bytes: &'a [u8]) -> Self {
        let start = bytes.as_ptr();
        start.expose_provenance();
        // SAFETY: the bytes are borrowed for `'a`, and their provenance has just been exposed.
        unsafe { ReadableProcessSlice::new(start, bytes.len()) }
    }
}

impl<'a> From<&'a mut [u8]> for &'a ReadableProcessSlice {
    /// Lets kernel memory pass for a process's.
    fn from(bytes: &'a mut [u8]) -> Self {
        let bytes: &'a [u8] = bytes;
        bytes.into()
    }
}

/// The bytes of a [`ReadableProcessSlice`], one by one.
#[derive(Clone)]
pub struct ReadableProcessBytes<'a> {
    rest: &'a ReadableProcessSlice,
}

impl<'a> Iterator for ReadableProcessBytes<'a> {
    type Item = &'a ReadableProcessByte;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let first = self.rest.get(0)?;
        (_, self.rest) = self.rest.split(1);
        Some(first)
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.rest.len(), Some(self.rest.len()))
    }
}

impl ExactSizeIterator for ReadableProcessBytes<'_> {}

/// The bytes of a [`ReadableProcessSlice`] in slices of equal size.
#[derive(Clone)]
pub struct ReadableProcessChunks<'a> {
    rest: &'a ReadableProcessSlice,
    size: usize,
}

impl<'a> Iterator for ReadableProcessChunks<'a> {
    type Item = &'a ReadableProcessSlice;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let chunk;
        (chunk, self.rest) = self.rest.split(self.size);
        Some(chunk)
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.rest.len().div_ceil(self.size);
        (left, Some(left))
    }
}

impl ExactSizeIterator for ReadableProcessChunks<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn readable(bytes: &[u8]) -> &ReadableProcessSlice {
        bytes.into()
    }

    fn bytes_of(slice: &ReadableProcessSlice) -> Vec<u8> {
        slice.iter().map(ReadableProcessByte::get).collect()
    }

    #[test]
    fn every_way_of_reading_gives_the_same_bytes() {
        let bytes: Vec<u8> = (0..=255).collect();
        let slice = readable(&bytes);
        let mut copy = [0; 256];
        slice.copy_to_slice(&mut copy);
        assert_eq!(copy[..], bytes[..]);
        assert_eq!(bytes_of(slice), bytes);
        let chunked: Vec<u8> = slice.chunks(7).flat_map(bytes_of).collect();
        assert_eq!(chunked, bytes);
        let indexed: Vec<u8> = (0..slice.len()).map(|i| slice[i].get()).collect();
        assert_eq!(indexed, bytes);
    }

    #[test]
    fn ranges_give_parts_and_parts_of_parts() {
        let slice = readable(&[10, 11, 12, 13, 14]);
        assert_eq!(bytes_of(&slice[1..4]), [11, 12, 13]);
        assert_eq!(bytes_of(&slice[1..4][1..]), [12, 13]);
        assert_eq!(bytes_of(&slice[..2]), [10, 11]);
        assert_eq!(bytes_of(&slice[1..=2]), [11, 12]);
        assert!(slice[5..].is_empty());
    }

    #[test]
    fn checked_access_stops_at_the_end() {
        let slice = readable(&[1, 2, 3]);
        assert_eq!(slice.get(2).map(ReadableProcessByte::get), Some(3));
        assert!(slice.get(3).is_none());
        assert!(slice.get(usize::MAX).is_none());
        assert!(slice.get(1..4).is_none());
        assert!(slice.get(4..).is_none());
        assert!(slice.get(..4).is_none());
        assert!(slice.get(3..).is_some_and(ReadableProcessSlice::is_empty));
    }

    #[test]
    fn a_copy_needs_equal_lengths() {
        let slice = readable(&[1, 2, 3]);
        for length in [0, 2, 4] {
            let mut dest = std::vec![9; length];
            assert_eq!(slice.copy_to_slice_or_err(&mut dest), Err(ErrorCode::SIZE));
            assert!(dest.iter().all(|&byte| byte == 9));
        }
    }

    #[test]
    fn chunks_end_with_what_is_left() {
        let lengths = |total: usize, size| -> Vec<usize> {
            let bytes = std::vec![0; total];
            let chunks = readable(&bytes).chunks(size);
            assert_eq!(chunks.len(), chunks.clone().count());
            chunks.map(ReadableProcessSlice::len).collect()
        };
        assert_eq!(lengths(5, 2), [2, 2, 1]);
        assert_eq!(lengths(4, 2), [2, 2]);
        assert_eq!(lengths(3, usize::MAX), [3]);
        assert_eq!(lengths(2, 0), [1, 1]);
        assert!(lengths(0, 4).is_empty());
    }

    #[test]
    #[should_panic(expected = "out of range")]
    fn indexing_beyond_the_end_panics() {
        let _ = readable(&[1, 2, 3])[3].get();
    }

    #[test]
    #[should_panic(expected = "lengths that differ")]
    fn copying_to_another_length_panics() {
        readable(&[1, 2, 3]).copy_to_slice(&mut [0; 2]);
    }
}
