// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The descriptor table of a split queue (VirtIO 1.2, 2.7.5).
//!
//! The driver writes it and never reads it back: what it has lent, it knows from `chain_table`.

use crate::queues::descriptor_memory::DescriptorMemory;
use crate::queues::memory::{RawDescriptor, RingMemory};
use crate::queues::shared;

/// The table, in memory that the device reads.
pub(super) struct DescriptorTable(DescriptorMemory);

impl DescriptorTable {
    /// # Safety
    ///
    /// As for [`Ring::new`](crate::queues::ring::Ring::new).
    pub(super) unsafe fn new(memory: RingMemory) -> Self {
        // SAFETY: passed on to the caller.
        Self(unsafe { DescriptorMemory::new(memory) })
    }

    /// Fills the table with zeros, before the device knows it.
    pub(super) fn clear(&self) {
        self.0.clear();
    }

    pub(super) fn address(&self) -> u64 {
        self.0.address()
    }

    /// Writes one descriptor; an index beyond the table wraps around. `link` is its flags and its successor
    /// as they stand side by side.
    #[inline]
    pub(super) fn write(&self, index: u16, address: u64, len: u32, link: u32) {
        // SAFETY: the place lies inside the table.
        unsafe { write_to(self.0.place(index), address, len, link) };
    }

    /// As [`write`](Self::write), without a doubt about the index.
    ///
    /// # Safety
    ///
    /// The index is less than the number of descriptors that memory is there for.
    #[inline]
    pub(super) unsafe fn write_within(&self, index: u16, address: u64, len: u32, link: u32) {
        // SAFETY: passed on to the caller.
        unsafe { write_to(self.0.place_within(index), address, len, link) };
    }
}

/// # Safety
///
/// The place is one of a table, which by the promise to its `new` may be written.
#[inline(always)]
unsafe fn write_to(place: *mut RawDescriptor, address: u64, len: u32, link: u32) {
    // SAFETY: the caller vouches for the place. The last two fields are one aligned word.
    unsafe {
        RawDescriptor::write_address(place, address);
        shared::store(&raw mut (*place).len, len);
        shared::store((&raw mut (*place).third).cast::<u32>(), link);
    }
}
