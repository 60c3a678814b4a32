// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Builds headers, right and wrong, for the tests of this crate.

use std::vec::Vec;

/// A header under construction.
#[derive(Clone, Debug)]
pub(crate) struct Builder {
    pub(crate) total_size: u32,
    pub(crate) flags: u32,
    pub(crate) entries: Vec<(u16, Vec<u8>)>,
}

/// Joins little-endian words.
pub(crate) fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// Joins little-endian half words.
pub(crate) fn halves(halves: &[u16]) -> Vec<u8> {
    halves.iter().flat_map(|half| half.to_le_bytes()).collect()
}

/// Puts the right checksum into a header.
pub(crate) fn sign(header: &mut [u8]) {
    header[12..16].fill(0);
    let sum = header
        .chunks(4)
        .map(|word| u32::from_le_bytes(word.try_into().unwrap()))
        .fold(0, |sum, word| sum ^ word);
    header[12..16].copy_from_slice(&sum.to_le_bytes());
}

impl Builder {
    /// An enabled object without entries.
    pub(crate) fn padding(total_size: u32) -> Self {
        Self {
            total_size,
            flags: 1,
            entries: Vec::new(),
        }
    }

    /// An enabled application of 1024 bytes with a Main entry: entry point 8 bytes behind the
    /// header, no trailer, 2048 bytes of RAM.
    pub(crate) fn app() -> Self {
        Self::padding(1024).with(1, words(&[8, 0, 2048]))
    }

    /// Adds an entry.
    pub(crate) fn with(mut self, kind: u16, data: Vec<u8>) -> Self {
        self.entries.push((kind, data));
        self
    }

    /// Writes the header.
    pub(crate) fn build(&self) -> Vec<u8> {
        let mut header = halves(&[2, 0]);
        header.extend(words(&[self.total_size, self.flags, 0]));
        for (kind, data) in &self.entries {
            header.extend(halves(&[*kind, data.len() as u16]));
            header.extend(data);
            header.resize(header.len().next_multiple_of(4), 0);
        }
        let length = header.len() as u16;
        header[2..4].copy_from_slice(&length.to_le_bytes());
        sign(&mut header);
        header
    }
}
