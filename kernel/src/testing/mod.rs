// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What host tests of the kernel and of drivers share (feature `testing`, off in every image).
//!
//! [`Host`] is a kernel with processes that run no code: a test plays their part, and drivers find
//! their grants, buffers and queues as on a board.

mod chip;
mod process;
mod process_impl;

pub use chip::{Entry, FakeBoundary, FakeChip, FakeMpu, FakeMpuConfig, FakeRegisters};
pub use process::{FakeProcess, Host, Memory, QUEUE_LENGTH, TestCapability, Upcall};
#[cfg(test)]
pub(crate) use process::{kernel_with, kernel_with_process};

use core::sync::atomic::{AtomicUsize, Ordering};
use std::boxed::Box;
use std::sync::Mutex;
use std::vec::Vec;

use crate::errorcode::ErrorCode;
use crate::grant::requests;
use crate::platform::chip::ThreadIdProvider;
use crate::process::Process;
use crate::syscall::{SyscallDriver, SyscallReturn};

/// Numbers the threads of tests, so that none is taken for an earlier one that has ended.
pub struct TestThread;

std::thread_local! {
    static NUMBER: usize = {
        static NEXT: AtomicUsize = AtomicUsize::new(1);
        NEXT.fetch_add(1, Ordering::Relaxed)
    };
}

// SAFETY: each thread draws a number of its own and keeps it, and tests have no interrupt handlers.
unsafe impl ThreadIdProvider for TestThread {
    fn running_thread_id() -> usize {
        NUMBER.with(|number| *number)
    }
}

/// Keeps `value` for the rest of the run, as a board's statics are kept, in a place where leak
/// checkers find it.
pub fn forever<T: 'static>(value: T) -> &'static T {
    struct Kept(#[expect(dead_code, reason = "only has to be there")] *mut ());
    // SAFETY: nobody reads the pointers.
    unsafe impl Send for Kept {}
    static KEPT: Mutex<Vec<Kept>> = Mutex::new(Vec::new());
    let place = Box::into_raw(Box::new(value));
    if let Ok(mut kept) = KEPT.lock() {
        kept.push(Kept(place.cast()));
    }
    // SAFETY: the box is never freed and never borrowed exclusively.
    unsafe { &*place }
}

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
