// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Keeps its memory full of a secret and busy, so that every page of it has just been used whenever
//! the neighbour gets the CPU. See `peek_neighbour`.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use core::hint::black_box;
use tock_app::{ErrorCode, Singleton, alarm, println};

tock_app::entry!(main, stack = 2048);

/// Longer than what may lie between the secret and the neighbour's memory on either side.
const SECRET_BYTES: usize = 64 * 1024;

static SECRET: Singleton<[u8; SECRET_BYTES]> = Singleton::new([0; SECRET_BYTES]);

fn main() -> Result<(), ErrorCode> {
    let secret = SECRET.take().ok_or(ErrorCode::Already)?;
    secret.fill(0x5E);
    println!("victim: guarding its secret");
    loop {
        // Long enough to be interrupted by the neighbour's alarm in the midst of it.
        for _ in 0..100 {
            black_box(
                secret
                    .iter()
                    .step_by(64)
                    .fold(0u8, |sum, byte| sum ^ black_box(*byte)),
            );
        }
        alarm::sleep_ms(1)?;
    }
}
