// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Storage policies: what an application may store, and whose data it may read and change.
//!
//! What is stored is marked with the identity of the application, so one without an identity gets
//! nothing from either policy. A board without storage uses the unit type instead.

use kernel::capabilities::ApplicationStorageCapability;
use kernel::platform::chip::Chip;
use kernel::process::{
    Process, ProcessStandard, ProcessStandardDebug, ProcessStandardStoragePermissionsPolicy,
    ShortId,
};
use kernel::storage_permissions::StoragePermissions;

/// Gives each application what it stored itself, and nothing else.
pub struct IndividualStoragePermissions<CAP: ApplicationStorageCapability> {
    capability: CAP,
}

impl<CAP: ApplicationStorageCapability> IndividualStoragePermissions<CAP> {
    /// Creates the policy.
    pub const fn new(capability: CAP) -> Self {
        Self { capability }
    }
}

impl<C: Chip, D: ProcessStandardDebug, CAP: ApplicationStorageCapability>
    ProcessStandardStoragePermissionsPolicy<C, D> for IndividualStoragePermissions<CAP>
{
    fn get_permissions(&self, process: &ProcessStandard<C, D>) -> StoragePermissions {
        individual(process.short_app_id(), &self.capability)
    }
}

/// Gives each application what its header asks for, besides what it stored itself.
///
/// An application whose header does not speak of storage gets nothing.
pub struct TbfHeaderStoragePermissions<CAP: ApplicationStorageCapability> {
    capability: CAP,
}

impl<CAP: ApplicationStorageCapability> TbfHeaderStoragePermissions<CAP> {
    /// Creates the policy.
    pub const fn new(capability: CAP) -> Self {
        Self { capability }
    }
}

impl<C: Chip, D: ProcessStandardDebug, CAP: ApplicationStorageCapability>
    ProcessStandardStoragePermissionsPolicy<C, D> for TbfHeaderStoragePermissions<CAP>
{
    fn get_permissions(&self, process: &ProcessStandard<C, D>) -> StoragePermissions {
        let asked_for = process.get_tbf_storage_permissions();
        from_header(process.short_app_id(), asked_for, &self.capability)
    }
}

/// What a header asks for: whether to store, then how many identities to read and which, then the
/// same of those to change.
type AskedFor = (bool, usize, [u32; 8], usize, [u32; 8]);

fn individual(own: ShortId, capability: &dyn ApplicationStorageCapability) -> StoragePermissions {
    match own {
        ShortId::Fixed(id) => StoragePermissions::new_self_only(id, capability),
        ShortId::LocallyUnique => StoragePermissions::new_null(),
    }
}

fn from_header(
    own: ShortId,
    asked_for: Option<AskedFor>,
    capability: &dyn ApplicationStorageCapability,
) -> StoragePermissions {
    match (own, asked_for) {
        (ShortId::Fixed(id), Some((write, read_count, read, modify_count, modify))) => {
            StoragePermissions::new_fixed_size(
                id,
                write,
                true,
                read_count,
                read,
                modify_count,
                modify,
                capability,
            )
        }
        _ => StoragePermissions::new_null(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::num::NonZeroU32;
    use kernel::testing::TestCapability;

    const OWN: u32 = 7;

    fn own() -> ShortId {
        ShortId::from(NonZeroU32::new(OWN))
    }

    /// With which identity is stored, then whose of 7, 8 and 9 is read, then changed.
    fn rights(permissions: StoragePermissions) -> (Option<u32>, [bool; 3], [bool; 3]) {
        let identities = [OWN, 8, 9];
        (
            permissions.get_write_id(),
            identities.map(|id| permissions.check_read_permission(id)),
            identities.map(|id| permissions.check_modify_permission(id)),
        )
    }

    const NOTHING: (Option<u32>, [bool; 3], [bool; 3]) = (None, [false; 3], [false; 3]);

    #[test]
    fn an_application_has_its_own_and_no_other() {
        let only_own = [true, false, false];
        let permissions = individual(own(), &TestCapability);
        assert_eq!(rights(permissions), (Some(OWN), only_own, only_own));
    }

    #[test]
    fn the_header_adds_to_the_own() {
        let asked_for = |write| {
            let (mut read, mut modify) = ([0; 8], [0; 8]);
            (read[0], modify[0]) = (8, 9);
            Some((write, 1, read, 1, modify))
        };
        for (write, id) in [(true, Some(OWN)), (false, None)] {
            let permissions = from_header(own(), asked_for(write), &TestCapability);
            let expected = (id, [true, true, false], [true, false, true]);
            assert_eq!(rights(permissions), expected);
        }
        let unasked = from_header(own(), None, &TestCapability);
        assert_eq!(rights(unasked), NOTHING);
    }

    #[test]
    fn an_application_without_identity_has_nothing() {
        let anonymous = ShortId::LocallyUnique;
        assert_eq!(rights(individual(anonymous, &TestCapability)), NOTHING);
        let asked_for = Some((true, 0, [0; 8], 0, [0; 8]));
        assert_eq!(
            rights(from_header(anonymous, asked_for, &TestCapability)),
            NOTHING
        );
    }
}
