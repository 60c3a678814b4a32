// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A position in the process table, and the search for the next ready process from there.

use core::cell::Cell;

use kernel::process::{Process, ProcessSlot};

/// The process table seen as a ring, with the place whose turn it is.
pub struct Ring {
    slots: &'static [ProcessSlot],
    head: Cell<usize>,
}

impl Ring {
    /// Starts at the first slot of `slots`.
    pub const fn new(slots: &'static [ProcessSlot]) -> Self {
        Self {
            slots,
            head: Cell::new(0),
        }
    }

    /// Finds the first ready process at or after the head and makes its slot the head.
    ///
    /// The flag is true when that slot already was the head, so the process goes on with its turn.
    pub fn seek_ready(&self) -> Option<(&'static dyn Process, bool)> {
        let head = self.head.get();
        let (before, from_head) = self.slots.split_at_checked(head)?;
        for (distance, slot) in from_head.iter().chain(before).enumerate() {
            if let Some(process) = slot.get().filter(|process| process.ready()) {
                self.head.set(self.after(head, distance));
                return Some((process, distance == 0));
            }
        }
        None
    }

    /// Ends the turn of the process at the head.
    pub fn advance(&self) {
        self.head.set(self.after(self.head.get(), 1));
    }

    fn after(&self, position: usize, distance: usize) -> usize {
        position
            .wrapping_add(distance)
            .checked_rem(self.slots.len())
            .unwrap_or(0)
    }
}
