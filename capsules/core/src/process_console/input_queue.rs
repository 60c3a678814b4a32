// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Bytes that were typed and not looked at yet.

const PLACES: usize = 64;

/// A first-in first-out queue with a fixed number of places.
pub(super) struct InputQueue {
    places: [u8; PLACES],
    first: usize,
    count: usize,
}

impl InputQueue {
    pub(super) const fn new() -> Self {
        InputQueue {
            places: [0; PLACES],
            first: 0,
            count: 0,
        }
    }

    pub(super) fn has_room(&self) -> bool {
        self.count < PLACES
    }

    /// Adds `bytes` as far as there is room; whoever receives asks [`has_room`](Self::has_room).
    pub(super) fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let behind = (self.first + self.count) % PLACES;
            if self.has_room()
                && let Some(place) = self.places.get_mut(behind)
            {
                *place = *byte;
                self.count += 1;
            }
        }
    }

    /// Takes the oldest byte.
    pub(super) fn take(&mut self) -> Option<u8> {
        if self.count == 0 {
            return None;
        }
        let byte = self.places.get(self.first).copied();
        self.first = (self.first + 1) % PLACES;
        self.count -= 1;
        byte
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_out_in_order_across_the_wrap() {
        let mut queue = InputQueue::new();
        let mut sent = 0u8;
        let mut seen = 0u8;
        for round in 0..200 {
            for _ in 0..(round % 7) {
                if queue.has_room() {
                    queue.add(&[sent]);
                    sent = sent.wrapping_add(1);
                }
            }
            for _ in 0..(round % 5) {
                if let Some(byte) = queue.take() {
                    assert_eq!(byte, seen);
                    seen = seen.wrapping_add(1);
                }
            }
        }
        assert!(sent != seen);
    }

    #[test]
    fn a_full_queue_keeps_what_it_has() {
        let mut queue = InputQueue::new();
        let bytes: [u8; 100] = core::array::from_fn(|n| n as u8);
        queue.add(&bytes);
        assert!(!queue.has_room());
        for expected in 0..PLACES as u8 {
            assert_eq!(queue.take(), Some(expected));
        }
        assert_eq!(queue.take(), None);
    }
}
