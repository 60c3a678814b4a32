// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The header of one object.
//!
//! What the loader and every process ask for is read once, at parsing; lists stay in flash and are
//! searched when someone asks.

use core::num::NonZeroU32;

use super::TbfParseError;
use crate::bytes::{Entries, Entry, u16_at, u32_at, u64_at};

/// Storage identifiers that a list is read up to.
const STORAGE_IDS: usize = 8;

/// Entry types.
mod kind {
    pub(super) const MAIN: u16 = 1;
    pub(super) const WRITEABLE_FLASH: u16 = 2;
    pub(super) const PACKAGE_NAME: u16 = 3;
    pub(super) const FIXED_ADDRESSES: u16 = 5;
    pub(super) const PERMISSIONS: u16 = 6;
    pub(super) const STORAGE: u16 = 7;
    pub(super) const KERNEL_VERSION: u16 = 8;
    pub(super) const PROGRAM: u16 = 9;
    pub(super) const SHORT_ID: u16 = 10;
}

/// Which commands of a driver an application may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandPermissions {
    /// The header has no permissions: every command of every driver is allowed.
    NoPermsAtAll,
    /// The header has permissions and none for this driver: no command of it is allowed.
    NoPermsThisDriver,
    /// Bit n stands for the command with number 64 · offset + n.
    Mask(u64),
}

/// Where an application's program lies in its object. All offsets count from the object's start.
#[derive(Clone, Copy, Debug)]
struct Program {
    entry: u32,
    protected: u32,
    minimum_ram: u32,
    binary_end: u32,
    version: u32,
}

/// The header of one object: an application, or padding.
///
/// Offsets and sizes count bytes, offsets from the start of the object. For an application these
/// hold: [`length`](Self::length) ≤ [`get_protected_size`](Self::get_protected_size) ≤
/// [`get_init_function_offset`](Self::get_init_function_offset) <
/// [`get_binary_end`](Self::get_binary_end) ≤ [`total_size`](Self::total_size).
#[derive(Clone, Copy, Debug)]
pub struct TbfHeader<'a> {
    length: u16,
    total_size: u32,
    enabled: bool,
    program: Option<Program>,
    package_name: Option<&'a str>,
    fixed_address_ram: Option<u32>,
    fixed_address_flash: Option<u32>,
    kernel_version: Option<(u16, u16)>,
    short_id: Option<NonZeroU32>,
    /// All entries; they were walked to the end once, without an error.
    entries: Entries<'a>,
}

impl<'a> TbfHeader<'a> {
    /// Reads the entries behind a base header whose lengths and checksum were found good.
    pub(crate) fn from_entries(
        length: u16,
        total_size: u32,
        flags: u32,
        entries: &'a [u8],
    ) -> Result<Self, TbfParseError> {
        let mut header = Self {
            length,
            total_size,
            enabled: flags & 1 != 0,
            program: None,
            package_name: None,
            fixed_address_ram: None,
            fixed_address_flash: None,
            kernel_version: None,
            short_id: None,
            entries: Entries(entries),
        };
        let (mut first_main, mut first_program) = (None, None);
        for entry in header.entries {
            let entry = entry?;
            match entry.kind {
                kind::MAIN => {
                    fixed_length(&entry, 12)?;
                    first_main.get_or_insert(entry);
                }
                kind::PROGRAM => {
                    fixed_length(&entry, 20)?;
                    first_program.get_or_insert(entry);
                }
                _ => header.take_attribute(&entry)?,
            }
        }
        // A Program entry replaces what Main says.
        header.program = match first_program.or(first_main) {
            Some(entry) => Some(header.place_program(&entry).ok_or(entry.bad())?),
            None => None,
        };
        Ok(header)
    }

