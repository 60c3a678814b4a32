// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Serving processes in turn.

use kernel::ProcessId;
use kernel::grant::{AllowRoSize, AllowRwSize, Grant, ProcessGrant, UpcallSize};

/// Walks over the processes that use `grant`, beginning behind the one that was served `last`.
///
/// The order is that of the process table, and after its end it starts over. Processes behind
/// `last` come up twice, so a search that takes the first match sees each of them in time, and
/// `last` itself only when nobody else matches.
pub fn after<T: Default, U: UpcallSize, RO: AllowRoSize, RW: AllowRwSize>(
    grant: &Grant<T, U, RO, RW>,
    last: Option<ProcessId>,
) -> impl Iterator<Item = ProcessGrant<'_, T, U, RO, RW>> {
    let behind = grant
        .iter()
        .skip_while(move |process| Some(process.processid()) != last)
        .skip(1);
    behind.chain(grant.iter())
}
