// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The kernel object.

use core::cell::Cell;

/// What must be unique across processes.
pub struct Kernel {
    /// Identifiers handed out so far; the next process start takes this number.
    identifiers_used: Cell<usize>,
}

impl Kernel {
    /// Takes an identifier that no process start had before.
    pub fn create_process_identifier(&self) -> usize {
        let identifier = self.identifiers_used.get();
        self.identifiers_used.set(identifier.wrapping_add(1));
        identifier
    }
}
