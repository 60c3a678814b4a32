// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What a process counts and notes about itself for diagnostics, which a board can leave out.

use core::cell::Cell;

use crate::syscall::{CallRegisters, Syscall, SyscallClass};
use crate::utilities::machine_register::MachineRegister;

/// Bookkeeping for diagnostics. Every method may do nothing and return nothing.
pub trait ProcessStandardDebug: Default {
    /// Forgets everything, at the start of a run.
    fn reset(&self) {}

    /// Notes a system call.
    fn note_syscall(&self, _call: CallRegisters) {}

    /// Counts the system calls.
    fn syscall_count(&self) -> usize {
        0
    }

    /// Returns the last system call.
    fn last_syscall(&self) -> Option<Syscall> {
        None
    }

    /// Notes that an event found the queue full.
    fn note_dropped_upcall(&self) {}

    /// Counts the events that found the queue full.
    fn dropped_upcall_count(&self) -> usize {
        0
    }

    /// Notes that a time slice is used up.
    fn note_timeslice_expiration(&self) {}

    /// Counts the time slices used up.
    fn timeslice_expiration_count(&self) -> usize {
        0
    }

    /// Notes where the process puts the top of its stack.
    fn set_stack_top(&self, _address: usize) {}

    /// Returns where the process puts the top of its stack.
    fn stack_top(&self) -> Option<usize> {
        None
    }

    /// Notes a stack pointer that the process was seen with.
    fn note_stack_pointer(&self, _address: usize) {}

    /// Returns the lowest stack pointer that the process was seen with.
    fn lowest_stack_pointer(&self) -> Option<usize> {
        None
    }

    /// Notes where the process puts its heap.
    fn set_heap_start(&self, _address: usize) {}

    /// Returns where the process puts its heap.
    fn heap_start(&self) -> Option<usize> {
        None
    }
}

/// No bookkeeping.
impl ProcessStandardDebug for () {}

/// All of the bookkeeping.
#[derive(Default)]
pub struct ProcessStandardDebugFull {
    syscalls: Cell<usize>,
    last_syscall: LastCall,
    dropped_upcalls: Cell<usize>,
    timeslice_expirations: Cell<usize>,
    stack_top: Cell<Option<usize>>,
    /// Zero until a stack pointer was seen, then its bitwise complement, so that one comparison
    /// finds the minimum.
    stack_depth: Cell<usize>,
    heap_start: Cell<Option<usize>>,
}

/// The last system call, kept as its registers.
///
/// Every call passes here, and storing words takes a few instructions where copying the enum is a
/// call of `memcpy`.
#[derive(Default)]
struct LastCall {
    /// `None` if there was none.
    class: Cell<Option<SyscallClass>>,
    r0: Cell<usize>,
    r1: Cell<MachineRegister>,
    r2: Cell<MachineRegister>,
    r3: Cell<MachineRegister>,
}

impl LastCall {
    #[inline(always)]
    fn set(&self, call: CallRegisters) {
        self.class.set(Some(call.class));
        self.r0.set(call.r0);
        self.r1.set(call.r1);
        self.r2.set(call.r2);
        self.r3.set(call.r3);
    }

    fn get(&self) -> Option<Syscall> {
        let registers = CallRegisters {
            class: self.class.get()?,
            r0: self.r0.get(),
            r1: self.r1.get(),
            r2: self.r2.get(),
            r3: self.r3.get(),
        };
        registers.call()
    }

    fn clear(&self) {
        self.class.set(None);
    }
}

fn increment(counter: &Cell<usize>) {
    counter.set(counter.get().wrapping_add(1));
}

impl ProcessStandardDebug for ProcessStandardDebugFull {
    fn reset(&self) {
        for counter in [
            &self.syscalls,
            &self.dropped_upcalls,
            &self.timeslice_expirations,
            &self.stack_depth,
        ] {
            counter.set(0);
        }
        self.last_syscall.clear();
        self.stack_top.set(None);
        self.heap_start.set(None);
    }

    #[inline(always)]
    fn note_syscall(&self, call: CallRegisters) {
        increment(&self.syscalls);
        self.last_syscall.set(call);
    }

    fn syscall_count(&self) -> usize {
        self.syscalls.get()
    }

    fn last_syscall(&self) -> Option<Syscall> {
        self.last_syscall.get()
    }

