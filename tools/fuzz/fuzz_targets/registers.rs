// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A device whose registers read anything, at any time, with either driver on top.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| device_model::cases::registers(input));
