// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Asks for random bytes many times for `tools/bench`.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use tock_app::syscall::{command, wait_for};
use tock_app::{ErrorCode, share};
use tock_bench::{done, window};

tock_app::entry!(main, stack = 3072);

const RNG: usize = 0x40001;

/// Requests of each size: enough bytes to empty every pool between device and app many times.
const REQUESTS: [(&str, usize, u32); 5] = [
    ("rng-4", 4, 4096),
    ("rng-32", 32, 2048),
    ("rng-256", 256, 512),
    ("rng-1000", 1000, 256),
    ("rng-1024", 1024, 256),
];

fn main() -> Result<(), ErrorCode> {
    let mut buffer = [0; 1024];
    for (name, length, rounds) in REQUESTS {
        share::read_write(RNG, 0, &mut buffer, || {
            window(name, rounds, 1, || get(length))
        })??;
    }
    done();
    Ok(())
}

/// Fills the first bytes of the buffer shared before.
fn get(length: usize) -> Result<(), ErrorCode> {
    command(RNG, 1, length, 0)?;
    let [status, count, _] = wait_for(RNG, 0);
    match status {
        0 if count as usize == length => Ok(()),
        0 => Err(ErrorCode::Size),
        code => Err(ErrorCode::from_number(code as usize)),
    }
}
