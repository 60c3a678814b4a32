// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Filling memory, for every fill that the compiler does not do in line.
//!
//! Eight words per turn of the loop, where the routine that comes with the compiler stores one: most
//! of what the kernel does until the first app runs is clearing buffers. All word accesses are
//! aligned, because a hart need not support others.

#[cfg(target_arch = "riscv32")]
core::arch::global_asm!(
    r#"
        .section .text.memset, "ax"
        .globl memset
        .type memset, @function
        .balign 4
        // a0 destination, returned; a1 value; a2 bytes left; a3 where the next byte goes.
    memset:
        mv   a3, a0
        li   a4, 16
        bltu a2, a4, 50f

        // The byte in all four places of a word.
        andi a1, a1, 255
        slli a5, a1, 8
        or   a1, a1, a5
        slli a5, a1, 16
        or   a1, a1, a5

        // Bytes up to the first whole word.
        neg  a4, a0
        andi a4, a4, 3
        beqz a4, 20f
        sub  a2, a2, a4
        add  a4, a4, a3
    10:
        sb   a1, 0(a3)
        addi a3, a3, 1
        bne  a3, a4, 10b

    20:
        andi a4, a2, -32
        beqz a4, 30f
        add  a4, a4, a3
    21:
        sw   a1, 0(a3)
        sw   a1, 4(a3)
        sw   a1, 8(a3)
        sw   a1, 12(a3)
        sw   a1, 16(a3)
        sw   a1, 20(a3)
        sw   a1, 24(a3)
        sw   a1, 28(a3)
        addi a3, a3, 32
        bne  a3, a4, 21b
    30:
        andi a4, a2, 28
        beqz a4, 40f
        add  a4, a4, a3
    31:
        sw   a1, 0(a3)
        addi a3, a3, 4
        bne  a3, a4, 31b

        // The last bytes, or all of a short fill.
    40:
        andi a2, a2, 3
    50:
        beqz a2, 52f
        add  a4, a3, a2
    51:
        sb   a1, 0(a3)
        addi a3, a3, 1
        bne  a3, a4, 51b
    52:
        ret
        .size memset, . - memset
    "#
);
