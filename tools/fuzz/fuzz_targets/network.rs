// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A network card that lies about its queues, and delivers what is no frame.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| device_model::cases::network(input));
