// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Faults on purpose after a moment of normal life: reads address 0, which belongs to no process.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use tock_app::{ErrorCode, alarm, println, trespass};

tock_app::entry!(main, stack = 2048);

fn main() -> Result<(), ErrorCode> {
    alarm::sleep_ms(300)?;
    println!("crash: reading address 0");
    let byte = trespass::load_after(0, || ())?;
    println!("crash: LEAK {byte:#04x}");
    Err(ErrorCode::Fail)
}
