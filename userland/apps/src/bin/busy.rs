// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Never makes a system call after its greeting: only the end of its time slice takes the CPU away.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use core::hint::spin_loop;
use tock_app::println;

tock_app::entry!(main, stack = 1024);

fn main() {
    println!("busy: looping");
    loop {
        spin_loop();
    }
}
