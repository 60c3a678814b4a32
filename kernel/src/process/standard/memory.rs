// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Memory that the process asks for, shares, and is kept to.

use core::ops::Range;

use super::{MpuConfig, ProcessStandard};
use crate::errorcode::ErrorCode;
use crate::ipc;
use crate::platform::chip::Chip;
use crate::platform::mpu::{MPU, Permissions, Region};
use crate::process::breaks::within;
use crate::process::debug_info::ProcessStandardDebug;
use crate::process::error::Error;
use crate::process::state::{State, StoppedState};
use crate::processbuffer::{ReadOnlyProcessBuffer, ReadWriteProcessBuffer};
use crate::utilities::capability_ptr::{CapabilityPtr, CapabilityPtrPermissions};

/// Shortest upcall function that can be: one instruction that is not compressed.
const SHORTEST_FUNCTION: usize = 4;

impl<C: Chip, D: ProcessStandardDebug> ProcessStandard<'_, C, D> {
    /// Moves the application break and returns where it was.
    pub(super) fn move_break(&self, new: usize) -> Result<CapabilityPtr, Error> {
        if !self.is_active() {
            return Err(Error::InactiveApp);
        }
        let breaks = self.ram.breaks();
        let old = breaks.app_break();
        if !breaks.allows_app_break(new) {
            return Err(Error::AddressOutOfBounds);
        }
        if new != old {
            self.with_protection(|config| {
                self.chip.mpu().update_app_memory_region(
                    self.ram.at(new),
                    self.ram.at(breaks.kernel_break()),
                    Permissions::ReadWriteOnly,
                    config,
                )
            })
            .unwrap_or(Err(()))
            .map_err(|()| Error::OutOfMemory)?;
            self.ram.zero_exposed(old, new);
            breaks.set_app_break(new);
            self.load_mpu();
        }
        // SAFETY: the process gets a right to its own RAM only, which it has anyway.
        Ok(unsafe {
            CapabilityPtr::new_with_authority(
                self.ram.at(old).cast_const().cast(),
                breaks.start(),
                new - breaks.start(),
                CapabilityPtrPermissions::ReadWrite,
            )
        })
    }

    pub(super) fn move_break_by(&self, increment: isize) -> Result<CapabilityPtr, Error> {
        let new = self.ram.breaks().app_break_after(increment)?;
        self.move_break(new)
    }

    /// Loads the process's memory protection.
    #[inline(always)]
    pub(super) fn load_mpu(&self) {
        self.with_protection(|config| self.load_protection(config));
    }

    #[inline(always)]
    pub(super) fn load_protection(&self, config: &MpuConfig<C>) {
        // SAFETY: the configuration is this process's own; it covers its flash, its RAM up to the
        // break, and what the kernel added on purpose.
        unsafe { self.chip.mpu().configure_mpu(config) }
    }

    /// Adds a region outside the process's own memory.
    pub(super) fn add_region(
        &self,
        start: *const u8,
        size: usize,
        min_size: usize,
    ) -> Option<Region> {
        if self.shared.is_full() {
            return None;
        }
        let region = self
            .with_protection(|config| {
                self.chip.mpu().allocate_region(
                    start,
                    size,
                    min_size,
                    Permissions::ReadWriteOnly,
                    config,
                )
            })
            .flatten()?;
        self.shared.note(region);
        Some(region)
    }

    pub(super) fn remove_region(&self, region: Region) -> Result<(), ErrorCode> {
        self.with_protection(|config| self.chip.mpu().remove_memory_region(region, config))
            .unwrap_or(Err(()))
            .map_err(|()| ErrorCode::INVAL)?;
        self.shared.forget(region);
        Ok(())
    }

    /// Ends access to regions that begin in `memory`, but for `kept`: at once if the process has
    /// yielded, else when it does.
    pub(super) fn end_access(&self, memory: Range<usize>, kept: Option<Region>) {
        self.tasks.withdraw(ipc::DRIVER_NUM, &memory, kept);
        self.shared.end(memory, kept);
        let at_work = matches!(
            self.state.get(),
            State::Running | State::Stopped(StoppedState::Running)
        );
        if self.shared.any_ending() && !at_work {
            self.close_ended();
        }
    }

    /// Closes the regions whose time has come.
    #[cold]
    pub(super) fn close_ended(&self) {
        self.shared.take_ending(|region| {
            // A region that is not there is closed.
            let _ =
                self.with_protection(|config| self.chip.mpu().remove_memory_region(region, config));
        });
    }

    /// Checks a buffer that the process shares for reading and writing.
    #[inline(always)]
    pub(super) fn read_write_buffer(
        &self,
        address: *mut u8,
        size: usize,
    ) -> Result<ReadWriteProcessBuffer, ErrorCode> {
        if !self.is_active() {
            return Err(ErrorCode::FAIL);
        }
        let id = self.process_id.get();
        if size == 0 {
            // SAFETY: an empty buffer has no bytes that need be valid.
            return Ok(unsafe { ReadWriteProcessBuffer::new(address, 0, id) });
        }
        let bytes = self.share_ram(address.addr(), size)?;
        // SAFETY: the bytes are RAM of this process, below its break, where the kernel holds them
        // for the rest of this run; nobody makes `&[u8]` or `&mut [u8]` of them.
        Ok(unsafe { ReadWriteProcessBuffer::new(bytes, size, id) })
    }

    /// Checks a buffer that the process shares for reading.
    #[inline(always)]
    pub(super) fn read_only_buffer(
        &self,
        address: *const u8,
        size: usize,
    ) -> Result<ReadOnlyProcessBuffer, ErrorCode> {
        if !self.is_active() {
            return Err(ErrorCode::FAIL);
        }
        let id = self.process_id.get();
        if size == 0 {
            // SAFETY: an empty buffer has no bytes that need be valid.
            return Ok(unsafe { ReadOnlyProcessBuffer::new(address, 0, id) });
        }
        let bytes = if self.in_unprotected_flash(address.addr(), size) {
            self.flash.as_ptr().with_addr(address.addr())
        } else {
            self.share_ram(address.addr(), size)?.cast_const()
        };
        // SAFETY: the bytes are flash of this process, which nobody writes, or its RAM as above.
        Ok(unsafe { ReadOnlyProcessBuffer::new(bytes, size, id) })
    }

    /// Checks that the process can access these bytes, and keeps its break above them.
    #[inline(always)]
    fn share_ram(&self, address: usize, size: usize) -> Result<*mut u8, ErrorCode> {
        let breaks = self.ram.breaks();
        if !breaks.accessible(address, size) {
            return Err(ErrorCode::INVAL);
        }
        breaks.hold(address, size);
        Ok(self.ram.at(address))
    }

    /// Tells whether these bytes are in the application's flash, after the protected part.
    #[inline(always)]
    fn in_unprotected_flash(&self, address: usize, size: usize) -> bool {
        let start = self.flash_address(self.header.get_protected_size());
        let end = self.flash.as_ptr().addr() + self.flash.len();
        within(address, size, start, end)
    }

    /// Tells whether an upcall function may start here.
    #[inline(always)]
    pub(super) fn is_function(&self, address: usize) -> bool {
        self.in_unprotected_flash(address, SHORTEST_FUNCTION)
            || self.ram.breaks().accessible(address, SHORTEST_FUNCTION)
    }
}
