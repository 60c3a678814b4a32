// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Instructions that a process may not execute, or not in this way.

/// An instruction that faults in user mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forbidden {
    /// The word that is defined to be illegal.
    Illegal,
    /// A breakpoint that no debugger waits for.
    Breakpoint,
    /// Reads a machine-mode register.
    ReadMachineStatus,
    /// Points the trap vector elsewhere.
    WriteTrapVector,
    /// Opens memory protection.
    WriteProtection,
    /// Masks all interrupts.
    MaskInterrupts,
    /// Returns to machine mode.
    ReturnFromTrap,
    /// Changes a shared word atomically at an address that is not a word's.
    MisalignedAtomic,
    /// Makes a system call of a class that does not exist.
    UnknownCall,
}

/// Executes `instruction`, which faults the process on a board that keeps processes in user mode.
///
/// Returns on a board that does not.
#[cfg(target_os = "none")]
pub fn execute(instruction: Forbidden) {
    use core::arch::asm;

    let mut words = [0u32; 2];
    // SAFETY: each of these traps before it changes anything. Were one to be carried out, only the
    // board's own state or `words` would change, but for the return from a trap, which ends in the
    // kernel's hands or in a fault.
    unsafe {
        match instruction {
            Forbidden::Illegal => asm!(".word 0"),
            Forbidden::Breakpoint => asm!("ebreak"),
            Forbidden::ReadMachineStatus => asm!("csrr {0}, mstatus", out(reg) _),
            Forbidden::WriteTrapVector => asm!("csrw mtvec, {0}", in(reg) words.as_ptr()),
            Forbidden::WriteProtection => asm!("csrw pmpcfg0, {0}", in(reg) 0x1F),
            Forbidden::MaskInterrupts => asm!("csrw mie, zero"),
            Forbidden::ReturnFromTrap => asm!("mret"),
            Forbidden::MisalignedAtomic => asm!(
                "amoadd.w {0}, {1}, ({2})",
                out(reg) _,
                in(reg) 1,
                in(reg) words.as_mut_ptr().wrapping_byte_add(1),
            ),
            Forbidden::UnknownCall => asm!("ecall", inout("a4") 8 => _, out("a0") _),
        }
    }
}

/// Executes nothing: the host has neither these instructions nor a kernel to catch them.
#[cfg(not(target_os = "none"))]
pub fn execute(instruction: Forbidden) {
    unreachable!("{instruction:?} cannot be executed on the host")
}
