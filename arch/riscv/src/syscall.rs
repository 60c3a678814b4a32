// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The system call boundary: registers of a process, and what they mean (TRD 104).
//!
//! On `ecall`, a4 holds the class and a0 to a3 the arguments; on return only the registers that
//! the returned variant defines are written. The instructions around this are in `trap.rs`.

use crate::pmp::restore_flash_rule;
use crate::print::{self, cause};
use crate::support::end_reservation;
use crate::trap::enter_user;
use core::fmt::Write;
use kernel::ErrorCode;
use kernel::process::FunctionCall;
use kernel::syscall::{
    CallRegisters, ContextSwitchReason, SyscallClass, SyscallReturn, Trap, UserspaceKernelBoundary,
};
use kernel::utilities::arch_helpers::{TRD104SyscallReturn, encode_syscall_return_trd104};
use kernel::utilities::registers::interfaces::Readable;
use riscv_csr::Mtval;

/// Places in [`StoredState::registers`], which starts with `x1`.
const RA: usize = 0;
const SP: usize = 1;
const A0: usize = 9;
const A4: usize = 13;

/// `ecall` has no compressed form.
const ECALL_BYTES: u32 = 4;

/// Registers of a process while it does not run.
#[derive(Default)]
#[repr(C)]
pub struct StoredState {
    /// `x1` to `x31`.
    pub(crate) registers: [u32; 31],
    /// Where the process goes on.
    pub(crate) pc: u32,
    /// Why it ended its last run.
    pub(crate) mcause: u32,
    /// The address or instruction that belongs to `mcause`, if that was a fault.
    pub(crate) mtval: u32,
    /// The kernel's ra, sp, s0 and s1 during a run; for `trap.rs` alone.
    pub(crate) kernel_registers: [u32; 4],
}

impl StoredState {
    /// Returns a0 to a3.
    fn arguments(&mut self) -> [&mut u32; 4] {
        let [_, _, _, _, _, _, _, _, _, a0, a1, a2, a3, ..] = &mut self.registers;
        [a0, a1, a2, a3]
    }

    /// Returns the registers of a system call and moves the process past its `ecall`.
    ///
    /// A class that does not exist leaves the process at the instruction, as a fault.
    #[inline(always)]
    fn take_call(&mut self) -> Trap {
        let Ok(class) = SyscallClass::try_from(self.registers[A4] as u8) else {
            return Trap::Other(ContextSwitchReason::Fault);
        };
        self.pc = self.pc.wrapping_add(ECALL_BYTES);
        let argument = |index: usize| self.registers[index] as usize;
        Trap::Call(CallRegisters {
            class,
            r0: argument(A0),
            r1: argument(A0 + 1).into(),
            r2: argument(A0 + 2).into(),
            r3: argument(A0 + 3).into(),
        })
    }
}

/// Bytes that [`UserspaceKernelBoundary::store_context`] writes: a format number, the registers,
/// `pc`, `mcause` and `mtval`, each as a little-endian word.
pub const STORED_CONTEXT_BYTES: usize = 4 * (1 + 31 + 3);

/// Format number of the stored context.
const CONTEXT_FORMAT: u32 = 1;

/// The boundary between kernel and processes.
pub struct SysCall {
    _private: (),
}

impl SysCall {
    /// Creates the boundary.
    ///
    /// # Safety
    ///
    /// The trap vector is set, as start-up does, and the kernel runs with interrupts disabled.
    pub const unsafe fn new() -> Self {
        SysCall { _private: () }
    }
}

impl UserspaceKernelBoundary for SysCall {
    type StoredState = StoredState;

    /// A process starts without memory of its own: nothing is kept on its stack by the kernel.
    fn initial_process_app_brk_size(&self) -> usize {
        0
    }

    unsafe fn initialize_process(
        &self,
        accessible_memory_start: *const u8,
        _app_brk: *const u8,
        state: &mut StoredState,
    ) -> Result<(), ()> {
        *state = StoredState::default();
        state.registers[SP] = u32::try_from(accessible_memory_start.addr()).map_err(|_| ())?;
        Ok(())
    }

    #[inline(always)]
    fn passes_values_in_registers(&self) -> bool {
        true
    }

    #[inline(always)]
    unsafe fn set_syscall_return_value(
        &self,
        _accessible_memory_start: *const u8,
        _app_brk: *const u8,
        state: &mut StoredState,
        return_value: SyscallReturn,
    ) -> Result<(), ()> {
        let [a0, a1, a2, a3] = state.arguments();
        let answer = TRD104SyscallReturn::from(return_value);
        encode_syscall_return_trd104(&answer, a0, a1, a2, a3);
        Ok(())
    }

    #[inline(always)]
    unsafe fn set_process_function(
        &self,
        _accessible_memory_start: *const u8,
        _app_brk: *const u8,
        state: &mut StoredState,
        upcall: FunctionCall,
    ) -> Result<(), ()> {
        // Returning from the function goes on behind the `ecall`; before the first entry that is 0.
        state.registers[RA] = state.pc;
        let [a0, a1, a2, a3] = state.arguments();
        *a0 = upcall.argument0 as u32;
        *a1 = upcall.argument1 as u32;
        *a2 = upcall.argument2 as u32;
        *a3 = upcall.argument3.as_usize() as u32;
        state.pc = upcall.pc.addr() as u32;
        Ok(())
    }

    unsafe fn switch_to_process(
        &self,
        accessible_memory_start: *const u8,
        app_brk: *const u8,
        state: &mut StoredState,
    ) -> (ContextSwitchReason, Option<*const u8>) {
        let mut stack = None;
        // SAFETY: the caller keeps the same conditions.
        let trap = unsafe {
            self.run_process(accessible_memory_start, app_brk, state, |pointer| {
                stack = Some(pointer);
            })
        };
        (trap.into_reason(), stack)
    }

    #[inline(always)]
    unsafe fn run_process(
        &self,
        _accessible_memory_start: *const u8,
        _app_brk: *const u8,
        state: &mut StoredState,
        note: impl FnOnce(*const u8),
    ) -> Trap {
        restore_flash_rule();
        // SAFETY: the caller loaded this process's memory rules and lends its state.
        let mcause = unsafe { enter_user(state) };
        note(core::ptr::with_exposed_provenance(
            state.registers[SP] as usize,
        ));
        if mcause == cause::USER_CALL {
            return state.take_call();
        }
        Trap::Other(if mcause & cause::INTERRUPT != 0 {
            end_reservation(&mut state.mtval);
            ContextSwitchReason::Interrupted
        } else {
            // SAFETY: the register is only read, and nothing has trapped since.
            state.mtval = unsafe { Mtval::new() }.get();
            ContextSwitchReason::Fault
        })
    }

    unsafe fn print_context(
        &self,
        _accessible_memory_start: *const u8,
        _app_brk: *const u8,
        state: &StoredState,
        writer: &mut dyn Write,
    ) {
        print::registers(
            writer,
            &state.registers,
            state.pc,
            state.mcause,
            state.mtval,
        );
    }

    fn store_context(&self, state: &StoredState, out: &mut [u8]) -> Result<usize, ErrorCode> {
        let out = out.get_mut(..STORED_CONTEXT_BYTES).ok_or(ErrorCode::SIZE)?;
        let words = core::iter::once(CONTEXT_FORMAT)
            .chain(state.registers)
            .chain([state.pc, state.mcause, state.mtval]);
        for (place, word) in out.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        Ok(STORED_CONTEXT_BYTES)
    }
}

#[cfg(test)]
mod tests;
