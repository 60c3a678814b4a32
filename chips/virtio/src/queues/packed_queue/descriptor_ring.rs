// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The descriptor ring of a packed queue (VirtIO 1.2, 2.8.1 and 2.8.13).
//!
//! The driver writes descriptors and the device overwrites some of them to say that it has used their
//! chains. Two flags tell by the current lap whose a descriptor is; the driver reads only those, and
//! the rest of one that is used.

use core::cell::Cell;

use super::position::Position;
use crate::queues::descriptor_memory::DescriptorMemory;
use crate::queues::memory::{RawDescriptor, RingMemory};
use crate::queues::ring::{UsedElement, WRITE};
use crate::queues::shared;

/// Equal to the wrap counter of the driver in a descriptor that it made available.
const AVAIL: u16 = 1 << 7;

/// Equal to the wrap counter of the device in a descriptor that it has used.
const USED: u16 = 1 << 15;

/// The ring, in memory that both sides write.
pub(super) struct DescriptorRing {
    memory: DescriptorMemory,
    /// The address last written to each descriptor. A buffer that goes round meets the same one again,
    /// which then need not be written. A device that changed it has only deceived itself.
    addresses: *mut Cell<usize>,
}

impl DescriptorRing {
    /// # Safety
    ///
    /// As for [`Ring::new`](crate::queues::ring::Ring::new).
    pub(super) unsafe fn new(memory: RingMemory) -> Self {
        Self {
            addresses: memory.addresses,
            // SAFETY: passed on to the caller.
            memory: unsafe { DescriptorMemory::new(memory) },
        }
    }

    /// Fills the ring with zeros, before the device knows it.
    pub(super) fn clear(&self) {
        self.memory.clear();
        // SAFETY: by the promise to `new`, there are as many addresses as descriptors, for this object
        // alone.
        unsafe { self.addresses.write_bytes(0, self.memory.len()) };
    }

    pub(super) fn address(&self) -> u64 {
        self.memory.address()
    }

    /// Writes the part of a descriptor that does not make it the device's.
    #[inline]
    pub(super) fn write_buffer(&self, index: u16, address: u64, len: u32) {
        let place = self.memory.place(index);
        // SAFETY: the index is cut off as for the descriptors, so it lies inside the array, which was
        // cleared.
        let known = unsafe { &*self.addresses.wrapping_add(self.memory.index(index)) };
        let moved = known.replace(address as usize) as u64 != address;
        // SAFETY: the place lies inside the ring, which by the promise to `new` may be written.
        unsafe {
            if moved {
                RawDescriptor::write_address(place, address);
            }
            shared::store(&raw mut (*place).len, len);
        }
    }

    /// Makes a descriptor available with its buffer identifier and its other flags.
    #[inline]
    pub(super) fn make_available(&self, index: u16, id: u16, flags: u16, wrap: bool) {
        let place = self.memory.place(index);
        let owner = if wrap { AVAIL } else { USED };
        let word = u32::from(flags | owner) << 16 | u32::from(id);
        // SAFETY: the place lies inside the ring, which by the promise to `new` may be written. The
        // two fields are one aligned word, so they become visible together.
        unsafe { shared::store((&raw mut (*place).third).cast::<u32>(), word) };
    }

    /// Whether the device has used the descriptor at `position`.
    #[inline]
    pub(super) fn is_used(&self, position: Position, size: u16) -> bool {
        let place = self.memory.place(position.index() & size.wrapping_sub(1));
        // SAFETY: the place lies inside the ring, which may be read.
        let flags = unsafe { shared::load(&raw const (*place).fourth) };
        let both = AVAIL | USED;
        flags & both == if position.wrap(size) { both } else { 0 }
    }

    /// Whether the device says in a used descriptor that it has written anything. Without that the length
    /// is to be ignored (2.8.4); but not where something could be written, as QEMU never says it.
    pub(super) fn says_written(&self, index: u16) -> bool {
        let place = self.memory.place(index);
        // SAFETY: the place lies inside the ring, which may be read.
        unsafe { shared::load(&raw const (*place).fourth) & WRITE != 0 }
    }

    /// Reads what the device says in a used descriptor.
    #[inline]
    pub(super) fn element(&self, index: u16) -> UsedElement {
        let place = self.memory.place(index);
        // SAFETY: the place lies inside the ring, which may be read.
        unsafe {
            UsedElement {
                id: shared::load(&raw const (*place).third).into(),
                len: shared::load(&raw const (*place).len),
            }
        }
    }
}
