// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The life of a device, from its first initialization on: what state it is in, and when another
//! attempt to bring it back is due.
//!
//! ```text
//!            begin              started
//!    Down ----------> Starting ----------> Running
//!     ^               ^  |                   |
//!     +--- failed ----|--+                   | a broken queue, DEVICE_NEEDS_RESET,
//!     |  (never ran)  |  | failed            | or a request that is never completed
//!     |               |  | (ran before)      |
//!     | abandon       |  v    reset begun    |
//!     +--------- Suspect <-------------------+
//!     |            |  ^ |
//!     |            |  +-+ reset not confirmed
//!     |            v reset confirmed
//!     +--------- Stopped ---> Starting, at most once a second
//! ```
//!
//! Nothing here touches the device: the transport says what happened, and is told what to do next.

use core::cell::Cell;

/// Polls between two attempts to bring a device back: a second.
const PAUSE: u8 = super::POLLS_IN_A_SECOND;

/// Where a device is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Nobody has asked for it, or it could not be initialized and never has been.
    Down,
    /// Being initialized: it must not be notified yet.
    Starting,
    /// In service.
    Running,
    /// Taken out of service. It was reset, so its buffers are back.
    Stopped,
    /// Given up on, with buffers that it may still access: it has to be reset first.
    Suspect,
}

/// The state of one device.
pub(super) struct Lifecycle {
    stage: Cell<Stage>,
    /// Whether it has been in service, so that it is brought back.
    proven: Cell<bool>,
    /// Polls to wait before the next attempt.
    pause: Cell<u8>,
}

impl Lifecycle {
    pub(super) const fn new() -> Self {
        Self {
            stage: Cell::new(Stage::Down),
            proven: Cell::new(false),
            pause: Cell::new(0),
        }
    }

    #[inline]
    pub(super) fn stage(&self) -> Stage {
        self.stage.get()
    }

    /// A reset begins: until it is confirmed, the device has what it had.
    pub(super) fn reset_begun(&self) {
        if self.stage.get() != Stage::Down {
            self.stage.set(Stage::Suspect);
        }
    }

    /// The device has completed a reset.
    pub(super) fn reset_confirmed(&self) {
        if self.stage.get() == Stage::Suspect {
            self.stage.set(Stage::Stopped);
        }
    }

    /// An initialization begins, on a device that was reset.
    pub(super) fn begin(&self) {
        self.stage.set(Stage::Starting);
    }

    /// The device runs.
    pub(super) fn started(&self) {
        self.stage.set(Stage::Running);
        self.proven.set(true);
    }

    /// The initialization failed; the device may know some buffers already.
    pub(super) fn failed(&self) {
        self.stage.set(if self.proven.get() {
            Stage::Suspect
        } else {
            Stage::Down
        });
    }

    /// Nobody wants the device any more, whatever it does.
    pub(super) fn abandon(&self) {
        self.stage.set(Stage::Down);
        self.proven.set(false);
    }

    /// Whether this is the poll at which to try to bring the device back, or to reset one that never ran
    /// and has buffers all the same.
    pub(super) fn attempt_is_due(&self, has_buffers: bool) -> bool {
        let pause = self.pause.get();
        self.pause.set(pause.saturating_sub(1));
        let due = (self.is_out_of_service() || has_buffers) && pause == 0;
        if due {
            // This poll is the first of those to sit out.
            self.pause.set(PAUSE.saturating_sub(1));
        }
        due
    }

    /// Whether there is something to do at the next poll.
    pub(super) fn needs_poll(&self) -> bool {
        self.pause.get() != 0 || self.is_out_of_service()
    }

    fn is_out_of_service(&self) -> bool {
        matches!(self.stage.get(), Stage::Stopped | Stage::Suspect)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running() -> Lifecycle {
        let life = Lifecycle::new();
        life.begin();
        life.started();
        life
    }

    #[test]
    fn a_device_that_never_ran_is_not_brought_back() {
        let life = Lifecycle::new();
        assert!(!life.needs_poll() && !life.attempt_is_due(false));
        life.begin();
        assert_eq!(life.stage(), Stage::Starting);
        life.failed();
        assert_eq!(life.stage(), Stage::Down);
        assert!(!life.needs_poll() && !life.attempt_is_due(false));
    }

    #[test]
    fn a_stopped_device_is_tried_at_the_next_poll_and_then_once_a_second() {
        let life = running();
        life.reset_begun();
        assert_eq!(life.stage(), Stage::Suspect);
        life.reset_confirmed();
        assert_eq!(life.stage(), Stage::Stopped);
        for poll in 0..10 * u32::from(PAUSE) {
            assert!(life.needs_poll());
            let due = poll % u32::from(PAUSE) == 0;
            assert_eq!(life.attempt_is_due(false), due, "poll {poll}");
            if due {
                life.begin();
                life.failed();
                assert_eq!(life.stage(), Stage::Suspect);
            }
        }
    }

    #[test]
    fn the_pause_outlasts_a_successful_attempt() {
        let life = running();
        life.reset_begun();
        assert!(life.attempt_is_due(false));
        life.begin();
        life.started();
        for _ in 1..PAUSE {
            life.reset_begun();
            assert!(life.needs_poll() && !life.attempt_is_due(false));
            life.started();
        }
        assert!(!life.needs_poll());
        life.reset_begun();
        assert!(life.attempt_is_due(false));
    }

    #[test]
    fn a_device_without_users_is_left_alone() {
        let life = running();
        life.abandon();
        assert!(!life.needs_poll() && !life.attempt_is_due(false));
        life.reset_begun();
        life.reset_confirmed();
        assert_eq!(life.stage(), Stage::Down);
    }
}
