// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Which stored objects an application may read, and which it may modify.
//!
//! Each stored object carries the write identifier of the application that stored it. Permissions
//! are about these identifiers; enforcing them is up to the storage driver.

use core::num::NonZeroU32;

use crate::capabilities::{ApplicationStorageCapability, KerneluserStorageCapability};

/// The longest list of foreign identifiers that can be kept.
const LIST_LENGTH: usize = 8;

/// The write identifier of what the kernel itself stores; no application has it.
const KERNEL_WRITE_ID: u32 = 0;

/// A list of foreign identifiers, of which the first `count` are valid.
#[derive(Clone, Copy)]
struct IdList {
    ids: [u32; LIST_LENGTH],
    count: usize,
}

impl IdList {
    /// Keeps the first `count` of `ids`, as far as there are that many.
    const fn new(ids: [u32; LIST_LENGTH], count: usize) -> Self {
        let count = if count < LIST_LENGTH {
            count
        } else {
            LIST_LENGTH
        };
        Self { ids, count }
    }

    fn from_slice(ids: &[u32]) -> Self {
        let mut kept = [0; LIST_LENGTH];
        for (place, id) in kept.iter_mut().zip(ids) {
            *place = *id;
        }
        Self::new(kept, ids.len())
    }

    fn contains(&self, id: u32) -> bool {
        self.ids.iter().take(self.count).any(|listed| *listed == id)
    }
}

#[derive(Clone, Copy)]
enum Access {
    /// Nothing at all.
    Null,
    /// An application's own objects, and nothing else.
    OwnOnly(NonZeroU32),
    /// What is listed, and an application's own objects where that is granted.
    Listed {
        id: NonZeroU32,
        write: bool,
        own: bool,
        read: IdList,
        modify: IdList,
    },
    /// Everything.
    Kernel,
}

/// The storage permissions of one application.
#[derive(Clone, Copy)]
pub struct StoragePermissions {
    access: Access,
}

impl StoragePermissions {
    /// Permits nothing.
    pub fn new_null() -> Self {
        Self {
            access: Access::Null,
        }
    }

    /// Permits an application to store under `id`, and to read and modify what it stored.
    pub fn new_self_only(id: NonZeroU32, _cap: &dyn ApplicationStorageCapability) -> Self {
        Self {
            access: Access::OwnOnly(id),
        }
    }

