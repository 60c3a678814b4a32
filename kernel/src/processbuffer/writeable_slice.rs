// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Bytes of a process that a driver may read and write.

use core::cell::Cell;
use core::ops::Index;
use core::ptr;
use core::slice;

use super::byte_range::{ByteRange, Position, length_mismatch, out_of_range};
use crate::ErrorCode;

/// A stretch of a process's bytes that can be read and written.
///
/// The bytes are cells, since other buffers may hold them too.
#[repr(transparent)]
pub struct WriteableProcessSlice {
    cells: [Cell<u8>],
}

impl WriteableProcessSlice {
    #[inline]
    pub(super) fn from_cells(cells: &[Cell<u8>]) -> &Self {
        // SAFETY: `Self` is transparent over the slice, so this changes the type and nothing else.
        unsafe { &*(ptr::from_ref(cells) as *const Self) }
    }

    /// Returns the number of bytes.
    #[inline]
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Tells whether there are no bytes.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
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
        // SAFETY: both have `dest.len()` bytes. They do not overlap, because `dest` is an
        // exclusive borrow. Nobody writes the cells meanwhile: there is one thread, and this is it.
        unsafe {
            ptr::copy_nonoverlapping(self.cells.as_ptr().cast(), dest.as_mut_ptr(), dest.len())
        };
        Ok(())
    }

    /// Replaces all bytes by those of `src`.
    ///
    /// # Panics
    ///
    /// When `src` has another length. Where a process decides about lengths, use
    /// [`copy_from_slice_or_err`](Self::copy_from_slice_or_err).
    #[track_caller]
    pub fn copy_from_slice(&self, src: &[u8]) {
        if self.copy_from_slice_or_err(src).is_err() {
            length_mismatch()
        }
    }

    /// Replaces all bytes by those of `src`.
    ///
    /// # Errors
    ///
    /// - [`ErrorCode::SIZE`]: `src` has another length; nothing was copied.
    #[inline]
    pub fn copy_from_slice_or_err(&self, src: &[u8]) -> Result<(), ErrorCode> {
        if self.len() != src.len() {
            return Err(ErrorCode::SIZE);
        }
        let dest: *const Cell<u8> = self.cells.as_ptr();
        // SAFETY: both have `src.len()` bytes, and cells may be written through a shared
        // reference. They do not overlap: `src` is a borrow of bytes that nobody changes, which
        // cells, a process's or others, are never lent as.
        unsafe { ptr::copy_nonoverlapping(src.as_ptr(), dest.cast_mut().cast(), src.len()) };
        Ok(())
    }

    /// Returns the bytes one by one.
    #[inline]
    pub fn iter(&self) -> slice::Iter<'_, Cell<u8>> {
        self.cells.iter()
    }

    /// Returns the bytes in slices of `size`, the last of which may be shorter.
    ///
    /// A `size` of 0 counts as 1.
    #[inline]
    pub fn chunks(&self, size: usize) -> WriteableProcessChunks<'_> {
        WriteableProcessChunks {
            chunks: self.cells.chunks(size.max(1)),
        }
    }
}

impl Position<WriteableProcessSlice> for usize {
    type Output = Cell<u8>;

    #[inline]
    fn find(self, slice: &WriteableProcessSlice) -> Option<&Cell<u8>> {
        slice.cells.get(self)
    }
}

impl<R: ByteRange> Position<WriteableProcessSlice> for R {
    type Output = WriteableProcessSlice;

    #[inline]
    fn find(self, slice: &WriteableProcessSlice) -> Option<&WriteableProcessSlice> {
        let (start, length) = self.resolve(slice.len())?;
        let cells = slice.cells.get(start..)?.get(..length)?;
        Some(WriteableProcessSlice::from_cells(cells))
    }
}

impl<I: Position<WriteableProcessSlice>> Index<I> for WriteableProcessSlice {
    type Output = I::Output;

    /// Returns what is at `index`.
    ///
    /// # Panics
    ///
    /// When it is not all there. Where a process decides about lengths, use
    /// [`get`](WriteableProcessSlice::get).
    #[inline]
    #[track_caller]
    fn index(&self, index: I) -> &I::Output {
        match self.get(index) {
            Some(found) => found,
            None => out_of_range(),
        }
    }
}

