// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Subscribe and allow calls, from the driver lookup to the answer.
//!
//! The order of checks decides which error a process sees when several apply; it is that of Tock 2
//! (the filter comes before all of this).

use super::entry::Entered;
use super::layout::{GrantMemory, SavedBuffer, SavedUpcall};
use crate::errorcode::ErrorCode;
use crate::process::{Error, Process, ProcessId};
use crate::processbuffer::UserspaceReadableProcessBuffer;
use crate::syscall::{SyscallDriver, SyscallReturn};
use crate::upcall::UpcallId;
use crate::utilities::capability_ptr::CapabilityPtr;
use crate::utilities::machine_register::MachineRegister;

/// The driver that a process exchanges something with.
pub(crate) trait Partner {
    /// Allocates the grant that the driver has for the process.
    fn allocate_grant(&self, process_id: ProcessId) -> Result<(), Error>;

    /// Hands a userspace-readable buffer to the driver and takes the previous one, or this one if the
    /// driver refuses it.
    fn allow_userspace_readable(
        &self,
        process_id: ProcessId,
        number: usize,
        buffer: UserspaceReadableProcessBuffer,
    ) -> Result<UserspaceReadableProcessBuffer, (UserspaceReadableProcessBuffer, ErrorCode)>;
}

impl Partner for dyn SyscallDriver + '_ {
    fn allocate_grant(&self, process_id: ProcessId) -> Result<(), Error> {
        SyscallDriver::allocate_grant(self, process_id)
    }

    fn allow_userspace_readable(
        &self,
        process_id: ProcessId,
        number: usize,
        buffer: UserspaceReadableProcessBuffer,
    ) -> Result<UserspaceReadableProcessBuffer, (UserspaceReadableProcessBuffer, ErrorCode)> {
        SyscallDriver::allow_userspace_readable(self, process_id, number, buffer)
    }
}

/// Replaces upcall `subscribe_num` of a driver, which is `None` if there is no such driver.
///
/// Upcalls of that number which are still queued were meant for the previous function, so they
/// are removed.
#[inline(always)]
pub(crate) fn subscribe<P: Process + ?Sized>(
    process: &P,
    driver: Option<&(impl Partner + ?Sized)>,
    upcall_id: UpcallId,
    function: CapabilityPtr,
    appdata: MachineRegister,
) -> SyscallReturn {
    let new = SavedUpcall { appdata, function };
    match replace_upcall(process, driver, upcall_id, new) {
        Ok(old) => {
            process.remove_pending_upcalls(upcall_id);
            SyscallReturn::SubscribeSuccess(old.function.as_ptr(), old.appdata.as_usize())
        }
        Err(code) => SyscallReturn::SubscribeFailure(code, function.as_ptr(), appdata.as_usize()),
    }
}

#[inline(always)]
fn replace_upcall<P: Process + ?Sized>(
    process: &P,
    driver: Option<&(impl Partner + ?Sized)>,
    upcall_id: UpcallId,
    new: SavedUpcall,
) -> Result<SavedUpcall, ErrorCode> {
    let function: *const () = new.function.as_ptr();
    if !function.is_null() && !process.is_valid_upcall_function_pointer(function) {
        return Err(ErrorCode::INVAL);
    }
    let driver = driver.ok_or(ErrorCode::NODEVICE)?;
    let entered = enter(process, driver, upcall_id.driver_num)?;
    let memory = entered.memory();
    let place = memory.upcall(upcall_id.subscribe_num);
    Ok(place.ok_or(ErrorCode::NOSUPPORT)?.replace(new))
}

/// Replaces read-only buffer `number` of a driver, which is `None` if there is no such driver.
#[inline(always)]
pub(crate) fn allow_read_only<P: Process + ?Sized>(
    process: &P,
    driver: Option<&(impl Partner + ?Sized)>,
    driver_num: usize,
    number: usize,
    address: *const u8,
    length: usize,
) -> SyscallReturn {
    let held = process.held_memory();
    let replaced = driver.ok_or(ErrorCode::NODEVICE).and_then(|driver| {
        let (address, length) = process
            .build_readonly_process_buffer(address, length)?
            .into_parts();
        let new = SavedBuffer {
            address: address.cast_mut(),
            length,
        };
        replace_buffer(process, driver, driver_num, new, |memory, new| {
            Some(memory.read_only(number)?.replace(new))
        })
    });
    match replaced {
        Ok(old) => SyscallReturn::AllowReadOnlySuccess(old.address, old.length),
        Err(code) => {
            // SAFETY: the buffer was not put into its place, or this were no error.
            unsafe { process.release_memory(held) };
            SyscallReturn::AllowReadOnlyFailure(code, address, length)
        }
    }
}

