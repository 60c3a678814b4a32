// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Buffers that are lent to a device which accesses memory by itself (DMA).
//!
//! A holder consumes a Rust buffer and keeps no reference into it, only its address, so that Rust
//! has no view of memory that a device is working on. Creating a holder releases the buffer to the
//! device, taking it out again acquires it; see [`DmaFence`] for what that means.
//!
//! | lent | device may | whole slice | active window |
//! | --- | --- | --- | --- |
//! | `&[T]` | read | [`DmaSlice`] | [`DmaSubSlice`] |
//! | `&mut [T]` | read and write | [`DmaSliceMut`] | [`DmaSubSliceMut`] |
//! | either | read | [`DmaSliceMutImmut`] | [`DmaSubSliceMutImmut`] |

use core::marker::PhantomData;
use core::ops::Range;

use self::immutable_from_into_bytes::ImmutableFromIntoBytes;
use crate::platform::dma_fence::DmaFence;
use crate::utilities::leasable_buffer::{SubSlice, SubSliceMut, SubSliceMutImmut};

/// The types of element that may be shared with a device.
pub mod immutable_from_into_bytes {
    /// A type without padding, without interior mutability and valid for any bytes.
    ///
    /// Sealed: the unsigned integers of fixed width are all there are.
    pub trait ImmutableFromIntoBytes: sealed::Sealed + Copy + core::fmt::Debug {}

    mod sealed {
        /// Keeps other crates from adding types.
        pub trait Sealed {}
    }

    macro_rules! elements {
        ($($element:ty),+) => {
            $(
                impl sealed::Sealed for $element {}
                impl ImmutableFromIntoBytes for $element {}
            )+
        };
    }

    elements!(u8, u16, u32, u64, u128);
}

/// Lets the device have what the CPU wrote to a shared slice.
fn release_shared<T>(slice: &[T], fence: impl DmaFence) {
    // The fence writes nothing: only its signature is for both kinds of slice.
    fence.release(core::ptr::from_ref(slice).cast_mut());
}

/// The methods that tell a device where a buffer is. All holders have them.
macro_rules! whereabouts {
    ($pointer:ident: $kind:ty) => {
        /// Returns the address of the first element that the device may access.
        pub fn $pointer(&self) -> $kind {
            self.first()
        }

        /// Returns that address as a number, for a register or a descriptor.
        ///
        /// Memory reached by this number counts as reached through the holder.
        pub fn ptr_addr(&self) -> usize {
            self.first().expose_provenance()
        }

        /// Tells whether the device was lent no element at all.
        pub fn is_empty(&self) -> bool {
            self.len() == 0
        }
    };
}

/// A shared slice that a device reads.
#[derive(Debug)]
pub struct DmaSlice<'a, T: ImmutableFromIntoBytes> {
    slice: &'a [T],
}

impl<'a, T: ImmutableFromIntoBytes> DmaSlice<'a, T> {
    /// Lends `slice` to a device that only reads it.
    pub fn new(slice: &'a [T], fence: impl DmaFence) -> Self {
        release_shared(slice, fence);
        Self { slice }
    }

    fn first(&self) -> *const T {
        self.slice.as_ptr()
    }

    whereabouts!(as_ptr: *const T);

    /// Counts the elements.
    pub fn len(&self) -> usize {
        self.slice.len()
    }

    /// Returns the slice, which both sides may read at the same time.
    pub fn get(&self) -> &'a [T] {
        self.slice
    }
}

/// A unique slice that a device may read and write.
///
/// Dropping the holder does not end the lending; the slice is then lost until `'a` ends.
#[derive(Debug)]
pub struct DmaSliceMut<'a, T: ImmutableFromIntoBytes> {
    slice: *mut [T],
    lent: PhantomData<&'a mut [T]>,
}

impl<'a, T: ImmutableFromIntoBytes> DmaSliceMut<'a, T> {
    /// Lends `slice` to a device.
    ///
    /// # Safety
    ///
    /// The device no longer accesses the slice when `'a` ends, even if this holder is leaked.
    pub unsafe fn new(slice: &'a mut [T], fence: impl DmaFence) -> Self {
        Self::lend(slice, fence)
    }

    fn lend(slice: &'a mut [T], fence: impl DmaFence) -> Self {
        let slice = core::ptr::from_mut(slice);
        fence.release(slice);
        Self {
            slice,
            lent: PhantomData,
        }
    }

