// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The descriptor table of a split queue (VirtIO 1.2, 2.7.5).
//!
//! The driver writes it and never reads it back: what it has lent, it knows from `chain_table`.

use core::marker::PhantomData;

use super::memory::RawDescriptor;

/// The chain goes on with the descriptor in `next`.
pub(super) const NEXT: u16 = 1;

/// The device writes the buffer, rather than reading it.
pub(super) const WRITE: u16 = 2;

/// One descriptor, in native byte order.
pub(super) struct Descriptor {
    pub(super) address: u64,
    pub(super) len: u32,
    pub(super) flags: u16,
    pub(super) next: u16,
}

/// The table, in memory that the device reads.
pub(super) struct DescriptorTable<'a> {
    first: *mut RawDescriptor,
    /// One less than the number of entries, which is a power of two.
    mask: u16,
    memory: PhantomData<&'a mut [RawDescriptor]>,
}

impl<'a> DescriptorTable<'a> {
    /// # Safety
    ///
    /// `first` starts an array of `mask + 1` descriptors, valid to write for `'a` and written by
    /// nothing else but a device.
    pub(super) unsafe fn new(first: *mut RawDescriptor, mask: u16) -> Self {
        Self {
            first,
            mask,
            memory: PhantomData,
        }
    }

    /// Fills the table with zeros, before the device knows it.
    pub(super) fn clear(&self) {
        // SAFETY: by the promise to `new`, all of the array may be written.
        unsafe { self.first.write_bytes(0, usize::from(self.mask) + 1) };
    }

    pub(super) fn address(&self) -> u64 {
        self.first.expose_provenance() as u64
    }

    /// Writes one descriptor; an index beyond the table wraps around.
    #[inline]
    pub(super) fn write(&self, index: u16, descriptor: Descriptor) {
        let place = self.first.wrapping_add(usize::from(index & self.mask));
        // SAFETY: the masked index lies inside the array, which by the promise to `new` may be
        // written. Volatile, since the device looks at it at any time.
        unsafe {
            (&raw mut (*place).address_low).write_volatile((descriptor.address as u32).to_le());
            (&raw mut (*place).address_high)
                .write_volatile(((descriptor.address >> 32) as u32).to_le());
            (&raw mut (*place).len).write_volatile(descriptor.len.to_le());
            (&raw mut (*place).flags).write_volatile(descriptor.flags.to_le());
            (&raw mut (*place).next).write_volatile(descriptor.next.to_le());
        }
    }
}
