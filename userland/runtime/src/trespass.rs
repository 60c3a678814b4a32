// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Reaching for memory that is not the process's own, to test that the board does not let it.

use crate::error::ErrorCode;
use crate::memory;

/// Loads the byte at an address outside of what the process may use, straight after `wait`.
///
/// With working memory protection this does not return: the process faults.
///
/// # Errors
///
/// [`ErrorCode::Invalid`] when the address is the process's own, in its flash or below its break;
/// nothing is loaded then, and `wait` does not run.
pub fn load_after(address: usize, wait: impl FnOnce()) -> Result<u8, ErrorCode> {
    let accessible = memory::ram()?.start..memory::app_break()?;
    if accessible.contains(&address) || memory::flash()?.contains(&address) {
        return Err(ErrorCode::Invalid);
    }
    // Whatever heap `wait` borrows is given up again when it returns.
    wait();
    Ok(load_foreign(address))
}

/// Borrows `length` bytes of heap, fills them with `value`, gives them up and loads one from their
/// middle, with no system call after the one that gave them up.
///
/// With working memory protection this does not return: the process faults.
///
/// # Errors
///
/// [`ErrorCode::NoMemory`] when the process has no such heap.
pub fn load_given_up(length: usize, value: u8) -> Result<u8, ErrorCode> {
    let ((), start) = memory::with_heap(length, |heap| heap.fill(value))?;
    Ok(load_foreign(start + length / 2))
}

#[cfg(target_os = "none")]
fn load_foreign(address: usize) -> u8 {
    let byte: u32;
    // SAFETY: the callers have ruled out every address at which this process has objects, so none is
    // touched; what may happen is the fault that they are after.
    unsafe {
        core::arch::asm!(
            "lbu {byte}, 0({address})",
            byte = lateout(reg) byte,
            address = in(reg) address,
            options(nostack, preserves_flags, readonly),
        );
    }
    byte as u8
}

#[cfg(not(target_os = "none"))]
fn load_foreign(_address: usize) -> u8 {
    unreachable!("the stand-in kernel of the host protects no memory")
}
