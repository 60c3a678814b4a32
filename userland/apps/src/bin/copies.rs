// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Prints parts of a text that start anywhere and have any length, from flash and from RAM.
//!
//! Each part is one write of its own, so the kernel copies it at once from where it is.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use tock_app::{ErrorCode, console};

tock_app::entry!(main, stack = 2048);

static TEXT: &[u8; 68] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz*-+/=%";

fn main() -> Result<(), ErrorCode> {
    let copy = *TEXT;
    print_parts("flash ", TEXT)?;
    print_parts("ram ", &copy)?;
    console::write(b"copies: done\r\n")
}

fn print_parts(name: &str, text: &[u8; 68]) -> Result<(), ErrorCode> {
    for start in 0..4 {
        for length in 1..=64 {
            console::write(name.as_bytes())?;
            console::write(&text[start..start + length])?;
            console::write(b"\r\n")?;
        }
    }
    Ok(())
}
