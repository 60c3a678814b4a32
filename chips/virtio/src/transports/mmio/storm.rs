// SPDX-License-Identifier: Apache-2.0 OR MIT

//! When interrupts without work become a storm, and when a masked source gets another chance.
//!
//! A source that was masked is let through again as soon as a poll finds that its device has
//! something to say, and otherwise after a while that doubles each time the storm comes back.

use core::cell::Cell;

/// Interrupts without work, within a second, that make a storm; those with work are deducted.
const STORM: u32 = 1_000;

/// Polls that end the count, in which a whole second fits.
const SECOND: u8 = super::POLLS_IN_A_SECOND + 1;

/// Polls for which a source stays masked the first time: a second.
const FIRST_SENTENCE: u8 = super::POLLS_IN_A_SECOND;

/// And at most.
const LONGEST_SENTENCE: u8 = 64;

/// Counts the interrupts of one source.
pub(super) struct StormGuard {
    masked: Cell<bool>,
    /// Interrupts without work in this second, by how many they outnumber those with work.
    idle: Cell<u32>,
    /// Polls left of this second, or of being masked.
    polls_left: Cell<u8>,
    /// For how many polls the source would be masked now.
    sentence: Cell<u8>,
}

impl StormGuard {
    pub(super) const fn new() -> Self {
        Self {
            masked: Cell::new(false),
            idle: Cell::new(0),
            polls_left: Cell::new(0),
            sentence: Cell::new(FIRST_SENTENCE),
        }
    }

    pub(super) fn is_masked(&self) -> bool {
        self.masked.get()
    }

    /// Whether it takes polls to find out when a second is over, or the masking.
    pub(super) fn needs_poll(&self) -> bool {
        self.masked.get() || self.idle.get() != 0
    }

    /// Counts an interrupt without work. Returns whether the source is to be masked now.
    pub(super) fn idle_interrupt(&self) -> bool {
        let idle = self.idle.get().saturating_add(1);
        self.idle.set(idle);
        if idle == 1 && !self.masked.get() {
            self.polls_left.set(SECOND);
        }
        let storm = idle >= STORM && !self.masked.get();
        if storm {
            self.masked.set(true);
            let sentence = self.sentence.get();
            self.polls_left.set(sentence);
            self.sentence
                .set(sentence.saturating_mul(2).min(LONGEST_SENTENCE));
        }
        storm
    }

    /// Counts an interrupt with work, which makes up for one without.
    ///
    /// A device that is busy interrupts now and then for what a scan has found a moment before. The
    /// last one stays on account, lest nobody watches how the second ends.
    #[inline]
    pub(super) fn work(&self) {
        let idle = self.idle.get();
        if idle > 1 {
            self.idle.set(idle.wrapping_sub(1));
        }
    }

    /// Notes that a poll has passed; `worked` says whether the device had something to say meanwhile.
    /// Returns whether the source is to be unmasked now.
    pub(super) fn poll(&self, worked: bool) -> bool {
        let left = self.polls_left.get().saturating_sub(1);
        self.polls_left.set(left);
        if self.masked.get() {
            let release = worked || left == 0;
            if release {
                self.masked.set(false);
                // One interrupt on account: the coming second has to be watched.
                self.idle.set(1);
                self.polls_left.set(SECOND);
            }
            return release;
        }
        if left == 0 {
            self.idle.set(0);
            // A second without a storm.
            self.sentence.set(FIRST_SENTENCE);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn storm(guard: &StormGuard) -> u32 {
        let mut interrupts = 1;
        while !guard.idle_interrupt() {
            interrupts += 1;
            assert!(interrupts <= STORM);
        }
        interrupts
    }

    #[test]
    fn a_thousand_within_a_second_are_a_storm_and_one_less_is_none() {
        let guard = StormGuard::new();
        for _ in 0..5 {
            for _ in 1..STORM {
                assert!(!guard.idle_interrupt());
            }
            assert!(guard.needs_poll());
            for _ in 0..SECOND {
                assert!(!guard.poll(false));
            }
            assert!(!guard.needs_poll());
        }
        assert_eq!(storm(&guard), STORM);
        assert!(guard.is_masked());
    }

    #[test]
    fn the_count_lasts_for_a_second_and_no_longer() {
        // Three polls are half a second apart from the first to the last two.
        let guard = StormGuard::new();
        for _ in 0..2 {
            assert!(!guard.idle_interrupt());
            assert!(!guard.poll(false));
            assert!(guard.needs_poll());
        }
        for _ in 0..3 {
            assert!(!guard.idle_interrupt());
        }
        assert!(!guard.poll(false));
        assert!(!guard.needs_poll());
        assert_eq!(storm(&guard), STORM);
    }

    #[test]
    fn an_interrupt_with_work_makes_up_for_one_without_save_the_last() {
        let guard = StormGuard::new();
        assert!(!guard.idle_interrupt());
        guard.work();
        assert!(guard.needs_poll(), "somebody has to see the second end");
        for _ in 2..STORM {
            assert!(!guard.idle_interrupt());
        }
        guard.work();
        assert!(!guard.idle_interrupt());
        assert!(guard.idle_interrupt());
    }

    #[test]
    fn storms_that_come_back_are_masked_longer_up_to_a_bound() {
        let guard = StormGuard::new();
        let mut expected = u32::from(FIRST_SENTENCE);
        for _ in 0..10 {
            storm(&guard);
            let mut polls = 1;
            while !guard.poll(false) {
                polls += 1;
            }
            assert_eq!(polls, expected);
            expected = (expected * 2).min(LONGEST_SENTENCE.into());
        }
    }

    #[test]
    fn a_calm_second_is_forgiven() {
        let guard = StormGuard::new();
        for _ in 0..3 {
            storm(&guard);
            let mut polls = 1;
            while !guard.poll(false) {
                polls += 1;
            }
            assert_eq!(polls, u32::from(FIRST_SENTENCE));
            while guard.needs_poll() {
                assert!(!guard.poll(false));
            }
        }
    }

    #[test]
    fn a_device_that_works_is_let_through_at_once() {
        let guard = StormGuard::new();
        storm(&guard);
        assert!(guard.poll(true));
        assert!(!guard.is_masked());
    }
}
