// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Windows of repeated operations, for `tools/bench` to count what they execute.
//!
//! A window is what runs between a call of `begin` and one of `end`. The host finds both functions
//! by their symbols, and the name of a window and its number of operations on the console, where they
//! appear once it is over.

#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

use core::hint::black_box;
use tock_app::{ErrorCode, println};

/// Runs `operation` once to make grants and fill caches, then `rounds` times in a window.
///
/// `name` has no spaces; each round counts as `per_round` operations.
///
/// # Errors
///
/// What `operation` returned, which ends the window at once; the host then hears of no result.
pub fn window(
    name: &str,
    rounds: u32,
    per_round: u32,
    mut operation: impl FnMut() -> Result<(), ErrorCode>,
) -> Result<(), ErrorCode> {
    let result = operation().and_then(|()| {
        begin();
        let result = (0..rounds).try_for_each(|_| operation());
        end();
        result
    });
    match result {
        Ok(()) => println!("bench: {name} {}", rounds * per_round),
        Err(error) => println!("bench: {name} failed ({error:?})"),
    }
    result
}

/// Tells the host that every window is over.
pub fn done() {
    println!("bench: done");
}

/// The first instruction of this function begins a window.
#[inline(never)]
fn begin() {
    black_box(1);
}

/// The first instruction of this function ends a window. Its body differs from that of `begin`, for
/// the compiler merges functions that are alike.
#[inline(never)]
fn end() {
    black_box(2);
}
