// SPDX-License-Identifier: Apache-2.0 OR MIT

//! One piece of memory as the driver and as the device see it.

use std::mem::MaybeUninit;
use std::sync::Arc;

use kernel::platform::dma_fence::DmaFence;
use vm_memory::{GuestAddress, GuestMemoryMmap, GuestRegionMmap, MmapRegion};

/// Memory at the same addresses for both sides. It stays mapped to the end of the process.
pub struct SharedMemory {
    start: *mut u8,
    len: usize,
    taken: usize,
    guest: Arc<GuestMemoryMmap>,
}

impl SharedMemory {
    /// Maps `len` bytes.
    ///
    /// # Panics
    ///
    /// There is no memory.
    #[must_use]
    pub fn map(len: usize) -> SharedMemory {
        let region = MmapRegion::<()>::new(len).expect("memory");
        let start = region.as_ptr();
        let base = GuestAddress(start.expose_provenance() as u64);
        let region = GuestRegionMmap::new(region, base).expect("an address that does not wrap");
        let guest = Arc::new(GuestMemoryMmap::from_regions(vec![region]).expect("one region"));
        // The parts that were lent out live as long as the process.
        std::mem::forget(guest.clone());
        SharedMemory {
            start,
            len,
            taken: 0,
            guest,
        }
    }

    /// The memory as the device sees it.
    #[must_use]
    pub fn guest(&self) -> Arc<GuestMemoryMmap> {
        self.guest.clone()
    }

    /// Takes room for a `T`.
    ///
    /// # Panics
    ///
    /// All memory is taken.
    pub fn take<T>(&mut self) -> &'static mut MaybeUninit<T> {
        const { assert!(align_of::<T>() <= 4096) };
        let offset = self.taken.next_multiple_of(align_of::<T>());
        self.taken = offset + size_of::<T>();
        assert!(self.taken <= self.len, "memory is used up");
        // SAFETY: the range lies inside a mapping that is never undone, is aligned since a mapping
        // begins on a page, and is given out once. `MaybeUninit` asks nothing of its contents.
        unsafe { &mut *self.start.wrapping_add(offset).cast::<MaybeUninit<T>>() }
    }

    /// Takes a buffer of `N` zeros.
    pub fn take_buffer<const N: usize>(&mut self) -> &'static mut [u8] {
        self.take::<[u8; N]>().write([0; N])
    }
}

/// Memory that is coherent by itself, with one processor.
#[derive(Clone, Copy, Debug)]
pub struct Coherent;

// SAFETY: driver and device are the same thread, so only the compiler could reorder accesses; a fence of
// the strongest order keeps it from doing so. The mapping's address is exposed, so the compiler takes the
// device's accesses into account.
unsafe impl DmaFence for Coherent {
    fn release<T>(self, _buf: *mut [T]) {
        std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
    }

    fn acquire<T>(self, _buf: *mut [T]) {
        std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
    }
}
