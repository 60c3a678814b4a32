// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Prints 32 random bytes a second as hexadecimal.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use core::fmt;
use tock_app::{ErrorCode, alarm, println, rng};

tock_app::entry!(main, stack = 2048);

struct Hex<'b>(&'b [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

fn main() -> Result<(), ErrorCode> {
    if !rng::exists() {
        println!("random: no entropy device; start the board with RNG=on");
        return Err(ErrorCode::NoDevice);
    }
    loop {
        let mut bytes = [0; 32];
        match rng::fill(&mut bytes) {
            Ok(()) => println!("random: {}", Hex(&bytes)),
            // The device may come back: drivers recover by themselves.
            Err(error) => println!("random: the entropy device failed ({error:?})"),
        }
        alarm::sleep_ms(1000)?;
    }
}
