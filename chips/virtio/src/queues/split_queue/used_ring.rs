// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The used ring of a split queue (VirtIO 1.2, 2.7.8).
//!
//! The device writes this ring and the driver reads it, each value once: what is checked is what is
//! used. The checks are in `queue_core`, against the chains in `chain_table`.

use core::cell::Cell;
use core::marker::PhantomData;

use super::memory::RawUsedRing;

/// The device does not want to be notified; advice only (2.7.10).
const NO_NOTIFY: u16 = 1;

/// What the device says about one chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct UsedElement {
    pub(super) id: u32,
    pub(super) len: u32,
}

/// The ring, in memory that the device writes.
pub(super) struct UsedRing<'a> {
    start: *mut RawUsedRing<0>,
    /// One less than the number of entries that memory is there for.
    largest_mask: u16,
    /// One less than the number of entries in use.
    mask: Cell<u16>,
    memory: PhantomData<&'a mut RawUsedRing<0>>,
}

impl<'a> UsedRing<'a> {
    /// # Safety
    ///
    /// `start` is the address of a ring with `mask + 1` entries, a power of two, valid to read and
    /// write for `'a` and written by nothing else but a device.
    pub(super) unsafe fn new(start: *mut RawUsedRing<0>, mask: u16) -> Self {
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
        let bytes = 6 + 8 * (usize::from(self.largest_mask) + 1);
        // SAFETY: three words and the entries are the whole ring, which by the promise to `new` may
        // be written.
        unsafe { self.start.cast::<u8>().write_bytes(0, bytes) };
    }

    pub(super) fn address(&self) -> u64 {
        self.start.expose_provenance() as u64
    }

    /// Whether the device wants to be notified of available buffers.
    #[inline]
    pub(super) fn wants_notification(&self) -> bool {
        // SAFETY: the field lies inside the ring, which may be read.
        let flags = unsafe { (&raw const (*self.start).flags).read_volatile() };
        u16::from_le(flags) & NO_NOTIFY == 0
    }

    /// How many entries the device says it has filled, modulo 2^16.
    #[inline]
    pub(super) fn index(&self) -> u16 {
        // SAFETY: the field lies inside the ring, which may be read.
        u16::from_le(unsafe { (&raw const (*self.start).index).read_volatile() })
    }

    /// Reads the entry for `position`, which counts without bound.
    #[inline]
    pub(super) fn element(&self, position: u16) -> UsedElement {
        let entry = usize::from(position & self.mask.get());
        // SAFETY: the mask never exceeds the one given to `new`, so the entry lies inside the ring,
        // which may be read.
        let (id, len) = unsafe {
            let place = (&raw const (*self.start).ring)
                .cast::<super::memory::RawUsedElement>()
                .add(entry);
            (
                (&raw const (*place).id).read_volatile(),
                (&raw const (*place).len).read_volatile(),
            )
        };
        UsedElement {
            id: u32::from_le(id),
            len: u32::from_le(len),
        }
    }
}
