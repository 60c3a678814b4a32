// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Allow calls for host tests of drivers outside this crate (feature `testing`).
//!
//! They take the path of a process's system call from behind the driver lookup. A test brings its
//! own [`Process`], whose `build_*_process_buffer` methods say which buffers are valid.

use crate::errorcode::ErrorCode;
use crate::grant::requests;
use crate::process::Process;
use crate::syscall::{SyscallDriver, SyscallReturn};

/// Shares a read-only buffer with a driver, as the system call does.
///
/// # Errors
///
/// Those that the process would see.
pub fn allow_read_only(
    process: &dyn Process,
    driver: &dyn SyscallDriver,
    driver_num: usize,
    number: usize,
    address: *const u8,
    length: usize,
) -> Result<(), ErrorCode> {
    match requests::allow_read_only(process, Some(driver), driver_num, number, address, length) {
        SyscallReturn::AllowReadOnlySuccess(..) => Ok(()),
        SyscallReturn::AllowReadOnlyFailure(code, ..) => Err(code),
        _ => Err(ErrorCode::FAIL),
    }
}

/// Shares a read-write buffer with a driver, as the system call does.
///
/// # Errors
///
/// Those that the process would see.
pub fn allow_read_write(
    process: &dyn Process,
    driver: &dyn SyscallDriver,
    driver_num: usize,
    number: usize,
    address: *mut u8,
    length: usize,
) -> Result<(), ErrorCode> {
    match requests::allow_read_write(process, Some(driver), driver_num, number, address, length) {
        SyscallReturn::AllowReadWriteSuccess(..) => Ok(()),
        SyscallReturn::AllowReadWriteFailure(code, ..) => Err(code),
        _ => Err(ErrorCode::FAIL),
    }
}
