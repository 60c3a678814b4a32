// SPDX-License-Identifier: Apache-2.0 OR MIT

//! An entropy device that lies about its queue.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| device_model::cases::entropy(input));
