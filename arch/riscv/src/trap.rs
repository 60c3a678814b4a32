// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Entry to and exit from user mode, in assembly.
//!
//! `riscv_enter_user` loads the process's registers and leaves with `mret`. The next trap comes
//! back through `riscv_trap`, saves the process's registers and returns from that same call, so to
//! Rust a run of a process is one piece of inline assembly. That declares to change all registers
//! it can, which leaves to the compiler what of the kernel is worth keeping: in a loop around it,
//! very little. The four that it cannot declare are kept beside the process's registers.
//!
//! `mscratch` tells where a trap came from: it points to the process's [`StoredState`] while user
//! mode runs and is zero while the kernel does. A trap from the kernel is an error, except for a
//! load from the flash of the loaded process, which lifts the rule that forbids it
//! (`pmp/flash_lift.rs`).
//!
//! `mstatus` is not written on this path. A trap from user mode leaves MPP = U, the lift ends with
//! an `mret` that does the same, and start-up leaves it so; hence each `mret` here goes to user
//! mode, where interrupts are taken whatever MIE says.
//!
//! [`StoredState`]: crate::syscall::StoredState

#[cfg(target_arch = "riscv32")]
mod entry {
    use crate::fault::{FAULT_FRAME, kernel_fault};
    use crate::pmp::FLASH_RULE;
    use crate::syscall::StoredState;
    use core::mem::offset_of;

    // The assembly below relies on these.
    const _: () = {
        assert!(offset_of!(StoredState, registers) == 0);
        assert!(offset_of!(StoredState, pc) == 124);
        assert!(offset_of!(StoredState, mcause) == 128);
        assert!(offset_of!(StoredState, kernel_registers) == 136);
    };

    unsafe extern "C" {
        fn riscv_enter_user();
    }

    /// Runs the process until the next trap and returns its `mcause`.
    ///
    /// # Safety
    ///
    /// `state` is valid for writes, aligned, and nothing else refers to it; the memory rules
    /// of that process are loaded; the trap vector is set and interrupts are disabled.
    #[inline(always)]
    pub unsafe fn enter_user(state: *mut StoredState) -> u32 {
        let mcause: u32;
        // SAFETY: the assembly comes back here at the next trap. It restores sp, s0 and s1, every
        // other register is declared to change, but for gp and tp, which the kernel does not use:
        // without a symbol for it, nothing is linked relative to gp. Besides the state, only the
        // process's own memory changes meanwhile.
        unsafe {
            core::arch::asm!(
                "call {enter}",
                enter = sym riscv_enter_user,
                inlateout("a0") state => _,
                lateout("t2") mcause,
                out("s2") _, out("s3") _, out("s4") _, out("s5") _, out("s6") _,
                out("s7") _, out("s8") _, out("s9") _, out("s10") _, out("s11") _,
                clobber_abi("C"),
            );
        }
        mcause
    }

