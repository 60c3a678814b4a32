// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Getting into the memory of a grant, and out again.
//!
//! Nothing here depends on the driver's type, so that there is one copy of it in the kernel.

use core::ptr::NonNull;

use super::layout::{GrantLayout, GrantMemory};
use crate::process::{Error, Process};

/// Which grant this is, and what its memory looks like.
#[derive(Clone, Copy)]
pub(super) struct GrantKind {
    /// The number that processes use for the driver.
    pub(super) driver_num: usize,
    /// The number that the kernel uses for the grant.
    pub(super) grant_num: usize,
}

/// A grant that has been entered. Dropping it leaves the grant.
pub(super) struct Entered<'a, P: Process + ?Sized = dyn Process + 'a> {
    process: &'a P,
    grant_num: usize,
    start: NonNull<u8>,
}

impl<'a, P: Process + ?Sized> Entered<'a, P> {
    /// Enters a grant that has memory in `process`.
    ///
    /// # Errors
    ///
    /// Those of [`Process::enter_grant`].
    #[inline(always)]
    pub(super) fn existing(process: &'a P, grant_num: usize) -> Result<Self, Error> {
        let start = process.enter_grant(grant_num)?;
        Ok(Self {
            process,
            grant_num,
            start,
        })
    }

    /// Enters a grant, which gets memory in `process` first if it has none.
    ///
    /// Fresh memory has null entries, and `write_default` is called with the place where the
    /// driver's value goes.
    ///
    /// # Errors
    ///
    /// Those of [`Process::enter_grant`], and [`Error::OutOfMemory`] when there is no room.
    ///
    /// # Safety
    ///
    /// `layout` is the same for each use of this grant, and `write_default` writes no more than
    /// the value that `layout` has room for.
    #[inline(always)]
    pub(super) unsafe fn existing_or_new(
        process: &'a P,
        kind: GrantKind,
        layout: &GrantLayout,
        write_default: unsafe fn(NonNull<u8>),
    ) -> Result<Self, Error> {
        match Self::existing(process, kind.grant_num) {
            Ok(entered) => Ok(entered),
            // SAFETY: the caller vouches for the same.
            Err(error) => unsafe { Self::create(process, kind, layout, write_default, error) },
        }
    }

    /// Gives a grant memory, after an attempt to enter it failed with `error`.
    ///
    /// # Safety
    ///
    /// As for [`existing_or_new`](Self::existing_or_new).
    #[cold]
    unsafe fn create(
        process: &'a P,
        kind: GrantKind,
        layout: &GrantLayout,
        write_default: unsafe fn(NonNull<u8>),
        error: Error,
    ) -> Result<Self, Error> {
        // Anything but missing memory is not mended by giving it memory.
        if process.grant_is_allocated(kind.grant_num) != Some(false) {
            return Err(error);
        }
        process
            .allocate_grant(kind.grant_num, kind.driver_num, layout.size, layout.align)
            .map_err(|()| Error::OutOfMemory)?;
        let entered = Self::existing(process, kind.grant_num)?;
        // SAFETY: the memory has just been allocated with the size and alignment of the layout,
        // and since the grant is entered, nobody else gets at it.
        unsafe {
            GrantMemory::initialize(entered.start, layout);
            write_default(entered.start.byte_add(layout.value_offset));
        }
        Ok(entered)
    }

    /// Returns the process that the grant is entered for.
    #[inline(always)]
    pub(super) fn process(&self) -> &'a P {
        self.process
    }

    /// Returns the upcalls and buffers.
    #[inline(always)]
    pub(super) fn memory(&self) -> GrantMemory {
        // SAFETY: memory is initialized when it is allocated, in `create`. The copies of this that
        // are handed out live no longer than the borrow of an `Entered`.
        unsafe { GrantMemory::new(self.start) }
    }

    /// Returns the place of the driver's value.
    ///
    /// # Safety
    ///
    /// `layout` is the one that the grant was created with.
    #[inline(always)]
    pub(super) unsafe fn value(&self, layout: &GrantLayout) -> NonNull<u8> {
        // SAFETY: the value lies within the memory that was allocated for this layout.
        unsafe { self.start.byte_add(layout.value_offset) }
    }
}

impl<P: Process + ?Sized> Drop for Entered<'_, P> {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: whatever refers to the memory borrows from this value, so it is gone by now.
        unsafe { self.process.leave_grant(self.grant_num) }
    }
}
