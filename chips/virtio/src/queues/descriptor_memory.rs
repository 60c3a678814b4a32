// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The descriptors of a queue, in memory that the device reads.

use super::memory::{RawDescriptor, RingMemory};

/// The descriptors, in either layout.
pub(super) struct DescriptorMemory {
    first: *mut RawDescriptor,
    /// One less than the number of descriptors, which is a power of two.
    mask: u16,
}

impl DescriptorMemory {
    /// # Safety
    ///
    /// As for [`Ring::new`](super::ring::Ring::new).
    pub(super) unsafe fn new(memory: RingMemory) -> Self {
        Self {
            first: memory.descriptors,
            mask: memory.mask,
        }
    }

    /// Fills all descriptors with zeros, before the device knows them.
    pub(super) fn clear(&self) {
        // SAFETY: by the promise to `new`, all of the array may be written.
        unsafe { self.first.write_bytes(0, self.len()) };
    }

    pub(super) fn len(&self) -> usize {
        usize::from(self.mask) + 1
    }

    pub(super) fn address(&self) -> u64 {
        self.first.expose_provenance() as u64
    }

    /// Wraps an index around.
    #[inline(always)]
    pub(super) fn index(&self, index: u16) -> usize {
        usize::from(index & self.mask)
    }

    /// The descriptor with an index, which wraps around.
    #[inline(always)]
    pub(super) fn place(&self, index: u16) -> *mut RawDescriptor {
        self.first.wrapping_add(self.index(index))
    }

    /// As [`place`](Self::place), of an index that is less than their number.
    #[inline(always)]
    pub(super) fn place_within(&self, index: u16) -> *mut RawDescriptor {
        self.first.wrapping_add(index.into())
    }
}