    fn first(&self) -> *mut T {
        self.slice.cast()
    }

    whereabouts!(as_mut_ptr: *mut T);

    /// Counts the elements.
    pub fn len(&self) -> usize {
        self.slice.len()
    }

    /// Takes the slice back.
    ///
    /// # Safety
    ///
    /// The device has finished with the slice and will not access it again.
    pub unsafe fn take(self, fence: impl DmaFence) -> &'a mut [T] {
        fence.acquire(self.slice);
        // SAFETY: the pointer came from a unique reference that is valid for `'a`, which this holder
        // consumed and is now consumed for. The caller vouches that the device keeps away, and any
        // bytes it wrote are valid elements.
        unsafe { &mut *self.slice }
    }
}

impl<T: ImmutableFromIntoBytes> DmaSliceMut<'static, T> {
    /// Lends `slice` to a device.
    ///
    /// Safe, unlike [`new`](Self::new): if the holder is leaked the slice is never used again.
    pub fn new_static(slice: &'static mut [T], fence: impl DmaFence) -> Self {
        Self::lend(slice, fence)
    }
}

/// A slice of either kind that a device reads.
#[derive(Debug)]
pub enum DmaSliceMutImmut<'a, T: ImmutableFromIntoBytes> {
    /// A shared slice.
    Immutable(DmaSlice<'a, T>),
    /// A unique slice.
    Mutable(DmaSliceMut<'a, T>),
}

impl<'a, T: ImmutableFromIntoBytes> DmaSliceMutImmut<'a, T> {
    /// Lends a shared slice to a device that only reads it.
    pub fn new(slice: &'a [T], fence: impl DmaFence) -> Self {
        Self::Immutable(DmaSlice::new(slice, fence))
    }

    /// Lends a unique slice to a device that only reads it.
    pub fn new_mut(slice: &'a mut [T], fence: impl DmaFence) -> Self {
        Self::Mutable(DmaSliceMut::lend(slice, fence))
    }

    fn first(&self) -> *const T {
        match self {
            Self::Immutable(held) => held.first(),
            Self::Mutable(held) => held.first(),
        }
    }

    whereabouts!(as_ptr: *const T);

    /// Counts the elements.
    pub fn len(&self) -> usize {
        match self {
            Self::Immutable(held) => held.len(),
            Self::Mutable(held) => held.len(),
        }
    }

    /// Ends the lending and returns the slice to read.
    pub fn get(self) -> &'a [T] {
        match self {
            Self::Immutable(held) => held.get(),
            // SAFETY: the pointer came from a unique reference that is valid for `'a` and that is
            // used for nothing else from here on. The device only reads the slice.
            Self::Mutable(held) => unsafe { &*held.slice },
        }
    }
}

/// A shared slice with an active window that a device reads.
#[derive(Debug)]
pub struct DmaSubSlice<'a, T: ImmutableFromIntoBytes> {
    window: SubSlice<'a, T>,
}

impl<'a, T: ImmutableFromIntoBytes> DmaSubSlice<'a, T> {
    /// Lends the active window to a device that only reads it.
    pub fn new(window: SubSlice<'a, T>, fence: impl DmaFence) -> Self {
        release_shared(window.as_slice(), fence);
        Self { window }
    }

    fn first(&self) -> *const T {
        self.window.as_ptr()
    }

    whereabouts!(as_ptr: *const T);

    /// Counts the elements of the active window.
    pub fn len(&self) -> usize {
        self.window.len()
    }

    /// Returns the buffer with its active window, which both sides may read at the same time.
    pub fn as_sub_slice(&self) -> SubSlice<'a, T> {
        self.window
    }
}

/// A unique slice with an active window that a device may read and write.
///
/// Dropping the holder does not end the lending; the slice is then lost until `'a` ends.
#[derive(Debug)]
pub struct DmaSubSliceMut<'a, T: ImmutableFromIntoBytes> {
    whole: *mut [T],
    active: Range<usize>,
    lent: PhantomData<&'a mut [T]>,
}

impl<'a, T: ImmutableFromIntoBytes> DmaSubSliceMut<'a, T> {
    /// Lends the active window to a device.
    ///
    /// # Safety
    ///
    /// The device no longer accesses the window when `'a` ends, even if this holder is leaked.
    pub unsafe fn new(window: SubSliceMut<'a, T>, fence: impl DmaFence) -> Self {
        Self::lend(window, fence)
    }

