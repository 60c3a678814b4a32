// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The interface to processes, rule by rule, as a process finds it in its registers.
//!
//! Each file has a table for a part of the interface (TRD 104). A row names a rule and carries the
//! check of it: the registers of a system call go through the decoder, the kernel as a board runs
//! it, and the encoder. What the rules ask of registers beyond the four of a call is in
//! `arch/riscv/src/syscall/tests.rs`.

mod commands;
mod exchange;
mod grants;
mod images;
mod memory;
mod registers;
mod states;
mod yields;

use core::cell::Cell;
use core::ptr::without_provenance_mut;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::vec::Vec;

use crate::process::fake_tbf::Tbf;
use crate::process::fakes::{Entry, World};
use crate::process::{Process, ProcessAddresses, State};
use crate::syscall::{ContextSwitchReason, SyscallReturn};
use crate::utilities::arch_helpers::{
    TRD104SyscallReturn, encode_syscall_return_trd104, syscall_from_register_arguments_trd104,
    undecodable_syscall,
};

/// Numbers of the classes of system calls.
pub(super) mod class {
    pub(crate) const YIELD: u8 = 0;
    pub(crate) const SUBSCRIBE: u8 = 1;
    pub(crate) const COMMAND: u8 = 2;
    pub(crate) const ALLOW_RW: u8 = 3;
    pub(crate) const ALLOW_RO: u8 = 4;
    pub(crate) const MEMOP: u8 = 5;
    pub(crate) const EXIT: u8 = 6;
    pub(crate) const ALLOW_READABLE: u8 = 7;
}

/// Numbers of the errors that rules name.
pub(super) mod code {
    pub(crate) const FAIL: usize = 1;
    pub(crate) const RESERVE: usize = 5;
    pub(crate) const INVALID: usize = 6;
    pub(crate) const NOMEM: usize = 9;
    pub(crate) const NOSUPPORT: usize = 10;
    pub(crate) const NODEVICE: usize = 11;
}

/// A rule and its check, which runs on a board of its own.
pub(super) type Row = (&'static str, fn(&Machine));

/// How many of many cases to go on by: all of them take Miri too long.
pub(super) const fn stride(under_miri: usize) -> usize {
    if cfg!(miri) { under_miri } else { 1 }
}

/// Checks every row, and names all that do not hold. Under Miri each takes seconds, and every
/// eighth has to do.
pub(super) fn hold(rows: &[Row]) {
    let broken: Vec<&str> = rows
        .iter()
        .step_by(stride(8))
        .filter(|(_, check)| catch_unwind(AssertUnwindSafe(|| check(&Machine::new()))).is_err())
        .map(|(rule, _)| *rule)
        .collect();
    assert!(broken.is_empty(), "rules that do not hold: {broken:#?}");
}

/// What a system call leads to, as the process sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It goes on behind the call, with this in `a0` to `a3`.
    Back([u32; 4]),
    /// It is in an upcall function, with these arguments.
    Upcall(usize, [usize; 4]),
    /// It waits.
    Waits,
    /// It has faulted.
    Faulted,
    /// It has ended with this code.
    Ended(u32),
    /// It is another run, which has not been entered yet.
    Restarted,
}

/// A register as a 32-bit process sees it; addresses of the host are longer.
pub(super) fn register(value: usize) -> u32 {
    value as u32
}

/// A board with one process that runs, and has `ROOM` bytes of RAM.
pub(super) struct Machine {
    pub(super) world: &'static World,
    pub(super) process: &'static dyn Process,
    /// The registers of the call that the process made last.
    called_with: Cell<[usize; 4]>,
}

impl Machine {
    /// Bytes of RAM that the process has.
    pub(super) const ROOM: usize = 256;

    fn new() -> Machine {
        let mut tbf = Tbf::new("app");
        tbf.writeable = std::vec![(64, 8), (u32::MAX, 8)];
        let world = World::with_apps(&[tbf]);
        let machine = Machine {
            world,
            process: world.process(0),
            called_with: Cell::default(),
        };
        machine.succeeds(class::MEMOP, [1, Self::ROOM, 0, 0]);
        machine
    }

    /// Where things are.
    pub(super) fn map(&self) -> ProcessAddresses {
        self.process.get_addresses()
    }

