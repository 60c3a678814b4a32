// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Alarm (driver 0x0): time, sleeping, and waiting with a time limit.
//!
//! The kernel offers the low 32 bits of a free-running counter and one alarm per process. The counter
//! wraps (every 429 s at 10 MHz); [`Clock`] extends it. The functions here that sleep or wait share
//! the one alarm, and none leaves it armed.

use crate::error::ErrorCode;
use crate::raw;
use crate::syscall;
use crate::upcall::Upcall;

const DRIVER: usize = 0x0;

const COMMAND_FREQUENCY: usize = 1;
const COMMAND_NOW: usize = 2;
const COMMAND_STOP: usize = 3;
const COMMAND_SET: usize = 6;

const UPCALL_FIRED: usize = 0;

/// Longest time for one setting of the alarm; longer waits take several. Half the counter's range
/// leaves the other half for being late.
const LONGEST_TICKS: u64 = 1 << 31;

pub(crate) static FIRED: Upcall = Upcall::new(DRIVER, UPCALL_FIRED);

/// Tells whether the board has an alarm.
pub fn exists() -> bool {
    syscall::exists(DRIVER)
}

/// Returns the ticks per second of the counter.
///
/// # Errors
///
/// [`ErrorCode::NoDevice`] without an alarm driver.
pub fn frequency() -> Result<u32, ErrorCode> {
    match syscall::command_u32(DRIVER, COMMAND_FREQUENCY, 0, 0)? {
        0 => Err(ErrorCode::BadReturn),
        frequency => Ok(frequency),
    }
}

/// Returns the low 32 bits of the counter.
///
/// # Errors
///
/// As for [`frequency`].
pub fn now() -> Result<u32, ErrorCode> {
    syscall::command_u32(DRIVER, COMMAND_NOW, 0, 0)
}

/// Converts milliseconds to ticks, rounded up so that no wait is too short.
fn ticks(milliseconds: u32, frequency: u32) -> u64 {
    (u64::from(milliseconds) * u64::from(frequency)).div_ceil(1000)
}

/// Arms the alarm to fire `dt` ticks after `reference`; returns the counter value that means.
fn set(reference: u32, dt: u32) -> Result<u32, ErrorCode> {
    syscall::command_u32(DRIVER, COMMAND_SET, reference as usize, dt as usize)
}

/// A stretch of time cut into settings of the alarm.
struct Stretch {
    reference: u32,
    remaining: u64,
    expiration: u32,
}

impl Stretch {
    /// Arms the first setting of a stretch that begins now.
    fn start(milliseconds: u32) -> Result<Self, ErrorCode> {
        let remaining = ticks(milliseconds, frequency()?);
        let mut stretch = Self {
            reference: now()?,
            remaining,
            expiration: 0,
        };
        stretch.arm()?;
        Ok(stretch)
    }

    fn arm(&mut self) -> Result<(), ErrorCode> {
        let step = self.remaining.min(LONGEST_TICKS) as u32;
        self.expiration = set(self.reference, step)?;
        self.reference = self.reference.wrapping_add(step);
        self.remaining -= u64::from(step);
        Ok(())
    }

    /// Takes note of a firing; returns whether the stretch is over, else arms its next setting.
    fn fired(&mut self, expiration: u32) -> Result<bool, ErrorCode> {
        // An alarm that was stopped too late leaves a stale event behind.
        if expiration != self.expiration {
            return Ok(false);
        }
        if self.remaining == 0 {
            return Ok(true);
        }
        self.arm()?;
        Ok(false)
    }
}

/// Sleeps for at least `milliseconds`. Upcalls stay queued meanwhile.
///
/// # Errors
///
/// [`ErrorCode::NoDevice`] without an alarm driver; the sleep has not happened then.
pub fn sleep_ms(milliseconds: u32) -> Result<(), ErrorCode> {
    let mut stretch = Stretch::start(milliseconds)?;
    loop {
        let [_, expiration, _] = syscall::wait_for(DRIVER, UPCALL_FIRED);
        if stretch.fired(expiration)? {
            return Ok(());
        }
    }
}

/// What ended a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// At least one of the events is pending.
    Event,
    /// The time is over and no event came.
    Timeout,
}

/// Sleeps until one of `events` is pending, or `timeout_ms` have passed if given.
///
/// An event that is already pending ends the wait at once. The events stay pending: take them.
///
/// # Errors
///
/// [`ErrorCode::NoDevice`] without an alarm driver, unless no timeout is given.
pub fn wait_any(events: &[&Upcall], timeout_ms: Option<u32>) -> Result<Wake, ErrorCode> {
    wait_until(|| events.iter().any(|event| event.is_pending()), timeout_ms)
}

/// Sleeps until `is_over` says so, or `timeout_ms` have passed if given. It is asked at the start and
/// after each upcall of the process.
///
/// # Errors
///
/// As for [`wait_any`].
pub(crate) fn wait_until(
    is_over: impl Fn() -> bool,
    timeout_ms: Option<u32>,
) -> Result<Wake, ErrorCode> {
    let Some(timeout_ms) = timeout_ms else {
        while !is_over() {
            raw::yield_wait();
        }
        return Ok(Wake::Event);
    };
    if is_over() {
        return Ok(Wake::Event);
    }
    FIRED.enable()?;
    let mut stretch = Stretch::start(timeout_ms)?;
    loop {
        raw::yield_wait();
        if is_over() {
            // ALREADY only means that it has fired since.
            let _ = syscall::command(DRIVER, COMMAND_STOP, 0, 0);
            return Ok(Wake::Event);
        }
        if let Some([_, expiration, _]) = FIRED.take()
            && stretch.fired(expiration)?
        {
            return Ok(Wake::Timeout);
        }
    }
}

/// Time since the clock was made, in 64 bits.
///
/// Must be read at least once per wrap of the 32-bit counter; in between it loses whole wraps.
pub struct Clock {
    frequency: u32,
    last: u32,
    ticks: u64,
}

impl Clock {
    /// Starts a clock at zero.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::NoDevice`] without an alarm driver.
    pub fn start() -> Result<Self, ErrorCode> {
        Ok(Self {
            frequency: frequency()?,
            last: now()?,
            ticks: 0,
        })
    }

    /// Returns the microseconds since the start.
    pub fn micros(&mut self) -> u64 {
        // Having answered once, the driver cannot disappear; time stands still if it does.
        let now = now().unwrap_or(self.last);
        self.ticks += u64::from(now.wrapping_sub(self.last));
        self.last = now;
        let frequency = u64::from(self.frequency);
        let (seconds, rest) = (self.ticks / frequency, self.ticks % frequency);
        seconds
            .wrapping_mul(1_000_000)
            .wrapping_add(rest * 1_000_000 / frequency)
    }

    /// Returns the milliseconds since the start.
    pub fn millis(&mut self) -> u64 {
        self.micros() / 1000
    }
}

#[cfg(test)]
mod tests;
