// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Copying memory, for every copy that the compiler does not do in line.
//!
//! The routine that comes with the compiler moves one word, or a word put together from two, per
//! turn of a loop. This one moves eight words per turn, wherever they start: the harts of QEMU load
//! and store misaligned words as fast as aligned ones. A misaligned access is subject to memory
//! protection as one piece, which is no obstacle because no object lies across a border of it.
//!
//! Words and then bytes finish what is left, so no byte outside of the source is read.

#[cfg(target_arch = "riscv32")]
core::arch::global_asm!(
    r#"
        .section .text.memcpy, "ax"
        .globl memcpy
        .type memcpy, @function
        .balign 4
    memcpy:
        mv   a3, a0
        andi a4, a2, -32
        beqz a4, 2f
        add  a4, a4, a3
    1:
        lw   a5, 0(a1)
        lw   a6, 4(a1)
        lw   a7, 8(a1)
        lw   t0, 12(a1)
        lw   t1, 16(a1)
        lw   t2, 20(a1)
        lw   t3, 24(a1)
        lw   t4, 28(a1)
        sw   a5, 0(a3)
        sw   a6, 4(a3)
        sw   a7, 8(a3)
        sw   t0, 12(a3)
        sw   t1, 16(a3)
        sw   t2, 20(a3)
        sw   t3, 24(a3)
        sw   t4, 28(a3)
        addi a1, a1, 32
        addi a3, a3, 32
        bne  a3, a4, 1b
    2:
        andi a4, a2, 28
        beqz a4, 4f
        add  a4, a4, a3
    3:
        lw   a5, 0(a1)
        sw   a5, 0(a3)
        addi a1, a1, 4
        addi a3, a3, 4
        bne  a3, a4, 3b
    4:
        andi a4, a2, 3
        beqz a4, 6f
        add  a4, a4, a3
    5:
        lbu  a5, 0(a1)
        sb   a5, 0(a3)
        addi a1, a1, 1
        addi a3, a3, 1
        bne  a3, a4, 5b
    6:
        ret
        .size memcpy, . - memcpy
    "#
);
