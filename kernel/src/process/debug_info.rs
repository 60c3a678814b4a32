// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What a process counts and notes about itself for diagnostics, which a board can leave out.

use core::cell::Cell;

use crate::syscall::Syscall;

/// Bookkeeping for diagnostics. Every method may do nothing and return nothing.
pub trait ProcessStandardDebug: Default {
    /// Forgets everything, at the start of a run.
    fn reset(&self) {}

    /// Notes a system call.
    fn note_syscall(&self, _call: Syscall) {}

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
    last_syscall: Cell<Option<Syscall>>,
    dropped_upcalls: Cell<usize>,
    timeslice_expirations: Cell<usize>,
    stack_top: Cell<Option<usize>>,
    /// Zero until a stack pointer was seen, then its bitwise complement, so that one comparison
    /// finds the minimum.
    stack_depth: Cell<usize>,
    heap_start: Cell<Option<usize>>,
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
        self.last_syscall.set(None);
        self.stack_top.set(None);
        self.heap_start.set(None);
    }

    #[inline]
    fn note_syscall(&self, call: Syscall) {
        increment(&self.syscalls);
        self.last_syscall.set(Some(call));
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

    #[inline]
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
    fn a_reset_forgets_everything() {
        let debug = ProcessStandardDebugFull::default();
        let call = Syscall::Memop {
            operand: 2,
            arg0: 0,
        };
        debug.note_syscall(call);
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
