// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The memory one process may reach, as ranges on the 4-byte granule.
//!
//! Every request is checked here against the app memory of the board and against the part of the
//! process's own block that belongs to the kernel; what passes can be programmed as it is.

use super::range::{Range, round_up};

/// Spare read-write regions per process.
pub const SPARES: usize = 3;

/// What a process may do with its flash region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlashRights {
    /// Read and execute.
    ReadExecute,
    /// Read.
    Read,
    /// Execute.
    Execute,
}

/// What a region is for, from which its place among the entries follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Memory that nobody writes; one per process, in app flash.
    Flash(FlashRights),
    /// Memory that process and kernel read and write, in app RAM.
    Shared,
}

/// Memory of the board that processes can be given.
#[derive(Clone, Copy, Debug)]
pub struct AppMemory {
    /// App flash.
    pub flash: Range,
    /// App RAM.
    pub ram: Range,
}

impl AppMemory {
    /// The same without the RAM below `address`.
    pub fn with_ram_from(self, address: u32) -> AppMemory {
        AppMemory {
            ram: Range::new(self.ram.start.max(address), self.ram.end),
            ..self
        }
    }
}

/// The regions of one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppRegions {
    flash: Range,
    flash_rights: FlashRights,
    ram: Range,
    /// The whole block given to the process, the kernel's part at its end included.
    block: Range,
    spares: [Range; SPARES],
}

impl Default for AppRegions {
    fn default() -> Self {
        AppRegions {
            flash: Range::EMPTY,
            flash_rights: FlashRights::ReadExecute,
            ram: Range::EMPTY,
            block: Range::EMPTY,
            spares: [Range::EMPTY; SPARES],
        }
    }
}

impl AppRegions {
    /// Returns the flash region.
    pub fn flash(&self) -> Range {
        self.flash
    }

    /// Returns what the process may do with its flash region.
    pub fn flash_rights(&self) -> FlashRights {
        self.flash_rights
    }

    /// Returns the RAM below the break.
    pub fn ram(&self) -> Range {
        self.ram
    }

    /// Returns the spare regions; the free ones are empty.
    pub fn spares(&self) -> [Range; SPARES] {
        self.spares
    }

    /// Adds a region of at least `min_size` bytes at the start of `available`.
    ///
    /// `None` when the place is not app memory, overlaps the process's own block (which
    /// [`set_break`](Self::set_break) rules) or no entry is left, and when rounding to the
    /// granule would reach outside `available`.
    pub fn add(
        &mut self,
        memory: &AppMemory,
        available: Range,
        min_size: u32,
        purpose: Purpose,
    ) -> Option<Range> {
        let start = round_up(available.start)?;
        let region = Range::new(start, round_up(start.checked_add(min_size)?)?);
        let home = match purpose {
            Purpose::Flash(_) => memory.flash,
            Purpose::Shared => memory.ram,
        };
        if region.is_empty()
            || !available.contains(region)
            || !home.contains(region)
            || region.overlaps(self.block)
        {
            return None;
        }
        match purpose {
            Purpose::Flash(rights) => {
                if !self.flash.is_empty() {
                    return None;
                }
                self.flash = region;
                self.flash_rights = rights;
            }
            Purpose::Shared => {
                *self.spares.iter_mut().find(|spare| spare.is_empty())? = region;
            }
        }
        Some(region)
    }

    /// Removes a region that [`add`](Self::add) gave, naming it by its exact range.
    ///
    /// # Errors
    ///
    /// No such region.
    pub fn remove(&mut self, region: Range) -> Result<(), ()> {
        let mut slots = core::iter::once(&mut self.flash).chain(&mut self.spares);
        let slot = slots
            .find(|slot| **slot == region && !slot.is_empty())
            .ok_or(())?;
        *slot = Range::EMPTY;
        Ok(())
    }

    /// Chooses the RAM block of the process: the start of `available`, at least `min_size` bytes,
    /// of which `app_size` are the process's from the beginning and `kernel_size` the kernel's.
    ///
    /// `None` when it does not fit, or when the process has a block already.
    pub fn place_block(
        &mut self,
        memory: &AppMemory,
        available: Range,
        min_size: u32,
        app_size: u32,
        kernel_size: u32,
    ) -> Option<Range> {
        let start = round_up(available.start)?;
        let accessible = round_up(start.checked_add(app_size)?)?;
        let kernel_size = round_up(kernel_size)?;
        let end = accessible
            .checked_add(kernel_size)?
            .max(round_up(start.checked_add(min_size)?)?);
        let block = Range::new(start, end);
        if !self.block.is_empty()
            || block.is_empty()
            || !available.contains(block)
            || !memory.ram.contains(block)
            || self.spares.iter().any(|spare| spare.overlaps(block))
        {
            return None;
        }
        self.block = block;
        self.ram = Range::new(start, accessible);
        Some(block)
    }