    core::arch::global_asm!(
        r#"
        .section .riscv.trap, "ax"
        .globl riscv_enter_user
        .balign 4
    riscv_enter_user:
        sw   ra, 136(a0)
        sw   sp, 140(a0)
        sw   s0, 144(a0)
        sw   s1, 148(a0)
        csrw mscratch, a0
        lw   t0, 124(a0)
        csrw mepc, t0
        lw   x1, 0(a0)
        lw   x2, 4(a0)
        lw   x3, 8(a0)
        lw   x4, 12(a0)
        lw   x5, 16(a0)
        lw   x6, 20(a0)
        lw   x7, 24(a0)
        lw   x8, 28(a0)
        lw   x9, 32(a0)
        lw   x11, 40(a0)
        lw   x12, 44(a0)
        lw   x13, 48(a0)
        lw   x14, 52(a0)
        lw   x15, 56(a0)
        lw   x16, 60(a0)
        lw   x17, 64(a0)
        lw   x18, 68(a0)
        lw   x19, 72(a0)
        lw   x20, 76(a0)
        lw   x21, 80(a0)
        lw   x22, 84(a0)
        lw   x23, 88(a0)
        lw   x24, 92(a0)
        lw   x25, 96(a0)
        lw   x26, 100(a0)
        lw   x27, 104(a0)
        lw   x28, 108(a0)
        lw   x29, 112(a0)
        lw   x30, 116(a0)
        lw   x31, 120(a0)
        lw   x10, 36(a0)
        mret

        .globl riscv_trap
        .balign 4
    riscv_trap:
        csrrw a0, mscratch, a0
        beqz a0, 1f
        sw   x1, 0(a0)
        sw   x2, 4(a0)
        sw   x3, 8(a0)
        sw   x4, 12(a0)
        sw   x5, 16(a0)
        sw   x6, 20(a0)
        sw   x7, 24(a0)
        sw   x8, 28(a0)
        sw   x9, 32(a0)
        sw   x11, 40(a0)
        sw   x12, 44(a0)
        sw   x13, 48(a0)
        sw   x14, 52(a0)
        sw   x15, 56(a0)
        sw   x16, 60(a0)
        sw   x17, 64(a0)
        sw   x18, 68(a0)
        sw   x19, 72(a0)
        sw   x20, 76(a0)
        sw   x21, 80(a0)
        sw   x22, 84(a0)
        sw   x23, 88(a0)
        sw   x24, 92(a0)
        sw   x25, 96(a0)
        sw   x26, 100(a0)
        sw   x27, 104(a0)
        sw   x28, 108(a0)
        sw   x29, 112(a0)
        sw   x30, 116(a0)
        sw   x31, 120(a0)
        csrrw t0, mscratch, zero
        csrr t1, mepc
        csrr t2, mcause
        sw   t0, 36(a0)
        sw   t1, 124(a0)
        sw   t2, 128(a0)
        lw   ra, 136(a0)
        lw   sp, 140(a0)
        lw   s0, 144(a0)
        lw   s1, 148(a0)
        ret

        // From the kernel. The frame, not the stack, takes the registers: the stack pointer may
        // be what is wrong.
    1:
        la   a0, {frame}
        sw   t0, 16(a0)
        sw   t1, 20(a0)
        csrr t0, mcause
        addi t0, t0, -5
        bnez t0, 2f
        la   t1, {flash_rule}
        lw   t0, 0(t1)
        addi t0, t0, -1
        bnez t0, 2f
        // The armed flash rule may have stopped this load: lift it and try again. If the load is
        // wrong for another reason, it comes back here and finds the rule lifted.
        lw   t0, 4(t1)
        csrw pmpcfg0, t0
        li   t0, 2
        sw   t0, 0(t1)
        lw   t0, 12(t1)
        addi t0, t0, 1
        sw   t0, 12(t1)
        lw   t0, 16(a0)
        lw   t1, 20(a0)
        csrrw a0, mscratch, zero
        mret

        // Not to be repaired: save everything and report from Rust.
    2:
        sw   x1, 0(a0)
        sw   x2, 4(a0)
        sw   x3, 8(a0)
        sw   x4, 12(a0)
        sw   x7, 24(a0)
        sw   x8, 28(a0)
        sw   x9, 32(a0)
        sw   x11, 40(a0)
        sw   x12, 44(a0)
        sw   x13, 48(a0)
        sw   x14, 52(a0)
        sw   x15, 56(a0)
        sw   x16, 60(a0)
        sw   x17, 64(a0)
        sw   x18, 68(a0)
        sw   x19, 72(a0)
        sw   x20, 76(a0)
        sw   x21, 80(a0)
        sw   x22, 84(a0)
        sw   x23, 88(a0)
        sw   x24, 92(a0)
        sw   x25, 96(a0)
        sw   x26, 100(a0)
        sw   x27, 104(a0)
        sw   x28, 108(a0)
        sw   x29, 112(a0)
        sw   x30, 116(a0)
        sw   x31, 120(a0)
        csrrw t0, mscratch, zero
        csrr t1, mepc
        csrr t2, mcause
        csrr t3, mtval
        sw   t0, 36(a0)
        sw   t1, 124(a0)
        sw   t2, 128(a0)
        sw   t3, 132(a0)
        // Report on the stack in use as long as it has room, else from its top.
        la   t0, _sstack + 2048
        la   t1, _estack
        bltu sp, t0, 3f
        bgeu t1, sp, 4f
    3:
        mv   sp, t1
    4:
        andi sp, sp, -16
        call {kernel_fault}
    5:
        j    5b
        "#,
        frame = sym FAULT_FRAME,
        flash_rule = sym FLASH_RULE,
        kernel_fault = sym kernel_fault,
    );
}

#[cfg(target_arch = "riscv32")]
pub(crate) use entry::enter_user;

/// On other targets there is no user mode to enter: the process is reported as faulted.
///
/// # Safety
///
/// None; the signature is that of the real one.
#[cfg(not(target_arch = "riscv32"))]
pub(crate) unsafe fn enter_user(state: *mut crate::syscall::StoredState) -> u32 {
    let _ = state;
    crate::print::cause::BREAKPOINT
}
