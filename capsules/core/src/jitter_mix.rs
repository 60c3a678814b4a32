// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A second source for random numbers: when they are drawn.
//!
//! Each word of a source is combined with a running hash of the times at which words were drawn.
//! Interrupts, other processes and caches make those vary, how much nobody promises. It takes
//! nothing away: what the source alone makes unpredictable stays so, because words are combined by
//! exclusive or with a number that does not depend on them. It is for boards whose source may be
//! weak, beside a source that is not, and no substitute for one. It mixes words: a source that could
//! fill slices is used by words then, which costs more.
//!
//! ```text
//! let mix = static_init!(JitterMix<'static, Source, Clock>, JitterMix::new(source, clock));
//! let driver = static_init!(RngDriver<'static, _>, RngDriver::new(mix, grant));
//! source.set_client(mix);
//! mix.set_client(driver);
//! ```

use core::cell::Cell;
use kernel::ErrorCode;
use kernel::hil::rng::{Client, Continue, Rng};
use kernel::hil::time::{Ticks, Time};
use kernel::utilities::cells::OptionalCell;

/// Spreads each bit of a time over a word: an odd number near 2^32 divided by the golden ratio.
const SPREAD: u32 = 0x9E37_79B1;

/// Random words of a source `R`, mixed with the times that a clock `T` shows.
pub struct JitterMix<'a, R, T> {
    source: &'a R,
    clock: &'a T,
    state: Cell<u32>,
    client: OptionalCell<&'a dyn Client>,
}

impl<'a, R: Rng<'a>, T: Time> JitterMix<'a, R, T> {
    /// Mixes the words of `source`, whose client this must be.
    pub const fn new(source: &'a R, clock: &'a T) -> Self {
        JitterMix {
            source,
            clock,
            state: Cell::new(0),
            client: OptionalCell::empty(),
        }
    }

    /// Takes the present into the hash, and returns it.
    fn stir(&self) -> u32 {
        let now = self.clock.now().into_u32();
        let state = (self.state.get() ^ now).wrapping_mul(SPREAD);
        // The low bits of a product depend on low bits alone.
        let state = state ^ state.rotate_left(15);
        self.state.set(state);
        state
    }
}

impl<'a, R: Rng<'a>, T: Time> Rng<'a> for JitterMix<'a, R, T> {
    fn get(&self) -> Result<(), ErrorCode> {
        self.source.get()
    }

    fn cancel(&self) -> Result<(), ErrorCode> {
        self.source.cancel()
    }

    fn set_client(&'a self, client: &'a dyn Client) {
        self.client.set(client);
    }
}

impl<'a, R: Rng<'a>, T: Time> Client for JitterMix<'a, R, T> {
    fn randomness_available(
        &self,
        randomness: &mut dyn Iterator<Item = u32>,
        error: Result<(), ErrorCode>,
    ) -> Continue {
        let mut mixed = randomness.map(|word| word ^ self.stir());
        self.client.map_or(Continue::Done, |client| {
            client.randomness_available(&mut mixed, error)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fakes::alarm::FakeAlarm;
    use core::cell::RefCell;
    use kernel::hil::time::Ticks32;
    use std::vec::Vec;

    /// A source of zeros, which hide nothing.
    #[derive(Default)]
    struct Zeros {
        asked: Cell<u32>,
    }

    impl<'a> Rng<'a> for Zeros {
        fn get(&self) -> Result<(), ErrorCode> {
            self.asked.set(self.asked.get() + 1);
            Ok(())
        }

        fn cancel(&self) -> Result<(), ErrorCode> {
            Err(ErrorCode::FAIL)
        }

        fn set_client(&'a self, _client: &'a dyn Client) {}
    }

    #[derive(Default)]
    struct Taker {
        words: RefCell<Vec<u32>>,
        outcome: Cell<Option<Result<(), ErrorCode>>>,
    }

    impl Client for Taker {
        fn randomness_available(
            &self,
            randomness: &mut dyn Iterator<Item = u32>,
            error: Result<(), ErrorCode>,
        ) -> Continue {
            self.outcome.set(Some(error));
            self.words.borrow_mut().extend(randomness);
            Continue::More
        }
    }

    /// What comes of `words`, drawn at times that are `step` apart.
    fn mixed(words: &[u32], step: u32) -> Vec<u32> {
        let (source, clock) = (
            Zeros::default(),
            FakeAlarm::<Ticks32>::starting_at(7.into()),
        );
        let taker = Taker::default();
        let mix = JitterMix::new(&source, &clock);
        mix.set_client(&taker);
        let mut words = words.iter().map(|word| {
            clock.set_time(clock.now().wrapping_add(step.into()));
            *word
        });
        let answer = mix.randomness_available(&mut words, Ok(()));
        assert_eq!(answer, Continue::More);
        taker.words.take()
    }

    #[test]
    fn what_the_source_alone_makes_unpredictable_stays_so() {
        let words: Vec<u32> = (0..1000u32).map(|n| n.wrapping_mul(77_777)).collect();
        let hashes = mixed(&[0; 1000], 1);
        let out = mixed(&words, 1);
        // Taking the hash away again gives back the source: none of it is lost.
        let back: Vec<u32> = out
            .iter()
            .zip(&hashes)
            .map(|(out, hash)| out ^ hash)
            .collect();
        assert_eq!(back, words);
    }

    #[test]
    fn another_rhythm_gives_other_words() {
        let (slow, fast) = (mixed(&[0; 100], 2), mixed(&[0; 100], 1));
        assert!(slow.iter().zip(&fast).all(|(slow, fast)| slow != fast));
        // Half of the bits differ, more or less.
        let differing: u32 = slow
            .iter()
            .zip(&fast)
            .map(|(slow, fast)| (slow ^ fast).count_ones())
            .sum();
        assert!((1300..1900).contains(&differing), "{differing}");
    }

    #[test]
    fn no_time_makes_it_forget_those_before() {
        for last in [0, u32::MAX, 0x5555_5555] {
            let past = |first: u32| {
                let (source, clock) = (
                    Zeros::default(),
                    FakeAlarm::<Ticks32>::starting_at(first.into()),
                );
                let mix = JitterMix::new(&source, &clock);
                mix.stir();
                clock.set_time(last.into());
                [mix.stir(), mix.stir()]
            };
            let (one, other) = (past(1), past(2));
            assert!(one[0] != other[0] && one[1] != other[1], "{last}");
        }
    }

    #[test]
    fn requests_and_errors_pass_through() {
        let (source, clock) = (
            Zeros::default(),
            FakeAlarm::<Ticks32>::starting_at(0.into()),
        );
        let taker = Taker::default();
        let mix = JitterMix::new(&source, &clock);
        assert_eq!(mix.get(), Ok(()));
        assert_eq!(source.asked.get(), 1);
        assert_eq!(mix.cancel(), Err(ErrorCode::FAIL));
        let nobody = mix.randomness_available(&mut core::iter::empty(), Ok(()));
        assert_eq!(nobody, Continue::Done);
        mix.set_client(&taker);
        mix.randomness_available(&mut core::iter::empty(), Err(ErrorCode::OFF));
        assert_eq!(taker.outcome.get(), Some(Err(ErrorCode::OFF)));
    }
}
