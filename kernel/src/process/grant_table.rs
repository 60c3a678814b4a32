// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The table of a process's grants: whose each one is, and where its memory is.

use core::cell::Cell;
use core::ptr::NonNull;

use super::error::Error;

/// One grant of one process.
pub struct GrantEntry {
    /// Start of the grant's memory, `None` until it is allocated.
    memory: Cell<Option<NonNull<u8>>>,
    /// Number of the driver that the grant belongs to, once it has memory.
    driver_num: Cell<usize>,
    /// Set while a reference to the memory exists.
    entered: Cell<bool>,
}

impl GrantEntry {
    pub(super) const fn new() -> GrantEntry {
        GrantEntry {
            memory: Cell::new(None),
            driver_num: Cell::new(0),
            entered: Cell::new(false),
        }
    }
}

/// A grant that has been entered, and the way out of it.
pub struct EnteredGrant<'a> {
    memory: NonNull<u8>,
    entered: &'a Cell<bool>,
}

impl<'a> EnteredGrant<'a> {
    /// The grant's memory, and what to leave the grant through.
    #[inline(always)]
    pub(crate) fn into_parts(self) -> (NonNull<u8>, Exit<'a>) {
        (self.memory, Exit(self.entered))
    }
}

/// The way out of a grant that has been entered.
#[derive(Clone, Copy)]
pub(crate) struct Exit<'a>(&'a Cell<bool>);

impl Exit<'_> {
    /// Ends what [`GrantTable::try_enter`] began.
    ///
    /// # Safety
    ///
    /// No reference into the grant's memory may outlive this call.
    #[inline(always)]
    pub(crate) unsafe fn leave(self) {
        self.0.set(false);
    }
}

/// All grants of one process, by grant number.
pub(super) struct GrantTable<'a> {
    entries: &'a [GrantEntry],
}

impl<'a> GrantTable<'a> {
    pub(super) const fn new(entries: &'a [GrantEntry]) -> GrantTable<'a> {
        GrantTable { entries }
    }

    /// Bytes that the table takes.
    pub(super) fn size(&self) -> usize {
        size_of_val(self.entries)
    }

    /// Tells whether a grant has memory; `None` if there is no such grant.
    pub(super) fn is_allocated(&self, grant_num: usize) -> Option<bool> {
        Some(self.entries.get(grant_num)?.memory.get().is_some())
    }

    pub(super) fn allocated_count(&self) -> usize {
        self.allocated().count()
    }

    /// Numbers, drivers and memory of the grants that have memory.
    pub(super) fn allocated(&self) -> impl Iterator<Item = (usize, usize, NonNull<u8>)> {
        self.entries
            .iter()
            .enumerate()
            .filter_map(|(grant_num, entry)| {
                Some((grant_num, entry.driver_num.get(), entry.memory.get()?))
            })
    }

    /// Tells whether the grant could be given memory for this driver.
    pub(super) fn may_allocate(&self, grant_num: usize, driver_num: usize) -> bool {
        self.is_allocated(grant_num) == Some(false) && self.find(driver_num).is_none()
    }

    /// Gives memory to a grant.
    pub(super) fn set(&self, grant_num: usize, driver_num: usize, memory: NonNull<u8>) {
        if let Some(entry) = self.entries.get(grant_num) {
            entry.driver_num.set(driver_num);
            entry.memory.set(Some(memory));
        }
    }

    /// Finds the grant of a driver.
    pub(super) fn find(&self, driver_num: usize) -> Option<usize> {
        self.entries
            .iter()
            .position(|entry| entry.driver_num.get() == driver_num && entry.memory.get().is_some())
    }

    /// Marks a grant as entered and returns its memory.
    pub(super) fn enter(&self, grant_num: usize) -> Result<NonNull<u8>, Error> {
        let entry = self.entries.get(grant_num).ok_or(Error::KernelError)?;
        let memory = entry.memory.get().ok_or(Error::KernelError)?;
        if entry.entered.replace(true) {
            return Err(Error::AlreadyInUse);
        }
        Ok(memory)
    }

    /// Marks a grant as entered, if it has memory and is not entered already.
    #[inline(always)]
    pub(super) fn try_enter(&self, grant_num: usize) -> Option<EnteredGrant<'a>> {
        let entry = self.entries.get(grant_num)?;
        let memory = entry.memory.get()?;
        if entry.entered.replace(true) {
            return None;
        }
        Some(EnteredGrant {
            memory,
            entered: &entry.entered,
        })
    }

