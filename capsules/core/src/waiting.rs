// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Whose requests a driver still has to serve.
//!
//! Most of the time it is those of one process, which need not be looked for then.

use kernel::ProcessId;

/// The processes that may be waiting.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// No process.
    Nobody,
    /// This one and no other.
    One(ProcessId),
    /// Any process, and no more is known.
    Several,
}

impl Waiting {
    /// With this process too.
    pub(crate) fn and(self, process_id: ProcessId) -> Waiting {
        match self {
            Waiting::Nobody => Waiting::One(process_id),
            Waiting::One(other) if other == process_id => self,
            Waiting::One(_) | Waiting::Several => Waiting::Several,
        }
    }
}
