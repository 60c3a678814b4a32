// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The used ring of a split queue (VirtIO 1.2, 2.7.8).
//!
//! The device writes this ring and the driver reads it, each value once: what is checked is what is
//! used. The checks are in `queue_core`, against the chains in `chain_table`.

use core::cell::Cell;

use crate::queues::memory::{
    RawDescriptor, RawUsedElement, RawUsedRing, RingMemory, split_offsets,
};
use crate::queues::ring::UsedElement;
use crate::queues::shared;

/// The device does not want to be notified; advice only (2.7.10).
const NO_NOTIFY: u16 = 1;

/// The ring, in memory that the device writes.
pub(super) struct UsedRing {
    /// The descriptors, which the ring follows at a distance.
    block: *mut RawDescriptor,
    start: Cell<*mut RawUsedRing<0>>,
    /// The event index, which follows the last entry in use.
    event: Cell<*const u16>,
    /// One less than the number of entries that memory is there for.
    largest_mask: u16,
    /// One less than the number of entries in use.
    mask: Cell<u32>,
}

impl UsedRing {
    /// # Safety
    ///
    /// As for [`Ring::new`](crate::queues::ring::Ring::new).
    pub(super) unsafe fn new(memory: RingMemory) -> Self {
        Self {
            block: memory.descriptors,
            start: Cell::new(memory.used),
            event: Cell::new(memory.used.cast_const().cast()),
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
        let (_, offset) = split_offsets(entries);
        let start = self.block.wrapping_byte_add(offset);
        self.start.set(start.cast());
        self.event
            .set(start.wrapping_byte_add(4 + 8 * entries).cast());
        // SAFETY: three words and the entries are the whole ring. With what lies before it, it takes
        // no more than the memory for the largest size, which by the promise to `new` may be written.
        unsafe {
            self.start
                .get()
                .cast::<u8>()
                .write_bytes(0, 6 + 8 * entries)
        };
    }

    pub(super) fn address(&self) -> u64 {
        self.start.get().expose_provenance() as u64
    }

    /// Whether the device wants to be notified of available buffers. Only where there is no event
    /// index.
    #[inline]
    pub(super) fn wants_notification(&self) -> bool {
        // SAFETY: the field lies inside the ring, which may be read.
        unsafe { shared::load(&raw const (*self.start.get()).flags) & NO_NOTIFY == 0 }
    }

    /// The entry of the available ring at which the device wants to be notified.
    #[inline]
    pub(super) fn available_event(&self) -> u16 {
        // SAFETY: the field lies inside the ring, which may be read; before the ring is cleared for the
        // first time it is the flags.
        unsafe { shared::load(self.event.get()) }
    }

    /// How many entries the device says it has filled, modulo 2^16.
    #[inline]
    pub(super) fn index(&self) -> u16 {
        // SAFETY: the field lies inside the ring, which may be read.
        unsafe { shared::load(&raw const (*self.start.get()).index) }
    }

    /// Reads the entry for `position`, which counts without bound.
    #[inline]
    pub(super) fn element(&self, position: u32) -> UsedElement {
        let entry = (position & self.mask.get()) as usize;
        // SAFETY: the mask never exceeds the one given to `new`, so the entry lies inside the ring,
        // which may be read.
        unsafe {
            let place = self.entries().add(entry);
            UsedElement {
                id: shared::load(&raw const (*place).id),
                len: shared::load(&raw const (*place).len),
            }
        }
    }

    #[inline(always)]
    fn entries(&self) -> *const RawUsedElement {
        // SAFETY: the array begins inside the ring; nothing is read here.
        unsafe { (&raw const (*self.start.get()).ring).cast() }
    }
}
