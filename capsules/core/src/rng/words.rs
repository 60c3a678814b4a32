// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Drawing from a source that gives words, by a callback.

use super::{Form, RngDriver, RngGrant};
use core::cell::RefCell;
use kernel::ErrorCode;
use kernel::hil::rng::{Client, Continue, Rng};

const WORD: usize = size_of::<u32>();

/// Words, and bytes, copied at a time.
const WORDS: usize = 64;
const BLOCK: usize = WORDS * WORD;

/// Words taken in a row before it is asked whether that is enough.
const GROUP: usize = 4;

/// The form of a source behind the `Rng` interface.
pub enum Words {}

impl<'a, R: Rng<'a>> Form<'a, R> for Words {
    type Scratch = RefCell<Block>;

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
        let served = error.map(|()| {
            // Nobody has borrowed it: a source does not call from inside a call.
            if let Ok(mut block) = self.scratch.try_borrow_mut() {
                self.serve(&mut |count, take| draw_words(randomness, &mut block, count, take));
            }
        });
        if self.conclude(served) {
            Continue::More
        } else {
            Continue::Done
        }
    }
}

/// Words in memory order, on their way to a process. Aligned, so that each is stored and copied in one
/// piece; and not on the stack, where it would be cleared each time before it is filled.
#[repr(align(4))]
pub struct Block([[u8; WORD]; WORDS]);

impl Default for Block {
    fn default() -> Self {
        Block([[0; WORD]; WORDS])
    }
}

/// Hands on as many bytes as `words` has, up to `count`. The unused bytes of a last word are
/// discarded.
#[inline(always)]
fn draw_words(
    words: &mut dyn Iterator<Item = u32>,
    block: &mut Block,
    mut count: usize,
    take: &mut dyn FnMut(&[u8]),
) {
    while count > 0 {
        let wanted = BLOCK.min(count);
        let got = wanted.min(WORD * collect(block, wanted.div_ceil(WORD), words));
        take(block.0.as_flattened().get(..got).unwrap_or_default());
        if got < wanted {
            break;
        }
        count -= got;
    }
}

/// Fills a block from the front with up to `count` words; returns how many there were.
///
/// This is what is done for each word, so it is done in groups, with as little around it as can be. Not in
/// line, where the compiler loses sight of how the block is aligned.
#[inline(never)]
fn collect(block: &mut Block, count: usize, words: &mut dyn Iterator<Item = u32>) -> usize {
    let count = count.min(WORDS);
    let mut at = 0;
    let (groups, _) = block.0.as_chunks_mut::<GROUP>();
    for group in 0..count / GROUP {
        let Some([first, second, third, fourth]) = groups.get_mut(group) else {
            break;
        };
        let Some(word) = words.next() else {
            return at;
        };
        *first = word.to_ne_bytes();
        let Some(word) = words.next() else {
            return at + 1;
        };
        *second = word.to_ne_bytes();
        let Some(word) = words.next() else {
            return at + 2;
        };
        *third = word.to_ne_bytes();
        let Some(word) = words.next() else {
            return at + 3;
        };
        *fourth = word.to_ne_bytes();
        at += GROUP;
    }
    while at < count
        && let Some(word) = words.next()
    {
        if let Some(place) = block.0.get_mut(at) {
            *place = word.to_ne_bytes();
        }
        at += 1;
    }
    at
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
        let take = &mut |piece: &[u8]| bytes.extend(piece);
        draw_words(words, &mut Block::default(), count, take);
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
        for count in 0..70 {
            let mut words = counting().take(count);
            let expected: Vec<u8> = (1..=4 * count).map(|n| n as u8).collect();
            assert_eq!(draw(&mut words, 1000), expected);
            assert_eq!(draw(&mut words, 1), []);
        }
    }

    #[test]
    fn no_word_is_drawn_in_vain() {
        let mut words = counting();
        draw(&mut words, 64);
        assert_eq!(words.next().unwrap().to_ne_bytes(), [65, 66, 67, 68]);
    }
}
