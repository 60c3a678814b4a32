// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Buffers while the device has them: an address and numbers, and no reference.
//!
//! Lending consumes a Rust buffer and leaves a plain record of it, so that Rust has no view of memory
//! that a device works on. The record outlives the lending as the driver's own copy of the descriptor
//! that was written: a buffer that goes round meets the same descriptor again, which then says already
//! what it should.

use core::cell::Cell;
use core::ptr;

use kernel::platform::dma_fence::DmaFence;
use kernel::utilities::leasable_buffer::{SubSlice, SubSliceMut, SubSliceMutImmut};

use super::buffer::VirtqueueBuffer;
use super::ring::{NEXT, WRITE};

/// Beside the descriptor's flags: the buffer was lent by a shared reference. The device does not see it.
const SHARED: u32 = 1 << 8;

/// A buffer that is being lent: its window, and what surrounds that.
#[derive(Clone, Copy)]
pub(super) struct Loan {
    pub(super) start: *mut u8,
    pub(super) len: u32,
    /// `WRITE`, and flags of this module.
    pub(super) flags: u32,
    before: usize,
    after: usize,
}

impl Loan {
    /// Lends a window, whose length fits 32 bits.
    ///
    /// Only in `'static` buffers, since nothing ends the lending if a queue is forgotten.
    #[inline(always)]
    fn new(buffer: *mut [u8], before: usize, len: usize, flags: u32, fence: impl DmaFence) -> Self {
        let start = buffer.cast::<u8>().wrapping_add(before);
        // The device reaches the buffer by its address.
        start.expose_provenance();
        fence.release(ptr::slice_from_raw_parts_mut(start, len));
        Self {
            start,
            len: len as u32,
            flags,
            before,
            after: buffer.len().wrapping_sub(before).wrapping_sub(len),
        }
    }

    /// Lends the first `len` bytes of a buffer, which it has, to be read.
    #[inline(always)]
    pub(super) fn readable(buffer: &'static mut [u8], len: usize, fence: impl DmaFence) -> Self {
        Self::new(buffer, 0, len, 0, fence)
    }

    /// Lends the whole of a buffer to be written, as [`Lent::lend_whole`] does.
    pub(super) fn writable(buffer: &mut [u8], fence: impl DmaFence) -> Self {
        Self::new(buffer, 0, buffer.len(), WRITE.into(), fence)
    }

    /// Lends the whole of a shared buffer to be read.
    #[inline(always)]
    pub(super) fn shared(buffer: &'static [u8], fence: impl DmaFence) -> Self {
        let place = ptr::from_ref(buffer).cast_mut();
        Self::new(place, 0, buffer.len(), SHARED, fence)
    }

    /// Lends a buffer with a window.
    pub(super) fn of(buffer: VirtqueueBuffer<'static>, fence: impl DmaFence) -> Self {
        let (buffer, window, flags) = match buffer {
            VirtqueueBuffer::DeviceReadable(SubSliceMutImmut::Immutable(buffer)) => {
                let window = buffer.active_range();
                (ptr::from_ref(buffer.take()).cast_mut(), window, SHARED)
            }
            VirtqueueBuffer::DeviceReadable(SubSliceMutImmut::Mutable(buffer)) => {
                let window = buffer.active_range();
                (ptr::from_mut(buffer.take()), window, 0)
            }
            VirtqueueBuffer::DeviceWriteable(buffer) => {
                let window = buffer.active_range();
                (ptr::from_mut(buffer.take()), window, WRITE.into())
            }
        };
        Self::new(buffer, window.start, window.len(), flags, fence)
    }

    /// Stands for a table of descriptors, which is never taken back as a buffer.
    pub(super) fn table(start: *mut u8, len: u32, flags: u16) -> Self {
        Self {
            start,
            len,
            flags: flags.into(),
            before: 0,
            after: 0,
        }
    }
}

/// What was last lent in one place: numbers and a pointer, all zeros at first.
pub struct Lent {
    start: Cell<*mut u8>,
    len: Cell<u32>,
    /// The flags in the lower half, the next descriptor in the upper one, as in a split queue.
    about: Cell<u32>,
    before: Cell<usize>,
    after: Cell<usize>,
}

/// What the device sees of what is recorded about a loan.
#[inline(always)]
pub(super) const fn link(about: u32) -> u32 {
    about & !SHARED
}

impl Lent {
    /// Forgets what the descriptor says: a length of zero matches no loan, since none is empty.
    pub(super) fn forget(&self) {
        self.len.set(0);
    }

    /// Records a loan. `about` is its flags with those that concern the chain.
    ///
    /// Returns whether the descriptor has to be written.
    #[inline(always)]
    pub(super) fn record(&self, loan: Loan, about: u32) -> bool {
        self.before.set(loan.before);
        self.after.set(loan.after);
        self.record_window(loan.start, loan.len, about)
    }

