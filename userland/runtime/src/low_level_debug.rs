// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Low-level debug (driver 0x8): numbers on the kernel's own output, without any buffer.
//!
//! The kernel prefixes each line with the process identifier. Output is best effort: a process
//! that prints faster than the console drains loses lines, and boards may leave the driver out.

use crate::raw;

const DRIVER: usize = 0x8;

/// Alert code of a panic.
pub const PANIC: u32 = 1;
/// Alert code of a binary loaded at an address it was not linked for.
pub const WRONG_LOCATION: u32 = 2;

/// Reports a predefined event.
pub fn alert(code: u32) {
    raw::command(DRIVER, 1, code as usize, 0);
}

/// Prints a number.
pub fn print(value: u32) {
    raw::command(DRIVER, 2, value as usize, 0);
}

/// Prints two numbers on one line.
pub fn print_two(first: u32, second: u32) {
    raw::command(DRIVER, 3, first as usize, second as usize);
}