    /// Permits what two lists say.
    ///
    /// `write` permits to store new objects under `id`; `access_self` permits to read and modify
    /// those already there. The first `read_count` identifiers of `read` can be read and the first
    /// `modify_count` of `modify` modified; counts above 8 are taken as 8.
    #[expect(
        clippy::too_many_arguments,
        reason = "boards build permissions with this signature"
    )]
    pub fn new_fixed_size(
        id: NonZeroU32,
        write: bool,
        access_self: bool,
        read_count: usize,
        read: [u32; 8],
        modify_count: usize,
        modify: [u32; 8],
        _cap: &dyn ApplicationStorageCapability,
    ) -> Self {
        Self {
            access: Access::Listed {
                id,
                write,
                own: access_self,
                read: IdList::new(read, read_count),
                modify: IdList::new(modify, modify_count),
            },
        }
    }

    /// Permits what two lists say, as [`new_fixed_size`](Self::new_fixed_size) does.
    ///
    /// What a list holds beyond its first 8 identifiers is not permitted.
    pub fn new_listed(
        id: NonZeroU32,
        write: bool,
        access_self: bool,
        read: &[u32],
        modify: &[u32],
        _cap: &dyn ApplicationStorageCapability,
    ) -> Self {
        Self {
            access: Access::Listed {
                id,
                write,
                own: access_self,
                read: IdList::from_slice(read),
                modify: IdList::from_slice(modify),
            },
        }
    }

    /// Permits everything, for the kernel's own use of storage.
    pub fn new_kernel(_cap: &dyn KerneluserStorageCapability) -> Self {
        Self {
            access: Access::Kernel,
        }
    }

    /// Tells whether objects stored under `stored_id` may be read.
    pub fn check_read_permission(&self, stored_id: u32) -> bool {
        match &self.access {
            Access::Listed { read, .. } if read.contains(stored_id) => true,
            _ => self.is_own(stored_id),
        }
    }

    /// Tells whether objects stored under `stored_id` may be changed or removed.
    pub fn check_modify_permission(&self, stored_id: u32) -> bool {
        match &self.access {
            Access::Listed { modify, .. } if modify.contains(stored_id) => true,
            _ => self.is_own(stored_id),
        }
    }

    /// Returns the identifier to store new objects under, `None` when that is not permitted.
    pub fn get_write_id(&self) -> Option<u32> {
        match self.access {
            Access::OwnOnly(id)
            | Access::Listed {
                id, write: true, ..
            } => Some(id.get()),
            Access::Kernel => Some(KERNEL_WRITE_ID),
            Access::Null | Access::Listed { write: false, .. } => None,
        }
    }

    /// Tells whether objects under `stored_id` are open without being listed.
    fn is_own(&self, stored_id: u32) -> bool {
        match self.access {
            Access::OwnOnly(id) | Access::Listed { id, own: true, .. } => id.get() == stored_id,
            Access::Kernel => true,
            Access::Null | Access::Listed { own: false, .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Capability;

    // SAFETY: a test decides for itself what it may do.
    unsafe impl ApplicationStorageCapability for Capability {}
    // SAFETY: as above.
    unsafe impl KerneluserStorageCapability for Capability {}

    const ID: NonZeroU32 = NonZeroU32::new(7).unwrap();

    /// Read, modify, write identifier.
    fn rights(permissions: StoragePermissions, stored: u32) -> (bool, bool, Option<u32>) {
        (
            permissions.check_read_permission(stored),
            permissions.check_modify_permission(stored),
            permissions.get_write_id(),
        )
    }

    #[test]
    fn null_permits_nothing() {
        for stored in [0, 7, u32::MAX] {
            let permissions = StoragePermissions::new_null();
            assert_eq!(rights(permissions, stored), (false, false, None));
        }
    }

    #[test]
    fn self_only_stops_at_the_own_identifier() {
        let permissions = StoragePermissions::new_self_only(ID, &Capability);
        assert_eq!(rights(permissions, 7), (true, true, Some(7)));
        assert_eq!(rights(permissions, 8), (false, false, Some(7)));
        assert_eq!(rights(permissions, 0), (false, false, Some(7)));
    }

    #[test]
    fn lists_are_apart_from_each_other_and_from_the_own_identifier() {
        let listed =
            StoragePermissions::new_listed(ID, false, false, &[1, 2], &[2, 3], &Capability);
        assert_eq!(rights(listed, 1), (true, false, None));
        assert_eq!(rights(listed, 2), (true, true, None));
        assert_eq!(rights(listed, 3), (false, true, None));
        assert_eq!(rights(listed, 7), (false, false, None));
        let with_own = StoragePermissions::new_listed(ID, true, true, &[1], &[], &Capability);
        assert_eq!(rights(with_own, 7), (true, true, Some(7)));
        assert_eq!(rights(with_own, 1), (true, false, Some(7)));
    }

    #[test]
    fn unused_places_of_a_list_permit_nothing() {
        let fixed = |count| {
            StoragePermissions::new_fixed_size(
                ID,
                true,
                false,
                count,
                [5; 8],
                0,
                [0; 8],
                &Capability,
            )
        };
        assert_eq!(rights(fixed(0), 5), (false, false, Some(7)));
        assert_eq!(rights(fixed(1), 5), (true, false, Some(7)));
        assert_eq!(rights(fixed(usize::MAX), 5), (true, false, Some(7)));
        assert_eq!(rights(fixed(1), 0), (false, false, Some(7)));
    }

    #[test]
    fn what_a_list_cannot_hold_is_not_permitted() {
        let ids = [1, 2, 3, 4, 5, 6, 8, 9, 10];
        let listed = StoragePermissions::new_listed(ID, false, false, &ids, &[], &Capability);
        assert!(listed.check_read_permission(9));
        assert!(!listed.check_read_permission(10));
    }

    #[test]
    fn the_kernel_may_do_everything() {
        let permissions = StoragePermissions::new_kernel(&Capability);
        assert_eq!(rights(permissions, 0), (true, true, Some(0)));
        assert_eq!(rights(permissions, u32::MAX), (true, true, Some(0)));
    }
}