    #[inline(always)]
    fn record_window(&self, start: *mut u8, len: u32, about: u32) -> bool {
        let changed = !self.says(start, len, about);
        // The pointer is kept even if the address is the same: it is this loan's right of access.
        self.start.set(start);
        if changed {
            self.len.set(len);
            self.about.set(about);
        }
        changed
    }

    /// Whether the descriptor says this already.
    #[inline(always)]
    fn says(&self, start: *mut u8, len: u32, about: u32) -> bool {
        self.start.get().addr() == start.addr()
            && self.len.get() == len
            && self.about.get() == about
    }

    /// Lends the first `len` bytes of a buffer, which has them.
    #[inline(always)]
    fn lend(&self, buffer: *mut [u8], len: usize, about: u32, fence: impl DmaFence) -> bool {
        let start = buffer.cast::<u8>();
        // The device reaches the buffer by its address.
        start.expose_provenance();
        fence.release(ptr::slice_from_raw_parts_mut(start, len));
        self.record_window(start, len as u32, about)
    }

    /// Lends the whole of a buffer to be written, whose length fits 32 bits.
    ///
    /// The buffer is one of the driver's or one that a queue returned; no queue has buffers that are not
    /// `'static`. Returns whether the descriptor has to be written.
    #[inline(always)]
    pub(super) fn lend_whole(&self, buffer: &mut [u8], fence: impl DmaFence) -> bool {
        self.lend(buffer, buffer.len(), WRITE.into(), fence)
    }

    /// Lends the first `len` bytes of a buffer, which has them, to be read as the end of a chain.
    #[inline(always)]
    pub(super) fn lend_front(
        &self,
        buffer: &'static mut [u8],
        len: usize,
        fence: impl DmaFence,
    ) -> bool {
        self.after.set(buffer.len().wrapping_sub(len));
        self.lend(buffer, len, 0, fence)
    }

    /// Lends a shared buffer, which is not asked for again, to be read before the one in slot `next`.
    #[inline(always)]
    pub(super) fn lend_shared(
        &self,
        buffer: &'static [u8],
        next: u16,
        fence: impl DmaFence,
    ) -> bool {
        let about = SHARED | u32::from(NEXT) | u32::from(next) << 16;
        let (start, len) = (buffer.as_ptr().cast_mut(), buffer.len() as u32);
        start.expose_provenance();
        fence.release(ptr::from_ref(buffer).cast_mut());
        let changed = !self.says(start, len, about);
        // No right of access has to be kept.
        if changed {
            self.start.set(start);
            self.len.set(len);
            self.about.set(about);
        }
        changed
    }

    #[inline(always)]
    pub(super) fn address(&self) -> u64 {
        self.start.get().addr() as u64
    }

    #[inline(always)]
    pub(super) fn len(&self) -> u32 {
        self.len.get()
    }

    /// The flags that the device sees in a descriptor.
    #[inline(always)]
    pub(super) fn flags(&self) -> u16 {
        (self.about.get() & !SHARED) as u16
    }

    /// The same with the next descriptor, as they stand side by side in a split queue.
    #[inline(always)]
    pub(super) fn link(&self) -> u32 {
        link(self.about.get())
    }

    /// How many bytes the device may write.
    #[inline(always)]
    pub(super) fn writable(&self) -> u32 {
        if self.about.get() & u32::from(WRITE) != 0 {
            self.len.get()
        } else {
            0
        }
    }

    fn window(&self) -> *mut [u8] {
        ptr::slice_from_raw_parts_mut(self.start.get(), self.len.get() as usize)
    }

    /// Takes what the device wrote, and returns how much it may have been.
    #[inline(always)]
    pub(super) fn acquire(&self, fence: impl DmaFence) -> u32 {
        let writable = self.writable();
        if writable != 0 {
            fence.acquire(self.window());
        }
        writable
    }

    /// Takes what the device wrote to a buffer that [`lend_whole`](Self::lend_whole) lent, and returns
    /// where that is.
    #[inline(always)]
    pub(super) fn acquire_whole(&self, fence: impl DmaFence) -> *mut [u8] {
        let window = self.window();
        fence.acquire(window);
        window
    }

    /// The buffer that [`lend_whole`](Self::lend_whole) lent.
    ///
    /// # Safety
    ///
    /// It was lent like this, and for the lifetime `'b`. The device has finished with it, and it was not
    /// taken back since.
    #[inline(always)]
    pub(super) unsafe fn take_whole<'b>(&self) -> &'b mut [u8] {
        // SAFETY: the pointer came from a unique reference to as many bytes, which lending consumed and
        // which now comes back; as the caller says, once. Any bytes that the device wrote are valid.
        unsafe { &mut *self.window() }
    }