    /// Checks an entry other than Main and Program, and keeps what it says if that is small.
    fn take_attribute(&mut self, entry: &Entry<'a>) -> Result<(), TbfParseError> {
        let data = entry.data;
        match entry.kind {
            kind::WRITEABLE_FLASH if !data.len().is_multiple_of(8) => return Err(entry.bad()),
            kind::PACKAGE_NAME => {
                let name = str::from_utf8(data).map_err(|_| TbfParseError::BadProcessName)?;
                self.package_name = Some(name);
            }
            kind::FIXED_ADDRESSES => {
                fixed_length(entry, 8)?;
                let address = |offset| u32_at(data, offset).filter(|address| *address != u32::MAX);
                self.fixed_address_ram = address(0);
                self.fixed_address_flash = address(4);
            }
            kind::PERMISSIONS => {
                let count = u16_at(data, 0).ok_or(entry.bad())?;
                // At most 65535 · 16 + 2.
                let needed = usize::from(count).saturating_mul(16).saturating_add(2);
                if data.len() < needed {
                    return Err(entry.bad());
                }
            }
            kind::STORAGE => {
                let [_, read, modify] = storage_lists(data).ok_or(entry.bad())?;
                if read.len().max(modify.len()) > STORAGE_IDS.saturating_mul(4) {
                    return Err(TbfParseError::TooManyEntries(entry.kind.into()));
                }
            }
            kind::KERNEL_VERSION => {
                fixed_length(entry, 4)?;
                self.kernel_version = u16_at(data, 0).zip(u16_at(data, 2));
            }
            kind::SHORT_ID => {
                fixed_length(entry, 4)?;
                self.short_id = u32_at(data, 0).and_then(NonZeroU32::new);
            }
            _ => {}
        }
        Ok(())
    }

    /// Reads a Main or Program entry; `None` if the program would not lie inside the object.
    fn place_program(&self, entry: &Entry<'_>) -> Option<Program> {
        let word = |index: usize| u32_at(entry.data, index.checked_mul(4)?);
        let header = u32::from(self.length);
        let program = Program {
            entry: header.checked_add(word(0)?)?,
            protected: header.checked_add(word(1)?)?,
            minimum_ram: word(2)?,
            binary_end: word(3).unwrap_or(self.total_size),
            version: word(4).unwrap_or(0),
        };
        let inside = program.protected <= program.entry
            && program.entry < program.binary_end
            && program.binary_end <= self.total_size;
        inside.then_some(program)
    }

    /// Tells whether this is an application; if not, it is padding.
    pub fn is_app(&self) -> bool {
        self.program.is_some()
    }

    /// Tells whether the application is to be started.
    pub fn enabled(&self) -> bool {
        self.enabled
    }

    /// Returns the length of the header with all its entries.
    pub fn length(&self) -> u16 {
        self.length
    }

    /// Returns the size of the whole object; the next one follows it.
    pub fn total_size(&self) -> u32 {
        self.total_size
    }

    /// Returns the RAM that the application asks for; zero for padding.
    pub fn get_minimum_app_ram_size(&self) -> u32 {
        self.program.map_or(0, |program| program.minimum_ram)
    }

    /// Returns the size of the part that the application must not write: header and trailer.
    pub fn get_protected_size(&self) -> u32 {
        self.program
            .map_or(self.length.into(), |program| program.protected)
    }

    /// Returns where the binary starts, which is where the protected part ends.
    ///
    /// A process finds this place's address in `a0` when it starts, and the fixed flash address is
    /// that of this place.
    pub fn get_app_start_offset(&self) -> u32 {
        self.get_protected_size()
    }

    /// Returns where the first instruction of the application is; zero for padding.
    pub fn get_init_function_offset(&self) -> u32 {
        self.program.map_or(0, |program| program.entry)
    }

    /// Returns where the binary ends and the footers start.
    pub fn get_binary_end(&self) -> u32 {
        self.program
            .map_or(self.total_size, |program| program.binary_end)
    }

    /// Returns the application's version; zero if it states none.
    pub fn get_binary_version(&self) -> u32 {
        self.program.map_or(0, |program| program.version)
    }

