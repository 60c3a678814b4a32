// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Access to a process's RAM, and to the pool that the blocks come from.
//!
//! Pointers into RAM are made here, from a pointer that was handed over for that RAM; an address
//! that a process names only selects among them.

use core::ptr::NonNull;

use super::breaks::Breaks;

/// What memory protection may round the end of accessible memory up to.
const GRANULE: usize = 8;

/// The RAM block of one process.
pub(super) struct Ram {
    /// Start of the block; may be used for all of it.
    base: NonNull<u8>,
    breaks: Breaks,
}

impl Ram {
    /// Takes over the block that starts at `base`.
    ///
    /// # Safety
    ///
    /// The memory from `base` to the end of the block is valid for reads and writes for ever. What
    /// is below the kernel break belongs to this value and to the process, and nobody keeps
    /// references into it other than shared ones to cells.
    pub(super) unsafe fn new(
        base: NonNull<u8>,
        size: usize,
        app_break: usize,
        kernel_break: usize,
    ) -> Ram {
        let start = base.addr().get();
        Ram {
            base,
            breaks: Breaks::new(start, start + size, app_break, kernel_break),
        }
    }

    pub(super) fn breaks(&self) -> &Breaks {
        &self.breaks
    }

    /// A pointer to the address; it may be used if the address is inside the block.
    pub(super) fn at(&self, address: usize) -> *mut u8 {
        self.base.as_ptr().with_addr(address)
    }

    /// Fills with zeroes what the process gets to see when its break moves from `old` to `new`,
    /// which is not above the kernel break.
    pub(super) fn zero_exposed(&self, old: usize, new: usize) {
        // A process also sees the rest of the granule that its last byte is in. No byte of that
        // is the kernel's, and at most a later break exposes it again.
        let end = new
            .saturating_add(GRANULE - 1)
            .min(self.breaks.kernel_break());
        if let Some(size) = end.checked_sub(old)
            && old >= self.breaks.start()
        {
            // SAFETY: `old..end` lies between the start of the block and the kernel break, so it
            // is memory of the block to which, by the terms of `new`, there are no references but
            // shared ones to cells.
            unsafe { self.at(old).write_bytes(0, size) };
        }
    }

    /// Writes a byte; returns whether the process can access it.
    ///
    /// # Safety
    ///
    /// There is no reference to the byte, other than shared ones to cells.
    pub(super) unsafe fn write_byte(&self, address: usize, value: u8) -> bool {
        if !self.breaks.accessible(address, 1) {
            return false;
        }
        // SAFETY: the byte is below the application break, so it is valid for writes; the caller
        // knows that nobody has a reference to it.
        unsafe { self.at(address).write(value) };
        true
    }
}

/// The RAM that is left for processes.
pub(super) struct RamPool {
    next: NonNull<u8>,
    end: usize,
}

impl RamPool {
    pub(super) fn new(memory: &'static mut [u8]) -> RamPool {
        let end = memory.as_ptr().addr() + memory.len();
        RamPool {
            next: NonNull::from(memory).cast(),
            end,
        }
    }

    /// The first byte that is left; the pointer may be used up to [`end`](Self::end).
    pub(super) fn next(&self) -> NonNull<u8> {
        self.next
    }

    pub(super) fn end(&self) -> usize {
        self.end
    }

    /// Takes the block of `size` bytes at `start` out of the pool, with what is before it.
    ///
    /// `None` if the block is not in the pool.
    #[inline(never)]
    pub(super) fn take(&mut self, start: usize, size: usize) -> Option<NonNull<u8>> {
        let after = start.checked_add(size)?;
        if start < self.next.addr().get() || after > self.end {
            return None;
        }
        let with_addr = |address| NonNull::new(self.next.as_ptr().with_addr(address));
        let block = with_addr(start)?;
        self.next = with_addr(after)?;
        Some(block)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::fakes::memory;

    #[test]
    fn blocks_leave_the_pool_in_ascending_order() {
        let mut pool = RamPool::new(memory(64));
        let start = pool.next().addr().get();
        let block = pool.take(start + 8, 16).unwrap();
        assert_eq!(block.addr().get(), start + 8);
        assert_eq!(pool.next().addr().get(), start + 24);
        assert!(pool.take(start, 8).is_none());
        assert!(pool.take(start + 24, 41).is_none());
        assert!(pool.take(start + 24, usize::MAX).is_none());
        assert!(pool.take(start + 24, 40).is_some());
        assert_eq!(pool.next().addr().get(), pool.end());
    }

    #[test]
    fn exposed_memory_is_zeroed_but_not_the_kernels() {
        let block = memory(64);
        let base = NonNull::from(&mut *block).cast::<u8>();
        let start = base.addr().get();
        // SAFETY: the memory is kept for ever, and nobody else uses it.
        let ram = unsafe { Ram::new(base, 64, start, start + 48) };
        ram.zero_exposed(start + 3, start + 45);
        // SAFETY: the three bytes are inside that memory.
        let byte = |offset| unsafe { base.add(offset).read() };
        assert_eq!((byte(2), byte(3), byte(47), byte(48)), (0xA5, 0, 0, 0xA5));
    }

    #[test]
    fn a_byte_is_written_only_where_the_process_has_access() {
        let block = memory(32);
        let base = NonNull::from(&mut *block).cast::<u8>();
        let start = base.addr().get();
        // SAFETY: as above.
        let ram = unsafe { Ram::new(base, 32, start + 16, start + 24) };
        // SAFETY: nobody has a reference to the memory.
        unsafe {
            assert!(ram.write_byte(start + 15, 1));
            assert!(!ram.write_byte(start + 16, 1));
            assert!(!ram.write_byte(start - 1, 1));
            assert!(!ram.write_byte(0, 1));
            assert_eq!(base.add(15).read(), 1);
            assert_eq!(base.add(16).read(), 0xA5);
        }
    }
}
