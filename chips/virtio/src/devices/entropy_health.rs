// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Health tests of an entropy source: does it still vary? (NIST SP 800-90B, 4.4)
//!
//! What a device hands over is random by its own account alone. These continuous tests find a source
//! that has got stuck or that repeats itself; they say nothing about one that computes its bytes.
//!
//! A sample is 16 bytes of the stream, of which the tests look at the first word. Of that word's 32
//! bits, [`MIN_ENTROPY_BITS`] are assumed to be unpredictable, half of what the device promises. A
//! source as good as that fails either test once in 2^30 samples, one that keeps its promise never.
//!
//! Bytes are tested a block at a time, before any of the block is handed out. A block that ends in a
//! word which was there just before is withheld too: of a source that gets stuck at a word, in the
//! middle of samples as well, less than two words come out.

use core::cell::Cell;

/// Unpredictable bits that the first word of a sample is assumed to have.
const MIN_ENTROPY_BITS: u32 = 16;

/// A source as good as that fails a test once in so many samples, as a power of two.
const FALSE_ALARM_BITS: u32 = 30;

/// At how many times in a row a word shows that the source is stuck (4.4.1).
const REPETITION_CUTOFF: u32 = 1 + FALSE_ALARM_BITS.div_ceil(MIN_ENTROPY_BITS);

/// Samples in a window of the adaptive proportion test (4.4.2).
const WINDOW: u32 = 512;

/// At how many times in a window its first word shows that the source repeats itself: one more than
/// the number of further occurrences whose probability is at most 2^-30.
const PROPORTION_CUTOFF: u32 = 5;

const WORD: usize = size_of::<u32>();
/// Words in a sample.
const SAMPLE_WORDS: usize = 4;
const SAMPLE: usize = SAMPLE_WORDS * WORD;

/// Why a block must not be handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unhealthy {
    /// A sample came three times in a row, or more.
    Stuck,
    /// A sample came too often in a window.
    Repetitive,
    /// The block ends in a word that was there just before, and may be the first of many.
    Suspect,
}

/// The tests, along a stream of bytes.
pub(super) struct HealthTests {
    /// The last sample, and how often it came in a row; zero before the first one.
    last: Cell<u32>,
    run: Cell<u32>,
    /// The first sample of the window, how often the window has it, and the samples that are to come.
    first: Cell<u32>,
    seen: Cell<u32>,
    left: Cell<u32>,
    /// The last eight bytes, the newest highest, and how many of them there are.
    newest: Cell<u64>,
    newest_len: Cell<usize>,
    /// Bytes of the sample that is under way.
    position: Cell<usize>,
}

impl HealthTests {
    pub(super) const fn new() -> Self {
        Self {
            last: Cell::new(0),
            run: Cell::new(0),
            first: Cell::new(0),
            seen: Cell::new(0),
            left: Cell::new(0),
            newest: Cell::new(0),
            newest_len: Cell::new(0),
            position: Cell::new(0),
        }
    }

    /// Tests the next bytes of the stream.
    ///
    /// # Errors
    ///
    /// None of them may be handed out. The tests go on with the next block, and a source that varies
    /// again passes: at once, or after the window that has a sample too often.
    pub(super) fn examine(&self, block: &[u8]) -> Result<(), Unhealthy> {
        let before = self.proportion();
        // SAFETY: any four bytes are a `u32`.
        let (head, words, tail) = unsafe { block.align_to::<u32>() };
        let (samples, rest) = words.as_chunks::<SAMPLE_WORDS>();
        let over = self.position.get() + head.len() + rest.len() + tail.len();
        let passed = match samples.last() {
            Some([.., before_last, last]) if over == 0 => {
                let (last, before_last) = (last.to_le(), before_last.to_le());
                self.newest
                    .set(u64::from(last) << 32 | u64::from(before_last));
                self.newest_len.set(2 * WORD);
                self.take_samples(samples)
            }
            _ => self.take_bytes(block),
        };
        before.and(passed).and(self.repetition())
    }

    /// Takes bytes from anywhere in the middle of samples.
    #[cold]
    fn take_bytes(&self, bytes: &[u8]) -> Result<(), Unhealthy> {
        let mut worst = Ok(());
        for byte in bytes {
            let newest = self.newest.get() >> 8 | u64::from(*byte) << 56;
            self.newest.set(newest);
            self.newest_len
                .set((self.newest_len.get() + 1).min(2 * WORD));
            let position = self.position.get() + 1;
            self.position.set(position % SAMPLE);
            if position == WORD {
                worst = worst.and(self.take_sample(u32::from_le((newest >> 32) as u32)));
            }
        }
        worst
    }

    /// Takes samples, most of which are as they should be, in a few instructions each.
    fn take_samples(&self, mut samples: &[[u32; SAMPLE_WORDS]]) -> Result<(), Unhealthy> {
        let mut worst = Ok(());
        while let Some(([next, ..], others)) = samples.split_first() {
            let within = samples.get(..self.left.get() as usize).unwrap_or(samples);
            let plain = plain_samples(within, self.last.get(), self.first.get());
            match plain.checked_sub(1).and_then(|at| samples.get(at)) {
                Some([last, ..]) => {
                    self.last.set(*last);
                    self.run.set(1);
                    self.left.set(self.left.get().wrapping_sub(plain as u32));
                    samples = samples.get(plain..).unwrap_or_default();
                }
                None => {
                    worst = worst.and(self.take_sample(*next));
                    samples = others;
                }
            }
        }
        worst
    }

    /// Takes any sample, by its first word.
    #[inline(never)]
    fn take_sample(&self, word: u32) -> Result<(), Unhealthy> {
        let run = if word == self.last.get() {
            self.run.get().saturating_add(1)
        } else {
            1
        };
        self.last.set(word);
        self.run.set(run);
        match self.left.get().checked_sub(1) {
            None => {
                self.first.set(word);
                self.seen.set(1);
                self.left.set(WINDOW - 1);
            }
            Some(left) => {
                self.left.set(left);
                if word == self.first.get() {
                    self.seen.set(self.seen.get().saturating_add(1));
                }
            }
        }
        if run >= REPETITION_CUTOFF {
            return Err(Unhealthy::Stuck);
        }
        self.proportion()
    }

    /// What the window says, until it ends.
    fn proportion(&self) -> Result<(), Unhealthy> {
        if self.left.get() != 0 && self.seen.get() >= PROPORTION_CUTOFF {
            return Err(Unhealthy::Repetitive);
        }
        Ok(())
    }

    /// What the last two words say.
    fn repetition(&self) -> Result<(), Unhealthy> {
        let newest = self.newest.get();
        if self.newest_len.get() == 2 * WORD && newest as u32 == (newest >> 32) as u32 {
            return Err(Unhealthy::Suspect);
        }
        Ok(())
    }
}

/// How many samples from the start on differ from the one before, which is `last` for the first one,
/// and from `first`. It may stop counting early.
#[inline(always)]
fn plain_samples(samples: &[[u32; SAMPLE_WORDS]], last: u32, first: u32) -> usize {
    let mut before = last;
    let mut rest = samples;
    // Two at a time, so that neither has to move to where the other was.
    while let [[one, ..], [two, ..], others @ ..] = rest {
        if *one == before || *one == first || *two == *one || *two == first {
            break;
        }
        before = *two;
        rest = others;
    }
    samples.len() - rest.len()
}

#[cfg(test)]
#[path = "entropy_health_tests.rs"]
mod tests;
