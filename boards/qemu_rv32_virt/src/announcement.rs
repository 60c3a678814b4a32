// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What the board says of itself when it has come up.
//!
//! Making text of it takes longer than starting the first process, so the text waits until that
//! process has been entered. It is made when the process comes back, with its first system call or
//! its first fault, and so still precedes what processes have to say.

use core::cell::Cell;

use kernel::debug;
use kernel::deferred_call::{DeferredCall, DeferredCallClient};
use kernel::platform::{ContextSwitchCallback, ProcessFault};
use kernel::process::{Process, ProcessLoadReport, ProcessLoadReporter};
use riscv::pmp::Mode;

use crate::board::NUM_PROCS;
use crate::devices::Devices;

/// The lines about protection, devices and apps.
pub struct Announcement {
    protection: Mode,
    devices: &'static Devices,
    /// What became of the first apps; of the others it is said at once.
    reports: [Cell<Option<ProcessLoadReport>>; NUM_PROCS],
    is_made: Cell<bool>,
    deferred_call: DeferredCall,
}

impl Announcement {
    /// Prepares what is to be said. Register its deferred call.
    pub fn new(protection: Mode, devices: &'static Devices) -> Self {
        Self {
            protection,
            devices,
            reports: [const { Cell::new(None) }; NUM_PROCS],
            is_made: Cell::new(false),
            deferred_call: DeferredCall::new(),
        }
    }

    /// Tells whether it has been made.
    pub fn is_made(&self) -> bool {
        self.is_made.get()
    }

    /// Makes it, unless it was made before.
    pub fn make(&self) {
        if self.is_made.replace(true) {
            return;
        }
        debug!(
            "Tock {}.{}.{} on QEMU virt (riscv32), processes behind {}",
            u32::from(kernel::KERNEL_MAJOR_VERSION),
            u32::from(kernel::KERNEL_MINOR_VERSION),
            u32::from(kernel::KERNEL_PATCH_VERSION),
            match self.protection {
                Mode::Smepmp => "Smepmp",
                Mode::Plain => "PMP",
            }
        );
        self.devices.announce();
        for report in self.reports.iter().filter_map(Cell::take) {
            debug!("{}", report);
        }
    }
}

impl ProcessLoadReporter for Announcement {
    fn report(&self, report: &ProcessLoadReport) {
        if !self.is_made.get() {
            let mut places = self.reports.iter();
            if let Some(place) = places.find(|place| place.get().is_none()) {
                place.set(Some(*report));
                return;
            }
            self.make();
        }
        debug!("{}", report);
    }
}

impl ContextSwitchCallback for Announcement {
    fn context_switch_hook(&self, _process: &dyn Process) {
        if !self.is_made.get() {
            self.deferred_call.set();
        }
    }
}

impl ProcessFault for Announcement {
    fn process_fault_hook(&self, _process: &dyn Process) -> Result<(), ()> {
        self.make();
        Err(())
    }
}

impl DeferredCallClient for Announcement {
    fn handle_deferred_call(&self) {
        self.make();
    }

    fn register(&'static self) {
        self.deferred_call.register(self);
    }
}
