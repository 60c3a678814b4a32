// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Yields as often as it can, but never sleeps.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use tock_app::{println, upcall};

tock_app::entry!(main, stack = 1024);

fn main() {
    println!("polite: yielding");
    loop {
        upcall::poll();
    }
}
