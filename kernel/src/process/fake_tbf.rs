// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Application objects made to order, good and bad.

use std::vec::Vec;

/// An application object to be. Fields are public so that a test can spoil one of them.
#[derive(Clone)]
pub(crate) struct Tbf {
    pub(crate) name: &'static str,
    pub(crate) ram: u32,
    pub(crate) trailer: u32,
    pub(crate) entry: u32,
    pub(crate) binary: u32,
    pub(crate) footer: u32,
    pub(crate) version: u32,
    /// RAM address, then flash address of the binary; all ones for none.
    pub(crate) fixed: Option<(u32, u32)>,
    pub(crate) kernel: Option<(u16, u16)>,
    pub(crate) writeable: Vec<(u32, u32)>,
    pub(crate) enabled: bool,
    /// Driver, word of its commands and their bits, for each entry; none for no permissions.
    pub(crate) permissions: Vec<(u32, u32, u64)>,
    /// Identifier to write with, those to read, those to change.
    pub(crate) storage: Option<(u32, Vec<u32>, Vec<u32>)>,
}

impl Tbf {
    /// An application that loads: 64 bytes of binary, 1 KiB of RAM.
    pub(crate) fn new(name: &'static str) -> Tbf {
        Tbf {
            name,
            ram: 1024,
            trailer: 8,
            entry: 12,
            binary: 64,
            footer: 16,
            version: 3,
            fixed: None,
            kernel: Some((2, 1)),
            writeable: Vec::new(),
            enabled: true,
            permissions: Vec::new(),
            storage: None,
        }
    }

    fn header(&self) -> Vec<u8> {
        let mut entries = Vec::new();
        let mut entry = |kind: u16, data: &[u8]| {
            entries.extend(kind.to_le_bytes());
            entries.extend(u16::try_from(data.len()).unwrap().to_le_bytes());
            entries.extend(data);
            entries.resize(entries.len().next_multiple_of(4), 0);
        };
        let words = |words: &[u32]| -> Vec<u8> {
            words.iter().flat_map(|word| word.to_le_bytes()).collect()
        };
        entry(3, self.name.as_bytes());
        if let Some((ram, flash)) = self.fixed {
            entry(5, &words(&[ram, flash]));
        }
        if let Some((major, minor)) = self.kernel {
            entry(8, &words(&[u32::from(minor) << 16 | u32::from(major)]));
        }
        for &(offset, size) in &self.writeable {
            entry(2, &words(&[offset, size]));
        }
        if !self.permissions.is_empty() {
            let count = u16::try_from(self.permissions.len()).unwrap();
            let mut data = Vec::from(count.to_le_bytes());
            for &(driver, offset, mask) in &self.permissions {
                data.extend(words(&[driver, offset]));
                data.extend(mask.to_le_bytes());
            }
            entry(6, &data);
        }
        if let Some((write, read, modify)) = &self.storage {
            let mut data = words(&[*write]);
            for list in [read, modify] {
                data.extend(u16::try_from(list.len()).unwrap().to_le_bytes());
                data.extend(words(list));
            }
            entry(7, &data);
        }
        let header_size = 16 + u32::try_from(entries.len()).unwrap() + 24;
        let binary_end = header_size + self.trailer + self.binary;
        let program = [self.entry, self.trailer, self.ram, binary_end, self.version];
        entries.extend(9u16.to_le_bytes());
        entries.extend(20u16.to_le_bytes());
        entries.extend(words(&program));

        let mut header = Vec::new();
        header.extend(2u16.to_le_bytes());
        header.extend(u16::try_from(header_size).unwrap().to_le_bytes());
        header.extend((binary_end + self.footer).to_le_bytes());
        header.extend(u32::from(self.enabled).to_le_bytes());
        header.extend([0; 4]);
        header.extend(entries);
        seal(&mut header);
        header
    }

    /// Bytes of the header.
    pub(crate) fn header_size(&self) -> usize {
        self.header().len()
    }

    /// Offset of the binary in the object.
    pub(crate) fn protected_size(&self) -> usize {
        self.header_size() + self.trailer as usize
    }

    /// The object.
    pub(crate) fn build(&self) -> Vec<u8> {
        let mut object = self.header();
        let size = self.protected_size() + (self.binary + self.footer) as usize;
        object.resize(size, 0x13);
        object
    }

    /// The object with these footers instead of filler.
    pub(crate) fn with_footers(&self, footers: &[u8]) -> Vec<u8> {
        let mut tbf = self.clone();
        tbf.footer = u32::try_from(footers.len()).unwrap();
        let mut object = tbf.build();
        let end = object.len() - footers.len();
        object[end..].copy_from_slice(footers);
        object
    }
}

/// Puts the checksum into a header.
pub(crate) fn seal(header: &mut [u8]) {
    header[12..16].fill(0);
    let size = usize::from(u16::from_le_bytes([header[2], header[3]]));
    let sum = header[..size]
        .chunks_exact(4)
        .map(|word| u32::from_le_bytes(word.try_into().unwrap()))
        .fold(0, |sum, word| sum ^ word);
    header[12..16].copy_from_slice(&sum.to_le_bytes());
}

/// An object that only fills `size` bytes.
pub(crate) fn padding(size: u32) -> Vec<u8> {
    let mut object = Vec::new();
    object.extend([2, 0, 16, 0]);
    object.extend(size.to_le_bytes());
    object.extend([1, 0, 0, 0, 0, 0, 0, 0]);
    seal(&mut object);
    object.resize(size as usize, 0);
    object
}
