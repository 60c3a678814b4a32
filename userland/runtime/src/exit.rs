// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The end of a process and its completion code (TRD 106).

use crate::error::ErrorCode;
use crate::raw;

/// Ends the process with a completion code: zero for success, else preferably an error code.
pub fn exit(code: u32) -> ! {
    raw::exit(0, code)
}

/// Ends the process and has the kernel start it again from its beginning.
pub fn restart(code: u32) -> ! {
    raw::exit(1, code)
}

/// What a main function may return.
pub trait ExitCode {
    /// Returns the completion code that stands for this value.
    fn exit_code(self) -> u32;
}

impl ExitCode for () {
    fn exit_code(self) -> u32 {
        0
    }
}

impl ExitCode for u32 {
    fn exit_code(self) -> u32 {
        self
    }
}

impl<T: ExitCode> ExitCode for Result<T, ErrorCode> {
    fn exit_code(self) -> u32 {
        match self {
            Ok(value) => value.exit_code(),
            Err(error) => error as u32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_becomes_its_own_completion_code() {
        assert_eq!(Ok::<(), ErrorCode>(()).exit_code(), 0);
        assert_eq!(Err::<(), _>(ErrorCode::NoDevice).exit_code(), 11);
        assert_eq!(7u32.exit_code(), 7);
    }
}
