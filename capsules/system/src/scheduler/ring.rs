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
        let position = first_from(head, self.slots.len(), |index| {
            self.process(index).is_some_and(Process::ready)
        })?;
        self.head.set(position);
        Some((self.process(position)?, position == head))
    }

    /// Ends the turn of the process at the head.
    pub fn advance(&self) {
        self.head.set(after(self.head.get(), self.slots.len()));
    }

    fn process(&self, index: usize) -> Option<&'static dyn Process> {
        self.slots.get(index)?.get()
    }
}

/// Returns the first of `count` positions that is `wanted`, looking from `head` once around.
pub fn first_from(head: usize, count: usize, wanted: impl Fn(usize) -> bool) -> Option<usize> {
    let mut position = head;
    for _ in 0..count {
        if wanted(position) {
            return Some(position);
        }
        position = after(position, count);
    }
    None
}

/// Returns the position that follows `position` among `count`.
pub fn after(position: usize, count: usize) -> usize {
    match position.checked_add(1) {
        Some(next) if next < count => next,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn every_ready_position_gets_its_turn_in_order() {
        let ready = [1, 2, 5];
        let mut head = 0;
        let mut turns = Vec::new();
        for _ in 0..6 {
            head = first_from(head, 6, |position| ready.contains(&position)).unwrap();
            turns.push(head);
            head = after(head, 6);
        }
        assert_eq!(turns, [1, 2, 5, 1, 2, 5]);
    }

    #[test]
    fn a_position_that_stays_ready_keeps_the_head_until_its_turn_ends() {
        assert_eq!(first_from(3, 4, |_| true), Some(3));
        assert_eq!(first_from(after(3, 4), 4, |_| true), Some(0));
    }

    #[test]
    fn nothing_ready_is_found_after_one_round() {
        assert_eq!(first_from(2, 4, |_| false), None);
        assert_eq!(first_from(0, 0, |_| true), None);
    }
}