    /// Moves the break: the process reaches its block below `app_break`, rounded up to the
    /// granule, and never the kernel's part at or above `kernel_break`.
    ///
    /// # Errors
    ///
    /// The breaks are out of order, outside the block, or there is no block. Nothing changes.
    pub fn set_break(&mut self, app_break: u32, kernel_break: u32) -> Result<(), ()> {
        let end = round_up(app_break).ok_or(())?;
        if self.block.is_empty()
            || app_break < self.block.start
            || end > kernel_break
            || kernel_break > self.block.end
        {
            return Err(());
        }
        self.ram.end = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMORY: AppMemory = AppMemory {
        flash: Range::new(0x8010_0000, 0x8020_0000),
        ram: Range::new(0x8030_0000, 0x8040_0000),
    };

    fn with_block() -> AppRegions {
        let mut regions = AppRegions::default();
        let block = regions.place_block(
            &MEMORY,
            Range::new(0x8030_0000, 0x8040_0000),
            0x4000,
            0,
            0x1000,
        );
        assert_eq!(block, Some(Range::new(0x8030_0000, 0x8030_4000)));
        regions
    }

    #[test]
    fn ram_that_the_kernel_keeps_is_given_to_no_process() {
        let memory = MEMORY.with_ram_from(0x8030_1000);
        let mut regions = AppRegions::default();
        let mut block =
            |start, end| regions.place_block(&memory, Range::new(start, end), 0x1000, 0, 0);
        assert_eq!(block(0x8030_0000, 0x8030_1000), None);
        assert_eq!(block(0x8030_0FFC, 0x8030_2000), None);
        let all_of_it = Range::new(0x8030_1000, 0x8030_2000);
        assert_eq!(block(0x8030_1000, 0x8030_2000), Some(all_of_it));
    }

    #[test]
    fn the_kernel_keeps_ram_but_returns_none() {
        assert_eq!(MEMORY.with_ram_from(0).ram, MEMORY.ram);
        assert!(MEMORY.with_ram_from(u32::MAX).ram.is_empty());
    }

    #[test]
    fn a_fresh_block_gives_the_process_no_byte() {
        assert!(with_block().ram().is_empty());
    }

    #[test]
    fn the_break_is_rounded_up_but_never_into_the_kernel_part() {
        let mut regions = with_block();
        assert_eq!(regions.set_break(0x8030_0801, 0x8030_3000), Ok(()));
        assert_eq!(regions.ram(), Range::new(0x8030_0000, 0x8030_0804));
        let before = regions;
        for (app, kernel) in [
            (0x8030_2FFD, 0x8030_2FFE),
            (0x8030_3001, 0x8030_3000),
            (0x802F_FFFF, 0x8030_3000),
            (0x8030_1000, 0x8030_4001),
            (u32::MAX, u32::MAX),
        ] {
            assert_eq!(
                regions.set_break(app, kernel),
                Err(()),
                "{app:#x} {kernel:#x}"
            );
            assert_eq!(regions, before);
        }
    }

    #[test]
    fn a_block_without_room_is_refused() {
        let mut regions = AppRegions::default();
        let small = Range::new(0x803F_F000, 0x8040_0000);
        assert_eq!(
            regions.place_block(&MEMORY, small, 0x800, 0x800, 0x804),
            None
        );
        assert_eq!(regions.place_block(&MEMORY, small, u32::MAX, 0, 0), None);
        assert_eq!(regions.place_block(&MEMORY, small, 0, 0, 0), None);
        let outside = Range::new(0x802F_0000, 0x8040_0000);
        assert_eq!(regions.place_block(&MEMORY, outside, 0x1000, 0, 0), None);
        assert_eq!(regions, AppRegions::default());
    }

    #[test]
    fn flash_and_shared_regions_stay_in_their_own_memory() {
        let mut regions = with_block();
        let code = Purpose::Flash(FlashRights::ReadExecute);
        let kernel_rom = Range::new(0x8000_0000, 0x8001_0000);
        assert_eq!(regions.add(&MEMORY, kernel_rom, 64, code), None);
        let other = Range::new(0x8031_0000, 0x8031_0100);
        assert_eq!(regions.add(&MEMORY, other, 64, code), None);
        let flash = Range::new(0x8010_0000, 0x8010_1000);
        assert_eq!(regions.add(&MEMORY, flash, 64, Purpose::Shared), None);
        assert_eq!(regions.add(&MEMORY, flash, 0x1000, code), Some(flash));
        assert_eq!(regions.add(&MEMORY, flash, 0x1000, code), None);
    }

    #[test]
    fn spare_regions_run_out_and_come_back() {
        let mut regions = with_block();
        let at = |n: u32| Range::new(0x8032_0000 + n * 64, 0x8032_0040 + n * 64);
        for n in 0..3 {
            assert_eq!(
                regions.add(&MEMORY, at(n), 64, Purpose::Shared),
                Some(at(n))
            );
        }
        assert_eq!(regions.add(&MEMORY, at(3), 64, Purpose::Shared), None);
        assert_eq!(regions.remove(at(3)), Err(()));
        assert_eq!(regions.remove(Range::EMPTY), Err(()));
        assert_eq!(regions.remove(at(1)), Ok(()));
        assert_eq!(
            regions.add(&MEMORY, at(3), 64, Purpose::Shared),
            Some(at(3))
        );
    }

    #[test]
    fn a_spare_region_cannot_reach_into_the_own_block() {
        let mut regions = with_block();
        let grants = Range::new(0x8030_3800, 0x8030_4000);
        assert_eq!(regions.add(&MEMORY, grants, 64, Purpose::Shared), None);
    }

    #[test]
    fn rounding_outside_the_offered_memory_is_refused() {
        let mut regions = with_block();
        let odd = Range::new(0x8032_0001, 0x8032_0041);
        assert_eq!(regions.add(&MEMORY, odd, 64, Purpose::Shared), None);
        let short = Range::new(0x8032_0000, 0x8032_003E);
        assert_eq!(regions.add(&MEMORY, short, 62, Purpose::Shared), None);
    }
}
