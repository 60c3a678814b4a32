// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A clock that the test moves.

use crate::deadline::Deadline;
use core::cell::Cell;
use kernel::ErrorCode;
use kernel::hil::time::{Alarm, AlarmClient, Freq10MHz, Ticks, Time};
use kernel::utilities::cells::OptionalCell;

pub(crate) struct FakeAlarm<T: Ticks> {
    now: Cell<T>,
    armed: Cell<Option<Deadline<T>>>,
    last: Cell<T>,
    wakes: Cell<usize>,
    client: OptionalCell<&'static dyn AlarmClient>,
}

impl<T: Ticks> FakeAlarm<T> {
    pub(crate) fn starting_at(now: T) -> Self {
        FakeAlarm {
            now: Cell::new(now),
            armed: Cell::new(None),
            last: Cell::new(0u32.into()),
            wakes: Cell::new(0),
            client: OptionalCell::empty(),
        }
    }

    pub(crate) fn set_time(&self, now: T) {
        self.now.set(now);
    }

    /// How often the client was called.
    pub(crate) fn wakes(&self) -> usize {
        self.wakes.get()
    }

    pub(crate) fn fire_if_due(&self) {
        if self
            .armed
            .get()
            .is_some_and(|armed| armed.is_due(self.now.get()))
        {
            self.armed.set(None);
            self.wakes.set(self.wakes.get() + 1);
            self.client.map(|client| client.alarm());
        }
    }

    /// Lets `ticks` pass, one at a time.
    pub(crate) fn run(&self, ticks: u32) {
        for _ in 0..ticks {
            self.now.set(self.now.get().wrapping_add(1u32.into()));
            self.fire_if_due();
        }
    }
}

impl<T: Ticks> Time for FakeAlarm<T> {
    type Frequency = Freq10MHz;
    type Ticks = T;

    fn now(&self) -> T {
        self.now.get()
    }
}

impl<T: Ticks> Alarm<'static> for FakeAlarm<T> {
    fn set_alarm_client(&self, client: &'static dyn AlarmClient) {
        self.client.set(client);
    }

    fn set_alarm(&self, reference: T, dt: T) {
        let deadline = Deadline { reference, dt };
        self.last.set(deadline.end());
        self.armed.set(Some(deadline));
    }

    fn get_alarm(&self) -> T {
        self.last.get()
    }

    fn disarm(&self) -> Result<(), ErrorCode> {
        self.armed.set(None);
        Ok(())
    }

    fn is_armed(&self) -> bool {
        self.armed.get().is_some()
    }

    fn minimum_dt(&self) -> T {
        1u32.into()
    }
}
