// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Serving the interrupts of a device, and bounding what a noisy one costs.

use super::access::RegisterAccess;
use super::device::{Stage, VirtIOMMIODevice};
use super::registers::interrupt;
use crate::barriers::Barriers;
use crate::transports::configuration::Configuration;

/// Interrupts without work, between two polls, after which the source is masked.
const STORM: u32 = 1_000;

impl<R: RegisterAccess, B: Barriers> VirtIOMMIODevice<R, B> {
    /// Serves an interrupt of this device.
    ///
    /// An interrupt without a cause is tolerated, from an empty slot too.
    pub fn handle_interrupt(&self) {
        self.events.interrupts.bump();
        if self.serve() {
            return;
        }
        let idle = self.idle_interrupts.get().saturating_add(1);
        self.idle_interrupts.set(idle);
        if idle >= STORM
            && !self.masked.get()
            && let Some(line) = self.line.get()
        {
            line.mask();
            self.masked.set(true);
            self.events.masked.bump();
        }
    }

    /// Looks after a device whose interrupts are masked; call it about once a second.
    ///
    /// What the masked source would have reported is served, and after an interval without a storm
    /// the source is unmasked again.
    pub fn poll(&self) {
        let idle = self.idle_interrupts.replace(0);
        if !self.masked.get() {
            return;
        }
        self.serve();
        if idle < STORM
            && let Some(line) = self.line.get()
        {
            self.masked.set(false);
            line.unmask();
        }
    }

    /// Acknowledges first and scans then: a buffer used in between raises another interrupt, while
    /// an acknowledgement after the scan would swallow it. Returns whether there was work.
    fn serve(&self) -> bool {
        let causes = self.take_causes();
        if causes == 0 {
            self.events.spurious.bump();
            return false;
        }
        self.barriers.registers_and_memory();
        if self.stage.get() != Stage::Running {
            return false;
        }
        let mut worked = false;
        if causes & interrupt::CONFIGURATION != 0 {
            worked |= self.configuration_interrupt();
        }
        if causes & interrupt::USED_BUFFER != 0 {
            worked |= self.used_buffer_interrupt();
        }
        worked
    }

    /// Also how a device asks to be reset (2.1.2).
    fn configuration_interrupt(&self) -> bool {
        if self.needs_reset() {
            self.events.needs_reset.bump();
            self.stop();
            return true;
        }
        self.events.configuration_changes.bump();
        if let Some(driver) = self.driver.get() {
            driver.configuration_changed(&Configuration::new(self));
        }
        false
    }

    /// The cause does not say which queue, so each is looked at (4.2.2).
    fn used_buffer_interrupt(&self) -> bool {
        let mut worked = false;
        for queue in self.queues.get() {
            worked |= queue.serve();
        }
        if !worked {
            self.events.empty.bump();
        }
        if self.queues.get().iter().any(|queue| queue.is_broken()) {
            self.stop();
        }
        worked
    }
}
