// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Starts as the C runtime does: ten header words that hold sizes and offsets, memory asked for once,
//! nothing checked, and values kept in `a5` and `t1` over system calls.

#![no_std]
#![no_main]

use core::arch::global_asm;
use tock_shapes::{Entry, Place, check};

/// In the global offset table, to show that it was copied.
const MARK: usize = 0x0FF5_E7ED;

global_asm!(
    ".section .shape.got, \"aw\"",
    "shape_got: .word {mark}",
    ".section .shape.start, \"ax\"",
    ".globl shape_start",
    "shape_start:",
    "or t0, t0, gp",
    "or t0, t0, tp",
    "or t0, t0, t1",
    "or t0, t0, t2",
    "or t0, t0, t3",
    "or t0, t0, t4",
    "or t0, t0, t5",
    "or t0, t0, t6",
    "or t0, t0, s0",
    "or t0, t0, s1",
    "or t0, t0, s2",
    "or t0, t0, s3",
    "or t0, t0, s4",
    "or t0, t0, s5",
    "or t0, t0, s6",
    "or t0, t0, s7",
    "or t0, t0, s8",
    "or t0, t0, s9",
    "or t0, t0, s10",
    "or t0, t0, s11",
    "or t0, t0, a4",
    "or t0, t0, a5",
    "or t0, t0, a6",
    "or t0, t0, a7",
    "mv s0, a0",
    "mv s1, a1",
    "mv s2, a2",
    "mv s3, a3",
    "mv s4, sp",
    "mv s5, ra",
    "mv s6, t0",
    // The stack's end in a5 and the first break in t1 live through the three calls.
    "lw a5, 36(s0)",
    "add a5, a5, s1",
    "addi a5, a5, 7",
    "andi a5, a5, -8",
    "lw t1, 24(s0)",
    "lw t2, 28(s0)",
    "add t1, t1, t2",
    "add t1, t1, s1",
    "li a4, 5",
    "li a0, 0",
    "mv a1, t1",
    "ecall",
    "li a0, 10",
    "mv a1, a5",
    "ecall",
    "li a0, 11",
    "mv a1, t1",
    "ecall",
    "mv sp, a5",
    // Twice: from offset t0 in flash to offset t1 in RAM, t2 bytes.
    "addi t3, s0, 0",
    "addi t4, s0, 24",
    "1: lw t0, 0(t3)",
    "lw t1, 4(t3)",
    "lw t2, 8(t3)",
    "add t0, t0, s0",
    "add t1, t1, s1",
    "add t2, t2, t1",
    "j 3f",
    "2: lw t5, 0(t0)",
    "sw t5, 0(t1)",
    "addi t0, t0, 4",
    "addi t1, t1, 4",
    "3: bltu t1, t2, 2b",
    "addi t3, t3, 12",
    "bltu t3, t4, 1b",
    "lw t1, 24(s0)",
    "lw t2, 28(s0)",
    "add t1, t1, s1",
    "add t2, t2, t1",
    "j 5f",
    "4: sw zero, 0(t1)",
    "addi t1, t1, 4",
    "5: bltu t1, t2, 4b",
    "mv a0, s0",
    "mv a1, s1",
    "mv a2, s2",
    "mv a3, s3",
    "mv a4, s4",
    "mv a5, s5",
    "mv a6, s6",
    "lui t0, %hi(shape_got)",
    "lw a7, %lo(shape_got)(t0)",
    "call shape_main",
    mark = const MARK,
);

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
    copied: usize,
) -> ! {
    let place = Place {
        binary: 0x8011_0080,
        ram: 0x8031_0000,
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
    check("shape-c", place, entry, copied == MARK);
    tock_app::exit(0)
}