impl<'a> From<&'a mut [u8]> for &'a WriteableProcessSlice {
    /// Lets kernel memory pass for a process's.
    fn from(bytes: &'a mut [u8]) -> Self {
        WriteableProcessSlice::from_cells(Cell::from_mut(bytes).as_slice_of_cells())
    }
}

/// The bytes of a [`WriteableProcessSlice`] in slices of equal size.
#[derive(Clone)]
pub struct WriteableProcessChunks<'a> {
    chunks: slice::Chunks<'a, Cell<u8>>,
}

impl<'a> Iterator for WriteableProcessChunks<'a> {
    type Item = &'a WriteableProcessSlice;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.chunks.next().map(WriteableProcessSlice::from_cells)
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.chunks.size_hint()
    }
}

impl ExactSizeIterator for WriteableProcessChunks<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn bytes_of(slice: &WriteableProcessSlice) -> Vec<u8> {
        slice.iter().map(Cell::get).collect()
    }

    #[test]
    fn what_is_copied_in_comes_out_again() {
        let mut memory = [0; 300];
        let slice: &WriteableProcessSlice = memory.as_mut_slice().into();
        let source: Vec<u8> = (0..300).map(|i| (i * 7) as u8).collect();
        slice.copy_from_slice(&source);
        assert_eq!(bytes_of(slice), source);
        let mut back = [0; 300];
        slice.copy_to_slice(&mut back);
        assert_eq!(back[..], source[..]);
    }

    #[test]
    fn a_part_is_written_without_touching_its_neighbours() {
        let mut memory = [1; 6];
        let slice: &WriteableProcessSlice = memory.as_mut_slice().into();
        slice[2..4].copy_from_slice(&[8, 9]);
        slice[5].set(7);
        assert_eq!(memory, [1, 1, 8, 9, 1, 7]);
    }

    #[test]
    fn overlapping_parts_see_each_others_writes() {
        let mut memory = [0; 4];
        let slice: &WriteableProcessSlice = memory.as_mut_slice().into();
        let (low, high) = (&slice[..3], &slice[1..]);
        low.copy_from_slice(&[1, 2, 3]);
        assert_eq!(bytes_of(high), [2, 3, 0]);
        high[0].set(9);
        assert_eq!(low[1].get(), 9);
    }

    #[test]
    fn a_copy_needs_equal_lengths() {
        let mut memory = [1; 3];
        let slice: &WriteableProcessSlice = memory.as_mut_slice().into();
        for length in [0, 2, 4] {
            let mut other = std::vec![9; length];
            assert_eq!(slice.copy_from_slice_or_err(&other), Err(ErrorCode::SIZE));
            assert_eq!(slice.copy_to_slice_or_err(&mut other), Err(ErrorCode::SIZE));
            assert!(other.iter().all(|&byte| byte == 9));
        }
        assert_eq!(memory, [1; 3]);
    }

    #[test]
    fn checked_access_stops_at_the_end() {
        let mut memory = [1, 2, 3];
        let slice: &WriteableProcessSlice = memory.as_mut_slice().into();
        assert_eq!(slice.get(2).map(Cell::get), Some(3));
        assert!(slice.get(3).is_none());
        assert!(slice.get(1..4).is_none());
        assert!(slice.get(4..).is_none());
        assert!(slice.get(3..).is_some_and(WriteableProcessSlice::is_empty));
    }

    #[test]
    fn chunks_cover_everything_once() {
        let mut memory = [0; 7];
        let slice: &WriteableProcessSlice = memory.as_mut_slice().into();
        for chunk in slice.chunks(3) {
            chunk.iter().for_each(|cell| cell.set(cell.get() + 1));
        }
        assert_eq!(slice.chunks(3).len(), 3);
        assert_eq!(slice.chunks(0).len(), 7);
        assert_eq!(memory, [1; 7]);
    }

    #[test]
    #[should_panic(expected = "out of range")]
    fn indexing_beyond_the_end_panics() {
        let _ = <&WriteableProcessSlice>::from([0; 2].as_mut_slice())[1..3].len();
    }
}
