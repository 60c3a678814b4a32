// SPDX-License-Identifier: Apache-2.0 OR MIT

use super::*;
use proptest::prelude::{
    Just, ProptestConfig, Strategy, any, prop_assert, prop_assert_eq, prop_oneof,
};
use std::collections::VecDeque;
use std::vec::Vec;

/// Words that do not repeat for long: a full-period generator.
fn varied(count: usize) -> Vec<u32> {
    let mut word = 0x1234_5678u32;
    core::iter::repeat_with(|| {
        word = word.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        word
    })
    .take(count)
    .collect()
}

fn bytes(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

/// Block after block; what each gets.
fn examine(tests: &HealthTests, stream: &[u8], block: usize) -> Vec<Result<(), Unhealthy>> {
    stream
        .chunks(block)
        .map(|block| tests.examine(block))
        .collect()
}

/// The rules of the standard, sample by sample and without haste.
#[derive(Default)]
struct Model {
    stream: Vec<u8>,
}

impl Model {
    fn examine(&mut self, block: &[u8]) -> Result<(), Unhealthy> {
        let mut worst = self.window();
        for byte in block {
            self.stream.push(*byte);
            if self.stream.len() % 16 == 4 {
                if self.run() >= 3 {
                    worst = worst.and(Err(Unhealthy::Stuck));
                }
                worst = worst.and(self.window());
            }
        }
        let words: Vec<&[u8]> = self.stream.rchunks_exact(4).take(2).collect();
        if words.len() == 2 && words[0] == words[1] {
            worst = worst.and(Err(Unhealthy::Suspect));
        }
        worst
    }

    fn samples(&self) -> Vec<&[u8]> {
        let words = self.stream.chunks(16).filter_map(|sample| sample.get(..4));
        words.collect()
    }

    fn run(&self) -> usize {
        let samples = self.samples();
        let mut newest = samples.iter().rev();
        let Some(last) = newest.next() else { return 0 };
        1 + newest.take_while(|word| *word == last).count()
    }

    /// The window that is under way: the samples since the last whole one.
    fn window(&self) -> Result<(), Unhealthy> {
        let samples = self.samples();
        let window = &samples[samples.len() / 512 * 512..];
        let seen = window.iter().filter(|word| **word == window[0]).count();
        if seen >= 5 {
            Err(Unhealthy::Repetitive)
        } else {
            Ok(())
        }
    }
}

#[test]
fn cutoffs_are_those_of_the_standard_for_the_assumed_entropy() {
    let false_alarm = 2f64.powi(-(FALSE_ALARM_BITS as i32));
    let bits = f64::from(MIN_ENTROPY_BITS);
    assert_eq!(REPETITION_CUTOFF, 3);
    // Probability that at least `count` of the other words of a window are the first one.
    let p = 2f64.powf(-bits);
    let others = WINDOW - 1;
    let tail = |count: u32| -> f64 {
        (count..count + 20)
            .map(|k| {
                let ways: f64 = (0..k)
                    .map(|i| f64::from(others - i) / f64::from(i + 1))
                    .product();
                ways * p.powi(k as i32) * (1.0 - p).powi((others - k) as i32)
            })
            .sum()
    };
    let further = PROPORTION_CUTOFF - 1;
    assert!(tail(further) <= false_alarm);
    assert!(tail(further - 1) > false_alarm);
}

#[test]
fn a_source_that_varies_passes_in_blocks_of_any_length() {
    let stream = bytes(&varied(if cfg!(miri) { 200 } else { 20_000 }));
    for block in [1, 3, 4, 7, 16, 64, 256, 1000, 4096] {
        let tests = HealthTests::new();
        assert!(examine(&tests, &stream, block).iter().all(Result::is_ok));
    }
}

#[test]
fn of_a_stuck_source_less_than_two_words_come_out() {
    for (good, word) in [(0, 0), (0, u32::MAX), (10, 0x1234_5678), (600, 7)] {
        for block in [1, 3, 4, 7, 8, 16, 32, 256, 1024] {
            if cfg!(miri) && (good > 0 || block < 4) {
                continue;
            }
            let tests = HealthTests::new();
            let varied = examine(&tests, &bytes(&varied(good)), 4);
            assert!(varied.iter().all(Result::is_ok));
            let stuck = [word; if cfg!(miri) { 300 } else { 2048 }];
            let results = examine(&tests, &bytes(&stuck), block);
            let passed = results.iter().filter(|result| result.is_ok()).count();
            assert!(passed * block < 8, "{good} {word} {block}");
            // It is known to be stuck, not only suspected, after three samples.
            let later = results.iter().skip(48_usize.div_ceil(block));
            assert!(later.clone().count() > 0);
            for result in later {
                assert!(!matches!(result, Ok(()) | Err(Unhealthy::Suspect)) || block < 16);
            }
        }
    }
}

#[test]
fn a_repetition_inside_a_block_that_goes_on_is_an_accident() {
    let mut words = varied(64);
    words[20] = words[16];
    words[21] = words[20];
    assert_eq!(HealthTests::new().examine(&bytes(&words)), Ok(()));
    words[63] = words[62];
    let tests = HealthTests::new();
    assert_eq!(tests.examine(&bytes(&words)), Err(Unhealthy::Suspect));
    assert_eq!(tests.examine(&bytes(&varied(8))), Ok(()));
}

#[test]
fn a_source_that_takes_turns_between_a_few_words_is_found() {
    let periods = [2, 3, 5, 8, 60, 100, 400];
    for period in periods.into_iter().take(if cfg!(miri) { 4 } else { 7 }) {
        let cycle = varied(period);
        // Six times around, in samples of four words.
        let count = 6 * 4 * period;
        let words: Vec<u32> = cycle.iter().copied().cycle().take(count).collect();
        let results = examine(&HealthTests::new(), &bytes(&words), 256);
        let found = |result: &Result<(), Unhealthy>| {
            matches!(result, Err(Unhealthy::Repetitive | Unhealthy::Stuck))
        };
        assert!(results.iter().any(found), "{period}");
    }
}

#[test]
fn a_source_that_recovers_passes_after_the_window() {
    let tests = HealthTests::new();
    let results = examine(&tests, &bytes(&[9; 64]), 256);
    assert_eq!(results, [Err(Unhealthy::Stuck)]);
    let results = examine(&tests, &bytes(&varied(4 * 512)), 256);
    assert_eq!(results[0], Err(Unhealthy::Repetitive));
    assert_eq!(results.last(), Some(&Ok(())));
}

#[test]
fn blocks_are_judged_as_the_standard_says() {
    let cases = if cfg!(miri) { 2 } else { 100 };
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases,
        failure_persistence: None,
        ..Default::default()
    });
    // Samples from a small range repeat often, and some come twice in a row or more; pieces of any length
    // and alignment, or of whole samples.
    let most = if cfg!(miri) { 40 } else { 1200 };
    let samples = proptest::collection::vec((0u32..40, any::<bool>(), 0u32..9, 0u32..12), 1..most);
    let pieces = prop_oneof![
        proptest::collection::vec(prop_oneof![1usize..300, Just(64), Just(512)], 1..40),
        proptest::collection::vec((1usize..40).prop_map(|samples| 16 * samples), 1..40),
    ];
    runner
        .run(
            &(samples, pieces, 0usize..4),
            |(samples, pieces, offset)| {
                let (tests, mut model) = (HealthTests::new(), Model::default());
                let mut last = 0;
                let mut stream: VecDeque<u8> = samples
                    .iter()
                    .enumerate()
                    .flat_map(|(at, (word, plain, other, again))| {
                        last = match (again, plain) {
                            (0..2, _) => last,
                            (_, true) => at as u32 * 64,
                            (_, false) => *word,
                        };
                        [last, at as u32, *other, 4]
                    })
                    .flat_map(u32::to_ne_bytes)
                    .collect();
                for len in pieces.iter().cycle() {
                    let len = (*len).min(stream.len());
                    if len == 0 {
                        break;
                    }
                    let mut block = std::vec![0; offset];
                    block.extend(stream.drain(..len));
                    let block = &block[offset..];
                    prop_assert_eq!(tests.examine(block), model.examine(block));
                }
                prop_assert!(stream.is_empty());
                Ok(())
            },
        )
        .unwrap();
}
