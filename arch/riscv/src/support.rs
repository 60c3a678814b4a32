// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Single instructions, and code that must not be interrupted.

use kernel::utilities::registers::interfaces::Writeable;
use riscv_csr::Mstatus;

const MIE: u32 = 1 << 3;

/// Does nothing for one instruction.
#[inline(always)]
pub fn nop() {
    #[cfg(target_arch = "riscv32")]
    // SAFETY: the instruction has no effect.
    unsafe {
        core::arch::asm!("nop", options(nomem, nostack, preserves_flags));
    }
}

/// Waits until an interrupt that is enabled in `mie` is pending, whether or not it would be taken.
#[inline(always)]
pub fn wfi() {
    #[cfg(target_arch = "riscv32")]
    // SAFETY: the instruction only waits. It counts as touching memory, so that what was checked
    // before sleeping is not moved behind it.
    unsafe {
        core::arch::asm!("wfi", options(nostack, preserves_flags));
    }
}

/// Ends the reservation of a load, so that a store that depends on it fails. `scratch` keeps its value.
///
/// A process that an interrupt stops between the two must not go on as if nothing had changed: the
/// kernel may have written there meanwhile, and a processor need not notice its own stores.
#[inline(always)]
pub fn end_reservation(scratch: &mut u32) {
    #[cfg(target_arch = "riscv32")]
    // SAFETY: a word that is lent for writing gets the value that it has, if any.
    unsafe {
        core::arch::asm!(
            "sc.w zero, {value}, ({place})",
            value = in(reg) *scratch,
            place = in(reg) scratch,
            options(nostack, preserves_flags),
        );
    }
    #[cfg(not(target_arch = "riscv32"))]
    let _ = scratch;
}

/// Runs `f` with machine interrupts disabled, and leaves them as they were.
///
/// The kernel keeps them disabled anyway; this is for code that cannot know.
#[inline]
pub fn with_interrupts_disabled<F: FnOnce() -> R, R>(f: F) -> R {
    // SAFETY: clearing and restoring MIE cannot break memory safety.
    let mstatus: Mstatus = unsafe { Mstatus::new() };
    let before = mstatus.read_and_clear_bits(MIE);
    let result = f();
    mstatus.read_and_set_bits(before & MIE);
    result
}

/// Lets the timer and external interrupts wake the CPU and interrupt user mode, and no other.
pub fn enable_interrupt_sources() {
    // SAFETY: user mode comes back through the trap vector, which is set at start.
    let mie: riscv_csr::Mie = unsafe { riscv_csr::Mie::new() };
    mie.set(1 << 7 | 1 << 11);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_result_passes_through() {
        assert_eq!(with_interrupts_disabled(|| 7), 7);
    }
}
