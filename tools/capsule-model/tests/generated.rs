// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The fuzz targets on a stable toolchain: every input of the corpus, and generated ones.

use std::fs;
use std::path::Path;

use capsule_model::{rng_by_slice, rng_by_word, tap};
use proptest::collection::vec;
use proptest::prelude::*;

/// Both forms of the random number driver, as the fuzz target has them.
fn rng(input: &[u8]) {
    rng_by_slice(input);
    rng_by_word(input);
}

#[test]
fn every_kept_input_is_survived() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    for (target, case) in [("tap", tap as fn(&[u8])), ("rng", rng)] {
        let entries = fs::read_dir(corpus.join(target)).expect("inputs are kept");
        let paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        assert!(!paths.is_empty(), "no inputs for {target}");
        for path in paths {
            println!("{}", path.display());
            case(&fs::read(path).unwrap());
        }
    }
}

proptest! {
    // Inputs worth keeping go to the corpus, by hand.
    #![proptest_config(ProptestConfig {
        cases: 1_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn generated_events_around_the_tap_are_survived(input in vec(any::<u8>(), 0..400)) {
        tap(&input);
    }

    #[test]
    fn generated_events_around_the_random_number_driver_are_survived(
        input in vec(any::<u8>(), 0..400),
    ) {
        rng(&input);
    }
}