/// Replaces read-write buffer `number` of a driver, which is `None` if there is no such driver.
#[inline(always)]
pub(crate) fn allow_read_write<P: Process + ?Sized>(
    process: &P,
    driver: Option<&(impl Partner + ?Sized)>,
    driver_num: usize,
    number: usize,
    address: *mut u8,
    length: usize,
) -> SyscallReturn {
    let held = process.held_memory();
    let replaced = driver.ok_or(ErrorCode::NODEVICE).and_then(|driver| {
        let (address, length) = process
            .build_readwrite_process_buffer(address, length)?
            .into_parts();
        let new = SavedBuffer { address, length };
        replace_buffer(process, driver, driver_num, new, |memory, new| {
            Some(memory.read_write(number)?.replace(new))
        })
    });
    match replaced {
        Ok(old) => SyscallReturn::AllowReadWriteSuccess(old.address, old.length),
        Err(code) => {
            // SAFETY: as for read-only buffers.
            unsafe { process.release_memory(held) };
            SyscallReturn::AllowReadWriteFailure(code, address, length)
        }
    }
}

/// Hands a userspace-readable buffer to its driver, which is `None` if there is no such driver.
pub(crate) fn allow_userspace_readable<P: Process + ?Sized>(
    process: &P,
    driver: Option<&(impl Partner + ?Sized)>,
    number: usize,
    address: *mut u8,
    length: usize,
) -> SyscallReturn {
    let held = process.held_memory();
    let replaced = driver.ok_or(ErrorCode::NODEVICE).and_then(|driver| {
        let new = process.build_readwrite_process_buffer(address, length)?;
        let run = process.processid();
        let answer = driver.allow_userspace_readable(run, number, new);
        answer.map_err(|(refused, code)| {
            // A driver might keep the new one and hand out another.
            if refused.is_of(run) && refused.into_parts() == (address, length) {
                // SAFETY: the driver has given the buffer back.
                unsafe { process.release_memory(held) };
            }
            code
        })
    });
    match replaced {
        Ok(old) => {
            let (address, length) = old.into_parts();
            SyscallReturn::UserspaceReadableAllowSuccess(address, length)
        }
        Err(code) => SyscallReturn::UserspaceReadableAllowFailure(code, address, length),
    }
}

#[inline(always)]
fn replace_buffer<P: Process + ?Sized>(
    process: &P,
    driver: &(impl Partner + ?Sized),
    driver_num: usize,
    new: SavedBuffer,
    replace: impl FnOnce(&GrantMemory, SavedBuffer) -> Option<SavedBuffer>,
) -> Result<SavedBuffer, ErrorCode> {
    let entered = enter(process, driver, driver_num)?;
    replace(&entered.memory(), new).ok_or(ErrorCode::NOSUPPORT)
}

/// Enters the driver's grant, for which the driver allocates memory if it has none yet.
///
/// # Errors
///
/// - [`ErrorCode::NOMEM`]: the process has no memory for the grant.
/// - [`ErrorCode::NOSUPPORT`]: the driver has no grant, so no upcalls or buffers either.
/// - [`ErrorCode::FAIL`]: the process has exited or faulted.
#[inline(always)]
fn enter<'a, P: Process + ?Sized>(
    process: &'a P,
    driver: &(impl Partner + ?Sized),
    driver_num: usize,
) -> Result<Entered<'a, P>, ErrorCode> {
    match process.lookup_grant_from_driver_num(driver_num) {
        Ok(grant_num) => Ok(Entered::existing(process, grant_num)?),
        Err(Error::InactiveApp) => Err(Error::InactiveApp.into()),
        Err(_) => allocate_and_enter(process, driver, driver_num),
    }
}

#[cold]
fn allocate_and_enter<'a, P: Process + ?Sized>(
    process: &'a P,
    driver: &(impl Partner + ?Sized),
    driver_num: usize,
) -> Result<Entered<'a, P>, ErrorCode> {
    let run = process.processid();
    driver.allocate_grant(run)?;
    if process.processid() != run {
        return Err(ErrorCode::FAIL);
    }
    let grant_num = process
        .lookup_grant_from_driver_num(driver_num)
        .map_err(|_| ErrorCode::NOSUPPORT)?;
    Ok(Entered::existing(process, grant_num)?)
}

#[cfg(test)]
#[path = "requests_tests.rs"]
mod tests;
