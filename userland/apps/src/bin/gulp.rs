// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Draws random numbers by 4 KiB without a pause, and tells now and then how many it got.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use tock_app::{ErrorCode, Singleton, println, rng};

tock_app::entry!(main, stack = 2048);

const DRAW: usize = 4096;

/// Draws between two signs of life.
const REPORT: u32 = 32;

static BYTES: Singleton<[u8; DRAW]> = Singleton::new([0; DRAW]);

fn main() -> Result<(), ErrorCode> {
    let bytes = BYTES.take().ok_or(ErrorCode::Already)?;
    for draws in 1u32.. {
        rng::fill(bytes)?;
        if draws.is_multiple_of(REPORT) {
            println!("gulp: {draws} draws");
        }
    }
    Ok(())
}
