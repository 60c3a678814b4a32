// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Sleeps for times of all lengths, down to none, and tells when it is done.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use tock_app::{ErrorCode, alarm, println};

tock_app::entry!(main, stack = 2048);

const NAPS: u32 = 50;

fn main() -> Result<(), ErrorCode> {
    for number in 0..NAPS {
        alarm::sleep_ms(number % 6)?;
    }
    println!("naps: awake");
    Ok(())
}
