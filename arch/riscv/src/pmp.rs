// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Memory protection by PMP, with Smepmp where the CPU has it.
//!
//! `regions` decides what a process may reach, `plan` turns that into register values, and this
//! module writes them: addresses alone when another process is entered or a break moves, nothing
//! when the same process runs again. App flash is readable by the kernel through `flash_lift`.

mod flash_lift;
mod plan;
mod probe;
mod range;
mod regions;

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

use core::cell::Cell;
use core::fmt;
use kernel::platform::mpu::{MPU, Permissions, Region};
use plan::{Borders, FIRST_USER_ENTRY, PARKED, Plan, USER_PAIRS, borders, move_pair};
use regions::{AppMemory, AppRegions, FlashRights, Purpose, SPARES};
use riscv_csr::pmp::{PmpAddresses, PmpConfigurations};

pub(crate) use flash_lift::FLASH_RULE;
pub use plan::{KernelMap, Mode, SetupError};
pub use range::Range;

/// No configuration: the pairs are parked.
const NOTHING_LOADED: usize = 0;

/// The memory protection unit.
pub struct Pmp {
    mode: Mode,
    memory: Cell<AppMemory>,
    addresses: PmpAddresses,
    /// What the five user pairs hold.
    borders: Cell<Borders>,
    flash_rights: Cell<FlashRights>,
    /// The configuration that the pairs reflect, by its number. Nothing when it changed since.
    loaded: Cell<usize>,
    last_number: Cell<usize>,
}

/// The memory of one process, made by [`MPU::new_config`].
pub struct PmpConfig {
    regions: AppRegions,
    number: usize,
}

impl Pmp {
    /// Protects the kernel as `map` says and parks the user rules.
    ///
    /// With Smepmp this binds machine mode until reset: text cannot be written, nothing else can
    /// be executed, and addresses outside the map cannot be reached.
    ///
    /// # Safety
    ///
    /// Call it once, in machine mode with interrupts disabled, after `.data` is in place. `map`
    /// covers everything the kernel uses, and `map.app_ram` holds no memory of the kernel.
    ///
    /// # Errors
    ///
    /// See [`SetupError`]; processes must not be run then.
    #[inline(never)]
    pub unsafe fn new(map: &KernelMap) -> Result<Self, SetupError> {
        if !probe::has_protection() {
            return Err(SetupError::Missing);
        }
        let mode = if probe::has_smepmp() {
            Mode::Smepmp
        } else {
            Mode::Plain
        };
        let plan = Plan::new(map, mode)?;
        // SAFETY: this is the only holder of the registers, and what it writes follows the plan,
        // whose properties the caller relies on: processes reach their own regions alone.
        let (addresses, configurations) =
            unsafe { (PmpAddresses::new(), PmpConfigurations::new()) };
        // Downwards: after a restart a pair still covers what a process had, and its upper border,
        // set first, closes it.
        for (index, value) in plan.addresses.into_iter().enumerate().rev() {
            write_address(&addresses, index, value);
        }
        for index in 0..4 {
            configurations.write(index, plan.config_word(index));
        }
        if mode == Mode::Smepmp {
            probe::lock_down_machine_mode();
            // QEMU 7.2 takes the shared rules only before lockdown, newer ones only after it.
            for index in [1, 2] {
                configurations.write(index, plan.config_word(index));
            }
            if configurations.read(1) != Some(plan.config_word(1)) {
                return Err(SetupError::SharedRuleRefused);
            }
        }
        fence_translations();
        FLASH_RULE.set_up(&plan, mode);
        Ok(Pmp {
            mode,
            memory: Cell::new(AppMemory {
                flash: map.app_flash,
                ram: map.app_ram,
            }),
            addresses,
            borders: Cell::new([PARKED; USER_PAIRS]),
            flash_rights: Cell::new(FlashRights::ReadExecute),
            loaded: Cell::new(NOTHING_LOADED),
            last_number: Cell::new(NOTHING_LOADED),
        })
    }

