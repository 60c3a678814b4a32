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

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::ErrorCode;
    use kernel::hil::time::{Freq10MHz, Ticks32, Time};

    /// An alarm that only notes when it is to ring.
    struct Clock {
        now: Cell<u32>,
        rings: Cell<Option<(u32, u32)>>,
    }

    impl Time for Clock {
        type Frequency = Freq10MHz;
        type Ticks = Ticks32;

        fn now(&self) -> Ticks32 {
            self.now.get().into()
        }
    }

    impl<'a> Alarm<'a> for Clock {
        fn set_alarm_client(&self, _client: &'a dyn AlarmClient) {}

        fn set_alarm(&self, reference: Ticks32, dt: Ticks32) {
            self.rings.set(Some((reference.into_u32(), dt.into_u32())));
        }

        fn get_alarm(&self) -> Ticks32 {
            let (reference, dt) = self.rings.get().unwrap_or_default();
            reference.wrapping_add(dt).into()
        }

        fn disarm(&self) -> Result<(), ErrorCode> {
            self.rings.set(None);
            Ok(())
        }

        fn is_armed(&self) -> bool {
            self.rings.get().is_some()
        }

        fn minimum_dt(&self) -> Ticks32 {
            1u32.into()
        }
    }

    fn clock(now: u32) -> Clock {
        Clock {
            now: Cell::new(now),
            rings: Cell::new(None),
        }
    }

    #[test]
    fn the_alarm_rings_after_the_delay_and_has_the_tap_look_again() {
        struct Tap(Cell<u32>);
        impl LookAgain for Tap {
            fn look_again(&self) {
                self.0.set(self.0.get() + 1);
            }
        }
        let (clock, tap) = (clock(500), Tap(Cell::new(0)));
        let retry = RetryAlarm::new(&clock);
        // For nobody yet.
        retry.alarm();
        retry.set_client(&tap);
        retry.arm(16);
        assert_eq!(clock.rings.get(), Some((500, 160_000)));
        assert_eq!(tap.0.get(), 0);
        retry.alarm();
        assert_eq!(tap.0.get(), 1);
    }

    #[test]
    fn laps_follow_each_other_from_the_start_on_over_the_end_of_the_clock() {
        let clock = clock(u32::MAX - 10);
        let retry = RetryAlarm::new(&clock);
        assert_eq!(retry.ticks_per_ms(), 10_000);
        let laps = [u32::MAX, 4, 4, 1000].map(|now| {
            clock.now.set(now);
            retry.lap()
        });
        assert_eq!(laps, [10, 5, 0, 996]);
    }
}
