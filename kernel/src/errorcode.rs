// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Why an operation failed, as processes see it.
//!
//! The numbers are part of the system call ABI. A status word, as carried in upcalls, is a plain
//! `usize` that is zero for success; see [`into_statuscode`].

/// The reason an operation failed.
///
/// There is no variant for success, so `Result<(), ErrorCode>` is as small as the code itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum ErrorCode {
    /// Failed for a reason that no other code names.
    FAIL = 1,
    /// In use or in progress; try again later.
    BUSY = 2,
    /// Already in the state that was asked for.
    ALREADY = 3,
    /// Switched off.
    OFF = 4,
    /// Has to be reserved first.
    RESERVE = 5,
    /// An argument makes no sense.
    INVAL = 6,
    /// A length is too large or too small.
    SIZE = 7,
    /// Stopped before it was done.
    CANCEL = 8,
    /// Not enough memory.
    NOMEM = 9,
    /// Not something this driver can do.
    NOSUPPORT = 10,
    /// No such driver or device.
    NODEVICE = 11,
    /// The driver is there, the hardware is not.
    UNINSTALLED = 12,
    /// The other side did not acknowledge.
    NOACK = 13,
}

impl From<ErrorCode> for usize {
    fn from(code: ErrorCode) -> usize {
        code as usize
    }
}

impl From<ErrorCode> for Result<(), ErrorCode> {
    fn from(code: ErrorCode) -> Self {
        Err(code)
    }
}

impl TryFrom<Result<(), ErrorCode>> for ErrorCode {
    type Error = ();

    /// Extracts the code of a failure; fails itself when there was none.
    fn try_from(outcome: Result<(), ErrorCode>) -> Result<ErrorCode, ()> {
        outcome.err().ok_or(())
    }
}

/// Turns an outcome into the status word of an upcall: zero for success, else the code's number.
pub fn into_statuscode(outcome: Result<(), ErrorCode>) -> usize {
    outcome.map_or_else(usize::from, |()| 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_is_zero_for_success_and_the_number_for_failure() {
        assert_eq!(into_statuscode(Ok(())), 0);
        assert_eq!(into_statuscode(Err(ErrorCode::FAIL)), 1);
        assert_eq!(into_statuscode(ErrorCode::NOACK.into()), 13);
    }

    #[test]
    fn only_a_failure_converts_to_a_code() {
        assert_eq!(ErrorCode::try_from(Ok(())), Err(()));
        assert_eq!(
            ErrorCode::try_from(Err(ErrorCode::SIZE)),
            Ok(ErrorCode::SIZE)
        );
    }

    #[test]
    fn a_result_is_as_small_as_the_code() {
        assert_eq!(size_of::<Result<(), ErrorCode>>(), size_of::<usize>());
    }
}
