// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Has an alarm due at all times, so that it is always about to be woken.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use tock_app::{ErrorCode, alarm, println};

tock_app::entry!(main, stack = 2048);

fn main() -> Result<(), ErrorCode> {
    println!("greedy: waking");
    loop {
        alarm::sleep_ms(0)?;
    }
}
