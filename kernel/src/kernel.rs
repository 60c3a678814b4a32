// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The kernel object: the process table and the count of grants.
//!
//! It is created once by the board and lives for ever. The main loop is in `kernel/main_loop.rs`,
//! what happens while a process has its turn in `kernel/turn.rs` and `kernel/system_calls.rs`.

mod main_loop;
mod system_calls;
mod turn;

pub use turn::Turn;

use core::cell::Cell;

use crate::capabilities::{
    ExternalProcessCapability, MemoryAllocationCapability, ProcessManagementCapability,
};
use crate::grant::{AllowRoSize, AllowRwSize, Grant, UpcallSize};
use crate::process::{Process, ProcessId, ProcessSlot};

/// The process table, and what must be unique across processes.
pub struct Kernel {
    processes: &'static [ProcessSlot],
    /// Identifiers handed out so far; the next process start takes this number.
    identifiers_used: Cell<usize>,
    grant_count: Cell<usize>,
    /// Set when the first process is created, because its grant table has a fixed length.
    grants_final: Cell<bool>,
}

impl Kernel {
    /// Creates the kernel over a process table.
    pub const fn new(processes: &'static [ProcessSlot]) -> Kernel {
        Kernel {
            processes,
            identifiers_used: Cell::new(0),
            grant_count: Cell::new(0),
            grants_final: Cell::new(false),
        }
    }

    /// Creates a grant for the driver with this number.
    ///
    /// # Panics
    ///
    /// When a process exists already, because processes are laid out for a known number of
    /// grants. Boards create all grants before they load processes.
    pub fn create_grant<
        T: Default,
        Upcalls: UpcallSize,
        AllowROs: AllowRoSize,
        AllowRWs: AllowRwSize,
    >(
        &'static self,
        driver_num: usize,
        _capability: &dyn MemoryAllocationCapability,
    ) -> Grant<T, Upcalls, AllowROs, AllowRWs> {
        assert!(
            !self.grants_final.get(),
            "grants must be created before processes"
        );
        let grant_num = self.grant_count.get();
        self.grant_count.set(grant_num + 1);
        Grant::new(self, driver_num, grant_num)
    }

    /// Returns the number of grants so far.
    pub(crate) fn grant_count(&self) -> usize {
        self.grant_count.get()
    }

    /// Returns the number of grants; none can be created afterwards.
    pub(crate) fn get_grant_count_and_finalize(&self) -> usize {
        self.grants_final.set(true);
        self.grant_count.get()
    }

    /// Returns the number of grants, for loaders outside the kernel; none can be created
    /// afterwards.
    pub fn get_grant_count_and_finalize_external(
        &self,
        _capability: &dyn ExternalProcessCapability,
    ) -> usize {
        self.get_grant_count_and_finalize()
    }

    /// Takes an identifier that no process start had before. `None` when all have been used: then
    /// no process can be started any more, because an identifier that was kept from an earlier run
    /// would name the wrong process.
    pub(crate) fn create_process_identifier(&self) -> Option<usize> {
        let identifier = self.identifiers_used.get();
        self.identifiers_used.set(identifier.checked_add(1)?);
        Some(identifier)
    }

    /// Returns the process table.
    pub(crate) fn process_slots(&self) -> &'static [ProcessSlot] {
        self.processes
    }

    /// Finds a process by its identifier. `None` if it has restarted since.
    #[inline]
    pub(crate) fn get_process(&self, process_id: ProcessId) -> Option<&'static dyn Process> {
        process_id.resolve()
    }

    /// Runs `work` on a process, or returns `default` if the identifier is stale.
    #[inline]
    pub(crate) fn process_map_or<F, R>(&self, default: R, process_id: ProcessId, work: F) -> R
    where
        F: FnOnce(&dyn Process) -> R,
    {
        match self.get_process(process_id) {
            Some(process) => work(process),
            None => default,
        }
    }

    /// Runs `work` on a process, or returns `default` if the identifier is stale.
    pub fn process_map_or_external<F, R>(
        &self,
        default: R,
        process_id: ProcessId,
        work: F,
        _capability: &dyn ProcessManagementCapability,
    ) -> R
    where
        F: FnOnce(&dyn Process) -> R,
    {
        self.process_map_or(default, process_id, work)
    }

    /// Iterates over all processes, in the order of the table.
    pub(crate) fn get_process_iter(&self) -> ProcessIter {
        ProcessIter {
            slots: self.processes.iter(),
        }
    }

    /// Iterates over all processes, in the order of the table.
    pub fn process_iter_capability(
        &'static self,
        _capability: &dyn ProcessManagementCapability,
    ) -> impl Iterator<Item = &'static dyn Process> {
        self.get_process_iter()
    }

    /// Runs `work` on every process, in the order of the table.
    pub fn process_each_capability<F>(
        &'static self,
        _capability: &dyn ProcessManagementCapability,
        mut work: F,
    ) where
        F: FnMut(&'static dyn Process),
    {
        for process in self.get_process_iter() {
            work(process);
        }
    }

    /// Declares every process faulty, which applies each one's fault policy.
    pub fn hardfault_all_apps<C: ProcessManagementCapability>(&self, _capability: &C) {
        for process in self.get_process_iter() {
            process.set_fault_state();
        }
    }
}

/// Iterates over the processes in a table, past empty slots.
pub(crate) struct ProcessIter {
    slots: core::slice::Iter<'static, ProcessSlot>,
}

impl Iterator for ProcessIter {
    type Item = &'static dyn Process;

    fn next(&mut self) -> Option<&'static dyn Process> {
        self.slots.find_map(ProcessSlot::get)
    }
}
