// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Counts aloud every 100 ms: the bystander that must keep running whatever other apps do.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use tock_app::{ErrorCode, alarm, println};

tock_app::entry!(main, stack = 2048);

fn main() -> Result<(), ErrorCode> {
    for count in 0u32.. {
        println!("ticker: {count}");
        alarm::sleep_ms(100)?;
    }
    Ok(())
}