    pub(super) fn leave(&self, grant_num: usize) {
        if let Some(entry) = self.entries.get(grant_num) {
            entry.entered.set(false);
        }
    }

    /// Tells whether a reference to any grant's memory exists.
    pub(super) fn any_entered(&self) -> bool {
        self.entries.iter().any(|entry| entry.entered.get())
    }

    /// Takes the memory of all grants away. What is entered stays so until it is left.
    pub(super) fn clear(&self) {
        for entry in self.entries {
            entry.memory.set(None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory() -> NonNull<u8> {
        NonNull::dangling()
    }

    #[test]
    fn grants_are_found_by_driver_once_they_have_memory() {
        let entries = [GrantEntry::new(), GrantEntry::new()];
        let table = GrantTable::new(&entries);
        assert_eq!(table.find(0), None);
        table.set(1, 0, memory());
        assert_eq!(table.find(0), Some(1));
        assert_eq!(table.is_allocated(0), Some(false));
        assert_eq!(table.is_allocated(1), Some(true));
        assert_eq!(table.is_allocated(2), None);
        assert_eq!(table.allocated_count(), 1);
    }

    #[test]
    fn neither_a_grant_nor_a_driver_is_allocated_twice() {
        let entries = [GrantEntry::new(), GrantEntry::new()];
        let table = GrantTable::new(&entries);
        assert!(table.may_allocate(0, 7));
        table.set(0, 7, memory());
        assert!(!table.may_allocate(0, 8));
        assert!(!table.may_allocate(1, 7));
        assert!(table.may_allocate(1, 8));
        assert!(!table.may_allocate(2, 9));
    }

    #[test]
    fn a_grant_is_entered_once_at_a_time() {
        let entries = [GrantEntry::new()];
        let table = GrantTable::new(&entries);
        assert_eq!(table.enter(0), Err(Error::KernelError));
        assert_eq!(table.enter(1), Err(Error::KernelError));
        table.set(0, 7, memory());
        assert_eq!(table.enter(0), Ok(memory()));
        assert_eq!(table.enter(0), Err(Error::AlreadyInUse));
        table.leave(0);
        assert_eq!(table.enter(0), Ok(memory()));
    }

    #[test]
    fn a_grant_can_be_left_through_its_exit() {
        let entries = [GrantEntry::new()];
        let table = GrantTable::new(&entries);
        assert!(table.try_enter(0).is_none() && table.try_enter(1).is_none());
        assert!(!table.any_entered());
        table.set(0, 7, memory());
        let (start, exit) = table.try_enter(0).unwrap().into_parts();
        assert_eq!(start, memory());
        assert!(table.try_enter(0).is_none());
        assert_eq!(table.enter(0), Err(Error::AlreadyInUse));
        // SAFETY: nobody refers to the memory, which there is none of.
        unsafe { exit.leave() };
        assert_eq!(table.enter(0), Ok(memory()));
        assert!(table.try_enter(0).is_none());
    }

    #[test]
    fn what_is_entered_stays_so_through_a_clear() {
        let entries = [GrantEntry::new()];
        let table = GrantTable::new(&entries);
        table.set(0, 7, memory());
        table.enter(0).unwrap();
        table.clear();
        assert_eq!(table.find(7), None);
        assert!(table.any_entered());
        table.leave(0);
        assert!(!table.any_entered());
    }
}
