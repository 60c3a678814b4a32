// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Wants the CPU all the time and tells how much of it it got.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use tock_app::alarm::{self, Clock};
use tock_app::{ErrorCode, println};

tock_app::entry!(main, stack = 2048);

const MEASURED_US: u64 = 1_000_000;

/// Two readings of the clock further apart than this had other processes between them.
const ABSENCE_US: u64 = 500;

fn main() -> Result<(), ErrorCode> {
    // Others get to what they are up to first.
    alarm::sleep_ms(200)?;
    let mut clock = Clock::start()?;
    loop {
        let begin = clock.micros();
        let (mut last, mut absent) = (begin, 0);
        while last - begin < MEASURED_US {
            let now = clock.micros();
            if now - last > ABSENCE_US {
                absent += now - last;
            }
            last = now;
        }
        let whole = last - begin;
        println!("neighbour: {} percent", (whole - absent) * 100 / whole);
    }
}
