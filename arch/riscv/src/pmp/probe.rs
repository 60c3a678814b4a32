// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Finding out whether the CPU has memory protection and Smepmp, and switching that on.

const PMPCFG0: u16 = 0x3A0;
const MSECCFG: u16 = 0x747;

/// Tells whether there is physical memory protection.
pub(super) fn has_protection() -> bool {
    exists::<PMPCFG0>()
}

/// Tells whether there is Smepmp.
pub(super) fn has_smepmp() -> bool {
    exists::<MSECCFG>()
}

/// Tells whether a register exists. A CPU without it traps on the access, which is caught here.
fn exists<const REGISTER: u16>() -> bool {
    #[cfg(target_arch = "riscv32")]
    {
        let present: u32;
        // SAFETY: interrupts are off, so the only trap that can come is the one of the probe, and
        // it lands on the label behind it. The trap vector and `mstatus` are as before afterwards.
        unsafe {
            core::arch::asm!(
                "csrr {status}, mstatus",
                "la {vector}, 2f",
                "csrrw {vector}, mtvec, {vector}",
                "li {present}, 0",
                "csrr {scratch}, {register}",
                "li {present}, 1",
                ".balign 4",
                "2:",
                "csrw mtvec, {vector}",
                "csrw mstatus, {status}",
                status = out(reg) _,
                vector = out(reg) _,
                present = out(reg) present,
                scratch = out(reg) _,
                register = const REGISTER,
                options(nostack),
            );
        }
        present != 0
    }
    #[cfg(not(target_arch = "riscv32"))]
    {
        // Tests have the older table.
        REGISTER != MSECCFG
    }
}

/// Sets MML and MMWP: from now on each rule is for one mode, and machine mode reaches only what a
/// rule gives it.
pub(super) fn lock_down_machine_mode() {
    #[cfg(target_arch = "riscv32")]
    // SAFETY: the rules for the kernel are in place. The fence is for QEMU 7.2, which goes on
    // using translations from before.
    unsafe {
        core::arch::asm!("csrw 0x747, {}", "sfence.vma", in(reg) 3, options(nostack));
    }
}
