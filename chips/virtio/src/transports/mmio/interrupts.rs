// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Serving the interrupts of a device, and bounding what a noisy one costs.

use super::access::RegisterAccess;
use super::device::VirtIOMMIODevice;
use super::lifecycle::Stage;
use super::registers::interrupt;
use crate::barriers::Barriers;
use crate::transports::configuration::Configuration;

impl<R: RegisterAccess, B: Barriers> VirtIOMMIODevice<R, B> {
    /// Serves an interrupt of this device.
    ///
    /// An interrupt without a cause is tolerated, from an empty slot too.
    pub fn handle_interrupt(&self) {
        self.events.interrupts.bump();
        if self.serve() {
            self.storm.work();
            return;
        }
        if self.storm.idle_interrupt()
            && let Some(line) = self.line.get()
        {
            line.mask();
            self.events.masked.bump();
        }
        self.request_poll();
    }

    /// Does for a masked source what its interrupts would, and unmasks it in due course.
    ///
    /// Not relying on the cause, which may be what is wrong with the device.
    pub(super) fn poll_line(&self) {
        let worked = self.storm.is_masked() && (self.serve() || self.scan_queues());
        if self.storm.poll(worked)
            && let Some(line) = self.line.get()
        {
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
        if self.life.stage() != Stage::Running {
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
            driver.configuration_changed(&Configuration::new(self, self.accepted.get()));
        }
        false
    }

    fn used_buffer_interrupt(&self) -> bool {
        let worked = self.scan_queues();
        if !worked {
            self.events.empty.bump();
        }
        worked
    }

    /// Looks at the queues that an interrupt may be for, since no cause says which (4.2.2), and at all
    /// of them if that was none. Returns whether one had anything.
    pub(super) fn scan_queues(&self) -> bool {
        if !self.is_running() {
            return false;
        }
        let queues = self.queues.get();
        let (mut worked, mut broken) = (false, false);
        for queue in queues {
            if queue.serve_expected() {
                worked = true;
                broken |= queue.is_broken();
            }
        }
        if !worked {
            for queue in queues {
                worked |= queue.serve();
                broken |= queue.is_broken();
            }
        }
        if broken {
            self.events.broken.bump();
            self.stop();
        }
        worked
    }
}
