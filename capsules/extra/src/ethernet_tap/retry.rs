// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The timer by which the tap looks again at full slices and full queues.
//!
//! A process swaps its slice and takes its upcalls without the tap hearing of it. The timer runs
//! while something waits for that, or to be sent, and at no other time.

use core::cell::Cell;
use kernel::hil::time::{Alarm, AlarmClient, ConvertTicks, Frequency, Ticks};
use kernel::utilities::cells::OptionalCell;

/// Something that looks again when it is told.
pub trait LookAgain {
    /// Looks again at what it could not finish.
    fn look_again(&self);
}

/// A timer that makes the tap look again, once for each time it is armed.
pub trait Retry {
    /// Looks again in about `delay_ms` milliseconds.
    fn arm(&self, delay_ms: u32);

    /// The ticks since the last call, modulo what the clock counts to.
    fn lap(&self) -> u32;

    /// How many ticks make a millisecond.
    fn ticks_per_ms(&self) -> u32;
}

/// The timer over an alarm, which it must be the client of.
pub struct RetryAlarm<'a, A: Alarm<'a>> {
    alarm: &'a A,
    client: OptionalCell<&'a dyn LookAgain>,
    lap_began: Cell<A::Ticks>,
}

impl<'a, A: Alarm<'a>> RetryAlarm<'a, A> {
    /// Creates a timer that nobody uses.
    pub fn new(alarm: &'a A) -> Self {
        Self {
            alarm,
            client: OptionalCell::empty(),
            lap_began: Cell::new(alarm.now()),
        }
    }

    /// Names who looks again.
    pub fn set_client(&self, client: &'a dyn LookAgain) {
        self.client.set(client);
    }
}

impl<'a, A: Alarm<'a>> Retry for RetryAlarm<'a, A> {
    fn arm(&self, delay_ms: u32) {
        self.alarm
            .set_alarm(self.alarm.now(), self.alarm.ticks_from_ms(delay_ms));
    }

    fn lap(&self) -> u32 {
        let now = self.alarm.now();
        let began = self.lap_began.replace(now);
        now.wrapping_sub(began).into_u32()
    }

    fn ticks_per_ms(&self) -> u32 {
        A::Frequency::frequency() / 1000
    }
}

impl<'a, A: Alarm<'a>> AlarmClient for RetryAlarm<'a, A> {
    fn alarm(&self) {
        self.client.map(|client| client.look_again());
    }
}
