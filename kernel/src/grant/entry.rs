// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Getting into the memory of a grant, and out again.
//!
//! Nothing here depends on the driver's type, so that there is one copy of it in the kernel.

use core::ptr::NonNull;

use super::layout::{GrantLayout, GrantMemory};
use crate::process::{EnteredGrant, Error, Exit, Process, ProcessId};

/// Which grant this is.
#[derive(Clone, Copy)]
pub(super) struct GrantKind {
    /// The number that processes use for the driver.
    pub(super) driver_num: usize,
    /// The number that the kernel uses for the grant.
    pub(super) grant_num: usize,
}

/// How a grant gets its memory.
pub(super) struct GrantValue {
    /// What lies where.
    pub(super) layout: GrantLayout,
    /// Writes the driver's first value, no more than `layout` has room for, to its place.
    pub(super) write_default: unsafe fn(NonNull<u8>),
}

/// A grant that has been entered. Dropping it leaves the grant.
pub(super) struct Entered<'a, P: Process + ?Sized = dyn Process + 'a> {
    process: &'a P,
    grant_num: usize,
    start: NonNull<u8>,
    /// Through which to leave the grant, if not through the process.
    exit: Option<Exit<'a>>,
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
            exit: None,
        })
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

impl Entered<'static> {
    /// Enters a grant that has memory in this run of a process; `None` if that is not possible.
    pub(super) fn existing_in(
        process: &'static dyn Process,
        process_id: ProcessId,
        grant_num: usize,
    ) -> Option<Self> {
        let entered = process.enter_grant_in(process_id, grant_num);
        if let Some((start, exit)) = entered.map(EnteredGrant::into_parts) {
            return Some(Self {
                process,
                grant_num,
                start,
                exit: Some(exit),
            });
        }
        if process.processid() != process_id {
            return None;
        }
        Self::existing(process, grant_num).ok()
    }

    /// Enters a grant, which gets memory in the process first if it has none.
    ///
    /// Fresh memory has null entries and a default value.
    ///
    /// # Errors
    ///
    /// Those of [`Process::enter_grant`], [`Error::OutOfMemory`] when there is no room, and
    /// [`Error::NoSuchApp`] when this run of the process is over.
    ///
    /// # Safety
    ///
    /// `value` is the same for each use of this grant.
    #[inline(always)]
    pub(super) unsafe fn existing_or_new(
        process_id: ProcessId,
        kind: &GrantKind,
        value: &'static GrantValue,
    ) -> Result<Self, Error> {
        let process = process_id.slot_process().ok_or(Error::NoSuchApp)?;
        let entered = process.enter_grant_in(process_id, kind.grant_num);
        let (start, exit) = match entered.map(EnteredGrant::into_parts) {
            Some((start, exit)) => (start, Some(exit)),
            // SAFETY: the caller vouches for the same.
            None => unsafe { (Self::enter_slowly(process_id, kind, value)?, None) },
        };
        Ok(Self {
            process,
            grant_num: kind.grant_num,
            start,
            exit,
        })
    }

    /// Enters a grant through its process, which is given memory for it if need be.
    ///
    /// # Safety
    ///
    /// As for [`existing_or_new`](Self::existing_or_new).
    #[cold]
    unsafe fn enter_slowly(
        process_id: ProcessId,
        kind: &GrantKind,
        value: &'static GrantValue,
    ) -> Result<NonNull<u8>, Error> {
        let layout = &value.layout;
        let process = process_id.resolve().ok_or(Error::NoSuchApp)?;
        let error = match process.enter_grant(kind.grant_num) {
            Ok(start) => return Ok(start),
            Err(error) => error,
        };
        // Anything but missing memory is not mended by giving it memory.
        if process.grant_is_allocated(kind.grant_num) != Some(false) {
            return Err(error);
        }
        process
            .allocate_grant(kind.grant_num, kind.driver_num, layout.size, layout.align)
            .map_err(|()| Error::OutOfMemory)?;
        // If the default panics, the grant is left.
        let entered = Self::existing(process, kind.grant_num)?;
        let start = entered.start;
        // SAFETY: the memory has just been allocated with the size and alignment of the layout,
        // and since the grant is entered, nobody else gets at it.
        unsafe {
            GrantMemory::initialize(start, layout);
            (value.write_default)(start.byte_add(layout.value_offset));
        }
        core::mem::forget(entered);
        Ok(start)
    }
}

impl<P: Process + ?Sized> Drop for Entered<'_, P> {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: whatever refers to the memory borrows from this value, so it is gone by now.
        unsafe {
            match self.exit {
                Some(exit) => exit.leave(),
                None => self.process.leave_grant(self.grant_num),
            }
        }
    }
}