    fn lend(window: SubSliceMut<'a, T>, fence: impl DmaFence) -> Self {
        let active = window.active_range();
        let held = Self {
            whole: core::ptr::from_mut(window.take()),
            active,
            lent: PhantomData,
        };
        fence.release(held.shared_part());
        held
    }

    fn first(&self) -> *mut T {
        // In bounds, since the active range of a buffer is.
        self.whole.cast::<T>().wrapping_add(self.active.start)
    }

    fn shared_part(&self) -> *mut [T] {
        core::ptr::slice_from_raw_parts_mut(self.first(), self.len())
    }

    whereabouts!(as_mut_ptr: *mut T);

    /// Counts the elements of the active window.
    pub fn len(&self) -> usize {
        self.active.len()
    }

    /// Takes the buffer back, with its active window as it was.
    ///
    /// # Safety
    ///
    /// The device has finished with the window and will not write to it again.
    pub unsafe fn take(self, fence: impl DmaFence) -> SubSliceMut<'a, T> {
        fence.acquire(self.shared_part());
        // SAFETY: passed on to the caller.
        unsafe { self.restore() }
    }

    /// Makes a Rust buffer of the lent one.
    ///
    /// # Safety
    ///
    /// The device no longer writes to the window.
    unsafe fn restore(self) -> SubSliceMut<'a, T> {
        // SAFETY: the pointer came from a unique reference that is valid for `'a`, which this holder
        // consumed and is now consumed for. The caller vouches for the device, and any bytes it
        // wrote are valid elements.
        let mut window = SubSliceMut::new(unsafe { &mut *self.whole });
        window.slice(self.active);
        window
    }
}

impl<T: ImmutableFromIntoBytes> DmaSubSliceMut<'static, T> {
    /// Lends the active window to a device.
    ///
    /// Safe, unlike [`new`](Self::new): if the holder is leaked the buffer is never used again.
    pub fn new_static(window: SubSliceMut<'static, T>, fence: impl DmaFence) -> Self {
        Self::lend(window, fence)
    }
}

