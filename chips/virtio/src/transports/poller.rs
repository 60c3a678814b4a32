// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Time for transports: one alarm, armed only while a transport waits for time to pass.

use core::cell::Cell;

use kernel::hil::time::{Alarm, AlarmClient, ConvertTicks};

/// The time between two polls of a transport, in milliseconds.
pub const POLL_INTERVAL_MS: u32 = 500;

/// How many polls a second takes, after the first.
pub(crate) const POLLS_IN_A_SECOND: u8 = (1_000 / POLL_INTERVAL_MS) as u8;

/// Whoever polls transports.
pub trait PollRequest {
    /// Asks for a poll, [`POLL_INTERVAL_MS`] from now or, if others are being polled, a bit earlier.
    fn request_poll(&self);
}

/// Something that waits for time to pass.
pub trait Polled {
    /// Notes that the time between two polls has passed. Returns whether there should be another.
    fn poll(&self) -> bool;
}

/// Polls a number of transports from one alarm.
///
/// The board makes this the client of the alarm, and the [`PollRequest`] of each transport.
pub struct Poller<'a, A: Alarm<'a>, P: Polled> {
    alarm: &'a A,
    polled: &'a [P],
    armed: Cell<bool>,
}

impl<'a, A: Alarm<'a>, P: Polled> Poller<'a, A, P> {
    /// Makes a poller that is quiet until it is asked.
    pub const fn new(alarm: &'a A, polled: &'a [P]) -> Self {
        Self {
            alarm,
            polled,
            armed: Cell::new(false),
        }
    }
}

impl<'a, A: Alarm<'a>, P: Polled> PollRequest for Poller<'a, A, P> {
    fn request_poll(&self) {
        if !self.armed.replace(true) {
            let interval = self.alarm.ticks_from_ms(POLL_INTERVAL_MS);
            self.alarm.set_alarm(self.alarm.now(), interval);
        }
    }
}

impl<'a, A: Alarm<'a>, P: Polled> AlarmClient for Poller<'a, A, P> {
    fn alarm(&self) {
        self.armed.set(false);
        let mut again = false;
        for polled in self.polled {
            again |= polled.poll();
        }
        if again {
            self.request_poll();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::ErrorCode;
    use kernel::hil::time::{Freq1MHz, Ticks32, Time};

    #[derive(Default)]
    struct FakeAlarm {
        set: Cell<Option<u32>>,
        times: Cell<usize>,
    }

    impl Time for FakeAlarm {
        type Frequency = Freq1MHz;
        type Ticks = Ticks32;

        fn now(&self) -> Ticks32 {
            Ticks32::from(7)
        }
    }

    impl<'a> Alarm<'a> for FakeAlarm {
        fn set_alarm_client(&self, _client: &'a dyn AlarmClient) {}

        fn set_alarm(&self, reference: Ticks32, dt: Ticks32) {
            assert_eq!(reference, self.now());
            self.set.set(Some(kernel::hil::time::Ticks::into_u32(dt)));
            self.times.set(self.times.get() + 1);
        }

        fn get_alarm(&self) -> Ticks32 {
            Ticks32::from(0)
        }

        fn disarm(&self) -> Result<(), ErrorCode> {
            self.set.set(None);
            Ok(())
        }

        fn is_armed(&self) -> bool {
            self.set.get().is_some()
        }

        fn minimum_dt(&self) -> Ticks32 {
            Ticks32::from(1)
        }
    }

    /// Wants to be polled a number of times more.
    struct Wants(Cell<u32>);

    impl Polled for Wants {
        fn poll(&self) -> bool {
            self.0.set(self.0.get().saturating_sub(1));
            self.0.get() != 0
        }
    }

    #[test]
    fn the_alarm_is_armed_once_for_any_number_of_requests() {
        let alarm = FakeAlarm::default();
        let poller = Poller::<_, Wants>::new(&alarm, &[]);
        assert!(!alarm.is_armed());
        poller.request_poll();
        poller.request_poll();
        assert_eq!(alarm.set.get(), Some(POLL_INTERVAL_MS * 1_000));
        assert_eq!(alarm.times.get(), 1);
    }

    #[test]
    fn a_second_has_as_many_polls_as_fit() {
        assert_eq!(u32::from(POLLS_IN_A_SECOND) * POLL_INTERVAL_MS, 1_000);
    }

    #[test]
    fn polling_goes_on_for_as_long_as_anybody_waits() {
        let alarm = FakeAlarm::default();
        let waiting = [
            Wants(Cell::new(1)),
            Wants(Cell::new(4)),
            Wants(Cell::new(0)),
        ];
        let poller = Poller::new(&alarm, &waiting);
        poller.request_poll();
        let mut polls = 0;
        while alarm.set.take().is_some() {
            polls += 1;
            poller.alarm();
        }
        assert_eq!(polls, 4);
        poller.request_poll();
        assert!(alarm.is_armed());
    }
}