    /// The first byte of RAM.
    pub(super) fn ram(&self) -> usize {
        self.map().sram_start
    }

    /// A place where a function can be.
    pub(super) fn function(&self) -> usize {
        self.map().flash_non_protected_start
    }

    /// Makes a call.
    pub(super) fn call(&self, class: u8, registers: [usize; 4]) -> Outcome {
        let [a0, a1, a2, a3] = registers;
        let decoded =
            syscall_from_register_arguments_trd104(class, a0, a1.into(), a2.into(), a3.into());
        let reason = decoded.map_or_else(
            || undecodable_syscall(class),
            |syscall| ContextSwitchReason::SyscallFired { syscall },
        );
        self.called_with.set(registers);
        let run = self.process.processid();
        let entries = self.world.run_reasons([reason]);
        assert!(!entries.is_empty(), "the process does not run");
        match (entries.get(1), self.process.get_state()) {
            (Some(entry), _) => self.found(entry),
            (None, State::Faulted) => Outcome::Faulted,
            (None, State::Terminated) => {
                let code = self.process.get_completion_code();
                Outcome::Ended(code.unwrap().unwrap())
            }
            (None, _) if self.process.processid() != run => Outcome::Restarted,
            (None, _) => Outcome::Waits,
        }
    }

    /// Lets a process that waits go on, if it can.
    pub(super) fn go_on(&self) -> Outcome {
        match self.world.run_reasons([]).first() {
            Some(entry) => self.found(entry),
            None => Outcome::Waits,
        }
    }

    fn found(&self, entry: &Entry) -> Outcome {
        if let Some(call) = entry.function {
            let arguments = [
                call.argument0,
                call.argument1,
                call.argument2,
                call.argument3.as_usize(),
            ];
            return Outcome::Upcall(call.pc.addr(), arguments);
        }
        let mut registers = self.called_with.get().map(register);
        if let Some(answer) = entry.answer {
            encode(answer, &mut registers);
        }
        Outcome::Back(registers)
    }

    /// Makes a call that must lead to `outcome`.
    #[track_caller]
    pub(super) fn gives(&self, class: u8, registers: [usize; 4], outcome: Outcome) {
        assert_eq!(
            self.call(class, registers),
            outcome,
            "{class} {registers:x?}"
        );
    }

    /// Makes a call whose answer begins with these registers and leaves the others alone.
    #[track_caller]
    pub(super) fn answers(&self, class: u8, registers: [usize; 4], answer: &[usize]) {
        let mut expected = registers;
        expected[..answer.len()].copy_from_slice(answer);
        self.gives(class, registers, Outcome::Back(expected.map(register)));
    }

    /// Makes a call that must be answered by some success.
    #[track_caller]
    pub(super) fn succeeds(&self, class: u8, registers: [usize; 4]) {
        match self.call(class, registers) {
            Outcome::Back([128..=u32::MAX, ..]) => {}
            other => panic!("{class} {registers:x?}: {other:x?}"),
        }
    }

    /// Has the driver schedule an upcall, with `value` as its first argument.
    pub(super) fn event(&self, number: usize, value: usize) -> bool {
        let driver = &self.world.driver.apps;
        let scheduled = driver.enter(self.process.processid(), |_, data| {
            data.schedule_upcall(number, (value, 20, 30)).is_ok()
        });
        scheduled == Ok(true)
    }

    /// Puts a byte into RAM, as the process would.
    pub(super) fn set_byte(&self, address: usize, value: u8) {
        // SAFETY: nobody has a reference to process memory here.
        let set = unsafe {
            self.process
                .set_byte(without_provenance_mut(address), value)
        };
        assert!(set, "{address:#x} is not the process's own");
    }

    /// Leaves no memory for grants.
    pub(super) fn fill_memory(&self) {
        let kernel_break = self.map().sram_grant_start;
        self.succeeds(class::MEMOP, [0, kernel_break, 0, 0]);
    }
}

/// Puts an answer into registers.
pub(super) fn encode(answer: SyscallReturn, registers: &mut [u32; 4]) {
    let [a0, a1, a2, a3] = registers;
    encode_syscall_return_trd104(&TRD104SyscallReturn::from(answer), a0, a1, a2, a3);
}
