// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Random bytes that the device has delivered and nobody has drawn yet.
//!
//! Each byte is handed out at most once and erased as it is, and none is thrown away: what does not
//! fill a word waits for the next buffer.

use core::cell::Cell;
use core::marker::PhantomData;
use core::ptr;

use super::buffer_stack::BufferStack;

/// Bytes in a word.
const WORD: usize = size_of::<u32>();

/// A buffer with undrawn bytes at `next..end`.
struct Filled<'b> {
    buffer: &'b mut [u8],
    next: usize,
    end: usize,
}

impl Filled<'_> {
    fn remaining(&self) -> usize {
        self.end.saturating_sub(self.next)
    }

    /// The next `count` bytes, or all if there are fewer.
    #[cfg(feature = "rng-bytes")]
    fn piece(&mut self, count: usize) -> &mut [u8] {
        let end = self.end.min(self.next.saturating_add(count));
        self.buffer.get_mut(self.next..end).unwrap_or_default()
    }
}

/// Up to `N` buffers with random bytes, drawn from in the order in which they came.
pub(super) struct RandomPool<'b, const N: usize> {
    places: [Cell<Option<Filled<'b>>>; N],
    first: Cell<usize>,
    len: Cell<usize>,
    /// Undrawn bytes in all of `places`.
    bytes: Cell<usize>,
}

impl<'b, const N: usize> RandomPool<'b, N> {
    pub(super) const fn new() -> Self {
        Self {
            places: [const { Cell::new(None) }; N],
            first: Cell::new(0),
            len: Cell::new(0),
            bytes: Cell::new(0),
        }
    }

    /// Adds a buffer of which the first `len` bytes are random. One too many is lost, which a driver
    /// with `N` buffers cannot have.
    pub(super) fn push(&self, buffer: &'b mut [u8], len: usize) {
        let end = len.min(buffer.len());
        let used = self.len.get();
        if used < N {
            self.len.set(used + 1);
            let filled = Filled {
                buffer,
                next: 0,
                end,
            };
            self.bytes
                .set(self.bytes.get().saturating_add(filled.remaining()));
            let position = self.first.get() + used;
            if let Some(place) = position.checked_rem(N).and_then(|at| self.places.get(at)) {
                place.set(Some(filled));
            }
        }
    }

    /// Undrawn bytes. Words that are drawn count when [`Words`] is dropped.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.get()
    }

    /// Whether a word can be drawn.
    pub(super) fn has_word(&self) -> bool {
        self.bytes.get() >= WORD
    }

    /// Whether there is anything to draw.
    #[cfg(feature = "rng-bytes")]
    pub(super) fn has_byte(&self) -> bool {
        self.bytes.get() > 0
    }

    /// Draws up to `count` bytes, each piece of which goes to `take` and is erased after that;
    /// buffers drawn empty go to `emptied`. Returns how many bytes there were.
    #[cfg(feature = "rng-bytes")]
    #[inline]
    pub(super) fn draw(
        &self,
        count: usize,
        emptied: &BufferStack<'b, N>,
        take: &mut dyn FnMut(&[u8]),
    ) -> usize {
        if self.draw_from_first(count, take) {
            return count;
        }
        self.draw_from_all(count, emptied, take)
    }

    /// Draws `count` bytes if the first buffer has more than that, as it mostly does.
    #[cfg(feature = "rng-bytes")]
    #[inline]
    fn draw_from_first(&self, count: usize, take: &mut dyn FnMut(&[u8])) -> bool {
        let Some(place) = self.places.get(self.first.get()) else {
            return false;
        };
        // It is out of its place while its bytes are with `take`, so that a draw from in there finds
        // none.
        let Some(mut filled) = place.take() else {
            return false;
        };
        let begin = filled.next;
        let next = begin.wrapping_add(count);
        let enough = next > begin && next < filled.end;
        if enough && let Some(piece) = filled.buffer.get_mut(begin..next) {
            take(piece);
            piece.fill(0);
            filled.next = next;
            self.bytes.set(self.bytes.get().wrapping_sub(count));
        }
        place.set(Some(filled));
        enough
    }

    #[cfg(feature = "rng-bytes")]
    #[inline(never)]
    fn draw_from_all(
        &self,
        count: usize,
        emptied: &BufferStack<'b, N>,
        take: &mut dyn FnMut(&[u8]),
    ) -> usize {
        let mut missing = count;
        while missing > 0
            && let Some(place) = self.places.get(self.first.get())
            && let Some(mut filled) = place.take()
        {
            let piece = filled.piece(missing);
            let len = piece.len();
            take(piece);
            piece.fill(0);
            missing = missing.saturating_sub(len);
            self.count_drawn(len);
            filled.next = filled.next.saturating_add(len);
            if filled.remaining() > 0 {
                place.set(Some(filled));
            } else {
                self.pass(filled.buffer, emptied);
            }
        }
        count - missing
    }

    /// Draws words until it is dropped; buffers drawn empty go to `emptied`.
    #[inline]
    pub(super) fn words<'p>(&'p self, emptied: &'p BufferStack<'b, N>) -> Words<'p, 'b, N> {
        let current = self.take_first().map(Held::new);
        let (at, stop) = current
            .as_ref()
            .and_then(Held::words)
            .unwrap_or((ptr::null_mut(), ptr::null_mut()));
        Words {
            at,
            stop,
            current,
            pool: self,
            emptied,
        }
    }

    /// Takes the first buffer out of its place, which stays its place.
    fn take_first(&self) -> Option<Filled<'b>> {
        self.places.get(self.first.get())?.take()
    }

    /// Goes on to the next buffer, since nothing is left in the first.
    fn pass(&self, empty: &'b mut [u8], emptied: &BufferStack<'b, N>) {
        emptied.push(empty);
        let next = self.first.get().wrapping_add(1);
        self.first.set(if next < N { next } else { 0 });
        self.len.set(self.len.get().saturating_sub(1));
    }

    /// Counts bytes that were drawn.
    fn count_drawn(&self, bytes: usize) {
        self.bytes.set(self.bytes.get().saturating_sub(bytes));
    }
}

