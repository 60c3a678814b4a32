// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Starts as the Rust runtime does: eight header words that hold addresses, a check that the binary is
//! where it was linked for, and then the first system call, which asks for memory.

#![no_std]
#![no_main]

use core::arch::global_asm;
use tock_shapes::{Entry, Place, check};

global_asm!(
    ".section .shape.start, \"ax\"",
    ".globl shape_start",
    "shape_start:",
    "auipc a4, 0",
    "lw a5, 0(a0)",
    "bne a4, a5, 6f",
    "mv s0, a0",
    "mv s1, a1",
    "mv s2, a2",
    "mv s3, a3",
    "mv s4, sp",
    "mv s5, ra",
    "or s6, t0, t1",
    "or s6, s6, t2",
    "or s6, s6, t3",
    "or s6, s6, a6",
    "or s6, s6, a7",
    "mv s7, a4",
    // The header's address in t1 and the stack's end in a5 live through the call.
    "mv t1, a0",
    "lw a5, 8(t1)",
    "li a0, 0",
    "lw a1, 4(t1)",
    "li a4, 5",
    "ecall",
    "mv sp, a5",
    "lw t2, 12(t1)",
    "lw t3, 16(t1)",
    "lw t4, 20(t1)",
    "j 2f",
    "1: lw t5, 0(t3)",
    "sw t5, 0(t4)",
    "addi t3, t3, 4",
    "addi t4, t4, 4",
    "addi t2, t2, -4",
    "2: bnez t2, 1b",
    "lw t2, 24(t1)",
    "lw t4, 28(t1)",
    "j 4f",
    "3: sb zero, 0(t4)",
    "addi t4, t4, 1",
    "addi t2, t2, -1",
    "4: bnez t2, 3b",
    "mv a0, s0",
    "mv a1, s1",
    "mv a2, s2",
    "mv a3, s3",
    "mv a4, s4",
    "mv a5, s5",
    "mv a6, s6",
    "mv a7, s7",
    "call shape_main",
    // The binary lies elsewhere: alert 2, and the end with completion code 1.
    "6: li a0, 8",
    "li a1, 1",
    "li a2, 2",
    "li a3, 0",
    "li a4, 2",
    "ecall",
    "li a0, 0",
    "li a1, 1",
    "li a4, 6",
    "ecall",
);

unsafe extern "C" {
    /// The entry point; only its address means anything.
    fn shape_start();
}

// SAFETY: the start-up code above calls this once, with a stack and with data in place.
#[unsafe(no_mangle)]
extern "C" fn shape_main(
    binary: usize,
    ram: usize,
    length: usize,
    app_break: usize,
    stack: usize,
    back: usize,
    others: usize,
    pc: usize,
) -> ! {
    let place = Place {
        binary: 0x8010_0080,
        ram: 0x8030_0000,
    };
    let entry = Entry {
        binary,
        ram,
        length,
        app_break,
        stack,
        back,
        others,
    };
    let start: unsafe extern "C" fn() = shape_start;
    check("shape-rs", place, entry, pc == start as usize);
    tock_app::exit(0)
}
