// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The random number driver, in both forms, between processes that call anything and a source that fails.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    capsule_model::rng_by_slice(input);
    capsule_model::rng_by_word(input);
});