/// A buffer that was taken out of its reference, so that pointers to its bytes stay good.
struct Held<'b> {
    buffer: *mut [u8],
    next: usize,
    end: usize,
    owned: PhantomData<&'b mut [u8]>,
}

impl<'b> Held<'b> {
    fn new(filled: Filled<'b>) -> Self {
        Self {
            buffer: filled.buffer,
            next: filled.next,
            end: filled.end,
            owned: PhantomData,
        }
    }

    fn remaining(&self) -> usize {
        self.end.saturating_sub(self.next)
    }

    /// The bytes that are not drawn.
    fn rest(&mut self) -> &mut [u8] {
        // SAFETY: `new` took the only reference to the buffer, which is good for `'b`. Pointers that
        // `Words` has made of it are not used before this borrow ends.
        let buffer = unsafe { &mut *self.buffer };
        buffer.get_mut(self.next..self.end).unwrap_or_default()
    }

    /// Draws and erases the next byte, if there is one.
    fn draw_byte(&mut self) -> Option<[u8; 1]> {
        let byte = core::mem::take(self.rest().first_chunk_mut()?);
        self.next += 1;
        Some(byte)
    }

    /// Whole words at the start of what is not drawn, if they are aligned: the first one and the end.
    ///
    /// They are all in the buffer: `RandomPool::push` cuts `end` to that, and `next` never passes it.
    fn words(&self) -> Option<(*mut u32, *mut u32)> {
        let whole = self.remaining() / WORD;
        let first: *mut u32 = self.buffer.cast::<u8>().wrapping_add(self.next).cast();
        (whole > 0 && first.is_aligned()).then(|| (first, first.wrapping_add(whole)))
    }

    fn into_filled(self) -> Filled<'b> {
        Filled {
            // SAFETY: `new` took the only reference to the buffer, which is good for `'b`; this value,
            // and with it the use of any pointer to the buffer, ends here.
            buffer: unsafe { &mut *self.buffer },
            next: self.next,
            end: self.end,
        }
    }
}

/// The words of a pool, each drawn once.
///
/// Clients take them one by one through an object, so the next word is mostly where a pointer says.
pub(super) struct Words<'p, 'b, const N: usize> {
    /// The words from here to there are aligned, and the next in `current` to be drawn.
    at: *mut u32,
    stop: *mut u32,
    /// The buffer drawn from, which is out of the pool meanwhile. It does not know of words drawn by
    /// pointer until `settle` has told it.
    current: Option<Held<'b>>,
    pool: &'p RandomPool<'b, N>,
    emptied: &'p BufferStack<'b, N>,
}

impl<const N: usize> Words<'_, '_, N> {
    /// Tells `current` how many words were drawn by pointer, and ends that.
    fn settle(&mut self) {
        if let Some(current) = &mut self.current
            && !self.at.is_null()
        {
            let next = self.at.addr().wrapping_sub(current.buffer.addr());
            self.pool.count_drawn(next.wrapping_sub(current.next));
            current.next = next;
        }
        (self.at, self.stop) = (ptr::null_mut(), ptr::null_mut());
    }

    /// Draws a word with no word left between the pointers, and sets them to those behind it.
    #[inline(never)]
    fn draw_slowly(&mut self) -> Option<u32> {
        self.settle();
        if self
            .current
            .as_ref()
            .is_none_or(|held| held.remaining() == 0)
        {
            self.go_on()?;
        }
        if let Some(words) = self.current.as_ref().and_then(Held::words) {
            (self.at, self.stop) = words;
            return self.next();
        }
        self.draw_by_bytes()
    }

