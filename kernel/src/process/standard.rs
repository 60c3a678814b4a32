// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The process that the kernel ships: an application that is protected by an MPU.
//!
//! The records are here; each concern has a file of its own, and the implementation of
//! [`Process`](super::Process) only hands on to them.

mod context;
mod create;
mod diagnostics;
mod grants;
mod lifecycle;
mod loan_cell;
mod memory;
mod process_impl;
#[cfg(test)]
mod tests;

use core::cell::Cell;

use tock_tbf::types::TbfHeader;

use super::debug_info::ProcessStandardDebug;
use super::grant_table::GrantTable;
use super::id::{ProcessId, ShortId};
use super::policy::ProcessFaultPolicy;
use super::ram::Ram;
use super::shared_regions::SharedRegions;
use super::state::State;
use super::task_queue::TaskQueue;
use crate::kernel::Kernel;
use crate::platform::chip::Chip;
use crate::platform::mpu::MPU;
use crate::process_checker::AcceptedCredential;
use crate::storage_permissions::StoragePermissions;
use crate::syscall::UserspaceKernelBoundary;
use loan_cell::LoanCell;

pub(super) use create::Common;

/// Tasks that can wait for one process, besides the event that it waits for.
const QUEUE_LENGTH: usize = 10;

type StoredState<C> =
    <<C as Chip>::UserspaceKernelBoundary as UserspaceKernelBoundary>::StoredState;
type MpuConfig<C> = <<C as Chip>::MPU as MPU>::MpuConfig;

/// What makes the processor that of a process.
struct Context<C: Chip> {
    /// The registers, and whatever else the architecture keeps of a process.
    stored_state: StoredState<C>,
    mpu_config: MpuConfig<C>,
}

/// A process with its own memory protection.
///
/// `D` is what is noted for diagnostics: [`ProcessStandardDebugFull`](super::ProcessStandardDebugFull)
/// or `()`.
pub struct ProcessStandard<'a, C: Chip, D: ProcessStandardDebug> {
    kernel: &'static Kernel,
    chip: &'a C,
    process_id: Cell<ProcessId>,
    state: Cell<State>,
    context: LoanCell<Context<C>>,
    ram: Ram,
    tasks: TaskQueue<QUEUE_LENGTH>,
    grants: GrantTable<'a>,
    /// References into custom grants that exist now.
    custom_grants_entered: Cell<usize>,
    /// What others share with this process, beyond `ram` and `flash`.
    shared: SharedRegions,

    /// The application object.
    flash: &'static [u8],
    header: TbfHeader<'static>,
    credential: Option<AcceptedCredential>,
    app_id: ShortId,

    fault_policy: &'a dyn ProcessFaultPolicy,
    storage_policy: &'a dyn ProcessStandardStoragePermissionsPolicy<C, D>,
    restart_count: Cell<usize>,
    /// `None` until the process ends for the first time.
    completion_code: Cell<Option<Option<u32>>>,
    debug: D,
}

/// Decides what a process may store and read back.
pub trait ProcessStandardStoragePermissionsPolicy<C: Chip, D: ProcessStandardDebug> {
    /// Returns the permissions of `process`.
    fn get_permissions(&self, process: &ProcessStandard<C, D>) -> StoragePermissions;
}

/// No storage for anyone.
impl<C: Chip, D: ProcessStandardDebug> ProcessStandardStoragePermissionsPolicy<C, D> for () {
    fn get_permissions(&self, _process: &ProcessStandard<C, D>) -> StoragePermissions {
        StoragePermissions::new_null()
    }
}

/// What a header says about storage: whether the application may store, then number and list of
/// the identifiers that it may read, and of those that it may modify.
type ListedStorage = (bool, usize, [u32; 8], usize, [u32; 8]);

impl<C: Chip, D: ProcessStandardDebug> ProcessStandard<'_, C, D> {
    /// Returns what the header asks for: whether the application may store, and number and list of
    /// the identifiers it may read and modify. `None` if the header asks for nothing.
    pub fn get_tbf_storage_permissions(&self) -> Option<ListedStorage> {
        let (read_count, read_ids) = self.header.get_storage_read_ids()?;
        let (modify_count, modify_ids) = self.header.get_storage_modify_ids()?;
        let may_write = self.header.get_storage_write_id().is_some();
        Some((may_write, read_count, read_ids, modify_count, modify_ids))
    }

    #[inline(always)]
    fn is_active(&self) -> bool {
        self.state.get().is_active()
    }

    /// The application's name, for messages.
    fn name(&self) -> &'static str {
        self.header.get_package_name().unwrap_or("")
    }

    /// Address of an offset in the application object.
    fn flash_address(&self, offset: u32) -> usize {
        self.flash.as_ptr().addr().wrapping_add(offset as usize)
    }
}
