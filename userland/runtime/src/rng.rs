// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Random bytes (driver 0x40001).

use crate::alarm::{self, Wake};
use crate::error::ErrorCode;
use crate::share;
use crate::syscall;
use crate::upcall::Upcall;

const DRIVER: usize = 0x40001;

const COMMAND_GET: usize = 1;
const ALLOW_DESTINATION: usize = 0;
const UPCALL_DONE: usize = 0;

/// Subscribed to only while [`fill_within`] runs: [`fill`] waits for the event itself.
static DONE: Upcall = Upcall::new(DRIVER, UPCALL_DONE);

#[cfg(not(target_os = "none"))]
pub(crate) fn reset_events() {
    DONE.disable();
}

/// Tells whether the board has a random number generator.
pub fn exists() -> bool {
    syscall::exists(DRIVER)
}

/// Fills `destination` with random bytes, however long the device takes.
///
/// # Errors
///
/// [`ErrorCode::NoDevice`] without a generator, else what the device reports. The bytes of
/// `destination` are of no use then.
pub fn fill(destination: &mut [u8]) -> Result<(), ErrorCode> {
    let mut rest = destination;
    while !rest.is_empty() {
        let length = rest.len();
        let [status, count, _] = share::read_write(DRIVER, ALLOW_DESTINATION, rest, || {
            syscall::command(DRIVER, COMMAND_GET, length, 0)?;
            Ok(syscall::wait_for(DRIVER, UPCALL_DONE))
        })??;
        ErrorCode::check_status(status)?;
        rest = match count as usize {
            0 => return Err(ErrorCode::Fail),
            count => rest.get_mut(count..).ok_or(ErrorCode::BadReturn)?,
        };
    }
    Ok(())
}

/// As [`fill`], for an app that has something better to do than to wait for a mute device.
///
/// # Errors
///
/// [`ErrorCode::Cancel`] when the bytes have not come after `timeout_ms`; else as for [`fill`].
pub fn fill_within(destination: &mut [u8], timeout_ms: u32) -> Result<(), ErrorCode> {
    // Takes away what is left of a request that was given up.
    DONE.enable()?;
    let outcome = fill_before(destination, timeout_ms);
    DONE.disable();
    outcome
}

fn fill_before(destination: &mut [u8], timeout_ms: u32) -> Result<(), ErrorCode> {
    let mut rest = destination;
    while !rest.is_empty() {
        let length = rest.len();
        let [status, count, _] = share::read_write(DRIVER, ALLOW_DESTINATION, rest, || {
            DONE.take();
            syscall::command(DRIVER, COMMAND_GET, length, 0)?;
            match alarm::wait_any(&[&DONE], Some(timeout_ms))? {
                Wake::Event => Ok(DONE.wait()),
                Wake::Timeout => Err(ErrorCode::Cancel),
            }
        })??;
        ErrorCode::check_status(status)?;
        rest = match count as usize {
            0 => return Err(ErrorCode::Fail),
            count => rest.get_mut(count..).ok_or(ErrorCode::BadReturn)?,
        };
    }
    Ok(())
}

#[cfg(test)]
mod tests;
