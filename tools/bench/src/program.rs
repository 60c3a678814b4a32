// SPDX-License-Identifier: Apache-2.0 OR MIT

//! An ELF file of the board: its symbols, its instructions, and where they come from.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use addr2line::Loader;
use elf::ElfBytes;
use elf::endian::LittleEndian;

use crate::error::Error;

/// A function symbol.
#[derive(Clone, Debug)]
struct Symbol {
    end: u64,
    name: String,
}

/// How the board names what a device takes of its RAM: absolute symbols whose value is that size.
const RAM_SIZE: &str = "ram_of_";

/// Sizes of an image's parts in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Executable sections and constants.
    pub text: u64,
    /// Initialised variables.
    pub data: u64,
    /// Variables without an image, zeroed at start or not, the stack included.
    pub bss: u64,
    /// RAM that devices take, by the names of the symbols.
    pub devices: BTreeMap<String, u64>,
}

impl Sizes {
    /// The sizes by the names of the parts.
    #[must_use]
    pub fn by_name(&self) -> BTreeMap<String, u64> {
        let parts = [("text", self.text), ("data", self.data), ("bss", self.bss)];
        let parts = parts.map(|(name, size)| (name.to_owned(), size));
        parts.into_iter().chain(self.devices.clone()).collect()
    }
}

/// A linked program.
pub struct Program {
    symbols: BTreeMap<u64, Symbol>,
    code: Vec<(u64, Vec<u8>)>,
    sizes: Sizes,
    lines: Loader,
}

impl Program {
    /// Reads an ELF file.
    ///
    /// # Errors
    ///
    /// The file cannot be read or is no ELF file.
    pub fn open(path: &Path) -> Result<Program, Error> {
        let bad = |reason: String| Error::Program {
            path: path.to_owned(),
            reason,
        };
        let bytes = fs::read(path).map_err(|error| bad(error.to_string()))?;
        let file = ElfBytes::<LittleEndian>::minimal_parse(&bytes)
            .map_err(|error| bad(error.to_string()))?;
        let lines = Loader::new(path).map_err(|error| bad(error.to_string()))?;
        let mut program = Program {
            symbols: BTreeMap::new(),
            code: Vec::new(),
            sizes: Sizes::default(),
            lines,
        };
        program.read_sections(&file);
        program
            .read_symbols(&file)
            .map_err(|error| bad(error.to_string()))?;
        Ok(program)
    }

    fn read_sections(&mut self, file: &ElfBytes<LittleEndian>) {
        for section in file.section_headers().into_iter().flatten() {
            let has = |flag: u32| section.sh_flags & u64::from(flag) != 0;
            if !has(elf::abi::SHF_ALLOC) {
                continue;
            }
            let part = match section.sh_type {
                elf::abi::SHT_NOBITS => &mut self.sizes.bss,
                _ if has(elf::abi::SHF_WRITE) => &mut self.sizes.data,
                _ => &mut self.sizes.text,
            };
            *part += section.sh_size;
            if has(elf::abi::SHF_EXECINSTR)
                && let Ok((bytes, _)) = file.section_data(&section)
            {
                self.code.push((section.sh_addr, bytes.to_vec()));
            }
        }
    }

    fn read_symbols(&mut self, file: &ElfBytes<LittleEndian>) -> Result<(), elf::ParseError> {
        let Some((table, names)) = file.symbol_table()? else {
            return Ok(());
        };
        for symbol in table {
            let name = names.get(symbol.st_name as usize)?;
            if symbol.st_shndx == elf::abi::SHN_ABS && name.starts_with(RAM_SIZE) {
                let sizes = &mut self.sizes.devices;
                sizes.insert(name.to_owned(), symbol.st_value);
                continue;
            }
            let end = match symbol.st_symtype() {
                elf::abi::STT_FUNC => symbol.st_value + symbol.st_size.max(1),
                // Labels of assembly have neither type nor size: they reach to the next symbol.
                elf::abi::STT_NOTYPE if self.holds_code(symbol.st_value) => u64::MAX,
                _ => continue,
            };
            // Local labels and marks for the disassembler are no names.
            if name.is_empty() || name.starts_with(['$', '.']) {
                continue;
            }
            let name = format!("{:#}", rustc_demangle::demangle(name));
            self.symbols.insert(symbol.st_value, Symbol { end, name });
        }
        Ok(())
    }

