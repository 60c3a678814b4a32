// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A position in the process table, and the search for the next ready process from there.

use core::cell::Cell;

use kernel::process::{Process, ProcessSlot};

/// The process table seen as a ring, with the place whose turn it is.
///
/// A table is filled from its first slot on, and most of it is empty: the slots behind the last
/// process are no part of the ring until a process is put into the first of them.
pub struct Ring {
    slots: &'static [ProcessSlot],
    head: Cell<usize>,
    /// How many slots are part of the ring.
    count: Cell<usize>,
}

impl Ring {
    /// Starts at the first slot of `slots`.
    pub const fn new(slots: &'static [ProcessSlot]) -> Self {
        Self {
            slots,
            head: Cell::new(0),
            count: Cell::new(slots.len()),
        }
    }

    /// Finds the first ready process at or after the head and makes its slot the head.
    ///
    /// The flag is true when that slot already was the head, so the process goes on with its turn.
    #[inline(always)]
    pub fn seek_ready(&self) -> Option<(&'static dyn Process, bool)> {
        if self.process(self.count.get()).is_some() {
            self.count.set(self.slots.len());
        }
        let head = self.head.get();
        let mut position = head;
        for _ in 0..self.count.get() {
            match self.process(position) {
                Some(process) if process.ready() => {
                    self.head.set(position);
                    return Some((process, position == head));
                }
                Some(_) => {}
                None => self.end_behind_last(),
            }
            position = after(position, self.count.get());
        }
        None
    }

    #[inline(always)]
    fn process(&self, position: usize) -> Option<&'static dyn Process> {
        self.slots.get(position)?.get()
    }

    /// Leaves out the empty slots behind the last process.
    #[cold]
    fn end_behind_last(&self) {
        let last = self.slots.iter().rposition(|slot| slot.get().is_some());
        let count = last.map_or(0, |last| last.saturating_add(1));
        self.count.set(count);
        if self.head.get() >= count {
            self.head.set(0);
        }
    }

    /// Tells whether any process is ready.
    pub fn any_ready(&self) -> bool {
        let mut processes = self.slots.iter().filter_map(ProcessSlot::get);
        processes.any(Process::ready)
    }

    /// Ends the turn of the process at the head.
    pub fn advance(&self) {
        self.head.set(after(self.head.get(), self.count.get()));
    }
}

/// Returns the first of the places where something is found, looking from `head` once around, and
/// what is found there.
///
/// It is one walk in table order, with what lies before `head` remembered: most places are empty,
/// and walking past those is what takes the time.
#[inline(always)]
pub fn first_from<T, R>(
    head: usize,
    places: &[T],
    find: impl Fn(usize, &T) -> Option<R>,
) -> Option<(usize, R)> {
    let mut before = None;
    for (index, place) in places.iter().enumerate() {
        if let Some(found) = find(index, place) {
            if index >= head {
                return Some((index, found));
            }
            before.get_or_insert((index, found));
        }
    }
    before
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

    /// The first of `places` from `head` on that is among `ready`.
    fn find(head: usize, places: &[usize], ready: &[usize]) -> Option<(usize, usize)> {
        first_from(head, places, |_, place| {
            ready.contains(place).then_some(*place * 10)
        })
    }

    #[test]
    fn every_ready_position_gets_its_turn_in_order() {
        let places = [0, 1, 2, 3, 4, 5];
        let mut head = 0;
        let mut turns = Vec::new();
        for _ in 0..6 {
            let (position, found) = find(head, &places, &[1, 2, 5]).unwrap();
            assert_eq!(found, position * 10);
            turns.push(position);
            head = after(position, places.len());
        }
        assert_eq!(turns, [1, 2, 5, 1, 2, 5]);
    }

    #[test]
    fn a_position_that_stays_ready_keeps_the_head_until_its_turn_ends() {
        let places = [0, 1, 2, 3];
        assert_eq!(find(3, &places, &places), Some((3, 30)));
        assert_eq!(find(after(3, 4), &places, &places), Some((0, 0)));
    }

    #[test]
    fn nothing_ready_is_found_after_one_round() {
        assert_eq!(find(2, &[0, 1, 2, 3], &[]), None);
        assert_eq!(find(0, &[], &[0]), None);
        assert_eq!(find(9, &[0, 1], &[1]), Some((1, 10)));
    }
}