/// A slice of either kind, with an active window, that a device reads.
#[derive(Debug)]
pub enum DmaSubSliceMutImmut<'a, T: ImmutableFromIntoBytes> {
    /// A shared slice.
    Immutable(DmaSubSlice<'a, T>),
    /// A unique slice.
    Mutable(DmaSubSliceMut<'a, T>),
}

impl<'a, T: ImmutableFromIntoBytes> DmaSubSliceMutImmut<'a, T> {
    /// Lends the active window to a device that only reads it.
    pub fn new(window: SubSliceMutImmut<'a, T>, fence: impl DmaFence) -> Self {
        match window {
            SubSliceMutImmut::Immutable(window) => Self::Immutable(DmaSubSlice::new(window, fence)),
            SubSliceMutImmut::Mutable(window) => Self::Mutable(DmaSubSliceMut::lend(window, fence)),
        }
    }

    fn first(&self) -> *const T {
        match self {
            Self::Immutable(held) => held.first(),
            Self::Mutable(held) => held.first(),
        }
    }

    whereabouts!(as_ptr: *const T);

    /// Counts the elements of the active window.
    pub fn len(&self) -> usize {
        match self {
            Self::Immutable(held) => held.len(),
            Self::Mutable(held) => held.len(),
        }
    }

    /// Takes the buffer back, with its active window as it was.
    ///
    /// Safe and without a fence, since the device wrote nothing. If it still reads, it may see what
    /// the new owner writes.
    pub fn take(self) -> SubSliceMutImmut<'a, T> {
        match self {
            Self::Immutable(held) => SubSliceMutImmut::Immutable(held.window),
            // SAFETY: a holder of this type lends to devices that only read.
            Self::Mutable(held) => SubSliceMutImmut::Mutable(unsafe { held.restore() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::sync::atomic::{AtomicUsize, Ordering};

    /// Counts how many bytes each direction was asked for.
    #[derive(Clone, Copy, Debug)]
    struct Counting {
        released: &'static AtomicUsize,
        acquired: &'static AtomicUsize,
    }

    impl Counting {
        fn new() -> Self {
            let counter = || &*std::boxed::Box::leak(std::boxed::Box::new(AtomicUsize::new(0)));
            Self {
                released: counter(),
                acquired: counter(),
            }
        }

        fn counts(&self) -> (usize, usize) {
            let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
            (count(self.released), count(self.acquired))
        }
    }

    // SAFETY: there is no device but the test itself, on the same thread.
    unsafe impl DmaFence for Counting {
        fn release<T>(self, buf: *mut [T]) {
            self.released.fetch_add(buf.len(), Ordering::Relaxed);
        }

        fn acquire<T>(self, buf: *mut [T]) {
            self.acquired.fetch_add(buf.len(), Ordering::Relaxed);
        }
    }

    /// Writes where a device would, knowing nothing but a number.
    fn device_writes(address: usize, value: u8) {
        // SAFETY: the tests below pass addresses inside a buffer they have lent.
        unsafe { core::ptr::with_exposed_provenance_mut::<u8>(address).write_volatile(value) };
    }

    #[test]
    fn a_device_writes_by_number_while_the_buffer_is_lent() {
        let fence = Counting::new();
        let mut bytes = [0u8; 8];
        let mut window = SubSliceMut::new(&mut bytes[..]);
        window.slice(2..6);
        // SAFETY: the device is the two lines below.
        let held = unsafe { DmaSubSliceMut::new(window, fence) };
        assert_eq!(held.len(), 4);
        device_writes(held.ptr_addr(), 7);
        device_writes(held.ptr_addr() + 3, 9);
        // SAFETY: it is done.
        let mut window = unsafe { held.take(fence) };
        assert_eq!(window.as_slice(), [7, 0, 0, 9]);
        assert_eq!(window.active_range(), 2..6);
        window.reset();
        assert_eq!(window.take(), [0, 0, 7, 0, 0, 9, 0, 0]);
        assert_eq!(fence.counts(), (4, 4));
    }

    #[test]
    fn a_whole_slice_comes_back_with_what_the_device_wrote() {
        let fence = Counting::new();
        let mut words = [0u32; 3];
        // SAFETY: the device is the line below.
        let held = unsafe { DmaSliceMut::new(&mut words, fence) };
        device_writes(held.ptr_addr() + 8, 5);
        // SAFETY: it is done.
        let words = unsafe { held.take(fence) };
        assert_eq!(words, [0, 0, u32::from_ne_bytes([5, 0, 0, 0])]);
        assert_eq!(fence.counts(), (3, 3));
    }

    #[test]
    fn readable_buffers_come_back_as_they_went_and_without_acquiring() {
        let fence = Counting::new();
        let shared: &[u8] = &[1, 2, 3];
        let held = DmaSubSliceMutImmut::new(SubSliceMutImmut::from(shared), fence);
        assert_eq!(held.as_ptr(), shared.as_ptr());
        assert!(matches!(held.take(), SubSliceMutImmut::Immutable(back) if back.take() == shared));

        let mut unique = [4u8, 5, 6];
        let mut window = SubSliceMutImmut::from(&mut unique[..]);
        window.slice(1..);
        let held = DmaSubSliceMutImmut::new(window, fence);
        assert_eq!(held.len(), 2);
        let SubSliceMutImmut::Mutable(back) = held.take() else {
            unreachable!("it was unique")
        };
        assert_eq!((back.as_slice(), back.active_range()), (&[5, 6][..], 1..3));
        assert_eq!(fence.counts(), (5, 0));
    }

    #[test]
    fn plain_slices_of_either_kind_are_read_back() {
        let fence = Counting::new();
        let mut unique = [4u16, 5];
        let held = DmaSliceMutImmut::new_mut(&mut unique, fence);
        assert_eq!((held.len(), held.get()), (2, &[4, 5][..]));
        let held = DmaSliceMutImmut::new(&[6u64], fence);
        assert_eq!(held.get(), [6]);
        assert_eq!(fence.counts(), (3, 0));
    }

    #[test]
    fn an_empty_window_lends_nothing() {
        let fence = Counting::new();
        let mut bytes = [0u8; 4];
        let mut window = SubSliceMut::new(&mut bytes[..]);
        window.slice(4..);
        // SAFETY: no device has the address.
        let held = unsafe { DmaSubSliceMut::new(window, fence) };
        assert!(held.is_empty());
        assert_eq!(fence.counts(), (0, 0));
    }
}
