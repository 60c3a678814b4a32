// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Random bytes (driver 0x40001).

use crate::error::ErrorCode;
use crate::share;
use crate::syscall;

const DRIVER: usize = 0x40001;

const COMMAND_GET: usize = 1;
const ALLOW_DESTINATION: usize = 0;
const UPCALL_DONE: usize = 0;

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

#[cfg(test)]
mod tests;
