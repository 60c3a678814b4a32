// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A device that writes anything into any word of a packed queue, between any two steps of the driver.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    device_model::cases::packed_rings(input);
});