    /// Goes on to the next buffer, since nothing is left in the one drawn from.
    fn go_on(&mut self) -> Option<()> {
        if let Some(empty) = self.current.take() {
            self.pool.pass(empty.into_filled().buffer, self.emptied);
        }
        self.current = Some(Held::new(self.pool.take_first()?));
        Some(())
    }

    /// Draws a word that is not aligned or not in one buffer, if there are enough bytes in all of them.
    #[cold]
    #[inline(never)]
    fn draw_by_bytes(&mut self) -> Option<u32> {
        if !self.pool.has_word() {
            return None;
        }
        let mut word = [0; WORD];
        for byte in &mut word {
            [*byte] = self.draw_byte()?;
        }
        self.pool.count_drawn(WORD);
        Some(u32::from_le_bytes(word))
    }

    fn draw_byte(&mut self) -> Option<[u8; 1]> {
        loop {
            if let Some(byte) = self.current.as_mut().and_then(Held::draw_byte) {
                return Some(byte);
            }
            self.go_on()?;
        }
    }
}

impl<const N: usize> Iterator for Words<'_, '_, N> {
    type Item = u32;

    #[inline]
    fn next(&mut self) -> Option<u32> {
        if self.at == self.stop {
            return self.draw_slowly();
        }
        // SAFETY: `at` is below `stop`, so it points to an aligned word of the buffer that `current`
        // holds, to which there is no reference. The next word is in the buffer too, or `stop`.
        unsafe {
            let word = self.at.replace(0);
            self.at = self.at.add(1);
            Some(u32::from_le(word))
        }
    }
}

