// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Received buffers whose frames wait: for the client to have room, or for the rest of the frame.

use core::cell::Cell;

use super::received::Received;

/// Room for `N` buffers; the first one in is the first one out.
pub(super) struct WaitingFrames<const N: usize> {
    places: [Cell<Option<Received>>; N],
    first: Cell<usize>,
    len: Cell<usize>,
}

impl<const N: usize> WaitingFrames<N> {
    pub(super) const fn new() -> Self {
        Self {
            places: [const { Cell::new(None) }; N],
            first: Cell::new(0),
            len: Cell::new(0),
        }
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.len.get() == 0
    }

    pub(super) fn len(&self) -> usize {
        self.len.get()
    }

    /// Adds a buffer behind the others. One too many is lost, which a driver with `N` buffers cannot
    /// have.
    pub(super) fn push(&self, received: Received) {
        let len = self.len.get();
        if len < N {
            self.put(self.place(len), received);
        }
    }

    /// Puts back the buffer that was taken last, before the others.
    pub(super) fn put_back(&self, received: Received) {
        if self.len.get() < N {
            let before = self.first.get().checked_sub(1).unwrap_or(N - 1);
            self.first.set(before);
            self.put(before, received);
        }
    }

    pub(super) fn pop(&self) -> Option<Received> {
        let len = self.len.get().checked_sub(1)?;
        let first = self.first.get();
        self.first.set(self.place(1));
        self.len.set(len);
        self.places.get(first)?.take()
    }

    /// Takes the buffer that was added last.
    pub(super) fn pop_last(&self) -> Option<Received> {
        let len = self.len.get().checked_sub(1)?;
        self.len.set(len);
        self.places.get(self.place(len))?.take()
    }

    /// Shows the buffer with `before` others before it.
    pub(super) fn peek<R>(&self, before: usize, look: impl FnOnce(&Received) -> R) -> Option<R> {
        if before >= self.len.get() {
            return None;
        }
        let place = self.places.get(self.place(before))?;
        let received = place.take()?;
        let seen = look(&received);
        place.set(Some(received));
        Some(seen)
    }

    fn put(&self, place: usize, received: Received) {
        if let Some(place) = self.places.get(place) {
            place.set(Some(received));
            self.len.set(self.len.get().wrapping_add(1));
        }
    }

    /// The place that is `offset` places, at most `N`, behind the first.
    fn place(&self, offset: usize) -> usize {
        let place = self.first.get().wrapping_add(offset);
        place.checked_sub(N).unwrap_or(place)
    }
}

#[cfg(test)]
mod tests {
    use super::super::received::ReceiveBuffer;
    use super::*;
    use crate::testing::leak;
    use std::vec::Vec;

    fn frame(number: u8) -> Received {
        let rest: &'static mut [u8] = leak([number]);
        Received::new(ReceiveBuffer { header: None, rest }, 0, 1)
    }

    fn number(received: &Received) -> u8 {
        received.frame().unwrap()[0]
    }

    fn numbers(frames: &WaitingFrames<3>) -> Vec<u8> {
        let frames = core::iter::from_fn(|| frames.pop());
        frames.map(|frame| number(&frame)).collect()
    }

    /// Frames whose first place is number `start`.
    fn starting_at(start: u8) -> WaitingFrames<3> {
        let frames = WaitingFrames::new();
        for _ in 0..start {
            frames.push(frame(9));
            frames.pop();
        }
        frames
    }

    #[test]
    fn frames_leave_in_the_order_in_which_they_came_across_the_end_of_the_places() {
        let frames = starting_at(0);
        for round in 0..7 {
            frames.push(frame(round));
            frames.push(frame(round + 1));
            assert_eq!(frames.len(), 2);
            assert_eq!(numbers(&frames), [round, round + 1]);
            assert!(frames.is_empty());
        }
    }

    #[test]
    fn a_frame_that_is_put_back_is_the_first_again() {
        for start in 0..3 {
            let frames = starting_at(start);
            (1..=3).for_each(|number| frames.push(frame(number)));
            let first = frames.pop().unwrap();
            frames.put_back(first);
            assert_eq!(numbers(&frames), [1, 2, 3]);
        }
    }

    #[test]
    fn frames_can_be_looked_at_in_order_and_stay() {
        for start in 0..3 {
            let frames = starting_at(start);
            assert_eq!(frames.peek(0, number), None);
            (1..=3).for_each(|number| frames.push(frame(number)));
            let seen: Vec<_> = (0..4).map(|before| frames.peek(before, number)).collect();
            assert_eq!(seen, [Some(1), Some(2), Some(3), None]);
            assert_eq!(numbers(&frames), [1, 2, 3]);
        }
    }

    #[test]
    fn the_last_frame_can_be_withdrawn() {
        for start in 0..3 {
            let frames = starting_at(start);
            (1..=3).for_each(|number| frames.push(frame(number)));
            assert_eq!(frames.pop_last().as_ref().map(number), Some(3));
            frames.push(frame(4));
            assert_eq!(numbers(&frames), [1, 2, 4]);
            assert!(frames.pop_last().is_none());
        }
    }

    #[test]
    fn a_frame_beyond_the_last_place_changes_nothing() {
        let frames = starting_at(0);
        (1..=4).for_each(|number| frames.push(frame(number)));
        frames.put_back(frame(5));
        assert_eq!(numbers(&frames), [1, 2, 3]);
    }
}
