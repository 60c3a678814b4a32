// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The transmit buffers that the adapter does not have.

use core::cell::Cell;

/// The most buffers that a tap can have.
pub const MAX_TRANSMIT_BUFFERS: usize = 16;

/// Buffers, of which the one that came last is taken first.
pub(super) struct BufferPool {
    /// Empty slices stand for no buffer.
    places: [Cell<&'static mut [u8]>; MAX_TRANSMIT_BUFFERS],
    count: Cell<usize>,
    /// What fits into each of the buffers.
    capacity: usize,
}

impl BufferPool {
    /// Takes the buffers, in which frames of up to `longest` bytes are of interest.
    pub(super) fn new<const N: usize>(buffers: [&'static mut [u8]; N], longest: usize) -> Self {
        const { assert!(N > 0 && N <= MAX_TRANSMIT_BUFFERS) };
        let mut pool = BufferPool {
            places: [const { Cell::new(&mut [] as &mut [u8]) }; MAX_TRANSMIT_BUFFERS],
            count: Cell::new(0),
            capacity: longest,
        };
        for buffer in buffers {
            pool.capacity = pool.capacity.min(buffer.len());
            pool.put(buffer);
        }
        pool
    }

    /// Adds a buffer. Beyond those that `new` took there is none to add.
    #[inline]
    pub(super) fn put(&self, buffer: &'static mut [u8]) {
        let count = self.count.get();
        if let Some(place) = self.places.get(count) {
            place.set(buffer);
            self.count.set(count.wrapping_add(1));
        }
    }

    #[inline]
    pub(super) fn take(&self) -> Option<&'static mut [u8]> {
        let last = self.count.get().checked_sub(1)?;
        self.count.set(last);
        self.places.get(last).map(Cell::take)
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.count.get() == 0
    }

    #[inline]
    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::boxed::Box;

    #[test]
    fn buffers_are_there_until_they_are_taken() {
        let buffers: [&'static mut [u8]; 2] =
            [Box::leak(Box::new([1; 30])), Box::leak(Box::new([2; 20]))];
        let pool = BufferPool::new(buffers, 25);
        assert_eq!(pool.capacity(), 20);
        let (second, first) = (pool.take().unwrap(), pool.take().unwrap());
        assert_eq!((second[0], first[0]), (2, 1));
        assert!(pool.is_empty() && pool.take().is_none());
        pool.put(first);
        assert!(!pool.is_empty());
        assert_eq!(pool.take().unwrap().len(), 30);
    }

    #[test]
    fn frames_beyond_the_longest_need_no_room() {
        let buffer = Box::leak(Box::new([0; 2000]));
        assert_eq!(BufferPool::new([buffer], 1518).capacity(), 1518);
    }
}
