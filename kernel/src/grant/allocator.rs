// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Further allocations in a process's grant region, beside the grant itself.

use core::cell::Cell;
use core::marker::PhantomData;
use core::ptr::NonNull;

use super::handle::GrantData;
use crate::process::{Error, Process, ProcessCustomGrantIdentifier, ProcessId};

/// Allocates grant memory in one process.
pub struct GrantRegionAllocator {
    processid: ProcessId,
}

impl GrantRegionAllocator {
    pub(super) fn new(processid: ProcessId) -> Self {
        Self { processid }
    }

    /// Allocates memory for the value that `init` makes.
    ///
    /// The memory is given back when the process ends, and not before.
    ///
    /// # Errors
    ///
    /// - [`Error::NoSuchApp`]: the process is gone or has been restarted.
    /// - [`Error::OutOfMemory`]: the process has no memory left.
    pub fn alloc_with<T, F>(&mut self, init: F) -> Result<CustomGrant<T>, Error>
    where
        F: FnOnce() -> T,
    {
        let (identifier, place) = self.allocate::<T>()?;
        // SAFETY: the place has just been allocated for a `Guarded<T>`.
        unsafe { place.write(Guarded::new(init())) };
        Ok(self.custom_grant(identifier))
    }

    /// Allocates memory for an array whose elements `init` makes, each from its index.
    ///
    /// # Errors
    ///
    /// As for [`alloc_with`](Self::alloc_with).
    pub fn alloc_n_with<T, F, const NUM_ITEMS: usize>(
        &mut self,
        init: F,
    ) -> Result<CustomGrant<[T; NUM_ITEMS]>, Error>
    where
        F: FnMut(usize) -> T,
    {
        self.alloc_with(|| core::array::from_fn(init))
    }

    fn allocate<T>(&self) -> Result<(ProcessCustomGrantIdentifier, NonNull<Guarded<T>>), Error> {
        let process = self.processid.resolve();
        let (identifier, place) = process
            .ok_or(Error::NoSuchApp)?
            .allocate_custom_grant(size_of::<Guarded<T>>(), align_of::<Guarded<T>>())
            .map_err(|()| Error::OutOfMemory)?;
        Ok((identifier, place.cast()))
    }

    fn custom_grant<T>(&self, identifier: ProcessCustomGrantIdentifier) -> CustomGrant<T> {
        CustomGrant {
            identifier,
            processid: self.processid,
            marker: PhantomData,
        }
    }
}

/// A value with a note whether somebody is using it.
#[repr(C)]
struct Guarded<T> {
    entered: Cell<bool>,
    value: T,
}

impl<T> Guarded<T> {
    fn new(value: T) -> Self {
        Self {
            entered: Cell::new(false),
            value,
        }
    }
}

/// A `T` in a process's grant region, made by a [`GrantRegionAllocator`].
pub struct CustomGrant<T> {
    identifier: ProcessCustomGrantIdentifier,
    processid: ProcessId,
    marker: PhantomData<*mut T>,
}

impl<T> CustomGrant<T> {
    /// Returns the process.
    pub fn processid(&self) -> ProcessId {
        self.processid
    }

    /// Lends the value to `fun`.
    ///
    /// # Errors
    ///
    /// - [`Error::NoSuchApp`]: the process is gone or has been restarted.
    /// - [`Error::InactiveApp`]: the process has exited or faulted.
    /// - [`Error::AlreadyInUse`]: the value is lent already.
    pub fn enter<F, R>(&self, fun: F) -> Result<R, Error>
    where
        F: FnOnce(GrantData<'_, T>) -> R,
    {
        let process = self.processid.resolve().ok_or(Error::NoSuchApp)?;
        let guarded: *mut Guarded<T> = process.enter_custom_grant(self.identifier)?.cast();
        // SAFETY: this run of the process goes on, so the identifier leads to the memory that
        // `alloc_with` filled. The note is in a cell, and never borrowed exclusively.
        let entered = unsafe { &(*guarded).entered };
        if entered.replace(true) {
            return Err(Error::AlreadyInUse);
        }
        process.note_custom_grant_entered();
        let _leave = Leave { process, entered };
        // SAFETY: the note says that nobody else is using the value.
        let value = unsafe { &mut (*guarded).value };
        Ok(fun(GrantData::new(value)))
    }
}

/// Takes both notes back when dropped: that of the value, and that of its process, which does not
/// start anew before, because the new run would use the same memory.
struct Leave<'a> {
    process: &'a dyn Process,
    entered: &'a Cell<bool>,
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.entered.set(false);
        self.process.note_custom_grant_left();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grant::{AllowRoCount, AllowRwCount, Grant, UpcallCount};
    use crate::process::State;
    use crate::testing::{FakeProcess, kernel_with_process};

    type Counted = Grant<u8, UpcallCount<0>, AllowRoCount<0>, AllowRwCount<0>>;

    fn with_allocator<R>(
        use_it: impl FnOnce(&mut GrantRegionAllocator) -> R,
    ) -> (&'static FakeProcess, R) {
        let (kernel, process) = kernel_with_process();
        let grant: Counted = Grant::new(kernel, 1, 0);
        let result =
            grant.enter_with_allocator(process.processid(), |_, _, allocator| use_it(allocator));
        (process, result.unwrap())
    }

    #[test]
    fn values_are_made_in_place_and_stay() {
        let (_, (number, table)) = with_allocator(|allocator| {
            let number = allocator.alloc_with(|| 5u64).unwrap();
            let table: CustomGrant<[u16; 8]> =
                allocator.alloc_n_with(|index| index as u16 * 3).unwrap();
            (number, table)
        });
        let changed = number.enter(|mut value| {
            *value += 1;
            *value
        });
        assert_eq!(changed, Ok(6));
        assert_eq!(number.enter(|value| *value), Ok(6));
        assert_eq!(
            table.enter(|table| *table),
            Ok([0, 3, 6, 9, 12, 15, 18, 21])
        );
    }

    #[test]
    fn a_value_is_lent_once_at_a_time() {
        let (process, number) = with_allocator(|allocator| allocator.alloc_with(|| 5u32).unwrap());
        assert!(number.processid() == process.processid());
        let inner = number.enter(|_| number.enter(|value| *value));
        assert_eq!(inner, Ok(Err(Error::AlreadyInUse)));
        assert_eq!(number.enter(|value| *value), Ok(5));
    }

    #[test]
    fn a_value_goes_with_its_process() {
        let (process, number) = with_allocator(|allocator| allocator.alloc_with(|| 5u32).unwrap());
        process.state.set(State::Faulted);
        assert_eq!(number.enter(|value| *value), Err(Error::InactiveApp));
        process.restart();
        assert_eq!(number.enter(|value| *value), Err(Error::NoSuchApp));
    }

    #[test]
    fn what_does_not_fit_is_not_made() {
        let (_, outcome) = with_allocator(|allocator| {
            allocator
                .alloc_with(|| -> [u8; 5000] { panic!("there is no room for this") })
                .err()
        });
        assert_eq!(outcome, Some(Error::OutOfMemory));
    }
}
