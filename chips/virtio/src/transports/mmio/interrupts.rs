// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Serving the interrupts of a device, and bounding what a noisy one costs.

use super::access::RegisterAccess;
use super::device::VirtIOMMIODevice;
use super::registers::interrupt;
use crate::barriers::Barriers;
use crate::queues::Served;
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
    #[inline(always)]
    fn serve(&self) -> bool {
        let causes = self.take_causes();
        self.barriers.registers_and_memory();
        (causes == interrupt::USED_BUFFER && self.scan_queues()) || self.serve_rest(causes)
    }

    /// Goes on if that is not all there is to it, or there was nothing in the queues.
    #[inline(never)]
    fn serve_rest(&self, causes: u32) -> bool {
        if causes == 0 {
            self.events.spurious.bump();
        }
        if causes == 0 || !self.is_running() {
            return false;
        }
        let used = causes & interrupt::USED_BUFFER != 0;
        let mut worked = false;
        if causes & interrupt::CONFIGURATION != 0 {
            worked = self.configuration_interrupt();
            // The queues have not been looked at yet.
            if used && self.scan_queues() {
                return true;
            }
        }
        if used {
            self.events.empty.bump();
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

    /// Looks at the queues that an interrupt may be for, since no cause says which (4.2.2), and at all
    /// of them if that was none. Returns whether one had anything.
    #[inline(never)]
    pub(super) fn scan_queues(&self) -> bool {
        if !self.is_running() {
            return false;
        }
        let outcome = self.serve_expected();
        outcome == Served::Something || self.scan_on(outcome)
    }

    /// Has the driver serve the queues that asked for interrupts.
    #[inline(always)]
    pub(super) fn serve_expected(&self) -> Served {
        match self.driver.get() {
            Some(driver) => driver.serve_queues(self.queues.get()),
            None => Served::Nothing,
        }
    }

    /// Goes on if there was nothing, or a queue was found broken.
    #[inline(never)]
    pub(super) fn scan_on(&self, mut outcome: Served) -> bool {
        if outcome == Served::Nothing {
            for queue in self.queues.get() {
                outcome = outcome.max(queue.serve());
            }
        }
        if outcome == Served::Broken {
            self.events.broken.bump();
            self.stop();
        }
        outcome != Served::Nothing
    }
}
