// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Reads memory that it gave up by lowering its break. Must fault; prints LEAK if it does not.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use tock_app::{ErrorCode, println, trespass};

/// Enough for a page that lies in it as a whole, with whole pages around it: emulators cache what they
/// know about whole pages, and a stale entry is what this app is after.
const HEAP_BYTES: usize = 16 * 1024;

tock_app::entry!(main, stack = 2048, heap = HEAP_BYTES);

fn main() -> Result<(), ErrorCode> {
    println!("peek: reading memory behind its lowered break");
    let byte = trespass::load_given_up(HEAP_BYTES, 0x5E)?;
    println!("peek: LEAK {byte:#04x}");
    Err(ErrorCode::Fail)
}
