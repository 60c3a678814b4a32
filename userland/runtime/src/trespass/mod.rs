// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What a process must not do, to test that the board does not let it: reaching for memory that is not
//! its own (here), instructions reserved to the kernel (`instruction`), and system calls with arguments
//! that no driver of this crate would pass (`calls`).

pub mod calls;
pub mod instruction;

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

/// Stores a word at an address that the process may not write: outside of its RAM, or in its flash.
///
/// With working memory protection this does not return: the process faults.
///
/// # Errors
///
/// [`ErrorCode::Invalid`] when the address is in the process's RAM below its break; nothing is stored
/// then.
pub fn store(address: usize, value: u32) -> Result<(), ErrorCode> {
    if is_own_ram(address)? {
        return Err(ErrorCode::Invalid);
    }
    store_foreign(address, value);
    Ok(())
}

/// Runs what lies at an address outside of the process's flash, its own RAM included.
///
/// With working memory protection this does not return: the process faults.
///
/// # Errors
///
/// [`ErrorCode::Invalid`] when the address is in the process's flash; nothing is run then.
pub fn execute(address: usize) -> Result<(), ErrorCode> {
    if memory::flash()?.contains(&address) {
        return Err(ErrorCode::Invalid);
    }
    jump_to_foreign(address);
    Ok(())
}

fn is_own_ram(address: usize) -> Result<bool, ErrorCode> {
    Ok((memory::ram()?.start..memory::app_break()?).contains(&address))
}

#[cfg(target_os = "none")]
fn store_foreign(address: usize, value: u32) {
    // SAFETY: the caller has ruled out the process's RAM, and what may happen anywhere else is the
    // fault that it is after.
    unsafe {
        core::arch::asm!(
            "sw {value}, 0({address})",
            value = in(reg) value,
            address = in(reg) address,
            options(nostack, preserves_flags),
        );
    }
}

#[cfg(target_os = "none")]
fn jump_to_foreign(address: usize) {
    // SAFETY: nothing outside of the process's flash may run, so what happens is the fault that the
    // caller is after. Should code run there, it is treated as a function.
    unsafe {
        core::arch::asm!(
            "jalr {address}",
            address = in(reg) address,
            clobber_abi("C"),
        );
    }
}

#[cfg(not(target_os = "none"))]
fn store_foreign(_address: usize, _value: u32) {
    unreachable!("the stand-in kernel of the host protects no memory")
}

#[cfg(not(target_os = "none"))]
fn jump_to_foreign(_address: usize) {
    unreachable!("the stand-in kernel of the host protects no memory")
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
