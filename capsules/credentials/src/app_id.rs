// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Who an application is, by the number in its header or by its name.

use core::num::NonZeroU32;

use kernel::process::{Process, ProcessBinary, ShortId};
use kernel::process_checker::{AppUniqueness, Compress};
use sha2::{Digest as _, Sha256};

/// Takes the fixed short identifier in the header, from binaries with an accepted credential only.
///
/// Two such binaries with the same identifier are the same application. Everything else is an
/// application of its own.
pub struct AppIdAssignerTbfHeader;

/// The identifier that a binary has earned.
fn fixed_id(binary: &ProcessBinary) -> ShortId {
    let accepted = binary.get_credential().is_some();
    let fixed = binary.header.get_fixed_short_id();
    fixed.filter(|_| accepted).into()
}

impl AppUniqueness for AppIdAssignerTbfHeader {
    fn different_identifier(&self, process_a: &ProcessBinary, process_b: &ProcessBinary) -> bool {
        fixed_id(process_a) != fixed_id(process_b)
    }

    fn different_identifier_process(
        &self,
        process_a: &ProcessBinary,
        process_b: &dyn Process,
    ) -> bool {
        fixed_id(process_a) != process_b.short_app_id()
    }

    fn different_identifier_processes(
        &self,
        process_a: &dyn Process,
        process_b: &dyn Process,
    ) -> bool {
        process_a.short_app_id() != process_b.short_app_id()
    }
}

impl Compress for AppIdAssignerTbfHeader {
    fn to_short_id(&self, process: &ProcessBinary) -> ShortId {
        fixed_id(process)
    }
}

/// Tells applications apart by their names, and takes the short identifier from the name.
///
/// A binary without a name is an application of its own. Names are what their authors say, so this
/// is for boards that decide by other means whose binaries they run.
pub struct AppIdAssignerNames;

/// The first four bytes of the name's SHA-256 digest, least significant first.
fn short_id_of_name(name: &str) -> ShortId {
    let digest: [u8; 32] = Sha256::digest(name.as_bytes()).into();
    let number = digest
        .first_chunk()
        .map_or(0, |bytes| u32::from_le_bytes(*bytes));
    NonZeroU32::new(number).into()
}

/// Tells whether two names are those of different applications.
fn different_names(a: Option<&str>, b: Option<&str>) -> bool {
    let name = |name: Option<&str>| name.filter(|name| !name.is_empty()).is_some();
    a != b || !name(a)
}

impl AppUniqueness for AppIdAssignerNames {
    fn different_identifier(&self, process_a: &ProcessBinary, process_b: &ProcessBinary) -> bool {
        different_names(
            process_a.header.get_package_name(),
            process_b.header.get_package_name(),
        )
    }

    fn different_identifier_process(
        &self,
        process_a: &ProcessBinary,
        process_b: &dyn Process,
    ) -> bool {
        different_names(
            process_a.header.get_package_name(),
            Some(process_b.get_process_name()),
        )
    }

    fn different_identifier_processes(
        &self,
        process_a: &dyn Process,
        process_b: &dyn Process,
    ) -> bool {
        different_names(
            Some(process_a.get_process_name()),
            Some(process_b.get_process_name()),
        )
    }
}

impl Compress for AppIdAssignerNames {
    fn to_short_id(&self, process: &ProcessBinary) -> ShortId {
        match process.header.get_package_name() {
            Some(name) if !name.is_empty() => short_id_of_name(name),
            _ => ShortId::LocallyUnique,
        }
    }
}

#[cfg(test)]
mod tests;
