// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The process table: a fixed number of slots, each of which holds one process or none.

use core::cell::Cell;
use core::ops::Index;

use super::process_trait::Process;
use crate::capabilities::ExternalProcessCapability;

/// A place for one process.
///
/// A slot is filled once, while processes are loaded, and keeps its process through restarts.
#[derive(Clone)]
pub struct ProcessSlot {
    /// Place in the table.
    index: usize,
    process: Cell<Option<&'static dyn Process>>,
}

impl ProcessSlot {
    /// Creates an empty slot, which is the one at `index` in its table.
    pub(crate) const fn new(index: usize) -> ProcessSlot {
        ProcessSlot {
            index,
            process: Cell::new(None),
        }
    }

    /// Returns the place of the slot in its table.
    pub(crate) fn index(&self) -> usize {
        self.index
    }

    /// Returns the process in this slot.
    #[inline]
    pub fn get(&self) -> Option<&'static dyn Process> {
        self.process.get()
    }

    /// Puts a process into this slot, over whatever was there.
    pub(crate) fn set(&self, process: &'static dyn Process) {
        self.process.set(Some(process));
    }

    /// Puts a process of a type from outside the kernel into this slot.
    ///
    /// Before the main loop starts it may be any slot. Afterwards use the first empty one, as the kernel
    /// does: schedulers may look no further than that behind the last process.
    pub fn set_external(
        &self,
        process: &'static dyn Process,
        _capability: &dyn ExternalProcessCapability,
    ) {
        self.set(process);
    }

    /// Tells whether the process here has this unique identifier now.
    pub fn contains_process_with_id(&self, identifier: usize) -> bool {
        self.get()
            .is_some_and(|process| process.processid().id() == identifier)
    }
}

/// A process table with room for `NUM_PROCS` processes.
pub struct ProcessArray<const NUM_PROCS: usize> {
    slots: [ProcessSlot; NUM_PROCS],
}

impl<const NUM_PROCS: usize> ProcessArray<NUM_PROCS> {
    /// Creates a table of empty slots.
    pub const fn new() -> ProcessArray<NUM_PROCS> {
        let mut slots = [const { ProcessSlot::new(0) }; NUM_PROCS];
        let mut index = 0;
        while index < NUM_PROCS {
            slots[index].index = index;
            index += 1;
        }
        ProcessArray { slots }
    }

    /// Returns all slots, in the order of their indices.
    pub fn as_slice(&self) -> &[ProcessSlot] {
        &self.slots
    }
}

impl<const NUM_PROCS: usize> Default for ProcessArray<NUM_PROCS> {
    fn default() -> ProcessArray<NUM_PROCS> {
        ProcessArray::new()
    }
}

impl<const NUM_PROCS: usize> Index<usize> for ProcessArray<NUM_PROCS> {
    type Output = ProcessSlot;

    fn index(&self, index: usize) -> &ProcessSlot {
        &self.slots[index]
    }
}
