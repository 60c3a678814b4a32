// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Memory operations: system calls about a process's own memory (TRD 104, 4.6).

use crate::errorcode::ErrorCode;
use crate::process::Process;
use crate::syscall::SyscallReturn;

mod operation {
    pub(super) const SET_BREAK: usize = 0;
    pub(super) const CHANGE_BREAK: usize = 1;
    pub(super) const RAM_START: usize = 2;
    pub(super) const RAM_END: usize = 3;
    pub(super) const FLASH_START: usize = 4;
    pub(super) const FLASH_END: usize = 5;
    pub(super) const GRANT_START: usize = 6;
    pub(super) const FLASH_REGION_COUNT: usize = 7;
    pub(super) const FLASH_REGION_START: usize = 8;
    pub(super) const FLASH_REGION_END: usize = 9;
    pub(super) const STACK_TOP: usize = 10;
    pub(super) const HEAP_START: usize = 11;
}

/// Returns the bound of the process's memory that a memory operation asks for; `None` for any
/// other operation.
#[inline(always)]
pub(crate) fn bound<P: Process + ?Sized>(process: &P, operand: usize) -> Option<usize> {
    let addresses = process.get_addresses();
    Some(match operand {
        operation::RAM_START => addresses.sram_start,
        operation::RAM_END => addresses.sram_end,
        operation::FLASH_START => addresses.flash_start,
        operation::FLASH_END => addresses.flash_end,
        operation::GRANT_START => addresses.sram_grant_start,
        _ => return None,
    })
}

/// Carries out a memory operation of `process` that does not ask for a [`bound`].
pub(crate) fn memop<P: Process + ?Sized>(
    process: &P,
    operand: usize,
    argument: usize,
) -> SyscallReturn {
    SyscallReturn::SuccessAddr(match operand {
        operation::SET_BREAK => {
            return match process.brk(core::ptr::without_provenance(argument)) {
                Ok(_) => SyscallReturn::Success,
                Err(_) => SyscallReturn::Failure(ErrorCode::NOMEM),
            };
        }
        operation::CHANGE_BREAK => {
            return match process.sbrk(argument.cast_signed()) {
                Ok(previous) => SyscallReturn::SuccessPtr(previous),
                Err(_) => SyscallReturn::Failure(ErrorCode::NOMEM),
            };
        }
        operation::FLASH_REGION_COUNT => process.number_writeable_flash_regions(),
        operation::FLASH_REGION_START | operation::FLASH_REGION_END => {
            match writeable_flash(process, argument) {
                Some((start, _)) if operand == operation::FLASH_REGION_START => start,
                Some((_, end)) => end,
                None => return SyscallReturn::Failure(ErrorCode::FAIL),
            }
        }
        operation::STACK_TOP => {
            process.update_stack_start_pointer(core::ptr::without_provenance(argument));
            return SyscallReturn::Success;
        }
        operation::HEAP_START => {
            process.update_heap_start_pointer(core::ptr::without_provenance(argument));
            return SyscallReturn::Success;
        }
        _ => return SyscallReturn::Failure(ErrorCode::NOSUPPORT),
    })
}

/// Start and end address of a writeable part of the application's flash, if there is such a part
/// and it lies in the application.
#[cold]
fn writeable_flash<P: Process + ?Sized>(process: &P, index: usize) -> Option<(usize, usize)> {
    if index >= process.number_writeable_flash_regions() {
        return None;
    }
    let (offset, size) = process.get_writeable_flash_region(index);
    let addresses = process.get_addresses();
    let start = addresses.flash_start.checked_add(offset)?;
    let end = start.checked_add(size)?;
    (end <= addresses.flash_end).then_some((start, end))
}