    /// Returns the application's name, if it states one.
    pub fn get_package_name(&self) -> Option<&'a str> {
        self.package_name
    }

    /// Returns the address in RAM that the application is linked for, if it is for one.
    pub fn get_fixed_address_ram(&self) -> Option<u32> {
        self.fixed_address_ram
    }

    /// Returns the address in flash that the binary is linked for, if it is for one.
    pub fn get_fixed_address_flash(&self) -> Option<u32> {
        self.fixed_address_flash
    }

    /// Returns the kernel version that the application needs, major and minor.
    pub fn get_kernel_version(&self) -> Option<(u16, u16)> {
        self.kernel_version
    }

    /// Returns the application's fixed short identifier, if it states one.
    pub fn get_fixed_short_id(&self) -> Option<NonZeroU32> {
        self.short_id
    }

    /// Counts the regions of flash that the application may write.
    pub fn number_writeable_flash_regions(&self) -> usize {
        self.writeable_flash_region(usize::MAX).err().unwrap_or(0)
    }

    /// Returns offset and size of a region that the application may write.
    ///
    /// Both are zero from the count on. They are what the header says and not checked against the
    /// size of the object.
    pub fn get_writeable_flash_region(&self, index: usize) -> (usize, usize) {
        self.writeable_flash_region(index).unwrap_or((0, 0))
    }

    /// Finds a region among those of all entries, in their order; or tells how many there are.
    #[inline(never)]
    fn writeable_flash_region(&self, index: usize) -> Result<(usize, usize), usize> {
        let mut passed = 0;
        for entry in self.entries.flatten() {
            if entry.kind != kind::WRITEABLE_FLASH {
                continue;
            }
            for region in entry.data.chunks_exact(8) {
                if passed == index {
                    let word = |offset| u32_at(region, offset).unwrap_or(0) as usize;
                    return Ok((word(0), word(4)));
                }
                passed = passed.saturating_add(1);
            }
        }
        Err(passed)
    }

    /// Returns which commands of a driver are allowed, out of the 64 that start at 64 · `offset`.
    ///
    /// If several items name this driver and offset, each allows what it names.
    pub fn get_command_permissions(&self, driver_num: usize, offset: usize) -> CommandPermissions {
        let Some(data) = self.last_entry(kind::PERMISSIONS) else {
            return CommandPermissions::NoPermsAtAll;
        };
        let count = u16_at(data, 0).unwrap_or(0);
        let is = |word: Option<u32>, number: usize| word.map(usize::try_from) == Some(Ok(number));
        let items = data
            .get(2..)
            .unwrap_or_default()
            .chunks_exact(16)
            .take(count.into());
        let mut allowed = CommandPermissions::NoPermsThisDriver;
        for item in items.filter(|item| is(u32_at(item, 0), driver_num)) {
            let so_far = match allowed {
                CommandPermissions::Mask(mask) => mask,
                _ => 0,
            };
            let more = u64_at(item, 8)
                .filter(|_| is(u32_at(item, 4), offset))
                .unwrap_or(0);
            allowed = CommandPermissions::Mask(so_far | more);
        }
        allowed
    }

    /// Returns the identifier under which the application stores; `None` if it cannot store.
    pub fn get_storage_write_id(&self) -> Option<NonZeroU32> {
        let [write, ..] = storage_lists(self.last_entry(kind::STORAGE)?)?;
        u32_at(write, 0).and_then(NonZeroU32::new)
    }

    /// Returns how many identifiers the application may read, and which; `None` without an entry.
    pub fn get_storage_read_ids(&self) -> Option<(usize, [u32; STORAGE_IDS])> {
        let [_, read, _] = storage_lists(self.last_entry(kind::STORAGE)?)?;
        Some(identifiers(read))
    }

    /// Returns how many identifiers the application may change, and which; `None` without an
    /// entry.
    pub fn get_storage_modify_ids(&self) -> Option<(usize, [u32; STORAGE_IDS])> {
        let [.., modify] = storage_lists(self.last_entry(kind::STORAGE)?)?;
        Some(identifiers(modify))
    }

    /// The data of the last entry of a type.
    fn last_entry(&self, kind: u16) -> Option<&'a [u8]> {
        self.entries
            .flatten()
            .filter(|entry| entry.kind == kind)
            .last()
            .map(|entry| entry.data)
    }
}

/// Rejects an entry whose data is not `length` bytes long.
fn fixed_length(entry: &Entry<'_>, length: usize) -> Result<(), TbfParseError> {
    if entry.data.len() == length {
        Ok(())
    } else {
        Err(entry.bad())
    }
}

/// Splits a storage entry into write identifier, read identifiers and modify identifiers.
fn storage_lists(data: &[u8]) -> Option<[&[u8]; 3]> {
    let counted =
        |bytes: &'_ [u8]| -> Option<usize> { usize::from(u16_at(bytes, 0)?).checked_mul(4) };
    let (write, behind) = data.split_at_checked(4)?;
    let (read, behind) = behind.get(2..)?.split_at_checked(counted(behind)?)?;
    let (modify, _) = behind.get(2..)?.split_at_checked(counted(behind)?)?;
    Some([write, read, modify])
}

/// Reads up to [`STORAGE_IDS`] identifiers and counts them.
fn identifiers(list: &[u8]) -> (usize, [u32; STORAGE_IDS]) {
    let mut ids = [0; STORAGE_IDS];
    let count = ids
        .iter_mut()
        .zip(list.chunks_exact(4).filter_map(|id| u32_at(id, 0)))
        .map(|(place, id)| *place = id)
        .count();
    (count, ids)
}
