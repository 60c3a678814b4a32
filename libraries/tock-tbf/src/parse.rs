// SPDX-License-Identifier: Apache-2.0 OR MIT

//! From bytes in flash to headers and footers.
//!
//! A loader first asks for the lengths, then parses the header; footers come only when the loader
//! checks credentials.

use crate::bytes::{Entry, u16_at, u32_at};
use crate::types::{InitialTbfParseError, TbfFooterV2Credentials, TbfHeader, TbfParseError};

/// The version of the format that is known here.
const VERSION: u16 = 2;

/// Bytes of the base header, which every object has.
const BASE_HEADER: usize = 16;

/// Where in the header its checksum is, which the checksum does not cover.
const CHECKSUM: usize = 12;

/// Tells whether a header of this length fits an object of this size.
fn lengths_agree(header_size: u16, total_size: u32) -> bool {
    usize::from(header_size) >= BASE_HEADER
        && header_size.is_multiple_of(4)
        && u32::from(header_size) <= total_size
}

/// Reads the version of the format, the length of the header and the size of the object.
///
/// Whether the object lies within the flash is for the caller to check.
///
/// # Errors
///
/// - [`InitialTbfParseError::UnableToParse`]: this is not an object of a known version, or one too
///   small to step over. The list of objects ends here.
/// - [`InitialTbfParseError::InvalidHeader`]: the header's length makes no sense; skip the object,
///   by the size in the error, which is at least 16.
pub fn parse_tbf_header_lengths(app: &[u8; 8]) -> Result<(u16, u16, u32), InitialTbfParseError> {
    let [v0, v1, h0, h1, t0, t1, t2, t3] = *app;
    let version = u16::from_le_bytes([v0, v1]);
    let header_size = u16::from_le_bytes([h0, h1]);
    let total_size = u32::from_le_bytes([t0, t1, t2, t3]);
    if version != VERSION || usize::try_from(total_size).is_ok_and(|size| size < BASE_HEADER) {
        Err(InitialTbfParseError::UnableToParse)
    } else if lengths_agree(header_size, total_size) {
        Ok((version, header_size, total_size))
    } else {
        Err(InitialTbfParseError::InvalidHeader(total_size))
    }
}

/// Parses a header.
///
/// `header` starts with the object; what follows the header may be in it or not. `version` is that
/// from [`parse_tbf_header_lengths`].
///
/// # Errors
///
/// Each means that this object is unusable and the next one may be fine.
pub fn parse_tbf_header(header: &[u8], version: u16) -> Result<TbfHeader<'_>, TbfParseError> {
    if version != VERSION {
        return Err(TbfParseError::UnsupportedVersion(version));
    }
    let (Some(found_version), Some(length), Some(total_size), Some(flags), Some(checksum)) = (
        u16_at(header, 0),
        u16_at(header, 2),
        u32_at(header, 4),
        u32_at(header, 8),
        u32_at(header, CHECKSUM),
    ) else {
        return Err(TbfParseError::NotEnoughFlash);
    };
    if found_version != VERSION {
        return Err(TbfParseError::UnsupportedVersion(found_version));
    }
    if !lengths_agree(length, total_size) {
        return Err(TbfParseError::InternalError);
    }
    let header = header
        .get(..length.into())
        .ok_or(TbfParseError::NotEnoughFlash)?;
    // The sum over all words takes in the checksum itself; adding it again takes it out.
    let computed = header
        .chunks_exact(4)
        .filter_map(|word| u32_at(word, 0))
        .fold(checksum, |sum, word| sum ^ word);
    if computed != checksum {
        return Err(TbfParseError::ChecksumMismatch(checksum, computed));
    }
    let entries = header.get(BASE_HEADER..).unwrap_or_default();
    TbfHeader::from_entries(length, total_size, flags, entries)
}

/// Parses the first of the footers in `footers`. [`tbf_footers`] goes through all of them.
///
/// Returns it with the length of its data, not counting the four bytes of type and length: the
/// next footer starts that much plus four further on.
///
/// # Errors
///
/// - [`TbfParseError::NotEnoughFlash`]: fewer than four bytes are left; there are no more footers.
/// - [`TbfParseError::BadTlvEntry`]: not a credential, one of an unknown format, one whose data
///   has the wrong length for its format, or one that runs past the end.
pub fn parse_tbf_footer(
    footers: &'static [u8],
) -> Result<(TbfFooterV2Credentials, u32), TbfParseError> {
    let (entry, _) = Entry::split(footers)?;
    let credentials = TbfFooterV2Credentials::from_entry(entry)?;
    let length = u32::try_from(entry.data.len()).map_err(|_| TbfParseError::InternalError)?;
    Ok((credentials, length))
}

/// Iterates over the footers in `footers`, the bytes from the end of the binary to that of the
/// object.
///
/// A footer that cannot be used, be it of an unknown type or format or of the wrong length for its
/// format, is an error in its place, and the next item is the footer behind it. The iteration ends
/// where fewer than four bytes are left, and behind a footer that runs past the end.
pub fn tbf_footers(footers: &'static [u8]) -> TbfFooters {
    TbfFooters { rest: footers }
}

/// Iterates over footers; see [`tbf_footers`].
#[derive(Clone, Copy, Debug)]
pub struct TbfFooters {
    rest: &'static [u8],
}

impl Iterator for TbfFooters {
    type Item = Result<TbfFooterV2Credentials, TbfParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        let split = Entry::split(core::mem::take(&mut self.rest));
        Some(match split {
            Ok((entry, rest)) => {
                self.rest = rest;
                TbfFooterV2Credentials::from_entry(entry)
            }
            Err(TbfParseError::NotEnoughFlash) => return None,
            Err(error) => Err(error),
        })
    }
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
