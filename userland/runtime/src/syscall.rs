// SPDX-License-Identifier: Apache-2.0 OR MIT

//! System calls with their answers checked (TRD 104).
//!
//! Sharing memory is in `share`, callbacks are in `upcall`.

use crate::error::ErrorCode;
use crate::raw;

/// What a system call left in `a0`–`a3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Return {
    /// Which variant the kernel returned: below 128 a failure, from 128 a success.
    pub variant: usize,
    /// The values of the variant; those it does not define are leftovers of the arguments.
    pub values: [usize; 3],
}

/// Number of the variant *success*.
pub(crate) const SUCCESS: usize = 128;
const SUCCESS_U32: usize = 129;
pub(crate) const SUCCESS_2_U32: usize = 130;
const SUCCESS_U64: usize = 131;
const SUCCESS_3_U32: usize = 132;
const SUCCESS_U32_U64: usize = 133;
/// Variants from here on are successes.
const FIRST_SUCCESS: usize = 128;

impl Return {
    /// Returns the values if the variant is the expected success.
    ///
    /// # Errors
    ///
    /// The kernel's error code, or [`ErrorCode::BadReturn`] for a success of another shape.
    #[inline]
    pub fn expect(self, variant: usize) -> Result<[usize; 3], ErrorCode> {
        if self.variant == variant {
            Ok(self.values)
        } else if self.variant < FIRST_SUCCESS {
            Err(ErrorCode::from_number(self.values[0]))
        } else {
            Err(ErrorCode::BadReturn)
        }
    }
}

/// Gives a command that answers with success alone.
///
/// # Errors
///
/// The driver's error code; [`ErrorCode::NoDevice`] without the driver.
pub fn command(driver: usize, number: usize, first: usize, second: usize) -> Result<(), ErrorCode> {
    raw::command(driver, number, first, second)
        .expect(SUCCESS)
        .map(|_| ())
}

/// Gives a command that answers with one number.
///
/// # Errors
///
/// As for [`command`].
pub fn command_u32(
    driver: usize,
    number: usize,
    first: usize,
    second: usize,
) -> Result<u32, ErrorCode> {
    let [value, ..] = raw::command(driver, number, first, second).expect(SUCCESS_U32)?;
    Ok(value as u32)
}

/// Gives a command that answers with two numbers.
///
/// # Errors
///
/// As for [`command`].
pub fn command_2_u32(
    driver: usize,
    number: usize,
    first: usize,
    second: usize,
) -> Result<[u32; 2], ErrorCode> {
    let values = raw::command(driver, number, first, second).expect(SUCCESS_2_U32)?;
    Ok([values[0] as u32, values[1] as u32])
}

/// Gives a command that answers with three numbers.
///
/// # Errors
///
/// As for [`command`].
pub fn command_3_u32(
    driver: usize,
    number: usize,
    first: usize,
    second: usize,
) -> Result<[u32; 3], ErrorCode> {
    let values = raw::command(driver, number, first, second).expect(SUCCESS_3_U32)?;
    Ok(values.map(|value| value as u32))
}

/// Gives a command that answers with a 64-bit number.
///
/// # Errors
///
/// As for [`command`].
pub fn command_u64(
    driver: usize,
    number: usize,
    first: usize,
    second: usize,
) -> Result<u64, ErrorCode> {
    let [low, high, _] = raw::command(driver, number, first, second).expect(SUCCESS_U64)?;
    Ok((high as u64) << 32 | u64::from(low as u32))
}

/// Gives a command that answers with a 32-bit and a 64-bit number.
///
/// # Errors
///
/// As for [`command`].
pub fn command_u32_u64(
    driver: usize,
    number: usize,
    first: usize,
    second: usize,
) -> Result<(u32, u64), ErrorCode> {
    let values = raw::command(driver, number, first, second).expect(SUCCESS_U32_U64)?;
    let [value, low, high] = values.map(|value| value as u32);
    Ok((value, u64::from(high) << 32 | u64::from(low)))
}

/// Tells whether the kernel has a driver (command 0).
pub fn exists(driver: usize) -> bool {
    raw::command(driver, 0, 0, 0).variant >= FIRST_SUCCESS
}

/// Sleeps until upcall `number` of `driver` is due and returns its three arguments.
///
/// No callback runs, not even the one registered for this upcall; other upcalls stay queued. The
/// upcall must be certain to come: a driver that never schedules it blocks the process for good.
pub fn wait_for(driver: usize, number: usize) -> [u32; 3] {
    raw::yield_wait_for(driver, number)
}

/// Asks a question about the process's memory (memop 1 with zero, and 2 to 9).
pub(crate) fn memory_query(operation: usize, argument: usize) -> Result<usize, ErrorCode> {
    // SAFETY: the operations used here, 1 with an increment of zero and 2 to 9, change nothing.
    let [value, ..] = unsafe { raw::memop(operation, argument) }.expect(SUCCESS_U32)?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn returned(variant: usize, values: [usize; 3]) -> Return {
        Return { variant, values }
    }

    #[test]
    fn the_expected_success_yields_its_values() {
        assert_eq!(returned(132, [1, 2, 3]).expect(132), Ok([1, 2, 3]));
    }

    #[test]
    fn every_failure_variant_yields_its_code() {
        for variant in [0, 1, 2, 3, 127] {
            assert_eq!(
                returned(variant, [2, 0, 0]).expect(128),
                Err(ErrorCode::Busy)
            );
        }
    }

    #[test]
    fn a_success_of_another_shape_is_a_bad_return() {
        assert_eq!(
            returned(129, [2, 0, 0]).expect(128),
            Err(ErrorCode::BadReturn)
        );
    }
}
