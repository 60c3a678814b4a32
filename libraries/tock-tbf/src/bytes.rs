// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Bounds-checked reading of little-endian numbers and of type-length-value entries.

use crate::types::TbfParseError;

/// Bytes of type and length in front of an entry's data.
pub(crate) const ENTRY_HEADER: usize = 4;

pub(crate) fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    bytes
        .get(offset..)?
        .first_chunk()
        .map(|chunk| u16::from_le_bytes(*chunk))
}

#[inline(never)]
pub(crate) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    bytes
        .get(offset..)?
        .first_chunk()
        .map(|chunk| u32::from_le_bytes(*chunk))
}

pub(crate) fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    bytes
        .get(offset..)?
        .first_chunk()
        .map(|chunk| u64::from_le_bytes(*chunk))
}

/// One type-length-value entry.
#[derive(Clone, Copy)]
pub(crate) struct Entry<'a> {
    pub(crate) kind: u16,
    pub(crate) data: &'a [u8],
}

impl<'a> Entry<'a> {
    /// Splits the entry at the start of `bytes` from what follows its data.
    pub(crate) fn split(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), TbfParseError> {
        let (Some(kind), Some(length)) = (u16_at(bytes, 0), u16_at(bytes, 2)) else {
            return Err(TbfParseError::NotEnoughFlash);
        };
        bytes
            .get(ENTRY_HEADER..)
            .and_then(|behind| behind.split_at_checked(length.into()))
            .map(|(data, rest)| (Self { kind, data }, rest))
            .ok_or(TbfParseError::BadTlvEntry(kind.into()))
    }

    /// The error that rejects this entry.
    pub(crate) fn bad(&self) -> TbfParseError {
        TbfParseError::BadTlvEntry(self.kind.into())
    }
}

/// The entries of a header, each padded to a multiple of four bytes. Ends after an error.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entries<'a>(pub(crate) &'a [u8]);

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Entry<'a>, TbfParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let split = Entry::split(core::mem::take(&mut self.0));
        Some(split.map(|(entry, rest)| {
            let padding = entry.data.len().wrapping_neg() % 4;
            self.0 = rest.get(padding..).unwrap_or_default();
            entry
        }))
    }
}