    /// The buffer that [`lend_front`](Self::lend_front) lent.
    ///
    /// # Safety
    ///
    /// As for [`take_whole`](Self::take_whole).
    #[inline(always)]
    pub(super) unsafe fn take_front<'b>(&self) -> &'b mut [u8] {
        let len = (self.len.get() as usize).wrapping_add(self.after.get());
        // SAFETY: as in `take_whole`.
        unsafe { core::slice::from_raw_parts_mut(self.start.get(), len) }
    }

    /// The whole buffer.
    ///
    /// # Safety
    ///
    /// A buffer of the lifetime `'b` is recorded, and was lent by a unique reference. The device has
    /// finished with it, and it was not taken back since it was lent.
    #[inline(always)]
    unsafe fn take_unique<'b>(&self) -> &'b mut [u8] {
        // SAFETY: the pointer came from a unique reference to as many bytes, which lending consumed and
        // which now comes back; as the caller says, once. Any bytes that the device wrote are valid.
        unsafe { core::slice::from_raw_parts_mut(self.whole(), self.whole_len()) }
    }

    /// The buffer with its window.
    ///
    /// # Safety
    ///
    /// A buffer of the lifetime `'b` is recorded. The device has finished with it, and it was not taken
    /// back since it was lent.
    pub(super) unsafe fn take<'b>(&self) -> VirtqueueBuffer<'b> {
        let start = self.before.get();
        let window = start..start.wrapping_add(self.len.get() as usize);
        if self.about.get() & SHARED != 0 {
            // SAFETY: the pointer came from a shared reference to as many bytes.
            let whole = unsafe { core::slice::from_raw_parts(self.whole(), self.whole_len()) };
            let mut shared = SubSlice::new(whole);
            shared.slice(window);
            return VirtqueueBuffer::DeviceReadable(SubSliceMutImmut::Immutable(shared));
        }
        // SAFETY: passed on to the caller; what is not shared is unique.
        let mut unique = SubSliceMut::new(unsafe { self.take_unique() });
        unique.slice(window);
        if self.about.get() & u32::from(WRITE) != 0 {
            VirtqueueBuffer::DeviceWriteable(unique)
        } else {
            VirtqueueBuffer::DeviceReadable(SubSliceMutImmut::Mutable(unique))
        }
    }

    #[inline(always)]
    fn whole(&self) -> *mut u8 {
        self.start.get().wrapping_sub(self.before.get())
    }

    #[inline(always)]
    fn whole_len(&self) -> usize {
        let len = self.len.get() as usize;
        self.before
            .get()
            .wrapping_add(len)
            .wrapping_add(self.after.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::fence::NoFence;
    use crate::testing::leak;

    fn nothing() -> Lent {
        Lent {
            start: Cell::new(ptr::null_mut()),
            len: Cell::new(0),
            about: Cell::new(0),
            before: Cell::new(0),
            after: Cell::new(0),
        }
    }

    /// Lends a buffer, and takes it back.
    fn round_trip(buffer: VirtqueueBuffer<'static>) -> VirtqueueBuffer<'static> {
        let lent = nothing();
        let loan = Loan::of(buffer, NoFence);
        lent.record(loan, loan.flags);
        // SAFETY: it was just lent, and there is no device.
        unsafe { lent.take() }
    }

    #[test]
    fn a_buffer_comes_back_as_what_it_was_lent_as() {
        let unique = || SubSliceMut::new(leak([1u8, 2, 3]));
        let shared = SubSlice::new(leak([1u8, 2, 3]));
        assert!(matches!(
            round_trip(VirtqueueBuffer::DeviceWriteable(unique())),
            VirtqueueBuffer::DeviceWriteable(window) if window.as_slice() == [1, 2, 3]
        ));
        let readable = SubSliceMutImmut::Mutable(unique());
        assert!(matches!(
            round_trip(VirtqueueBuffer::DeviceReadable(readable)),
            VirtqueueBuffer::DeviceReadable(SubSliceMutImmut::Mutable(window))
                if window.as_slice() == [1, 2, 3]
        ));
        let readable = SubSliceMutImmut::Immutable(shared);
        assert!(matches!(
            round_trip(VirtqueueBuffer::DeviceReadable(readable)),
            VirtqueueBuffer::DeviceReadable(SubSliceMutImmut::Immutable(window))
                if window.as_slice() == [1, 2, 3]
        ));
    }

    #[test]
    fn a_header_is_described_anew_unless_all_is_as_it_was() {
        let lent = nothing();
        assert!(lent.lend_front(leak([1u8, 2, 3]), 3, NoFence));
        // SAFETY: it was just lent like this, and there is no device.
        let header: &'static [u8] = unsafe { lent.take_front() };
        // The same bytes, which a frame ended with before.
        assert!(lent.lend_shared(header, 0, NoFence));
        assert!(!lent.lend_shared(header, 0, NoFence));
        assert!(lent.lend_shared(header, 1, NoFence));
    }
}
