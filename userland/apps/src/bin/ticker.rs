// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Counts aloud every 100 ms: the bystander that must keep running whatever other apps do. Says so
//! when it was let go on much later than it wanted.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use tock_app::alarm::{self, Clock};
use tock_app::{ErrorCode, println};

tock_app::entry!(main, stack = 2048);

const PERIOD_MS: u32 = 100;

/// A time slice of each of several other processes.
const TOLERANCE_MS: u64 = 40;

fn main() -> Result<(), ErrorCode> {
    let mut clock = Clock::start()?;
    for count in 0u32.. {
        println!("ticker: {count}");
        // How long the line took is up to whoever reads the serial port.
        let due = clock.millis() + u64::from(PERIOD_MS);
        alarm::sleep_ms(PERIOD_MS)?;
        let late = clock.millis().saturating_sub(due);
        if late > TOLERANCE_MS {
            println!("late: ticker by {late} ms");
        }
    }
    Ok(())
}
