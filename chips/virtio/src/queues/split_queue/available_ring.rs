// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The available ring of a split queue (VirtIO 1.2, 2.7.6).
//!
//! The driver writes it and never reads it back.

use core::cell::Cell;
use core::marker::PhantomData;

use super::memory::RawAvailableRing;

/// The ring, in memory that the device reads.
pub(super) struct AvailableRing<'a> {
    start: *mut RawAvailableRing<0>,
    /// One less than the number of entries that memory is there for.
    largest_mask: u16,
    /// One less than the number of entries in use.
    mask: Cell<u16>,
    memory: PhantomData<&'a mut RawAvailableRing<0>>,
}

impl<'a> AvailableRing<'a> {
    /// # Safety
    ///
    /// `start` is the address of a ring with `mask + 1` entries, a power of two, valid to write for
    /// `'a` and written by nothing else but a device.
    pub(super) unsafe fn new(start: *mut RawAvailableRing<0>, mask: u16) -> Self {
        Self {
            start,
            largest_mask: mask,
            mask: Cell::new(mask),
            memory: PhantomData,
        }
    }

    /// Empties the ring, before the device knows it, for `size` entries: a power of two, and no more
    /// than memory is there for.
    pub(super) fn clear(&self, size: u16) {
        self.mask.set(size.wrapping_sub(1) & self.largest_mask);
        let bytes = 6 + 2 * (usize::from(self.largest_mask) + 1);
        // SAFETY: three words and the entries are the whole ring, which by the promise to `new` may
        // be written.
        unsafe { self.start.cast::<u8>().write_bytes(0, bytes) };
    }

    pub(super) fn address(&self) -> u64 {
        self.start.expose_provenance() as u64
    }

    /// Writes the head of a chain to the entry for `position`, which counts without bound.
    #[inline]
    pub(super) fn set_entry(&self, position: u16, head: u16) {
        let entry = usize::from(position & self.mask.get());
        // SAFETY: the mask never exceeds the one given to `new`, so the entry lies inside the ring.
        unsafe {
            (&raw mut (*self.start).ring)
                .cast::<u16>()
                .add(entry)
                .write_volatile(head.to_le());
        }
    }

    /// Tells the device how many entries have been filled, modulo 2^16.
    #[inline]
    pub(super) fn set_index(&self, index: u16) {
        // SAFETY: the field lies inside the ring, which may be written.
        unsafe { (&raw mut (*self.start).index).write_volatile(index.to_le()) };
    }
}
