// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Drawing from a source that gives words, by a callback.

use super::{Form, RngDriver, RngGrant};
use kernel::ErrorCode;
use kernel::hil::rng::{Client, Continue, Rng};

/// Bytes copied at a time.
const BLOCK: usize = 256;

/// The form of a source behind the `Rng` interface.
pub enum Words {}

impl<'a, R: Rng<'a>> Form<'a, R> for Words {
    fn ask(source: &R) -> Result<(), ErrorCode> {
        source.get()
    }

    /// Words are there in a callback and at no other time.
    fn draw(_source: &R, _count: usize, _take: &mut dyn FnMut(&[u8])) {}
}

impl<'a, R: Rng<'a>> RngDriver<'a, R, Words> {
    /// Creates the driver, which must be the client of `rng`.
    pub fn new(rng: &'a R, grant: RngGrant) -> Self {
        Self::with_form(rng, grant)
    }
}

impl<'a, R: Rng<'a>> Client for RngDriver<'a, R, Words> {
    fn randomness_available(
        &self,
        randomness: &mut dyn Iterator<Item = u32>,
        error: Result<(), ErrorCode>,
    ) -> Continue {
        let served =
            error.map(|()| self.serve(&mut |count, take| draw_words(randomness, count, take)));
        if self.conclude(served) {
            Continue::More
        } else {
            Continue::Done
        }
    }
}

/// Hands on as many bytes as `words` has, up to `count`. The unused bytes of a last word are
/// discarded.
fn draw_words(words: &mut dyn Iterator<Item = u32>, mut count: usize, take: &mut dyn FnMut(&[u8])) {
    let mut block = Block([0; BLOCK]);
    while count > 0 {
        let wanted = BLOCK.min(count);
        let got = wanted.min(collect(&mut block, wanted, words));
        take(block.0.get(..got).unwrap_or_default());
        if got < wanted {
            break;
        }
        count -= got;
    }
}

/// Bytes that are stored a word at a time, which the alignment allows.
#[repr(align(4))]
struct Block([u8; BLOCK]);

/// Fills a block from the front with so many words that there are `wanted` bytes; returns how many
/// bytes there are.
fn collect(block: &mut Block, wanted: usize, words: &mut dyn Iterator<Item = u32>) -> usize {
    let (places, _) = block.0.as_chunks_mut();
    let mut count = 0;
    for place in places.iter_mut().take(wanted.div_ceil(size_of::<u32>())) {
        let Some(word) = words.next() else { break };
        *place = word.to_ne_bytes();
        count += size_of::<u32>();
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// Words that show their place: bytes 1, 2, 3, ... in memory order.
    fn counting() -> impl Iterator<Item = u32> {
        (0u32..).map(|n| {
            let first = n.wrapping_mul(4) as u8;
            u32::from_ne_bytes([1, 2, 3, 4].map(|k: u8| k.wrapping_add(first)))
        })
    }

    fn draw(words: &mut dyn Iterator<Item = u32>, count: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        draw_words(words, count, &mut |piece| bytes.extend(piece));
        bytes
    }

    #[test]
    fn every_count_is_drawn_exactly() {
        for count in [0, 1, 2, 3, 4, 5, 63, 64, 65, 130, 255, 256] {
            let expected: Vec<u8> = (1..=count).map(|n| n as u8).collect();
            assert_eq!(draw(&mut counting(), count), expected);
        }
    }

    #[test]
    fn a_dry_source_gives_what_it_has() {
        let mut words = counting().take(17);
        assert_eq!(draw(&mut words, 1000).len(), 68);
        assert_eq!(draw(&mut words, 1), []);
    }

    #[test]
    fn no_word_is_drawn_in_vain() {
        let mut words = counting();
        draw(&mut words, 64);
        assert_eq!(words.next().unwrap().to_ne_bytes(), [65, 66, 67, 68]);
    }
}
