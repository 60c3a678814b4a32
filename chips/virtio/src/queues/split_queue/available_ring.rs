// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The available ring of a split queue (VirtIO 1.2, 2.7.6).
//!
//! The driver writes it and never reads it back.

use core::cell::Cell;

use crate::queues::memory::{RawAvailableRing, RawDescriptor, RingMemory, split_offsets};
use crate::queues::shared;

/// The driver does not want to be notified; advice only (2.7.7).
const NO_INTERRUPT: u16 = 1;

/// The ring, in memory that the device reads.
pub(super) struct AvailableRing {
    /// The descriptors, which the ring follows.
    block: *mut RawDescriptor,
    start: Cell<*mut RawAvailableRing<0>>,
    /// The event index, which follows the last entry in use.
    event: Cell<*mut u16>,
    /// One less than the number of entries that memory is there for.
    largest_mask: u16,
    /// One less than the number of entries in use.
    mask: Cell<u32>,
}

impl AvailableRing {
    /// # Safety
    ///
    /// As for [`Ring::new`](crate::queues::ring::Ring::new).
    pub(super) unsafe fn new(memory: RingMemory) -> Self {
        Self {
            block: memory.descriptors,
            start: Cell::new(memory.available),
            event: Cell::new(memory.available.cast()),
            largest_mask: memory.mask,
            mask: Cell::new(memory.mask.into()),
        }
    }

    /// Empties the ring, before the device knows it, for `size` entries: a power of two, and no more
    /// than memory is there for.
    pub(super) fn clear(&self, size: u16) {
        self.mask
            .set((size.wrapping_sub(1) & self.largest_mask).into());
        let entries = self.mask.get() as usize + 1;
        let (offset, _) = split_offsets(entries);
        let start = self.block.wrapping_byte_add(offset);
        self.start.set(start.cast());
        self.event
            .set(start.wrapping_byte_add(4 + 2 * entries).cast());
        // SAFETY: three words and the entries are the whole ring. With the descriptors before it, it
        // takes no more than the memory for the largest size, which by the promise to `new` may be
        // written.
        unsafe {
            self.start
                .get()
                .cast::<u8>()
                .write_bytes(0, 6 + 2 * entries)
        };
    }

    pub(super) fn address(&self) -> u64 {
        self.start.get().expose_provenance() as u64
    }

    /// Writes the head of a chain to the entry for `position`, which counts without bound.
    #[inline]
    pub(super) fn set_entry(&self, position: u32, head: u16) {
        let entry = (position & self.mask.get()) as usize;
        // SAFETY: the mask never exceeds the one given to `new`, so the entry lies inside the ring.
        unsafe {
            let entries = (&raw mut (*self.start.get()).ring).cast::<u16>();
            shared::store(entries.add(entry), head);
        }
    }

    /// Tells the device how many entries have been filled, modulo 2^16.
    #[inline]
    pub(super) fn set_index(&self, index: u16) {
        // SAFETY: the field lies inside the ring, which may be written.
        unsafe { shared::store(&raw mut (*self.start.get()).index, index) };
    }

    /// Asks for used buffer notifications, or for none. Only where there is no event index.
    pub(super) fn set_wanted(&self, wanted: bool) {
        let flags = if wanted { 0 } else { NO_INTERRUPT };
        // SAFETY: the field lies inside the ring, which may be written.
        unsafe { shared::store(&raw mut (*self.start.get()).flags, flags) };
    }

    /// Asks for a notification when the device fills the entry of the used ring with this index.
    #[inline]
    pub(super) fn set_used_event(&self, index: u16) {
        // SAFETY: the field lies inside the ring, which may be written; before the ring is cleared for
        // the first time it is the flags.
        unsafe { shared::store(self.event.get(), index) };
    }
}
