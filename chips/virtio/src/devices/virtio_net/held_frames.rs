// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Received frames that the client had no room for, in the order in which they came.

use core::cell::Cell;
use core::ops::Range;

use super::receive_buffer::ReceiveBuffer;

/// A frame in the buffer in which it was received.
pub(super) struct HeldFrame {
    buffer: ReceiveBuffer,
    /// Where the frame lies; buffers are far shorter than that.
    start: u16,
    end: u16,
}

impl HeldFrame {
    pub(super) fn new(buffer: ReceiveBuffer, place: Range<usize>) -> Self {
        Self {
            buffer,
            start: place.start as u16,
            end: place.end as u16,
        }
    }

    pub(super) fn frame(&self) -> &[u8] {
        let place = usize::from(self.start)..usize::from(self.end);
        self.buffer.rest.get(place).unwrap_or_default()
    }

    pub(super) fn into_buffer(self) -> ReceiveBuffer {
        self.buffer
    }
}

/// Room for `N` frames; the first one in is the first one out.
pub(super) struct HeldFrames<const N: usize> {
    places: [Cell<Option<HeldFrame>>; N],
    first: Cell<usize>,
    len: Cell<usize>,
}

impl<const N: usize> HeldFrames<N> {
    pub(super) const fn new() -> Self {
        Self {
            places: [const { Cell::new(None) }; N],
            first: Cell::new(0),
            len: Cell::new(0),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len.get() == 0
    }

    /// Adds a frame behind the others. One too many is lost, which a driver with `N` buffers cannot
    /// have.
    pub(super) fn push(&self, frame: HeldFrame) {
        let len = self.len.get();
        if len < N {
            self.put(self.first.get().wrapping_add(len), frame);
        }
    }

    /// Puts back the frame that was taken last, before the others.
    pub(super) fn put_back(&self, frame: HeldFrame) {
        if self.len.get() < N {
            let before = self.first.get().checked_sub(1).unwrap_or(N - 1);
            self.first.set(before);
            self.put(before, frame);
        }
    }

    pub(super) fn pop(&self) -> Option<HeldFrame> {
        let len = self.len.get().checked_sub(1)?;
        let first = self.first.get();
        self.len.set(len);
        self.first.set(Self::wrap(first.wrapping_add(1)));
        self.places.get(first)?.take()
    }

    fn put(&self, place: usize, frame: HeldFrame) {
        if let Some(place) = self.places.get(Self::wrap(place)) {
            place.set(Some(frame));
            self.len.set(self.len.get().wrapping_add(1));
        }
    }

    fn wrap(place: usize) -> usize {
        place.checked_sub(N).unwrap_or(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::leak;
    use std::vec::Vec;

    fn frame(number: u8) -> HeldFrame {
        let rest: &'static mut [u8] = leak([0, number, number, 0]);
        HeldFrame::new(ReceiveBuffer { header: None, rest }, 1..3)
    }

    fn numbers(frames: &HeldFrames<3>) -> Vec<u8> {
        let frames = core::iter::from_fn(|| frames.pop());
        frames
            .map(|frame| {
                assert_eq!(frame.frame().len(), 2);
                frame.frame()[1]
            })
            .collect()
    }

    #[test]
    fn frames_leave_in_the_order_in_which_they_came_across_the_end_of_the_places() {
        let frames = HeldFrames::<3>::new();
        for round in 0..7 {
            frames.push(frame(round));
            frames.push(frame(round + 1));
            assert!(!frames.is_empty());
            assert_eq!(numbers(&frames), [round, round + 1]);
            assert!(frames.is_empty());
        }
    }

    #[test]
    fn a_frame_that_is_put_back_is_the_first_again() {
        for start in 0..3 {
            let frames = HeldFrames::<3>::new();
            (0..start).for_each(|_| {
                frames.push(frame(9));
                frames.pop();
            });
            (1..=3).for_each(|number| frames.push(frame(number)));
            let first = frames.pop().unwrap();
            frames.put_back(first);
            assert_eq!(numbers(&frames), [1, 2, 3]);
        }
    }

    #[test]
    fn a_frame_beyond_the_last_place_changes_nothing() {
        let frames = HeldFrames::<3>::new();
        (1..=4).for_each(|number| frames.push(frame(number)));
        frames.put_back(frame(5));
        assert_eq!(numbers(&frames), [1, 2, 3]);
    }
}