    fn note_dropped_upcall(&self) {
        increment(&self.dropped_upcalls);
    }

    fn dropped_upcall_count(&self) -> usize {
        self.dropped_upcalls.get()
    }

    fn note_timeslice_expiration(&self) {
        increment(&self.timeslice_expirations);
    }

    fn timeslice_expiration_count(&self) -> usize {
        self.timeslice_expirations.get()
    }

    fn set_stack_top(&self, address: usize) {
        self.stack_top.set(Some(address));
        self.stack_depth.set(!address);
    }

    fn stack_top(&self) -> Option<usize> {
        self.stack_top.get()
    }

    #[inline(always)]
    fn note_stack_pointer(&self, address: usize) {
        if !address > self.stack_depth.get() {
            self.stack_depth.set(!address);
        }
    }

    fn lowest_stack_pointer(&self) -> Option<usize> {
        match self.stack_depth.get() {
            0 => None,
            depth => Some(!depth),
        }
    }

    fn set_heap_start(&self, address: usize) {
        self.heap_start.set(Some(address));
    }

    fn heap_start(&self) -> Option<usize> {
        self.heap_start.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syscall::YieldVariant;

    #[test]
    fn the_lowest_stack_pointer_is_kept_until_the_process_names_its_stack() {
        let debug = ProcessStandardDebugFull::default();
        assert_eq!(debug.lowest_stack_pointer(), None);
        for address in [0x100, 0x40, 0x80] {
            debug.note_stack_pointer(address);
        }
        assert_eq!(debug.lowest_stack_pointer(), Some(0x40));
        debug.set_stack_top(0x200);
        debug.note_stack_pointer(0x1F0);
        assert_eq!(debug.lowest_stack_pointer(), Some(0x1F0));
    }

    #[test]
    fn the_last_call_comes_back_as_it_was() {
        let pointer = core::ptr::without_provenance_mut::<u8>;
        let (driver_number, subdriver_number) = (0x3_0007, 2);
        let yields = [
            YieldVariant::NoWait { ptr: pointer(9) },
            YieldVariant::Wait,
            YieldVariant::WaitFor {
                driver_number,
                subdriver_number,
            },
        ]
        .map(|yield_type| Syscall::Yield { yield_type });
        let others = [
            Syscall::Subscribe {
                driver_number,
                subdriver_number,
                upcall_ptr: 3usize.into(),
                appdata: 4usize.into(),
            },
            Syscall::Command {
                driver_number,
                subdriver_number,
                arg0: 3,
                arg1: 4,
            },
            Syscall::ReadWriteAllow {
                driver_number,
                subdriver_number,
                allow_address: pointer(3),
                allow_size: 4,
            },
            Syscall::UserspaceReadableAllow {
                driver_number,
                subdriver_number,
                allow_address: pointer(3),
                allow_size: 4,
            },
            Syscall::ReadOnlyAllow {
                driver_number,
                subdriver_number,
                allow_address: pointer(3),
                allow_size: 4,
            },
            Syscall::Memop {
                operand: 1,
                arg0: 2,
            },
            Syscall::Exit {
                which: 1,
                completion_code: 2,
            },
        ];
        let debug = ProcessStandardDebugFull::default();
        for call in yields.into_iter().chain(others) {
            debug.note_syscall(call.into());
            assert_eq!(debug.last_syscall(), Some(call));
        }
    }

    #[test]
    fn a_reset_forgets_everything() {
        let debug = ProcessStandardDebugFull::default();
        let call = Syscall::Memop {
            operand: 2,
            arg0: 0,
        };
        debug.note_syscall(call.into());
        debug.note_dropped_upcall();
        debug.note_timeslice_expiration();
        debug.set_stack_top(0x200);
        debug.set_heap_start(0x80);
        assert_eq!(
            (debug.syscall_count(), debug.last_syscall()),
            (1, Some(call))
        );
        debug.reset();
        assert_eq!((debug.syscall_count(), debug.last_syscall()), (0, None));
        assert_eq!(debug.dropped_upcall_count(), 0);
        assert_eq!(debug.timeslice_expiration_count(), 0);
        assert_eq!(debug.stack_top(), None);
        assert_eq!(debug.lowest_stack_pointer(), None);
        assert_eq!(debug.heap_start(), None);
    }
}
