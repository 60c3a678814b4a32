// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The loader that boards call at boot: each application in flash becomes a process at once.
//!
//! It checks no credentials, and no application gets a persistent identity. What it cannot load it
//! reports and passes over.

use core::fmt;

use tock_tbf::parse::parse_tbf_header;
use tock_tbf::types::TbfHeader;

use super::binary::ProcessBinary;
use super::debug_info::{ProcessStandardDebug, ProcessStandardDebugFull};
use super::flash_walk::{FlashWalk, Found};
use super::id::ShortId;
use super::load_error::{ProcessBinaryError, ProcessLoadError};
use super::policy::ProcessFaultPolicy;
use super::process_trait::Process;
use super::ram::RamPool;
use super::shown_name::ShownName;
use super::standard::{Common, ProcessStandard};
use crate::capabilities::ProcessManagementCapability;
use crate::debug;
use crate::kernel::Kernel;
use crate::platform::chip::Chip;

/// Version of the only header format that there is.
const HEADER_VERSION: u16 = 2;

/// What became of one application in flash. Prints as one line without its end.
///
/// It looks into the header only when it is asked or printed.
#[derive(Clone, Copy)]
pub struct ProcessLoadReport {
    /// The application, or all that is left of flash if its end cannot be told.
    pub flash: &'static [u8],
    /// The process, or why there is none.
    pub outcome: Result<&'static dyn Process, ProcessLoadError>,
}

impl ProcessLoadReport {
    fn header(&self) -> Option<TbfHeader<'static>> {
        parse_tbf_header(self.flash, HEADER_VERSION).ok()
    }

    /// The application's name, as far as the header can be read.
    pub fn name(&self) -> Option<&'static str> {
        self.header()?.get_package_name()
    }
}

impl fmt::Display for ProcessLoadReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = self.header();
        let name = header.and_then(|header| header.get_package_name());
        write!(
            formatter,
            "App {} at {:#x}: ",
            ShownName(name.unwrap_or("(unnamed)")),
            self.flash.as_ptr().addr()
        )?;
        match self.outcome {
            Ok(process) => {
                let addresses = process.get_addresses();
                write!(
                    formatter,
                    "loaded, RAM {:#x}-{:#x}",
                    addresses.sram_start, addresses.sram_end
                )
            }
            Err(error) => {
                write!(formatter, "not loaded: {error}")?;
                let Some(header) = header else {
                    return Ok(());
                };
                formatter.write_str(" (wants flash ")?;
                place(formatter, header.get_fixed_address_flash())?;
                let ram_size = header.get_minimum_app_ram_size();
                write!(formatter, ", {ram_size} bytes of RAM ")?;
                place(formatter, header.get_fixed_address_ram())?;
                formatter.write_str(")")
            }
        }
    }
}

fn place(formatter: &mut fmt::Formatter<'_>, fixed: Option<u32>) -> fmt::Result {
    match fixed {
        Some(address) => write!(formatter, "at {address:#x}"),
        None => formatter.write_str("anywhere"),
    }
}

/// Learns what became of each application in flash.
pub trait ProcessLoadReporter {
    /// Takes the report about the next application.
    fn report(&self, report: &ProcessLoadReport);
}

/// Prints each report with [`debug!`](crate::debug).
pub struct DebugLoadReporter;

impl ProcessLoadReporter for DebugLoadReporter {
    fn report(&self, report: &ProcessLoadReport) {
        debug!("{}", report);
    }
}

/// Loads all applications in `app_flash`, and prints a line about each.
///
/// All grants must have been created. RAM comes from `app_memory`, which is handed over for good;
/// applications that were linked for fixed addresses must stand in flash in the order of their RAM
/// addresses.
///
/// # Errors
///
/// - [`ProcessLoadError::NoProcessSlot`]: there were more applications than slots. The first ones
///   are loaded.
///
/// What is wrong with a single application is only reported.
pub fn load_processes<C: Chip>(
    kernel: &'static Kernel,
    chip: &'static C,
    app_flash: &'static [u8],
    app_memory: &'static mut [u8],
    fault_policy: &'static dyn ProcessFaultPolicy,
    capability: &dyn ProcessManagementCapability,
) -> Result<(), ProcessLoadError> {
    load_processes_reporting(
        kernel,
        chip,
        app_flash,
        app_memory,
        fault_policy,
        &DebugLoadReporter,
        capability,
    )
}

/// Loads all applications as [`load_processes`] does, and reports each to `reporter`.
///
/// # Errors
///
/// As for [`load_processes`].
pub fn load_processes_reporting<C: Chip>(
    kernel: &'static Kernel,
    chip: &'static C,
    app_flash: &'static [u8],
    app_memory: &'static mut [u8],
    fault_policy: &'static dyn ProcessFaultPolicy,
    reporter: &dyn ProcessLoadReporter,
    _capability: &dyn ProcessManagementCapability,
) -> Result<(), ProcessLoadError> {
    let common: Common<C, ProcessStandardDebugFull> = Common {
        kernel,
        chip,
        fault_policy,
        storage_policy: &(),
    };
    let mut pool = RamPool::new(app_memory);
    let mut result = Ok(());
    for found in FlashWalk::new(app_flash) {
        let outcome = load(&common, &mut pool, &found);
        match outcome {
            Err(ProcessLoadError::BinaryError(ProcessBinaryError::Padding)) => continue,
            Err(ProcessLoadError::NoProcessSlot) => result = Err(ProcessLoadError::NoProcessSlot),
            _ => {}
        }
        reporter.report(&ProcessLoadReport {
            flash: found.flash,
            outcome,
        });
    }
    result
}

/// Makes a process of one object.
fn load<C: Chip + 'static, D: ProcessStandardDebug + 'static>(
    common: &Common<C, D>,
    pool: &mut RamPool,
    found: &Found,
) -> Result<&'static dyn Process, ProcessLoadError> {
    let version = found.version.map_err(ProcessLoadError::BinaryError)?;
    let binary =
        ProcessBinary::create(found.flash, version).map_err(ProcessLoadError::BinaryError)?;
    make_process(common, pool, &binary, ShortId::LocallyUnique)
}

/// Makes a process of a binary, in the first free slot.
pub(super) fn make_process<C: Chip + 'static, D: ProcessStandardDebug + 'static>(
    common: &Common<C, D>,
    pool: &mut RamPool,
    binary: &ProcessBinary,
    app_id: ShortId,
) -> Result<&'static dyn Process, ProcessLoadError> {
    let (index, slot) = common
        .kernel
        .process_slots()
        .iter()
        .enumerate()
        .find(|(_, slot)| slot.get().is_none())
        .ok_or(ProcessLoadError::NoProcessSlot)?;
    let process = ProcessStandard::create(common, binary, pool, app_id, index)?;
    slot.set(process);
    Ok(process)
}

#[cfg(test)]
mod tests;
