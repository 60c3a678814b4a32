// SPDX-License-Identifier: Apache-2.0 OR MIT

//! An application object in flash, checked as far as the header allows.

use tock_tbf::parse::parse_tbf_header;
use tock_tbf::types::TbfHeader;

use super::load_error::ProcessBinaryError;
use crate::process_checker::AcceptedCredential;
use crate::utilities::cells::OptionalCell;

/// An application that can become a process.
pub struct ProcessBinary {
    /// The parsed header.
    pub header: TbfHeader<'static>,
    /// The whole object, header and footers included.
    pub flash: &'static [u8],
    /// The footers, which may hold credentials.
    pub footers: &'static [u8],
    /// The credential that a checker accepted.
    pub credential: OptionalCell<AcceptedCredential>,
}

impl ProcessBinary {
    /// Checks the object that `flash` holds exactly.
    ///
    /// Every offset in the header is inside the object afterwards, and the binary is where it was
    /// linked to be.
    ///
    /// # Errors
    ///
    /// Skip the object, for the reason given.
    pub(crate) fn create(
        flash: &'static [u8],
        version: u16,
    ) -> Result<ProcessBinary, ProcessBinaryError> {
        let header = parse_tbf_header(flash, version).map_err(ProcessBinaryError::BadHeader)?;
        if !header.is_app() {
            return Err(ProcessBinaryError::Padding);
        }
        if !header.enabled() {
            return Err(ProcessBinaryError::Disabled);
        }
        check_kernel_version(header.get_kernel_version())?;
        let footers = usize::try_from(header.get_binary_end())
            .ok()
            .and_then(|binary_end| flash.get(binary_end..))
            .ok_or(ProcessBinaryError::BadOffsets)?;
        check_flash_address(&header, flash)?;
        Ok(ProcessBinary {
            header,
            flash,
            footers,
            credential: OptionalCell::empty(),
        })
    }

    /// Returns the credential that a checker accepted.
    pub fn get_credential(&self) -> Option<AcceptedCredential> {
        self.credential.get()
    }
}

/// Accepts applications for this major version and for no later minor version.
fn check_kernel_version(wanted: Option<(u16, u16)>) -> Result<(), ProcessBinaryError> {
    let (major, minor) = wanted.ok_or(ProcessBinaryError::NoKernelVersion)?;
    if major == crate::KERNEL_MAJOR_VERSION && minor <= crate::KERNEL_MINOR_VERSION {
        Ok(())
    } else {
        Err(ProcessBinaryError::KernelVersion { major, minor })
    }
}

/// Checks that the binary is where it was linked to be, if it was linked for one place.
fn check_flash_address(
    header: &TbfHeader<'static>,
    flash: &'static [u8],
) -> Result<(), ProcessBinaryError> {
    let Some(expected) = header.get_fixed_address_flash() else {
        return Ok(());
    };
    let actual = flash
        .as_ptr()
        .addr()
        .wrapping_add(header.get_protected_size() as usize);
    if actual == expected as usize {
        Ok(())
    } else {
        Err(ProcessBinaryError::FlashAddress {
            actual,
            expected: expected as usize,
        })
    }
}
