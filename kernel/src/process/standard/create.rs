// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Creating a process: memory for it, records about it, and its first run.

use core::alloc::Layout;
use core::cell::Cell;
use core::ptr::NonNull;

use super::loan_cell::LoanCell;
use super::{Context, MpuConfig, ProcessStandard, ProcessStandardStoragePermissionsPolicy};
use crate::kernel::Kernel;
use crate::platform::chip::Chip;
use crate::platform::mpu::{MPU, Permissions};
use crate::process::binary::ProcessBinary;
use crate::process::debug_info::ProcessStandardDebug;
use crate::process::grant_table::{GrantEntry, GrantTable};
use crate::process::id::{ProcessId, ShortId};
use crate::process::layout::{KernelPart, KernelPlaces, block_start};
use crate::process::load_error::ProcessLoadError;
use crate::process::policy::ProcessFaultPolicy;
use crate::process::ram::{Ram, RamPool};
use crate::process::shared_regions::SharedRegions;
use crate::process::state::State;
use crate::process::task_queue::TaskQueue;
use crate::syscall::UserspaceKernelBoundary;

/// What all processes of a board have in common.
pub(in crate::process) struct Common<C: Chip + 'static, D: ProcessStandardDebug + 'static> {
    pub(in crate::process) kernel: &'static Kernel,
    pub(in crate::process) chip: &'static C,
    pub(in crate::process) fault_policy: &'static dyn ProcessFaultPolicy,
    pub(in crate::process) storage_policy: &'static dyn ProcessStandardStoragePermissionsPolicy<C, D>,
}

/// A block of RAM that memory protection agreed to.
struct Block {
    start: usize,
    size: usize,
    places: KernelPlaces,
}

/// RAM that a process asks for.
struct RamRequest {
    /// Where the block may start at the lowest.
    first: *const u8,
    /// Bytes that are free from there.
    room: usize,
    /// Bytes of the block at least.
    size: usize,
    /// Bytes that the process can access at once.
    app_size: usize,
    /// Bytes that the kernel needs at the end.
    kernel_size: usize,
}

/// Plans the regions of a process: all of its flash, and its RAM up to the first break.
///
/// Returns start and size of the RAM block.
fn plan_regions<M: MPU>(
    mpu: &M,
    config: &mut M::MpuConfig,
    flash: &[u8],
    ram: &RamRequest,
) -> Result<(usize, usize), ProcessLoadError> {
    mpu.allocate_region(
        flash.as_ptr(),
        flash.len(),
        flash.len(),
        Permissions::ReadExecuteOnly,
        config,
    )
    .filter(|region| region.start_address() == flash.as_ptr() && region.size() == flash.len())
    .ok_or(ProcessLoadError::MpuInvalidFlashLength)?;

    let (start, size) = mpu
        .allocate_app_memory_region(
            ram.first,
            ram.room,
            ram.size,
            ram.app_size,
            ram.kernel_size,
            Permissions::ReadWriteOnly,
            config,
        )
        .ok_or(ProcessLoadError::NotEnoughMemory)?;
    Ok((start.addr(), size))
}

/// Writes all fields of a structure in their places, instead of a whole one that is copied there.
///
/// To be used where the place is valid for writing the structure.
macro_rules! write_fields {
    ($place:expr, $structure:ident { $($field:ident: $value:expr,)+ }) => {
        // No field is left out: this would not compile.
        let _ = |whole: &Self| {
            let $structure { $($field: _,)+ } = whole;
        };
        $((&raw mut (*$place).$field).write($value);)+
    };
}

