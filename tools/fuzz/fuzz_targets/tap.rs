// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The Ethernet tap between processes that call anything and a card that sends anything.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| capsule_model::tap(input));
