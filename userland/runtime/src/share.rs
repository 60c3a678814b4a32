// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Sharing a buffer with a driver for the length of a closure (TRD 104, sections 4.4 and 4.5).
//!
//! The kernel keeps a shared buffer until the process takes it back, so the borrow must not end
//! before. A closure gives that for certain: unlike a guard that the app could forget, its end cannot
//! be skipped. Drivers that share for good own `'static` buffers instead.

use crate::error::ErrorCode;
use crate::raw;
use crate::syscall::SUCCESS_2_U32;

/// The class of an allow.
#[derive(Clone, Copy)]
enum Access {
    ReadOnly,
    ReadWrite,
}

/// Takes a buffer back from the kernel at the end of its scope.
struct TakeBack {
    access: Access,
    driver: usize,
    number: usize,
}

impl Drop for TakeBack {
    fn drop(&mut self) {
        let (driver, number) = (self.driver, self.number);
        let returned = match self.access {
            // SAFETY: a buffer without bytes gives the kernel nothing to reach.
            Access::ReadOnly => unsafe {
                raw::allow_read_only(driver, number, core::ptr::null(), 0)
            },
            // SAFETY: as above.
            Access::ReadWrite => unsafe {
                raw::allow_read_write(driver, number, core::ptr::null_mut(), 0)
            },
        };
        if returned.expect(SUCCESS_2_U32).is_err() {
            // The kernel still holds memory that is about to be reused: running on would be unsound.
            crate::exit(ErrorCode::BadReturn as u32);
        }
    }
}

/// Lets `driver` read `buffer` while `operation` runs.
///
/// # Errors
///
/// The driver's error code when it refuses the buffer; `operation` has not run then.
pub fn read_only<R>(
    driver: usize,
    number: usize,
    buffer: &[u8],
    operation: impl FnOnce() -> R,
) -> Result<R, ErrorCode> {
    // SAFETY: `buffer` stays borrowed until `_take_back` has withdrawn it, on every way out of here.
    unsafe { raw::allow_read_only(driver, number, buffer.as_ptr(), buffer.len()) }
        .expect(SUCCESS_2_U32)?;
    let _take_back = TakeBack {
        access: Access::ReadOnly,
        driver,
        number,
    };
    Ok(operation())
}

/// Lets `driver` read and write `buffer` while `operation` runs.
///
/// # Errors
///
/// The driver's error code when it refuses the buffer; `operation` has not run then.
pub fn read_write<R>(
    driver: usize,
    number: usize,
    buffer: &mut [u8],
    operation: impl FnOnce() -> R,
) -> Result<R, ErrorCode> {
    // SAFETY: `buffer` stays borrowed exclusively until `_take_back` has withdrawn it, on every way
    // out of here.
    unsafe { raw::allow_read_write(driver, number, buffer.as_mut_ptr(), buffer.len()) }
        .expect(SUCCESS_2_U32)?;
    let _take_back = TakeBack {
        access: Access::ReadWrite,
        driver,
        number,
    };
    Ok(operation())
}
