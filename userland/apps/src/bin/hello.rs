// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The smallest app: prints a greeting and ends.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use tock_app::println;

tock_app::entry!(main, stack = 1024);

fn main() {
    println!("Hello from Tock");
}
