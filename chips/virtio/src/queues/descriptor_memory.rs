// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The descriptors that the device reads, and a private copy of what was written to them.
//!
//! A buffer that goes around and around, as those for received frames do, tends to meet the same
//! descriptor again. The copy tells without a look at shared memory that nothing is to be written,
//! which leaves the device's cache as it is. A device that wrote to a descriptor itself has only
//! deceived itself.

use core::cell::Cell;

use super::memory::{RawDescriptor, RingMemory};
use super::shared;

/// What was last written to one descriptor. All zeros match no buffer, since none is empty.
pub(super) struct Written {
    address: Cell<u64>,
    len: Cell<u32>,
    third: Cell<u16>,
    fourth: Cell<u16>,
}

/// The descriptors of a queue, in either layout.
pub(super) struct DescriptorMemory {
    first: *mut RawDescriptor,
    written: *mut Written,
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
            written: memory.written,
            mask: memory.mask,
        }
    }

    /// Fills all descriptors with zeros, before the device knows them.
    pub(super) fn clear(&self) {
        let all = usize::from(self.mask) + 1;
        // SAFETY: by the promise to `new`, all of both arrays may be written, and all zeros are a
        // valid copy.
        unsafe {
            self.first.write_bytes(0, all);
            self.written.write_bytes(0, all);
        }
    }

    pub(super) fn address(&self) -> u64 {
        self.first.expose_provenance() as u64
    }

    /// The descriptor with an index, which wraps around.
    #[inline(always)]
    pub(super) fn place(&self, index: u16) -> *mut RawDescriptor {
        self.first.wrapping_add(usize::from(index & self.mask))
    }

    #[inline(always)]
    fn written(&self, index: u16) -> &Written {
        let place = self.written.wrapping_add(usize::from(index & self.mask));
        // SAFETY: the masked index lies inside the array, which by the promise to `new` is this
        // object's alone. A ring is cleared before it is used, so the copy has been written.
        unsafe { &*place }
    }

    /// Writes where a buffer is, as far as the descriptor does not say so already.
    #[inline(always)]
    pub(super) fn write_buffer(&self, index: u16, address: u64, len: u32) {
        let written = self.written(index);
        let place = self.place(index);
        let moved = written.address.replace(address) != address;
        let resized = written.len.replace(len) != len;
        // SAFETY: the place lies inside the array, which by the promise to `new` may be written.
        unsafe {
            if moved {
                RawDescriptor::write_address(place, address);
            }
            if resized {
                shared::store(&raw mut (*place).len, len);
            }
        }
    }

    /// Forgets the length that was written to a descriptor, which the device has overwritten.
    #[inline(always)]
    pub(super) fn forget_len(&self, index: u16) {
        self.written(index).len.set(0);
    }

    /// Writes a whole descriptor, unless that is what it says already.
    #[inline(always)]
    pub(super) fn write(&self, index: u16, address: u64, len: u32, third: u16, fourth: u16) {
        let written = self.written(index);
        if written.address.get() == address
            && written.len.get() == len
            && written.third.get() == third
            && written.fourth.get() == fourth
        {
            return;
        }
        written.address.set(address);
        written.len.set(len);
        written.third.set(third);
        written.fourth.set(fourth);
        let place = self.place(index);
        // SAFETY: the place lies inside the array, which by the promise to `new` may be written.
        unsafe {
            RawDescriptor::write_address(place, address);
            shared::store(&raw mut (*place).len, len);
            shared::store(&raw mut (*place).third, third);
            shared::store(&raw mut (*place).fourth, fourth);
        }
    }
}
