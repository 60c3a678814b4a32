// SPDX-License-Identifier: Apache-2.0 OR MIT

//! From reset to `main`.
//!
//! The linker script puts `.riscv.start` at the address where the CPU begins and defines the
//! symbols used here. Sections outside `[_szero, _ezero)`, such as `.noinit` and the stack, keep
//! what memory held at reset.

#[cfg(target_arch = "riscv32")]
core::arch::global_asm!(
    r#"
    .section .riscv.start, "ax"
    .globl _start
_start:
    csrw mie, zero
    // Machine interrupts off, no floating point, and user mode as the target of `mret`.
    csrw mstatus, zero
    csrw mscratch, zero
    // One hart runs the kernel; the others sleep, with no interrupt enabled to wake them.
    csrr t0, mhartid
    bnez t0, 5f
    la   sp, _estack
    la   t0, riscv_trap
    csrw mtvec, t0

    la   t0, _szero
    la   t1, _ezero
    bgeu t0, t1, 2f
1:
    sw   zero, 0(t0)
    addi t0, t0, 4
    bltu t0, t1, 1b
2:
    la   t0, _srelocate
    la   t1, _erelocate
    la   t2, _etext_data
    bgeu t0, t1, 4f
3:
    lw   t3, 0(t2)
    sw   t3, 0(t0)
    addi t2, t2, 4
    addi t0, t0, 4
    bltu t0, t1, 3b
4:
    call main
5:
    wfi
    j    5b
    "#
);

/// Starts the kernel anew, as after a reset but with memory protection in force.
///
/// A reset by QEMU is no way to do this under Smepmp: the rules outlive it, all of them in 7.2 and
/// the higher entries in 10.0, and deny the boot ROM, or the kernel, its execution.
///
/// # Safety
///
/// No device uses memory any more: all of it is about to be written as at the first start.
pub unsafe fn restart() -> ! {
    #[cfg(target_arch = "riscv32")]
    // SAFETY: the caller answers for memory; start-up code sets up everything else it relies on.
    unsafe {
        core::arch::asm!("j _start", options(noreturn))
    }
    #[cfg(not(target_arch = "riscv32"))]
    panic!("a host program cannot start the kernel");
}
