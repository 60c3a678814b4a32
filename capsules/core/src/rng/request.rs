// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A request for random bytes, and its way into the process's buffer.

use kernel::processbuffer::WriteableProcessSlice;

/// Bytes that go to one process before the next has its turn.
const QUANTUM: usize = 256;

/// Bytes copied at a time.
const BLOCK: usize = 64;

/// A request that is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Request {
    position: usize,
    length: usize,
}

/// How far [`Request::fill`] came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fill {
    /// The request is complete: the buffer begins with `count` random bytes.
    Done {
        /// Bytes to report.
        count: usize,
    },
    /// It took its share and wants more.
    QuantumOver,
    /// The source ran out of words, some may have been used.
    Dry,
}

impl Request {
    /// A request for `length` bytes; none when there is nothing to do.
    pub(super) fn of(length: usize) -> Option<Self> {
        (length > 0).then_some(Request {
            position: 0,
            length,
        })
    }

    /// Bytes delivered so far.
    pub(super) fn position(&self) -> usize {
        self.position
    }

    /// Moves at most a quantum of bytes from `words` to `buffer`.
    ///
    /// The process may have shared a shorter buffer since the last part: then the request ends
    /// where that one does. The unused bytes of a last word are discarded.
    pub(super) fn fill(
        &mut self,
        buffer: &WriteableProcessSlice,
        words: &mut dyn Iterator<Item = u32>,
    ) -> Fill {
        let end = self.length.min(buffer.len());
        let stop = end.min(self.position.saturating_add(QUANTUM));
        while self.position < stop {
            let mut block = [0u8; BLOCK];
            let wanted = BLOCK.min(stop - self.position);
            let got = collect(block.get_mut(..wanted).unwrap_or_default(), words);
            let target = buffer.get(self.position..self.position.saturating_add(got));
            if let Some((to, from)) = target.zip(block.get(..got)) {
                // Lengths agree, so this cannot fail.
                let _ = to.copy_from_slice_or_err(from);
            }
            self.position = self.position.saturating_add(got);
            if got < wanted {
                return Fill::Dry;
            }
        }
        if self.position >= end {
            Fill::Done { count: end }
        } else {
            Fill::QuantumOver
        }
    }
}

/// Fills `block` from the front; returns how many bytes there were.
fn collect(block: &mut [u8], words: &mut dyn Iterator<Item = u32>) -> usize {
    let mut count = 0;
    for place in block.chunks_mut(size_of::<u32>()) {
        let Some(word) = words.next() else { break };
        for (to, from) in place.iter_mut().zip(word.to_ne_bytes()) {
            *to = from;
            count += 1;
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;
    use std::vec::Vec;

    /// Words that show their place: bytes 1, 2, 3, ... in memory order.
    fn counting() -> impl Iterator<Item = u32> {
        (0u32..).map(|n| {
            let first = n.wrapping_mul(4) as u8;
            u32::from_ne_bytes([1, 2, 3, 4].map(|k: u8| k.wrapping_add(first)))
        })
    }

    fn expected(count: usize) -> Vec<u8> {
        (1..=count).map(|n| n as u8).collect()
    }

    #[test]
    fn every_length_is_filled_exactly() {
        for length in [1, 2, 3, 4, 5, 63, 64, 65, 130, 255, 256] {
            let mut memory = vec![0u8; length + 8];
            let mut request = Request::of(length).unwrap();
            let fill = request.fill(memory.as_mut_slice().into(), &mut counting());
            assert_eq!(fill, Fill::Done { count: length });
            assert_eq!(memory[..length], expected(length));
            assert_eq!(memory[length..], [0; 8]);
        }
    }

    #[test]
    fn a_long_request_pauses_after_its_quantum() {
        let mut memory = vec![0u8; 1000];
        let mut words = counting();
        let mut request = Request::of(1000).unwrap();
        for _ in 0..3 {
            assert_eq!(
                request.fill(memory.as_mut_slice().into(), &mut words),
                Fill::QuantumOver
            );
        }
        assert_eq!(
            request.fill(memory.as_mut_slice().into(), &mut words),
            Fill::Done { count: 1000 }
        );
        assert_eq!(memory, expected(1000));
    }

    #[test]
    fn a_dry_source_goes_on_where_it_stopped() {
        let mut memory = vec![0u8; 10];
        let mut words = counting();
        let mut request = Request::of(10).unwrap();
        for _ in 0..2 {
            assert_eq!(
                request.fill(memory.as_mut_slice().into(), &mut words.by_ref().take(1)),
                Fill::Dry
            );
        }
        assert_eq!(request.position(), 8);
        assert_eq!(
            request.fill(memory.as_mut_slice().into(), &mut words.by_ref().take(1)),
            Fill::Done { count: 10 }
        );
        assert_eq!(memory, expected(10));
    }

    #[test]
    fn a_buffer_that_shrank_ends_the_request_within_it() {
        let mut request = Request::of(20).unwrap();
        let mut long = vec![0u8; 20];
        assert_eq!(
            request.fill(long.as_mut_slice().into(), &mut counting().take(3)),
            Fill::Dry
        );
        let mut short = [0xEEu8; 6];
        assert_eq!(
            request.fill(short.as_mut_slice().into(), &mut counting()),
            Fill::Done { count: 6 }
        );
        assert_eq!(short, [0xEE; 6]);
        let mut none = [0u8; 0];
        assert_eq!(
            request.fill(none.as_mut_slice().into(), &mut counting()),
            Fill::Done { count: 0 }
        );
    }

    #[test]
    fn a_finished_request_takes_no_word() {
        let mut memory = vec![0u8; 4];
        let mut words = counting();
        Request::of(4)
            .unwrap()
            .fill(memory.as_mut_slice().into(), &mut words);
        assert_eq!(words.next().unwrap().to_ne_bytes(), [5, 6, 7, 8]);
        assert!(Request::of(0).is_none());
    }
}