    /// Returns the rule table in force.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Leaves the app RAM below `end` to the kernel: no process is given any of it from now on.
    pub fn keep_app_ram(&self, end: *const u8) {
        if let Ok(end) = u32::try_from(end.addr()) {
            self.memory.set(self.memory.get().with_ram_from(end));
        }
    }

    fn next_number(&self) -> usize {
        let number = self.last_number.get() + 1;
        self.last_number.set(number);
        number
    }

    /// Has `config`, which changed, loaded again before the process runs.
    fn note_change(&self, config: &PmpConfig) {
        if self.loaded.get() == config.number {
            self.loaded.set(NOTHING_LOADED);
        }
    }

    /// Makes the registers reflect `config`.
    #[cold]
    #[inline(never)]
    fn load(&self, config: &PmpConfig) {
        let rights = config.regions.flash_rights();
        if rights != self.flash_rights.replace(rights) {
            FLASH_RULE.change_rights(rights);
        }
        let wanted = borders(&config.regions);
        let current = self.borders.replace(wanted);
        let mut entry = FIRST_USER_ENTRY;
        for (old, new) in current.into_iter().zip(wanted) {
            move_pair(old, new, |offset, value| {
                write_address(&self.addresses, entry + offset, value)
            });
            entry += 2;
        }
        fence_translations();
        self.loaded.set(config.number);
    }
}

/// By a call, since an index at run time takes an instruction per register.
#[inline(never)]
fn write_address(addresses: &PmpAddresses, index: usize, value: u32) {
    addresses.write(index, value);
}

/// Drops translations that were cached under the previous rules.
///
/// QEMU 7.2 keeps them when only an address register changes, and a process would still reach
/// what its predecessor, or its own larger break, was allowed.
fn fence_translations() {
    #[cfg(target_arch = "riscv32")]
    // SAFETY: the instruction only drops cached translations.
    unsafe {
        core::arch::asm!("sfence.vma", options(nostack, preserves_flags));
    }
}

/// Returns how often the kernel read flash of the loaded process since start, modulo 2^32.
///
/// Each system call that does so counts once, and only under Smepmp.
pub fn lift_count() -> u32 {
    FLASH_RULE.lifts()
}

/// Puts the flash rule back in force if the kernel lifted it; call it before user mode runs.
#[inline(always)]
pub(crate) fn restore_flash_rule() {
    FLASH_RULE.restore(|word| {
        // SAFETY: the value gives user mode the flash region of the loaded process, as planned.
        let configurations = unsafe { PmpConfigurations::new() };
        configurations.write(0, word);
    });
}

fn range_of(start: *const u8, size: usize) -> Option<Range> {
    let first = u32::try_from(start.addr()).ok()?;
    Some(Range::new(
        first,
        first.checked_add(u32::try_from(size).ok()?)?,
    ))
}

fn pointer_to(address: u32) -> *const u8 {
    core::ptr::with_exposed_provenance(address as usize)
}

fn region_of(range: Range) -> Region {
    Region::new(pointer_to(range.start), range.len() as usize)
}

// SAFETY: `AppRegions` admits only regions inside the board's app memory, and none that touches
// the kernel's part of the process's own block; the model tests show that the planned registers
// give user mode exactly these regions. `configure_mpu` loads a configuration unless it is loaded
// already and unchanged, and user rules stay in force until the next load.
unsafe impl MPU for Pmp {
    type MpuConfig = PmpConfig;

    fn enable_app_mpu(&self) {
        // The user rules are always on, and do not keep the kernel from its work.
    }

    unsafe fn disable_app_mpu(&self) {
        // See `enable_app_mpu`.
    }

    fn number_total_regions(&self) -> usize {
        USER_PAIRS
    }

    fn new_config(&self) -> Option<PmpConfig> {
        Some(PmpConfig {
            regions: AppRegions::default(),
            number: self.next_number(),
        })
    }

