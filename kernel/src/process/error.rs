// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Why an operation on a process could not be carried out.

use crate::errorcode::ErrorCode;

/// Why the kernel could not act for a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// No process has this identifier now; it may have restarted since. Forget the identifier.
    NoSuchApp,
    /// The process's RAM block has no room left. Fail the request; the process may free nothing.
    OutOfMemory,
    /// An address lies outside what the process owns.
    AddressOutOfBounds,
    /// The process has faulted or terminated, so it holds no grants and takes no events.
    InactiveApp,
    /// The kernel used its own interfaces wrongly, for example a grant number out of range.
    KernelError,
    /// The grant is entered already, further up the call stack.
    AlreadyInUse,
}

impl From<Error> for ErrorCode {
    fn from(error: Error) -> ErrorCode {
        match error {
            Error::OutOfMemory => ErrorCode::NOMEM,
            Error::AddressOutOfBounds | Error::NoSuchApp => ErrorCode::INVAL,
            Error::InactiveApp | Error::KernelError | Error::AlreadyInUse => ErrorCode::FAIL,
        }
    }
}

impl<T> From<Error> for Result<T, ErrorCode> {
    fn from(error: Error) -> Result<T, ErrorCode> {
        Err(error.into())
    }
}
