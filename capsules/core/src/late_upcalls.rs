// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Upcalls that found the queue of their process full, and another try at them.
//!
//! A process that waits for the end of what it began would wait for ever if the upcall about it were
//! lost. A driver keeps such an upcall in a [`LateUpcall`] of its grant and tells the board's
//! [`UpcallRetry`], which has one alarm for all drivers.
//!
//! ```text
//! let retry = static_init!(UpcallRetry<'static, Virtual>, UpcallRetry::new(virtual_alarm));
//! virtual_alarm.set_alarm_client(retry);
//! retry.serve(console);
//! console.retry_with(retry);
//! ```

use core::cell::Cell;
use kernel::grant::GrantKernelData;
use kernel::hil::time::{Alarm, AlarmClient, ConvertTicks};
use kernel::upcall::UpcallError;
use kernel::utilities::cells::OptionalCell;

/// How long to wait before an upcall that found the queue full is tried again.
pub const RETRY_MS: u32 = 10;

/// Drivers that one [`UpcallRetry`] serves at most.
pub const MOST_DRIVERS: usize = 4;

/// A driver that keeps upcalls for processes whose queue was full.
pub trait LateUpcalls {
    /// Tries again for each process; returns whether any upcall is still kept.
    fn try_again(&self) -> bool;
}

/// Whoever makes drivers try again.
pub trait Retry {
    /// Has the driver that calls this try again, later.
    fn soon(&self);
}

/// Arguments of an upcall.
pub type Arguments = (usize, usize, usize);

/// An upcall of one number that a process has not been told of, or none.
#[derive(Default)]
pub struct LateUpcall {
    kept: Option<Arguments>,
}

impl LateUpcall {
    /// Schedules upcall `number`. If the queue is full it is kept, in place of an earlier one.
    ///
    /// Returns whether it is kept: then another try is needed.
    #[inline(always)]
    #[must_use]
    pub fn tell(
        &mut self,
        kernel_data: &GrantKernelData,
        number: usize,
        arguments: Arguments,
    ) -> bool {
        if self.kept.is_some() {
            // The earlier one comes first, if there is room for both.
            let _ = self.try_again(kernel_data, number);
        }
        let scheduled = kernel_data.schedule_upcall(number, arguments);
        // A process that is gone waits for nothing.
        let full = scheduled == Err(UpcallError::QueueFull);
        if full {
            self.keep(arguments);
        }
        full
    }

    /// Tries a kept upcall again. Returns whether it is still kept.
    #[cold]
    #[inline(never)]
    pub fn try_again(&mut self, kernel_data: &GrantKernelData, number: usize) -> bool {
        let Some(arguments) = self.kept.take() else {
            return false;
        };
        let scheduled = kernel_data.schedule_upcall(number, arguments);
        // A process that is gone waits for nothing.
        let full = scheduled == Err(UpcallError::QueueFull);
        if full {
            self.keep(arguments);
        }
        full
    }

    #[cold]
    #[inline(never)]
    fn keep(&mut self, arguments: Arguments) {
        self.kept = Some(arguments);
    }
}

/// Makes drivers try again on an alarm.
pub struct UpcallRetry<'a, A: Alarm<'a>> {
    alarm: &'a A,
    drivers: [OptionalCell<&'a dyn LateUpcalls>; MOST_DRIVERS],
    armed: Cell<bool>,
}

impl<'a, A: Alarm<'a>> UpcallRetry<'a, A> {
    /// Creates it; it must be the client of `alarm`.
    pub fn new(alarm: &'a A) -> Self {
        UpcallRetry {
            alarm,
            drivers: [const { OptionalCell::empty() }; MOST_DRIVERS],
            armed: Cell::new(false),
        }
    }

    /// Adds a driver; returns whether there was room for it.
    pub fn serve(&self, driver: &'a dyn LateUpcalls) -> bool {
        let free = self.drivers.iter().find(|place| place.is_none());
        free.map(|place| place.set(driver)).is_some()
    }
}

impl<'a, A: Alarm<'a>> Retry for UpcallRetry<'a, A> {
    fn soon(&self) {
        if !self.armed.replace(true) {
            let dt = self.alarm.ticks_from_ms(RETRY_MS);
            self.alarm.set_alarm(self.alarm.now(), dt);
        }
    }
}

impl<'a, A: Alarm<'a>> AlarmClient for UpcallRetry<'a, A> {
    fn alarm(&self) {
        self.armed.set(false);
        let mut any_kept = false;
        for driver in &self.drivers {
            any_kept |= driver.get().is_some_and(LateUpcalls::try_again);
        }
        if any_kept {
            self.soon();
        }
    }
}
