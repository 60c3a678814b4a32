// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Upcalls: the identity of one, and why one could not be queued.
//!
//! A driver schedules upcalls through [`GrantKernelData`](crate::grant::GrantKernelData); the
//! process runs them when it yields.

use crate::ErrorCode;

/// Names an upcall of a process: a driver, and one of its subscribe numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpcallId {
    /// The driver's number, as processes use it in system calls.
    pub driver_num: usize,
    /// Which of the driver's upcalls.
    pub subscribe_num: usize,
}

/// Why an upcall was not queued. The event is lost for the process in every case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpcallError {
    /// The driver has no upcall of that number.
    InvalidSubscribeNum,
    /// The process has not taken its earlier upcalls; try again when it has run.
    QueueFull,
    /// The process cannot take upcalls at all: it has exited or faulted.
    KernelError,
}

impl From<ErrorCode> for UpcallError {
    /// Reads the answer of a process's task queue, where `NOMEM` means full.
    fn from(code: ErrorCode) -> Self {
        match code {
            ErrorCode::NOMEM => UpcallError::QueueFull,
            _ => UpcallError::KernelError,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_full_queue_is_worth_another_try() {
        assert_eq!(UpcallError::from(ErrorCode::NOMEM), UpcallError::QueueFull);
        for code in [ErrorCode::FAIL, ErrorCode::NODEVICE, ErrorCode::BUSY] {
            assert_eq!(UpcallError::from(code), UpcallError::KernelError);
        }
    }
}
