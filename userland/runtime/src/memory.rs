// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The process's own memory: where it lies, and heap above the static data (TRD 104, section 4.6).

use crate::error::ErrorCode;
use crate::raw;
use crate::syscall::{SUCCESS, memory_query};
use core::ops::Range;

const MEMOP_BRK: usize = 0;
const MEMOP_SBRK: usize = 1;
const MEMOP_RAM_START: usize = 2;
const MEMOP_RAM_END: usize = 3;
const MEMOP_FLASH_START: usize = 4;
const MEMOP_FLASH_END: usize = 5;

/// Returns the first byte of the process's RAM and the one behind its last, including the part that
/// the kernel keeps for itself.
///
/// # Errors
///
/// The kernel's error code; none with a kernel that follows the ABI.
pub fn ram() -> Result<Range<usize>, ErrorCode> {
    Ok(memory_query(MEMOP_RAM_START, 0)?..memory_query(MEMOP_RAM_END, 0)?)
}

/// Returns the range of the process's flash, from its TBF header on.
///
/// # Errors
///
/// As for [`ram`].
pub fn flash() -> Result<Range<usize>, ErrorCode> {
    Ok(memory_query(MEMOP_FLASH_START, 0)?..memory_query(MEMOP_FLASH_END, 0)?)
}

/// Returns the first address above the memory the process may use.
///
/// # Errors
///
/// As for [`ram`].
pub fn app_break() -> Result<usize, ErrorCode> {
    memory_query(MEMOP_SBRK, 0)
}

/// Lends `length` zeroed bytes above the break to `operation`, and gives them up afterwards.
///
/// Returns what `operation` returned, with the address the bytes had.
///
/// # Errors
///
/// [`ErrorCode::NoMemory`] when the process has no such room left, or cannot give it back because
/// the bytes were shared with a driver in the meantime.
pub fn with_heap<R>(
    length: usize,
    operation: impl FnOnce(&mut [u8]) -> R,
) -> Result<(R, usize), ErrorCode> {
    let start = app_break()?;
    let end = start.checked_add(length).ok_or(ErrorCode::NoMemory)?;
    set_break(end)?;
    // SAFETY: the kernel has just given the process these bytes, zeroed; nothing else knows them. They
    // stay until the break goes back, after the borrow has ended.
    let heap = unsafe {
        core::slice::from_raw_parts_mut(core::ptr::with_exposed_provenance_mut::<u8>(start), length)
    };
    let result = operation(heap);
    // A nested call has restored the break to `end` by now.
    set_break(start)?;
    Ok((result, start))
}

fn set_break(address: usize) -> Result<(), ErrorCode> {
    // SAFETY: `with_heap` raises the break, and lowers it to where it was once its borrow has ended.
    unsafe { raw::memop(MEMOP_BRK, address) }
        .expect(SUCCESS)
        .map(|_| ())
}
