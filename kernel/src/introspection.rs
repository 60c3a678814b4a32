// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Counts and names for tools that look at the kernel from inside, such as a process console.

use crate::capabilities::ProcessManagementCapability;
use crate::kernel::Kernel;
use crate::process::{Process, ProcessId};

/// A view of the processes. Counts of a process that is gone are zero.
pub struct KernelInfo {
    kernel: &'static Kernel,
}

impl KernelInfo {
    /// Creates a view.
    pub fn new(kernel: &'static Kernel) -> KernelInfo {
        KernelInfo { kernel }
    }

    #[inline(never)]
    fn count(&self, wanted: fn(&dyn Process) -> bool) -> usize {
        self.kernel
            .get_process_iter()
            .filter(|process| wanted(*process))
            .count()
    }

    fn of(&self, process_id: ProcessId, number: impl FnOnce(&dyn Process) -> usize) -> usize {
        self.kernel.process_map_or(0, process_id, number)
    }

    /// Counts the processes in the table, in whatever state.
    pub fn number_loaded_processes(&self, _capability: &dyn ProcessManagementCapability) -> usize {
        self.count(|_| true)
    }

    /// Counts the processes that have neither faulted nor terminated.
    pub fn number_active_processes(&self, _capability: &dyn ProcessManagementCapability) -> usize {
        self.count(|process| process.get_state().is_active())
    }

    /// Counts the processes that have faulted or terminated.
    pub fn number_inactive_processes(
        &self,
        _capability: &dyn ProcessManagementCapability,
    ) -> usize {
        self.count(|process| !process.get_state().is_active())
    }

    /// Returns the name of a process, `"unknown"` if it is gone.
    pub fn process_name(
        &self,
        process_id: ProcessId,
        _capability: &dyn ProcessManagementCapability,
    ) -> &'static str {
        self.kernel
            .process_map_or("unknown", process_id, |process| process.get_process_name())
    }

    /// Counts the system calls of a process.
    pub fn number_app_syscalls(
        &self,
        process_id: ProcessId,
        _capability: &dyn ProcessManagementCapability,
    ) -> usize {
        self.of(process_id, |process| process.debug_syscall_count())
    }

    /// Counts the events that a process lost because its queue was full.
    pub fn number_app_dropped_upcalls(
        &self,
        process_id: ProcessId,
        _capability: &dyn ProcessManagementCapability,
    ) -> usize {
        self.of(process_id, |process| process.debug_dropped_upcall_count())
    }

    /// Counts the restarts of a process.
    pub fn number_app_restarts(
        &self,
        process_id: ProcessId,
        _capability: &dyn ProcessManagementCapability,
    ) -> usize {
        self.of(process_id, |process| process.get_restart_count())
    }

    /// Counts the time slices that a process used up.
    pub fn number_app_timeslice_expirations(
        &self,
        process_id: ProcessId,
        _capability: &dyn ProcessManagementCapability,
    ) -> usize {
        self.of(process_id, |process| {
            process.debug_timeslice_expiration_count()
        })
    }

    /// Counts the grants that have memory in a process, and the grants that there are.
    pub fn number_app_grant_uses(
        &self,
        process_id: ProcessId,
        _capability: &dyn ProcessManagementCapability,
    ) -> (usize, usize) {
        let used = self.of(process_id, |process| {
            process.grant_allocated_count().unwrap_or(0)
        });
        (used, self.kernel.grant_count())
    }

    /// Counts the time slices that any process used up.
    pub fn timeslice_expirations(&self, _capability: &dyn ProcessManagementCapability) -> usize {
        self.kernel
            .get_process_iter()
            .map(|process| process.debug_timeslice_expiration_count())
            .fold(0, usize::wrapping_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::fake_tbf::Tbf;
    use crate::process::fakes::DRIVER;
    use crate::process::fakes::calls::{command, function, subscribe};
    use crate::process::fakes::{Everything, World};

    #[test]
    fn processes_are_counted_by_what_has_become_of_them() {
        let world = World::with_apps(&["one", "two", "three"].map(Tbf::new));
        let info = KernelInfo::new(world.kernel);
        let counts = || {
            (
                info.number_loaded_processes(&Everything),
                info.number_active_processes(&Everything),
                info.number_inactive_processes(&Everything),
            )
        };
        assert_eq!(counts(), (3, 3, 0));
        world.process(0).terminate(None);
        world.process(1).set_fault_state();
        world.process(2).stop();
        assert_eq!(counts(), (3, 1, 2));
    }

    #[test]
    fn a_process_is_described_while_it_is_there() {
        let (world, process) = World::with_one();
        let info = KernelInfo::new(world.kernel);
        world.run(&[subscribe(DRIVER, 0, function(process), 0), command(0, 0, 0)]);
        let driver = &world.driver.apps;
        let _ = driver.enter(process.processid(), |_, data| {
            while data.schedule_upcall(0, (0, 0, 0)).is_ok() {}
        });
        process.debug_timeslice_expired();
        let numbers = |id| {
            [
                info.number_app_syscalls(id, &Everything),
                info.number_app_dropped_upcalls(id, &Everything),
                info.number_app_restarts(id, &Everything),
                info.number_app_timeslice_expirations(id, &Everything),
            ]
        };
        let id = process.processid();
        assert_eq!(info.process_name(id, &Everything), "app");
        assert_eq!(numbers(id), [2, 1, 0, 1]);
        // The board has a second grant, that of inter-process communication.
        assert_eq!(info.number_app_grant_uses(id, &Everything), (1, 2));
        assert_eq!(info.timeslice_expirations(&Everything), 1);

        process.try_restart(None);
        assert_eq!(info.process_name(id, &Everything), "unknown");
        assert_eq!(numbers(id), [0; 4]);
        assert_eq!(info.number_app_grant_uses(id, &Everything), (0, 2));
        assert_eq!(numbers(process.processid()), [0, 0, 1, 0]);
    }
}