    fn reset_config(&self, config: &mut PmpConfig) {
        config.regions = AppRegions::default();
        self.note_change(config);
    }

    /// Adds a region. `ReadWriteOnly` takes one of the spare pairs and must lie in app RAM; the
    /// others take the one flash pair and must lie in app flash. Memory that is writable and
    /// executable at once is refused.
    fn allocate_region(
        &self,
        unallocated_memory_start: *const u8,
        unallocated_memory_size: usize,
        min_region_size: usize,
        permissions: Permissions,
        config: &mut PmpConfig,
    ) -> Option<Region> {
        let purpose = match permissions {
            Permissions::ReadWriteExecute => return None,
            Permissions::ReadWriteOnly => Purpose::Shared,
            Permissions::ReadExecuteOnly => Purpose::Flash(FlashRights::ReadExecute),
            Permissions::ReadOnly => Purpose::Flash(FlashRights::Read),
            Permissions::ExecuteOnly => Purpose::Flash(FlashRights::Execute),
        };
        let available = range_of(unallocated_memory_start, unallocated_memory_size)?;
        let size = u32::try_from(min_region_size).ok()?;
        let region = config
            .regions
            .add(&self.memory.get(), available, size, purpose)?;
        self.note_change(config);
        Some(region_of(region))
    }

    fn remove_memory_region(&self, region: Region, config: &mut PmpConfig) -> Result<(), ()> {
        let range = range_of(region.start_address(), region.size()).ok_or(())?;
        config.regions.remove(range)?;
        self.note_change(config);
        Ok(())
    }

    /// Chooses the block at the start of the memory given, on the next 4-byte border. Only
    /// `ReadWriteOnly` is supported.
    fn allocate_app_memory_region(
        &self,
        unallocated_memory_start: *const u8,
        unallocated_memory_size: usize,
        min_memory_size: usize,
        initial_app_memory_size: usize,
        initial_kernel_memory_size: usize,
        permissions: Permissions,
        config: &mut PmpConfig,
    ) -> Option<(*const u8, usize)> {
        if permissions != Permissions::ReadWriteOnly {
            return None;
        }
        let block = config.regions.place_block(
            &self.memory.get(),
            range_of(unallocated_memory_start, unallocated_memory_size)?,
            u32::try_from(min_memory_size).ok()?,
            u32::try_from(initial_app_memory_size).ok()?,
            u32::try_from(initial_kernel_memory_size).ok()?,
        )?;
        self.note_change(config);
        Some((pointer_to(block.start), block.len() as usize))
    }

    fn update_app_memory_region(
        &self,
        app_memory_break: *const u8,
        kernel_memory_break: *const u8,
        permissions: Permissions,
        config: &mut PmpConfig,
    ) -> Result<(), ()> {
        if permissions != Permissions::ReadWriteOnly {
            return Err(());
        }
        let before = config.regions.ram();
        let address = |pointer: *const u8| u32::try_from(pointer.addr()).map_err(|_| ());
        config
            .regions
            .set_break(address(app_memory_break)?, address(kernel_memory_break)?)?;
        if config.regions.ram() != before {
            self.note_change(config);
        }
        Ok(())
    }

    #[inline]
    unsafe fn configure_mpu(&self, config: &PmpConfig) {
        if self.loaded.get() != config.number {
            self.load(config);
        }
    }
}

impl fmt::Display for PmpConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\r\n PMP regions of the process:\r\n")?;
        let regions = &self.regions;
        let named = [("flash", regions.flash()), ("RAM  ", regions.ram())];
        let spares: [Range; SPARES] = regions.spares();
        for (name, range) in named
            .into_iter()
            .chain(spares.map(|spare| ("spare", spare)))
        {
            if !range.is_empty() {
                write!(f, "  {name} {:#010x}..{:#010x}\r\n", range.start, range.end)?;
            }
        }
        Ok(())
    }
}
