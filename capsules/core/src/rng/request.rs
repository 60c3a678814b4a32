// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A request for random bytes, and its way into the process's buffer.

use kernel::processbuffer::WriteableProcessSlice;

/// Bytes that go to one process before the next has its turn.
const QUANTUM: usize = 256;

/// Where random bytes come from: hands up to the given number of them, in pieces, to the function.
pub(super) type Supply<'s> = &'s mut dyn FnMut(usize, &mut dyn FnMut(&[u8]));

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
    /// The source ran out of bytes, some may have been used.
    Dry,
}

impl Request {
    /// A request for `length` bytes.
    #[inline]
    pub(super) fn of(length: usize) -> Self {
        Request {
            position: 0,
            length,
        }
    }

    /// Makes it a request for no more than `length` bytes.
    #[inline]
    pub(super) fn cut_to(&mut self, length: usize) {
        self.length = self.length.min(length);
    }

    /// Whether there is nothing to do.
    #[inline]
    pub(super) fn is_over(&self) -> bool {
        self.position >= self.length
    }

    /// Bytes delivered so far.
    pub(super) fn position(&self) -> usize {
        self.position
    }

    /// Moves bytes from `supply` to `buffer`, up to the end of the quantum begun.
    pub(super) fn fill_quantum(
        &mut self,
        buffer: &WriteableProcessSlice,
        supply: Supply<'_>,
    ) -> Fill {
        let begun = self.position % QUANTUM;
        let quantum_end = self.position.saturating_add(QUANTUM - begun);
        self.fill_up_to(quantum_end, buffer, supply)
    }

    /// Moves bytes from `supply` to `buffer`, as many as there are.
    #[inline(always)]
    pub(super) fn fill(&mut self, buffer: &WriteableProcessSlice, supply: Supply<'_>) -> Fill {
        self.fill_up_to(usize::MAX, buffer, supply)
    }

