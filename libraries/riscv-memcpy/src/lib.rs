// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Copying memory, for every copy that the compiler does not do in line.
//!
//! The routine that comes with the compiler moves one word, or a word put together from two, per
//! turn of a loop. This one moves sixteen words per turn where source and destination are equally
//! aligned, and otherwise eight that are stored by halves or four that are put together from
//! neighbouring words.
//! All accesses are aligned, because a hart need not support others.
//!
//! A word of the source is read only if a byte of it belongs to the source. That may read bytes
//! beside the source, in the same word: memory protection has no finer borders.
//!
//! The kernel and each process have this routine, by naming the crate: `use riscv_memcpy as _;`.
//!
//! Shown by `tools/boot-tests/tests/apps.rs::copies_of_every_length_and_alignment_are_exact`.

#![no_std]

#[cfg(target_arch = "riscv32")]
core::arch::global_asm!(
    r#"
        .section .text.memcpy, "ax"
        .globl memcpy
        .type memcpy, @function
        .balign 4
        // a0 destination, returned; a1 source; a2 bytes left; a3 where the next byte goes.
    memcpy:
        mv   a3, a0
        or   a4, a0, a1
        andi a4, a4, 3
        beqz a4, 20f
        li   a4, 16
        bltu a2, a4, 41f

        // Bytes up to the first whole word of the destination.
        neg  a4, a0
        andi a4, a4, 3
        beqz a4, 11f
        sub  a2, a2, a4
        add  a4, a4, a3
    10:
        lbu  a5, 0(a1)
        addi a1, a1, 1
        sb   a5, 0(a3)
        addi a3, a3, 1
        bne  a3, a4, 10b
    11:
        andi a4, a1, 3
        bnez a4, 30f

        // Both aligned.
    20:
        andi a4, a2, 32
        beqz a4, 24f
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
    24:
        andi a4, a2, -64
        beqz a4, 22f
        add  a4, a4, a3
    21:
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
        lw   a5, 32(a1)
        lw   a6, 36(a1)
        lw   a7, 40(a1)
        lw   t0, 44(a1)
        lw   t1, 48(a1)
        lw   t2, 52(a1)
        lw   t3, 56(a1)
        lw   t4, 60(a1)
        sw   a5, 32(a3)
        sw   a6, 36(a3)
        sw   a7, 40(a3)
        sw   t0, 44(a3)
        sw   t1, 48(a3)
        sw   t2, 52(a3)
        sw   t3, 56(a3)
        sw   t4, 60(a3)
        addi a1, a1, 64
        addi a3, a3, 64
        bne  a3, a4, 21b
    22:
        andi a4, a2, 28
        beqz a4, 40f
        add  a4, a4, a3
    23:
        lw   a5, 0(a1)
        addi a1, a1, 4
        sw   a5, 0(a3)
        addi a3, a3, 4
        bne  a3, a4, 23b
        j    40f

        // Only the destination aligned: a4 bytes of the source's first word are not the source's.
        // a7 holds the word that the next one begins in, a5 and a6 shift its parts into place.
    30:
        addi a5, a4, -2
        beqz a5, 50f
        sub  a1, a1, a4
        slli a5, a4, 3
        neg  a6, a5
        lw   a7, 0(a1)
        andi t6, a2, -16
        beqz t6, 32f
        add  t6, t6, a3
    31:
        lw   t0, 4(a1)
        lw   t1, 8(a1)
        lw   t2, 12(a1)
        lw   t3, 16(a1)
        srl  a7, a7, a5
        sll  t4, t0, a6
        or   a7, a7, t4
        sw   a7, 0(a3)
        srl  t0, t0, a5
        sll  t4, t1, a6
        or   t0, t0, t4
        sw   t0, 4(a3)
        srl  t1, t1, a5
        sll  t4, t2, a6
        or   t1, t1, t4
        sw   t1, 8(a3)
        srl  t2, t2, a5
        sll  t4, t3, a6
        or   t2, t2, t4
        sw   t2, 12(a3)
        mv   a7, t3
        addi a1, a1, 16
        addi a3, a3, 16
        bne  a3, t6, 31b
    32:
        andi t6, a2, 12
        beqz t6, 34f
        add  t6, t6, a3
    33:
        lw   t0, 4(a1)
        srl  a7, a7, a5
        sll  t4, t0, a6
        or   a7, a7, t4
        sw   a7, 0(a3)
        mv   a7, t0
        addi a1, a1, 4
        addi a3, a3, 4
        bne  a3, t6, 33b
    34:
        add  a1, a1, a4

        // The last bytes, or all of a short copy.
    40:
        andi a2, a2, 3
    41:
        beqz a2, 43f
        add  a4, a3, a2
    42:
        lbu  a5, 0(a1)
        addi a1, a1, 1
        sb   a5, 0(a3)
        addi a3, a3, 1
        bne  a3, a4, 42b
    43:
        ret

        // Two bytes apart: after two bytes the source is aligned, and the halves of its words go to
        // halves of the destination's.
    50:
        lhu  a5, 0(a1)
        addi a1, a1, 2
        sh   a5, 0(a3)
        addi a3, a3, 2
        addi a2, a2, -2
        andi t6, a2, -32
        beqz t6, 52f
        add  t6, t6, a3
    51:
        lw   a5, 0(a1)
        lw   a6, 4(a1)
        lw   a7, 8(a1)
        lw   t0, 12(a1)
        lw   t1, 16(a1)
        lw   t2, 20(a1)
        lw   t3, 24(a1)
        lw   t4, 28(a1)
        sh   a5, 0(a3)
        srli a5, a5, 16
        sh   a5, 2(a3)
        sh   a6, 4(a3)
        srli a6, a6, 16
        sh   a6, 6(a3)
        sh   a7, 8(a3)
        srli a7, a7, 16
        sh   a7, 10(a3)
        sh   t0, 12(a3)
        srli t0, t0, 16
        sh   t0, 14(a3)
        sh   t1, 16(a3)
        srli t1, t1, 16
        sh   t1, 18(a3)
        sh   t2, 20(a3)
        srli t2, t2, 16
        sh   t2, 22(a3)
        sh   t3, 24(a3)
        srli t3, t3, 16
        sh   t3, 26(a3)
        sh   t4, 28(a3)
        srli t4, t4, 16
        sh   t4, 30(a3)
        addi a1, a1, 32
        addi a3, a3, 32
        bne  a3, t6, 51b
    52:
        andi t6, a2, 28
        beqz t6, 40b
        add  t6, t6, a3
    53:
        lw   t0, 0(a1)
        addi a1, a1, 4
        sh   t0, 0(a3)
        srli t0, t0, 16
        sh   t0, 2(a3)
        addi a3, a3, 4
        bne  a3, t6, 53b
        j    40b
        .size memcpy, . - memcpy
    "#
);