    fn holds_code(&self, address: u64) -> bool {
        let mut sections = self.code.iter();
        sections.any(|(start, bytes)| {
            address
                .checked_sub(*start)
                .is_some_and(|offset| offset < bytes.len() as u64)
        })
    }

    /// Sizes of the parts.
    #[must_use]
    pub fn sizes(&self) -> &Sizes {
        &self.sizes
    }

    /// Address of the function with this demangled name.
    #[must_use]
    pub fn address_of(&self, name: &str) -> Option<u64> {
        let mut symbols = self.symbols.iter();
        symbols
            .find(|(_, symbol)| symbol.name == name)
            .map(|(address, _)| *address)
    }

    /// Name of the function that an address belongs to.
    #[must_use]
    pub fn function_at(&self, address: u64) -> &str {
        match self.symbols.range(..=address).next_back() {
            Some((_, symbol)) if address < symbol.end => &symbol.name,
            _ => "(no symbol)",
        }
    }

    /// Name of the function that the source code at an address was written in: what was inlined keeps
    /// its own name.
    #[must_use]
    pub fn written_in(&self, address: u64) -> String {
        let frame = self
            .lines
            .find_frames(address)
            .ok()
            .and_then(|mut frames| frames.next().ok().flatten());
        frame
            .and_then(|frame| frame.function)
            .and_then(|function| function.demangle().map(Cow::into_owned).ok())
            .map_or_else(
                || self.function_at(address).to_owned(),
                |name| without_hash(&name).to_owned(),
            )
    }

    /// Source file and line of the instruction at an address.
    #[must_use]
    pub fn line_at(&self, address: u64) -> Option<String> {
        let location = self.lines.find_location(address).ok().flatten()?;
        Some(format!("{}:{}", location.file?, location.line?))
    }

    /// How many bytes of code were written in each directory, as `directory_of` names it for a source
    /// file. Inlining aside: code belongs to the innermost function that is in one of them.
    ///
    /// The empty name stands for code that is in none.
    #[must_use]
    pub fn code_by(&self, directory_of: impl Fn(&str) -> Option<String>) -> BTreeMap<String, u64> {
        let mut bytes = BTreeMap::new();
        let frame_directory = |address| {
            let mut frames = self.lines.find_frames(address).ok()?;
            while let Ok(Some(frame)) = frames.next() {
                let file = frame.location.and_then(|location| location.file);
                if let Some(directory) = file.and_then(&directory_of) {
                    return Some(directory);
                }
            }
            None
        };
        for (start, code) in &self.code {
            // Instructions lie on borders of two bytes.
            for address in (*start..*start + code.len() as u64).step_by(2) {
                let directory = frame_directory(address).unwrap_or_default();
                *bytes.entry(directory).or_default() += 2;
            }
        }
        bytes
    }

    /// The four bytes of code at an address; the two upper ones belong to the next instruction if this
    /// one is compressed.
    #[must_use]
    pub fn instruction_at(&self, address: u64) -> Option<u32> {
        self.code.iter().find_map(|(start, bytes)| {
            let offset = usize::try_from(address.checked_sub(*start)?).ok()?;
            let word = bytes.get(offset..)?.first_chunk::<4>()?;
            Some(u32::from_le_bytes(*word))
        })
    }
}

/// Removes the disambiguating hash of a legacy symbol.
fn without_hash(name: &str) -> &str {
    match name.rsplit_once("::h") {
        Some((path, hash))
            if hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) =>
        {
            path
        }
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hashes_are_cut_off_names() {
        assert_eq!(without_hash("a::b::h0123456789abcdef"), "a::b");
        assert_eq!(without_hash("a::hello"), "a::hello");
        assert_eq!(without_hash("memcpy"), "memcpy");
    }
}