    /// Moves bytes until `limit` are in the buffer.
    ///
    /// The process may have shared a shorter buffer since the last part: then the request ends
    /// where that one does.
    #[inline(always)]
    fn fill_up_to(
        &mut self,
        limit: usize,
        buffer: &WriteableProcessSlice,
        supply: Supply<'_>,
    ) -> Fill {
        let end = self.length.min(buffer.len());
        let stop = end.min(limit);
        if self.position < stop {
            let position = &mut self.position;
            supply(stop - *position, &mut |piece| {
                let next = position.saturating_add(piece.len()).min(stop);
                let target = buffer.get(*position..next);
                let piece = piece.get(..next - *position);
                if let Some((to, from)) = target.zip(piece) {
                    // Lengths agree, so this cannot fail.
                    let _ = to.copy_from_slice_or_err(from);
                }
                *position = next;
            });
        }
        if self.position >= end {
            Fill::Done { count: end }
        } else if self.position >= stop {
            Fill::QuantumOver
        } else {
            Fill::Dry
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;
    use std::vec::Vec;

    type Take<'t> = dyn FnMut(&[u8]) + 't;

    /// Bytes 1, 2, 3, ..., `len` of them in pieces of at most 7.
    fn counting(len: usize) -> impl FnMut(usize, &mut Take<'_>) {
        let mut given = 0;
        move |wanted, take| {
            let bytes: Vec<u8> = (given..len.min(given + wanted))
                .map(|n| (n + 1) as u8)
                .collect();
            given += bytes.len();
            bytes.chunks(7).for_each(take);
        }
    }

    fn expected(count: usize) -> Vec<u8> {
        (1..=count).map(|n| n as u8).collect()
    }

    #[test]
    fn every_length_is_filled_exactly() {
        for length in [1, 2, 3, 4, 5, 63, 64, 65, 130, 255, 256] {
            let mut memory = vec![0u8; length + 8];
            let mut request = Request::of(length);
            let fill = request.fill(memory.as_mut_slice().into(), &mut counting(1000));
            assert_eq!(fill, Fill::Done { count: length });
            assert_eq!(memory[..length], expected(length));
            assert_eq!(memory[length..], [0; 8]);
        }
    }

    #[test]
    fn a_long_request_pauses_after_its_quantum() {
        let mut memory = vec![0u8; 1000];
        let mut bytes = counting(1000);
        let mut request = Request::of(1000);
        for _ in 0..3 {
            assert_eq!(
                request.fill_quantum(memory.as_mut_slice().into(), &mut bytes),
                Fill::QuantumOver
            );
        }
        assert_eq!(
            request.fill_quantum(memory.as_mut_slice().into(), &mut bytes),
            Fill::Done { count: 1000 }
        );
        assert_eq!(memory, expected(1000));
    }

    #[test]
    fn a_quantum_is_not_begun_anew_after_a_dry_source() {
        let mut memory = vec![0u8; 600];
        let mut request = Request::of(600);
        let mut fill = |len| request.fill_quantum(memory.as_mut_slice().into(), &mut counting(len));
        assert_eq!(fill(100), Fill::Dry);
        assert_eq!(fill(200), Fill::QuantumOver);
        assert_eq!(fill(200), Fill::Dry);
        assert_eq!(fill(200), Fill::QuantumOver);
        assert_eq!(fill(200), Fill::Done { count: 600 });
    }

    #[test]
    fn a_dry_source_goes_on_where_it_stopped() {
        let mut memory = vec![0u8; 10];
        let mut request = Request::of(10);
        let fill = request.fill(memory.as_mut_slice().into(), &mut counting(3));
        assert_eq!((fill, request.position()), (Fill::Dry, 3));
        let fill = request.fill(memory.as_mut_slice().into(), &mut counting(0));
        assert_eq!((fill, request.position()), (Fill::Dry, 3));
        let fill = request.fill(memory.as_mut_slice().into(), &mut counting(9));
        assert_eq!(fill, Fill::Done { count: 10 });
        assert_eq!(memory, [1, 2, 3, 1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn a_buffer_that_shrank_ends_the_request_within_it() {
        let mut request = Request::of(20);
        let mut long = vec![0u8; 20];
        assert_eq!(
            request.fill(long.as_mut_slice().into(), &mut counting(12)),
            Fill::Dry
        );
        let mut short = [0xEEu8; 6];
        assert_eq!(
            request.fill_quantum(short.as_mut_slice().into(), &mut counting(20)),
            Fill::Done { count: 6 }
        );
        assert_eq!(short, [0xEE; 6]);
        let mut none = [0u8; 0];
        assert_eq!(
            request.fill(none.as_mut_slice().into(), &mut counting(20)),
            Fill::Done { count: 0 }
        );
    }

    #[test]
    fn no_more_is_drawn_than_is_missing() {
        let mut memory = vec![0u8; 5];
        let mut bytes = counting(1000);
        Request::of(5).fill(memory.as_mut_slice().into(), &mut bytes);
        bytes(1, &mut |piece| assert_eq!(piece, [6]));
        let nothing = Request::of(0).fill(memory.as_mut_slice().into(), &mut |_, _| {
            panic!("nothing is missing")
        });
        assert_eq!(nothing, Fill::Done { count: 0 });
        let mut request = Request::of(9);
        request.cut_to(5);
        assert!(!request.is_over());
        let cut = request.fill(memory.as_mut_slice().into(), &mut bytes);
        assert_eq!(cut, Fill::Done { count: 5 });
        assert!(request.is_over());
        assert_eq!(memory, [7, 8, 9, 10, 11]);
    }

    #[test]
    fn a_supply_that_gives_too_much_is_cut_off() {
        let mut memory = vec![0u8; 8];
        let fill = Request::of(5).fill(memory.as_mut_slice().into(), &mut |_, take| {
            take(&[1; 4]);
            take(&[2; 4]);
            take(&[3; 4]);
        });
        assert_eq!(fill, Fill::Done { count: 5 });
        assert_eq!(memory, [1, 1, 1, 1, 2, 0, 0, 0]);
    }
}
