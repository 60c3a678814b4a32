// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Grant memory, at the bottom of the kernel's part of the RAM block.

use core::ptr::NonNull;

use super::ProcessStandard;
use crate::platform::chip::Chip;
use crate::platform::mpu::{MPU, Permissions};
use crate::process::debug_info::ProcessStandardDebug;
use crate::process::error::Error;
use crate::process::process_trait::ProcessCustomGrantIdentifier;

impl<C: Chip, D: ProcessStandardDebug> ProcessStandard<'_, C, D> {
    /// Moves the kernel break down to make room for `size` bytes.
    fn allocate(&self, size: usize, align: usize) -> Option<NonNull<u8>> {
        if !self.is_active() {
            return None;
        }
        let breaks = self.ram.breaks();
        // Words stay aligned whatever comes next.
        let align = align.max(align_of::<usize>());
        let memory = breaks.kernel_break_after(size, align)?;
        self.with_protection(|config| {
            self.chip.mpu().update_app_memory_region(
                self.ram.at(breaks.app_break()),
                self.ram.at(memory),
                Permissions::ReadWriteOnly,
                config,
            )
        })?
        .ok()?;
        breaks.set_kernel_break(memory);
        NonNull::new(self.ram.at(memory))
    }

    pub(super) fn give_grant(
        &self,
        grant_num: usize,
        driver_num: usize,
        size: usize,
        align: usize,
    ) -> Result<(), ()> {
        if !self.grants.may_allocate(grant_num, driver_num) {
            return Err(());
        }
        let memory = self.allocate(size, align).ok_or(())?;
        self.grants.set(grant_num, driver_num, memory);
        Ok(())
    }

    pub(super) fn give_custom_grant(
        &self,
        size: usize,
        align: usize,
    ) -> Result<(ProcessCustomGrantIdentifier, NonNull<u8>), ()> {
        let memory = self.allocate(size, align).ok_or(())?;
        let offset = self.ram.breaks().end() - memory.addr().get();
        Ok((ProcessCustomGrantIdentifier { offset }, memory))
    }

    pub(super) fn custom_grant(
        &self,
        identifier: ProcessCustomGrantIdentifier,
    ) -> Result<*mut u8, Error> {
        if !self.is_active() {
            return Err(Error::InactiveApp);
        }
        let breaks = self.ram.breaks();
        let address = breaks
            .end()
            .checked_sub(identifier.offset)
            .filter(|&address| address >= breaks.kernel_break())
            .filter(|&address| address < self.first_kernel_break())
            .ok_or(Error::AddressOutOfBounds)?;
        Ok(self.ram.at(address))
    }
}
