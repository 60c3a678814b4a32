// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Error codes of system calls and upcalls (TRD 104, section 3.3).

/// Why the kernel or a driver refused something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum ErrorCode {
    /// Failed for a reason without a code of its own.
    Fail = 1,
    /// An earlier operation is still in progress; try again when it is done.
    Busy = 2,
    /// Already in the requested state.
    Already = 3,
    /// The device is powered down.
    Off = 4,
    /// The device must be reserved first.
    Reserve = 5,
    /// An argument is out of range.
    Invalid = 6,
    /// A buffer or length does not fit.
    Size = 7,
    /// The operation was aborted.
    Cancel = 8,
    /// The kernel or the process is out of memory.
    NoMemory = 9,
    /// The driver does not know this operation.
    NoSupport = 10,
    /// The board has no such driver or device.
    NoDevice = 11,
    /// The hardware is not attached.
    Uninstalled = 12,
    /// The peer did not acknowledge.
    NoAcknowledgement = 13,
    /// The kernel answered with a variant or code that this operation does not define.
    BadReturn = 1024,
}

impl ErrorCode {
    /// Reads the number the kernel uses for an error; anything unknown is [`BadReturn`](Self::BadReturn).
    pub const fn from_number(number: usize) -> Self {
        match number {
            1 => Self::Fail,
            2 => Self::Busy,
            3 => Self::Already,
            4 => Self::Off,
            5 => Self::Reserve,
            6 => Self::Invalid,
            7 => Self::Size,
            8 => Self::Cancel,
            9 => Self::NoMemory,
            10 => Self::NoSupport,
            11 => Self::NoDevice,
            12 => Self::Uninstalled,
            13 => Self::NoAcknowledgement,
            _ => Self::BadReturn,
        }
    }

    /// Reads the status word of an upcall: zero is success, anything else an error code.
    ///
    /// # Errors
    ///
    /// The error the status names.
    pub const fn check_status(status: u32) -> Result<(), Self> {
        match status {
            0 => Ok(()),
            number => Err(Self::from_number(number as usize)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ErrorCode;

    #[test]
    fn every_kernel_code_survives_the_round_trip() {
        for number in 1..=13 {
            assert_eq!(ErrorCode::from_number(number) as usize, number);
        }
    }

    #[test]
    fn unknown_codes_are_bad_returns() {
        for number in [0, 14, 1023, 1024, usize::MAX] {
            assert_eq!(ErrorCode::from_number(number), ErrorCode::BadReturn);
        }
    }

    #[test]
    fn a_zero_status_is_success() {
        assert_eq!(ErrorCode::check_status(0), Ok(()));
        assert_eq!(ErrorCode::check_status(8), Err(ErrorCode::Cancel));
    }
}
