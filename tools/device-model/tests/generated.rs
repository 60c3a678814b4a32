// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The fuzz targets on a stable toolchain: every input of the corpus, and generated ones.

use std::fs;
use std::path::Path;

use device_model::cases;
use proptest::collection::vec;
use proptest::prelude::*;

/// Runs the inputs that are kept for a target, of which there are some.
fn replay(target: &str, case: impl Fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz/corpus")
        .join(target);
    let entries =
        fs::read_dir(&corpus).unwrap_or_else(|error| panic!("{}: {error}", corpus.display()));
    let mut count = 0;
    for entry in entries {
        let path = entry.unwrap().path();
        println!("{}", path.display());
        case(&fs::read(path).unwrap());
        count += 1;
    }
    assert!(count > 0, "no inputs in {}", corpus.display());
}

#[test]
fn every_kept_input_is_survived() {
    replay("used_ring", cases::rings);
    replay("packed_ring", |input| {
        assert!(cases::packed_rings(input) > 0, "no chain came back");
    });
    replay("registers", cases::registers);
    replay("entropy", cases::entropy);
    replay("network", cases::network);
}

/// Inputs worth keeping go to the corpus, by hand.
fn settings(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(settings(2_000))]

    #[test]
    fn generated_registers_are_survived(input in vec(any::<u8>(), 0..400)) {
        cases::registers(&input);
    }

    #[test]
    fn generated_entropy_devices_are_survived(input in vec(any::<u8>(), 0..400)) {
        cases::entropy(&input);
    }

    #[test]
    fn generated_network_cards_are_survived(input in vec(any::<u8>(), 0..400)) {
        cases::network(&input);
    }
}

proptest! {
    #![proptest_config(settings(2_000))]

    #[test]
    fn generated_rings_are_survived(input in vec(any::<u8>(), 0..400)) {
        cases::rings(&input);
    }

    #[test]
    fn generated_packed_rings_are_survived(input in vec(any::<u8>(), 0..400)) {
        cases::packed_rings(&input);
    }
}
