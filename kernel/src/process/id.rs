// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The names by which the kernel knows processes and applications.

use core::fmt;
use core::num::NonZeroU32;

use super::process_trait::Process;
use super::slot::ProcessSlot;
use crate::capabilities::ExternalProcessCapability;
use crate::kernel::Kernel;
use crate::storage_permissions::StoragePermissions;

/// Names one run of one process.
///
/// Every start of a process takes a new identifier, so a `ProcessId` kept across a restart
/// resolves to nothing. Two of them are equal when the identifiers are.
///
/// It takes two words, because drivers get, keep and compare so many of them.
#[derive(Clone, Copy)]
pub struct ProcessId {
    /// The place in the process table, which restarts do not change.
    slot: &'static ProcessSlot,
    identifier: usize,
}

impl PartialEq for ProcessId {
    #[inline]
    fn eq(&self, other: &ProcessId) -> bool {
        self.identifier == other.identifier
    }
}

impl Eq for ProcessId {}

impl fmt::Debug for ProcessId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.identifier, formatter)
    }
}

impl ProcessId {
    /// Makes an identifier for the process in the slot at `index`.
    ///
    /// # Panics
    ///
    /// If the process table is not that long.
    pub(crate) fn new(kernel: &'static Kernel, identifier: usize, index: usize) -> ProcessId {
        match kernel.process_slots().get(index) {
            Some(slot) => ProcessId { slot, identifier },
            None => panic!("the process table has no slot {index}"),
        }
    }

    /// Makes the identifier of a later run of the same process.
    pub(crate) fn with_identifier(self, identifier: usize) -> ProcessId {
        ProcessId { identifier, ..self }
    }

    /// Makes an identifier for a process type from outside the kernel.
    ///
    /// `index` is the slot that holds the process; `identifier` must be unique for ever.
    ///
    /// # Panics
    ///
    /// If the process table has no such slot.
    pub fn new_external(
        kernel: &'static Kernel,
        identifier: usize,
        index: usize,
        _capability: &dyn ExternalProcessCapability,
    ) -> ProcessId {
        ProcessId::new(kernel, identifier, index)
    }

    /// Returns the number that no other run of a process has.
    pub fn id(&self) -> usize {
        self.identifier
    }

    /// Finds the process. `None` if it has restarted since.
    #[inline]
    pub(crate) fn resolve(&self) -> Option<&'static dyn Process> {
        let process = self.slot.get()?;
        (process.processid() == *self).then_some(process)
    }

    /// Finds the process in the slot, whichever run it is in.
    #[inline(always)]
    pub(crate) fn slot_process(&self) -> Option<&'static dyn Process> {
        self.slot.get()
    }

    /// Returns the slot of the process in the process table.
    pub(crate) fn slot_index(&self) -> usize {
        self.slot.index()
    }

    /// Returns the application's short identifier, [`ShortId::LocallyUnique`] when stale.
    pub fn short_app_id(&self) -> ShortId {
        self.resolve()
            .map_or(ShortId::LocallyUnique, |process| process.short_app_id())
    }

    /// Returns the start and end address of the flash that the application may change: its own
    /// image after the protected part. `(0, 0)` when stale.
    pub fn get_editable_flash_range(&self) -> (usize, usize) {
        self.resolve().map_or((0, 0), |process| {
            let addresses = process.get_addresses();
            (addresses.flash_non_protected_start, addresses.flash_end)
        })
    }

    /// Returns what the application may store and read back, `None` when stale.
    pub fn get_storage_permissions(&self) -> Option<StoragePermissions> {
        self.resolve()
            .map(|process| process.get_storage_permissions())
    }
}

/// Identifies an application over restarts and reboots.
#[derive(Clone, Copy, Debug)]
pub enum ShortId {
    /// No persistent identity: unlike every identity, its own included.
    LocallyUnique,
    /// A persistent identity.
    Fixed(NonZeroU32),
}

impl PartialEq for ShortId {
    fn eq(&self, other: &ShortId) -> bool {
        match (self, other) {
            (ShortId::Fixed(a), ShortId::Fixed(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for ShortId {}

impl From<Option<NonZeroU32>> for ShortId {
    fn from(number: Option<NonZeroU32>) -> ShortId {
        number.map_or(ShortId::LocallyUnique, ShortId::Fixed)
    }
}

impl fmt::Display for ShortId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ShortId::LocallyUnique => formatter.write_str("Unique"),
            ShortId::Fixed(number) => write!(formatter, "{number:#x}"),
        }
    }
}

/// The version of an application binary; a higher one is newer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BinaryVersion(NonZeroU32);

impl BinaryVersion {
    /// Wraps the number from the binary's header.
    pub const fn new(number: NonZeroU32) -> BinaryVersion {
        BinaryVersion(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::fakes::World;

    #[test]
    fn an_identifier_tells_of_its_process_until_the_restart() {
        let (_, process) = World::with_one();
        let id = process.processid();
        let map = process.get_addresses();
        let editable = (map.flash_non_protected_start, map.flash_end);
        assert_eq!(id.get_editable_flash_range(), editable);
        assert!(id.get_storage_permissions().is_some());
        assert!(matches!(id.short_app_id(), ShortId::LocallyUnique));
        assert_eq!(std::format!("{id:?}"), std::format!("{}", id.id()));
        process.try_restart(None);
        assert_eq!(id.get_editable_flash_range(), (0, 0));
        assert!(id.get_storage_permissions().is_none());
        assert_ne!(id, process.processid());
    }

    #[test]
    #[should_panic(expected = "no slot 3")]
    fn an_identifier_names_a_slot_that_there_is() {
        let (world, _) = World::with_one();
        let _ = ProcessId::new(world.kernel, 0, 3);
    }

    #[test]
    fn identities_are_shown_as_numbers() {
        let fixed = ShortId::from(NonZeroU32::new(0x1F));
        assert_eq!(std::format!("{fixed}"), "0x1f");
        assert_eq!(std::format!("{}", ShortId::LocallyUnique), "Unique");
    }

    #[test]
    fn an_application_without_identity_equals_nothing() {
        let fixed = ShortId::from(NonZeroU32::new(7));
        assert!(fixed == ShortId::from(NonZeroU32::new(7)));
        assert!(fixed != ShortId::from(NonZeroU32::new(8)));
        assert!(ShortId::LocallyUnique != ShortId::LocallyUnique);
        assert!(fixed != ShortId::from(None));
    }

    #[test]
    fn newer_binaries_have_greater_versions() {
        let version = |number| BinaryVersion::new(NonZeroU32::new(number).unwrap());
        assert!(version(2) > version(1));
    }
}
