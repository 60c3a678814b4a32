// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Finding application objects in flash.
//!
//! Objects stand back to back. Each header says where the next one is, so a header that makes no
//! sense ends the walk; one that only its own object suffers from does not.

use tock_tbf::parse::parse_tbf_header_lengths;
use tock_tbf::types::InitialTbfParseError;

use super::load_error::ProcessBinaryError;

/// Bytes of the shortest header, and so of the shortest object.
const MIN_OBJECT: usize = 16;
/// Bytes that hold version and lengths.
const LENGTHS: usize = 8;

/// One object, or the reason why there is none.
pub(super) struct Found {
    /// The object; for one that cannot be used, what is known to belong to it.
    pub(super) flash: &'static [u8],
    /// Version of the header, or what is wrong.
    pub(super) version: Result<u16, ProcessBinaryError>,
}

/// Iterates over the objects in flash.
pub(super) struct FlashWalk {
    rest: &'static [u8],
}

impl FlashWalk {
    pub(super) fn new(flash: &'static [u8]) -> FlashWalk {
        FlashWalk { rest: flash }
    }

    /// Returns `problem` about the rest of flash, and ends the walk.
    fn last(&mut self, problem: ProcessBinaryError) -> Option<Found> {
        let flash = core::mem::take(&mut self.rest);
        Some(Found {
            flash,
            version: Err(problem),
        })
    }
}

impl Iterator for FlashWalk {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        let lengths: &[u8; LENGTHS] = self.rest.first_chunk()?;
        let (version, size) = match parse_tbf_header_lengths(lengths) {
            Ok((version, _, size)) => (Ok(version), size),
            Err(InitialTbfParseError::InvalidHeader(size)) => {
                (Err(ProcessBinaryError::BadLengths), size)
            }
            Err(InitialTbfParseError::UnableToParse) => {
                let version = u16::from_le_bytes([lengths[0], lengths[1]]);
                if lengths.iter().all(|&byte| byte == 0) || lengths.iter().all(|&byte| byte == 0xFF)
                {
                    self.rest = &[];
                    return None;
                }
                return self.last(ProcessBinaryError::UnknownVersion(version));
            }
        };
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        if size < MIN_OBJECT {
            return self.last(ProcessBinaryError::BadLengths);
        }
        match self.rest.split_at_checked(size) {
            Some((flash, rest)) => {
                self.rest = rest;
                Some(Found { flash, version })
            }
            None => {
                let available = self.rest.len();
                self.last(ProcessBinaryError::Truncated { available, size })
            }
        }
    }
}
