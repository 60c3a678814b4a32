// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Who an application is: which binaries are the same one, and its number among processes.

use crate::process::{Process, ProcessBinary, ShortId};

/// Tells applications apart.
///
/// Of binaries that are the same application at most one runs. The three methods answer the same
/// question, about binaries in flash, about processes, and about one of each.
pub trait AppUniqueness {
    /// Tells whether two binaries are different applications.
    fn different_identifier(&self, process_a: &ProcessBinary, process_b: &ProcessBinary) -> bool;

    /// Tells whether a binary is another application than that of a process.
    fn different_identifier_process(
        &self,
        process_a: &ProcessBinary,
        process_b: &dyn Process,
    ) -> bool;

    /// Tells whether two processes run different applications.
    fn different_identifier_processes(
        &self,
        process_a: &dyn Process,
        process_b: &dyn Process,
    ) -> bool;
}

/// Gives an application a short identifier.
pub trait Compress {
    /// Returns the short identifier of a binary whose credentials have been checked.
    ///
    /// The same application gets the same one at each boot. Two applications may collide in a fixed
    /// one; then only the first of them runs.
    fn to_short_id(&self, process: &ProcessBinary) -> ShortId;
}

/// Both halves of the question who an application is.
pub trait AppIdPolicy: AppUniqueness + Compress {}

impl<T: AppUniqueness + Compress> AppIdPolicy for T {}

/// Every binary is an application of its own.
impl AppUniqueness for () {
    fn different_identifier(&self, _process_a: &ProcessBinary, _process_b: &ProcessBinary) -> bool {
        true
    }

    fn different_identifier_process(
        &self,
        _process_a: &ProcessBinary,
        _process_b: &dyn Process,
    ) -> bool {
        true
    }

    fn different_identifier_processes(
        &self,
        _process_a: &dyn Process,
        _process_b: &dyn Process,
    ) -> bool {
        true
    }
}

/// No application has a persistent identity.
impl Compress for () {
    fn to_short_id(&self, _process: &ProcessBinary) -> ShortId {
        ShortId::LocallyUnique
    }
}