impl<C: Chip + 'static, D: ProcessStandardDebug + 'static> ProcessStandard<'static, C, D> {
    /// Creates the process of an application in the rest of the RAM pool.
    ///
    /// Its entry function is queued and its state is [`State::Yielded`]. On an error the pool is
    /// as it was, unless it is the architecture that refuses the process.
    pub(in crate::process) fn create(
        common: &Common<C, D>,
        binary: &ProcessBinary,
        pool: &mut RamPool,
        app_id: ShortId,
        index: usize,
    ) -> Result<&'static ProcessStandard<'static, C, D>, ProcessLoadError> {
        let mpu = common.chip.mpu();
        let grant_count = common.kernel.get_grant_count_and_finalize();
        let part = KernelPart {
            control_block: Layout::new::<Self>(),
            grant_table: Layout::array::<GrantEntry>(grant_count)
                .map_err(|_| ProcessLoadError::InternalError)?,
        };
        let mut config = mpu
            .new_config()
            .ok_or(ProcessLoadError::MpuConfigurationError)?;
        let app_size = common
            .chip
            .userspace_kernel_boundary()
            .initial_process_app_brk_size();
        let block = Self::find_block(mpu, &mut config, binary, pool, part, app_size)?;
        // Before memory is written that might be this: copying it costs less then.
        let context = LoanCell::new(Context {
            stored_state: Default::default(),
            mpu_config: config,
        });

        let identifier = common
            .kernel
            .create_process_identifier()
            .ok_or(ProcessLoadError::InternalError)?;

        // From here on the block belongs to the process, whatever happens.
        let base = pool
            .take(block.start, block.size)
            .ok_or(ProcessLoadError::MpuConfigurationError)?;
        let at = |address: usize| base.as_ptr().with_addr(address);

        let table = at(block.places.grant_table).cast::<GrantEntry>();
        for entry in 0..grant_count {
            // SAFETY: `block.places` made room for `grant_count` entries, aligned, at the end of
            // the block, which the pool handed over for good.
            unsafe { table.add(entry).write(GrantEntry::new()) };
        }
        // SAFETY: the entries have just been written, nothing else uses their memory, and only
        // shared references to them are ever made.
        let entries: &'static [GrantEntry] =
            unsafe { core::slice::from_raw_parts(table, grant_count) };

        // SAFETY: the block came out of the pool, which owned it for ever. Below the kernel break,
        // where the control block starts, there is no reference into it.
        let ram = unsafe {
            Ram::new(
                base,
                block.size,
                block.start + app_size,
                block.places.control_block,
            )
        };
        let control_block = at(block.places.control_block).cast::<Self>();
        // SAFETY: `block.places` made room for a control block, aligned, below the grant table;
        // nothing else uses that memory.
        unsafe {
            write_fields!(
                control_block,
                ProcessStandard {
                    kernel: common.kernel,
                    chip: common.chip,
                    process_id: Cell::new(ProcessId::new(common.kernel, identifier, index)),
                    state: Cell::new(State::Terminated),
                    context: context,
                    ram: ram,
                    tasks: TaskQueue::new(),
                    grants: GrantTable::new(entries),
                    custom_grants_entered: Cell::new(0),
                    shared: SharedRegions::new(),
                    flash: binary.flash,
                    header: binary.header,
                    credential: binary.get_credential(),
                    app_id: app_id,
                    fault_policy: common.fault_policy,
                    storage_policy: common.storage_policy,
                    restart_count: Cell::new(0),
                    completion_code: Cell::new(None),
                    debug: D::default(),
                }
            );
        }
        // SAFETY: the control block has just been written and stays where it is for ever; only
        // shared references to it are made.
        let process: &'static Self = unsafe { &*control_block };
        process.begin_run(app_size)?;
        Ok(process)
    }

    /// Finds RAM for the process and plans its memory protection. Takes nothing from the pool.
    fn find_block(
        mpu: &C::MPU,
        config: &mut MpuConfig<C>,
        binary: &ProcessBinary,
        pool: &RamPool,
        part: KernelPart,
        app_size: usize,
    ) -> Result<Block, ProcessLoadError> {
        let too_big = ProcessLoadError::NotEnoughMemory;
        let kernel_size = part.reserve().ok_or(too_big)?;
        let size = usize::try_from(binary.header.get_minimum_app_ram_size())
            .ok()
            .and_then(|minimum| minimum.max(app_size).checked_add(kernel_size))
            .ok_or(too_big)?;
        let fixed = binary
            .header
            .get_fixed_address_ram()
            .map(|address| address as usize);
        let first = block_start(pool.next().as_ptr(), pool.end(), fixed)?;

        let request = RamRequest {
            first,
            room: pool.end().saturating_sub(first.addr()),
            size,
            app_size,
            kernel_size,
        };
        let (start, size) = plan_regions(mpu, config, binary.flash, &request)?;
        if fixed.is_some_and(|fixed| fixed != start) {
            return Err(ProcessLoadError::MemoryAddressMismatch {
                actual_address: first.with_addr(start),
                expected_address: first,
            });
        }
        let places = start
            .checked_add(size)
            .and_then(|end| part.place(start, end))
            .filter(|places| size >= request.size && places.control_block - start >= app_size)
            .ok_or(too_big)?;
        Ok(Block {
            start,
            size,
            places,
        })
    }
}

impl<C: Chip, D: ProcessStandardDebug> ProcessStandard<'_, C, D> {
    /// Plans the same regions again, as for a process that has just been created.
    pub(super) fn plan_same_regions(&self) -> Result<(), ProcessLoadError> {
        let breaks = self.ram.breaks();
        let size = breaks.end() - breaks.start();
        let request = RamRequest {
            first: self.ram.at(breaks.start()),
            room: size,
            size,
            app_size: self.first_app_size(),
            kernel_size: breaks.end() - self.first_kernel_break(),
        };
        let mpu = self.chip.mpu();
        self.shared.clear();
        let planned = self
            .with_protection(|config| {
                mpu.reset_config(config);
                plan_regions(mpu, config, self.flash, &request)
            })
            .unwrap_or(Err(ProcessLoadError::InternalError))?;
        if planned == (breaks.start(), size) {
            Ok(())
        } else {
            Err(ProcessLoadError::MpuConfigurationError)
        }
    }

    /// Bytes that the process can access before it asks for any.
    pub(super) fn first_app_size(&self) -> usize {
        self.chip
            .userspace_kernel_boundary()
            .initial_process_app_brk_size()
    }

    /// Where the kernel break is before any grant: at the control block, that is, at `self`.
    pub(super) fn first_kernel_break(&self) -> usize {
        NonNull::from(self).addr().get()
    }
}
