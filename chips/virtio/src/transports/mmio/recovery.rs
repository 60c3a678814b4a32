// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Taking a device out of service that cannot be trusted any more, and bringing it back.
//!
//! `lifecycle` has the states. All that takes time happens in [`Polled::poll`], so that a device that
//! fails again and again costs an attempt a second.

use super::access::RegisterAccess;
use super::device::VirtIOMMIODevice;
use super::lifecycle::Stage;
use crate::barriers::Barriers;
use crate::devices::Progress;
use crate::queues::Served;
use crate::transports::{Polled, VirtIOInitializationError};

impl<R: RegisterAccess, B: Barriers> VirtIOMMIODevice<R, B> {
    /// Takes a running device out of service: it is reset, its buffers go back to the driver, and an
    /// attempt to bring it back follows.
    pub(super) fn stop(&self) {
        if !self.is_running() {
            return;
        }
        self.reset();
        self.left_service();
    }

    /// Deals with the end of service, after the reset that ended it.
    pub(super) fn left_service(&self) {
        self.watching.set(false);
        if let Some(driver) = self.driver.get() {
            driver.device_stopped();
        }
        self.request_poll();
    }

    /// Asks for a poll, unless one is due anyway.
    pub(super) fn request_poll(&self) {
        if !self.poll_is_due.replace(true)
            && let Some(poller) = self.poller.get()
        {
            poller.request_poll();
        }
    }

    /// Tries to bring the device back, with the driver and the queues that it had.
    fn recover(&self) {
        let Some(driver) = self.driver.get() else {
            return;
        };
        self.events.attempts.bump();
        match self.bring_up(driver, self.queues.get()) {
            // After an error of the driver's last step the device runs (see `initialize`).
            Ok(_) | Err(VirtIOInitializationError::DriverInitializationError(..)) => {
                self.events.recoveries.bump();
            }
            // The next attempt is a second away.
            Err(_) => {}
        }
    }

    /// Asks the driver whether the device keeps up. Returns whether it still waits.
    fn check_progress(&self) -> bool {
        let Some(driver) = self.driver.get() else {
            return false;
        };
        self.look_for_late_buffers();
        driver.collect();
        match driver.check_progress() {
            // A queue that was found broken took the device out of service.
            _ if !self.is_running() => false,
            Progress::Idle => false,
            Progress::Waiting => true,
            Progress::Stalled => {
                self.events.stalled.bump();
                self.stop();
                false
            }
        }
    }

    /// Serves the queues, because what the driver waits for may be there, and only the interrupt missing.
    ///
    /// It is missing if none has come since the last poll and none is yet to be served. A buffer that a
    /// busy device uses at this very moment is not late: the queue has been served a moment ago.
    fn look_for_late_buffers(&self) {
        let interrupts = self.events.interrupts.get();
        let quiet = self.interrupts_before.replace(interrupts) == interrupts;
        let outcome = self.serve_expected();
        if outcome != Served::Something {
            self.scan_on(outcome);
        } else if quiet && !self.has_causes() {
            self.events.found_late.bump();
        }
    }
}

impl<R: RegisterAccess, B: Barriers> Polled for VirtIOMMIODevice<R, B> {
    /// Looks after whatever takes time: a masked interrupt source, requests on their way, a device that
    /// is out of service, and one that has to be reset to give buffers back.
    fn poll(&self) -> bool {
        self.poll_is_due.set(false);
        self.poll_line();
        if self.life.stage() == Stage::Running && self.watching.take() && self.check_progress() {
            self.watching.set(true);
        }
        if self.life.attempt_is_due(self.holds_buffers.get()) {
            if self.life.stage() == Stage::Down {
                self.reset();
            } else {
                self.recover();
            }
        }
        let again = self.watching.get()
            || self.holds_buffers.get()
            || self.storm.needs_poll()
            || self.life.needs_poll();
        // Whatever was asked for meanwhile is among the reasons.
        self.poll_is_due.set(again);
        again
    }
}
