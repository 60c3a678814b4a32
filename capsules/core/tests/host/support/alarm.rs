// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A clock of 64 bits that the test moves.

use core::cell::Cell;
use kernel::ErrorCode;
use kernel::hil::time::{Alarm, AlarmClient, Freq10MHz, Ticks, Ticks64, Time};
use kernel::utilities::cells::OptionalCell;

pub struct FakeAlarm {
    now: Cell<u64>,
    armed: Cell<Option<(Ticks64, Ticks64)>>,
    client: OptionalCell<&'static dyn AlarmClient>,
}

impl FakeAlarm {
    pub fn leaked(now: u64) -> &'static Self {
        kernel::testing::forever(FakeAlarm {
            now: Cell::new(now),
            armed: Cell::new(None),
            client: OptionalCell::empty(),
        })
    }

    /// Lets `ticks` pass at once, then fires what is due, as often as it is.
    pub fn pass(&self, ticks: u64) {
        self.now.set(self.now.get() + ticks);
        while self.fire() {}
    }

    /// Fires if due.
    pub fn fire(&self) -> bool {
        let due = self.armed.get().is_some_and(|(reference, dt)| {
            !self
                .now()
                .within_range(reference, reference.wrapping_add(dt))
        });
        if due {
            self.armed.set(None);
            self.client.map(|client| client.alarm());
        }
        due
    }

    /// Ticks until the next interrupt.
    pub fn wakes_in(&self) -> Option<u64> {
        let (reference, dt) = self.armed.get()?;
        let end = reference.wrapping_add(dt);
        Some(end.into_u64().saturating_sub(self.now.get()))
    }
}

impl Time for FakeAlarm {
    type Frequency = Freq10MHz;
    type Ticks = Ticks64;

    fn now(&self) -> Ticks64 {
        self.now.get().into()
    }
}

impl Alarm<'static> for FakeAlarm {
    fn set_alarm_client(&self, client: &'static dyn AlarmClient) {
        self.client.set(client);
    }

    fn set_alarm(&self, reference: Ticks64, dt: Ticks64) {
        self.armed.set(Some((reference, dt)));
    }

    fn get_alarm(&self) -> Ticks64 {
        self.armed
            .get()
            .map_or(Ticks64::from(0u64), |(reference, dt)| {
                reference.wrapping_add(dt)
            })
    }

    fn disarm(&self) -> Result<(), ErrorCode> {
        self.armed.set(None);
        Ok(())
    }

    fn is_armed(&self) -> bool {
        self.armed.get().is_some()
    }

    fn minimum_dt(&self) -> Ticks64 {
        Ticks64::from(1u64)
    }
}
