// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Reaching for memory that is not the process's own, to test that the board does not let it.

use crate::error::ErrorCode;
use crate::memory;

/// Loads the byte at an address outside of what the process may use.
///
/// With working memory protection this does not return: the process faults.
///
/// # Errors
///
/// [`ErrorCode::Invalid`] when the address is the process's own, in its flash or below its break.
pub fn load(address: usize) -> Result<u8, ErrorCode> {
    let accessible = memory::ram()?.start..memory::app_break()?;
    if accessible.contains(&address) || memory::flash()?.contains(&address) {
        return Err(ErrorCode::Invalid);
    }
    Ok(load_foreign(address))
}

#[cfg(target_os = "none")]
fn load_foreign(address: usize) -> u8 {
    let byte: u32;
    // SAFETY: the caller has ruled out every address at which this process has objects, so no Rust
    // object is touched; what may happen is the fault that the caller is after.
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