impl<const N: usize> Drop for Words<'_, '_, N> {
    fn drop(&mut self) {
        self.settle();
        let Some(current) = self.current.take() else {
            return;
        };
        let current = current.into_filled();
        if current.remaining() == 0 {
            self.pool.pass(current.buffer, self.emptied);
        } else if let Some(place) = self.pool.places.get(self.pool.first.get()) {
            place.set(Some(current));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::boxed::Box;
    use std::vec::Vec;

    fn buffer(bytes: &[u8]) -> &'static mut [u8] {
        Box::leak(bytes.to_vec().into_boxed_slice())
    }

    fn draw<const N: usize>(
        pool: &RandomPool<'static, N>,
        emptied: &BufferStack<'static, N>,
        words: usize,
    ) -> Vec<u32> {
        pool.words(emptied).take(words).collect()
    }

    #[test]
    fn words_are_drawn_in_order_and_across_buffers() {
        let (pool, emptied) = (RandomPool::<3>::new(), BufferStack::new());
        pool.push(buffer(&[1, 2, 3, 4, 5, 6, 7]), 7);
        pool.push(buffer(&[8]), 1);
        pool.push(buffer(&[9, 10, 11]), 3);
        assert!(pool.has_word());
        assert_eq!(
            draw(&pool, &emptied, 9),
            [
                u32::from_le_bytes([1, 2, 3, 4]),
                u32::from_le_bytes([5, 6, 7, 8])
            ]
        );
        assert!(!pool.has_word());
        assert_eq!(emptied.len(), 2);
        emptied.pop();
        pool.push(buffer(&[12]), 1);
        assert_eq!(
            draw(&pool, &emptied, 9),
            [u32::from_le_bytes([9, 10, 11, 12])]
        );
    }

    #[test]
    fn words_not_drawn_stay() {
        let (pool, emptied) = (RandomPool::<1>::new(), BufferStack::new());
        pool.push(buffer(&[1, 0, 0, 0, 2, 0, 0, 0]), 8);
        assert_eq!(draw(&pool, &emptied, 1), [1]);
        assert_eq!(draw(&pool, &emptied, 0), []);
        assert_eq!(draw(&pool, &emptied, 1), [2]);
        assert_eq!(emptied.len(), 1);
    }

    #[test]
    fn drawn_bytes_are_erased_and_others_are_not() {
        let (pool, emptied) = (RandomPool::<1>::new(), BufferStack::new());
        pool.push(buffer(&[1, 2, 3, 4, 5, 6, 7, 8]), 6);
        draw(&pool, &emptied, 1);
        let filled = pool.take_first().unwrap();
        assert_eq!(filled.buffer, [0, 0, 0, 0, 5, 6, 7, 8]);
        assert_eq!(filled.remaining(), 2);
    }

    #[test]
    fn a_claimed_length_beyond_the_buffer_is_cut_off() {
        let (pool, emptied) = (RandomPool::<1>::new(), BufferStack::new());
        pool.push(buffer(&[1, 1, 1, 1]), usize::MAX);
        assert_eq!(draw(&pool, &emptied, 9).len(), 1);
    }

    #[test]
    fn one_buffer_too_many_takes_the_place_of_none() {
        let (pool, emptied) = (RandomPool::<2>::new(), BufferStack::new());
        for byte in 1..=3 {
            pool.push(buffer(&[byte; 4]), 4);
        }
        let words = [1, 2].map(|byte| u32::from_ne_bytes([byte; 4]));
        assert_eq!(draw(&pool, &emptied, 9), words);
    }

    fn draw_bytes<const N: usize>(
        pool: &RandomPool<'static, N>,
        emptied: &BufferStack<'static, N>,
        count: usize,
    ) -> Vec<Vec<u8>> {
        let mut pieces = Vec::new();
        let drawn = pool.draw(count, emptied, &mut |piece| pieces.push(piece.to_vec()));
        assert_eq!(drawn, pieces.iter().map(Vec::len).sum());
        pieces
    }

    #[test]
    fn bytes_come_in_pieces_as_long_as_they_lie_together() {
        let (pool, emptied) = (RandomPool::<3>::new(), BufferStack::new());
        pool.push(buffer(&[1, 2, 3, 4, 5, 9, 9]), 5);
        pool.push(buffer(&[6]), 1);
        pool.push(buffer(&[7, 8]), 2);
        assert_eq!(draw_bytes(&pool, &emptied, 0), [[]; 0]);
        assert_eq!(draw_bytes(&pool, &emptied, 3), [[1, 2, 3]]);
        assert_eq!(emptied.len(), 0);
        assert_eq!(
            draw_bytes(&pool, &emptied, 4),
            [&[4, 5][..], &[6][..], &[7][..]]
        );
        assert_eq!(emptied.len(), 2);
        assert_eq!(draw_bytes(&pool, &emptied, usize::MAX), [[8]]);
        assert_eq!(emptied.len(), 3);
        assert!(!pool.has_byte());
        assert_eq!(draw_bytes(&pool, &emptied, 1), [[]; 0]);
    }

    #[test]
    fn bytes_and_words_are_drawn_from_the_same_stock() {
        let (pool, emptied) = (RandomPool::<1>::new(), BufferStack::new());
        pool.push(buffer(&[1, 2, 3, 4, 5, 6]), 6);
        assert_eq!(draw_bytes(&pool, &emptied, 1), [[1]]);
        assert_eq!(draw(&pool, &emptied, 1), [u32::from_le_bytes([2, 3, 4, 5])]);
        assert_eq!(draw_bytes(&pool, &emptied, 9), [[6]]);
    }

    #[test]
    fn drawn_pieces_are_erased_and_nothing_else() {
        let (pool, emptied) = (RandomPool::<1>::new(), BufferStack::new());
        pool.push(buffer(&[1, 2, 3, 4, 5]), 4);
        draw_bytes(&pool, &emptied, 3);
        assert_eq!(pool.take_first().unwrap().buffer, [0, 0, 0, 4, 5]);
    }

    #[test]
    fn drawing_from_inside_a_draw_finds_nothing() {
        let (pool, emptied) = (RandomPool::<2>::new(), BufferStack::new());
        pool.push(buffer(&[1, 2]), 2);
        pool.push(buffer(&[3, 4]), 2);
        let mut inner = Vec::new();
        pool.draw(1, &emptied, &mut |_| {
            inner.extend(draw_bytes(&pool, &emptied, 1));
        });
        assert_eq!(inner, [[]; 0]);
        assert_eq!(draw_bytes(&pool, &emptied, 9), [&[2][..], &[3, 4][..]]);
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig {
            cases: if cfg!(miri) { 2 } else { 256 },
            failure_persistence: None,
            ..Default::default()
        })]

        #[test]
        fn no_byte_is_lost_or_handed_out_twice(
            lengths in proptest::collection::vec(1usize..40, 1..60),
            draws in proptest::collection::vec(0usize..12, 1..60),
        ) {
            let (pool, emptied) = (RandomPool::<4>::new(), BufferStack::new());
            let mut counter = 0u8;
            let mut source = lengths.iter();
            let mut drawn = Vec::new();
            for wanted in draws {
                while pool.len.get() < 4 && let Some(&len) = source.next() {
                    let bytes: Vec<u8> = (0..len)
                        .map(|_| { counter = counter.wrapping_add(1); counter })
                        .collect();
                    pool.push(buffer(&bytes), len);
                }
                drawn.extend(draw(&pool, &emptied, wanted).iter().flat_map(|w| w.to_le_bytes()));
                while emptied.pop().is_some() {}
            }
            let expected: Vec<u8> = (1..=drawn.len()).map(|n| n as u8).collect();
            proptest::prop_assert_eq!(drawn, expected);
        }
    }
}
