// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Objects in the Tock binary format, as far as placing them needs.
//!
//! Reading leaves the format's rules to `tock-tbf`, the parser the kernel itself uses, so that what
//! is admitted here is what the board will load.

use std::ops::Range;

use tock_tbf::parse::{parse_tbf_header, parse_tbf_header_lengths};
use tock_tbf::types::{InitialTbfParseError, TbfParseError};

use crate::memory_map::{KERNEL_SHARE_BYTES, PAGE};

const VERSION: u16 = 2;
const BASE_HEADER_BYTES: u16 = 16;
const TOTAL_SIZE: Range<usize> = 4..8;
const CHECKSUM: Range<usize> = 12..16;
pub(crate) const FOOTER_CREDENTIALS: u16 = 128;
/// Type, length and format of a footer; its data is the rest.
pub(crate) const FOOTER_HEAD_BYTES: u32 = 8;
/// Room that is left behind a binary: for the longest credential of [`crate::credential`] and, behind
/// it, a reserved footer.
const FOOTER_ROOM_BYTES: u32 = FOOTER_HEAD_BYTES + 64 + FOOTER_HEAD_BYTES;

/// What an object says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Package name; empty when the object carries none.
    pub name: String,
    /// The whole object, in flash.
    pub flash: Range<u32>,
    /// RAM with the kernel's share.
    pub ram: Range<u32>,
}

/// Why a file is not an object that can be placed. The message completes "FILE: refused: ...".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ObjectError {
    /// The first bytes are not those of a version 2 object.
    #[error("not a Tock binary (version 2): give the .tbf file that elf2tab writes")]
    NotTbf,
    /// The header's own sizes contradict each other.
    #[error("the header is larger than the object it belongs to: convert the app anew")]
    HeaderSize,
    /// The file ends before the object does.
    #[error(
        "truncated: the header announces {announced} bytes and the file has {found}: copy it again"
    )]
    Truncated {
        /// Size in the header.
        announced: u32,
        /// Size of the file.
        found: usize,
    },
    /// The file goes on after the object.
    #[error("{} bytes follow the object of {announced} bytes: give one object per file", found - *announced as usize)]
    Trailing {
        /// Size in the header.
        announced: u32,
        /// Size of the file.
        found: usize,
    },
    /// The header was damaged.
    #[error(
        "wrong checksum: {found:#010x} in the header, {computed:#010x} computed: copy it again"
    )]
    Checksum {
        /// Stored value.
        found: u32,
        /// Value that would be right.
        computed: u32,
    },
    /// An entry of the header breaks the format.
    #[error("its header is damaged: convert the app anew")]
    BadEntry,
    /// The object holds no app.
    #[error("holds no app (a padding object)")]
    Padding,
    /// The app is marked as not to be started.
    #[error("marked as disabled: convert it without --disable")]
    Disabled,
    /// The app was not linked for fixed addresses.
    #[error("has no fixed {0} address: link it for the addresses it is to run at (symbol {1})")]
    NotFixed(&'static str, &'static str),
    /// The fixed flash address leaves no room for the headers, or sizes overflow the address space.
    #[error("its addresses run past the ends of memory: relink it")]
    Unreachable,
}

/// Reads what placement has to know about the object in `bytes`.
///
/// # Errors
///
/// The file is not one whole, enabled app with fixed addresses.
pub fn describe(bytes: &[u8]) -> Result<Description, ObjectError> {
    let first = bytes.first_chunk::<8>().ok_or(ObjectError::NotTbf)?;
    let (version, header_size, announced) =
        parse_tbf_header_lengths(first).map_err(|error| match error {
            InitialTbfParseError::UnableToParse => ObjectError::NotTbf,
            InitialTbfParseError::InvalidHeader(_) => ObjectError::HeaderSize,
        })?;
    let found = bytes.len();
    let size = usize::try_from(announced).unwrap_or(usize::MAX);
    if found < size {
        return Err(ObjectError::Truncated { announced, found });
    }
    if found > size {
        return Err(ObjectError::Trailing { announced, found });
    }
    let headers = bytes
        .get(..usize::from(header_size))
        .ok_or(ObjectError::HeaderSize)?;
    let header = parse_tbf_header(headers, version).map_err(|error| match error {
        TbfParseError::ChecksumMismatch(found, computed) => {
            ObjectError::Checksum { found, computed }
        }
        TbfParseError::UnsupportedVersion(_) => ObjectError::NotTbf,
        _ => ObjectError::BadEntry,
    })?;
    if !header.is_app() {
        return Err(ObjectError::Padding);
    }
    if !header.enabled() {
        return Err(ObjectError::Disabled);
    }
    let binary = header
        .get_fixed_address_flash()
        .ok_or(ObjectError::NotFixed("flash", "_flash_origin"))?;
    let ram_start = header
        .get_fixed_address_ram()
        .ok_or(ObjectError::NotFixed("RAM", "_sram_origin"))?;
    let flash = binary
        .checked_sub(header.get_protected_size())
        .and_then(|start| Some(start..start.checked_add(announced)?))
        .ok_or(ObjectError::Unreachable)?;
    let ram = header
        .get_minimum_app_ram_size()
        .checked_add(KERNEL_SHARE_BYTES)
        .and_then(|length| Some(ram_start..ram_start.checked_add(length)?))
        .ok_or(ObjectError::Unreachable)?;
    let name = header.get_package_name().unwrap_or_default().to_owned();
    Ok(Description { name, flash, ram })
}

/// Where the binary of the object in `bytes` ends and its footers begin.
pub(crate) fn binary_end(bytes: &[u8]) -> Result<u32, ObjectError> {
    let first = bytes.first_chunk::<8>().ok_or(ObjectError::NotTbf)?;
    let (version, header_size, _) =
        parse_tbf_header_lengths(first).map_err(|_| ObjectError::NotTbf)?;
    let headers = bytes
        .get(..usize::from(header_size))
        .ok_or(ObjectError::HeaderSize)?;
    let header = parse_tbf_header(headers, version).map_err(|_| ObjectError::BadEntry)?;
    Ok(header.get_binary_end())
}

/// Extends the object in `bytes`, which has no footers worth keeping, to whole pages.
///
/// The space behind the binary becomes one reserved footer, so that the app's flash region ends on
/// a page and the next object begins on one.
///
/// # Errors
///
/// The same as [`describe`].
pub fn extend_to_page(mut bytes: Vec<u8>) -> Result<Vec<u8>, ObjectError> {
    describe(&bytes)?;
    let binary_end = binary_end(&bytes)?;
    if usize::try_from(binary_end).is_ok_and(|end| end > bytes.len()) {
        return Err(ObjectError::BadEntry);
    }
    let total = binary_end
        .checked_add(FOOTER_ROOM_BYTES)
        .and_then(|least| least.checked_next_multiple_of(PAGE))
        .ok_or(ObjectError::Unreachable)?;
    // Less than a page and the least room, so it fits the footer's 16 bits.
    let data = u16::try_from(total - binary_end - 4).map_err(|_| ObjectError::Unreachable)?;
    bytes.truncate(usize::try_from(binary_end).unwrap_or(usize::MAX));
    bytes.extend(FOOTER_CREDENTIALS.to_le_bytes());
    bytes.extend(data.to_le_bytes());
    bytes.resize(usize::try_from(total).unwrap_or(usize::MAX), 0);
    bytes[TOTAL_SIZE].copy_from_slice(&total.to_le_bytes());
    seal(&mut bytes);
    Ok(bytes)
}

/// Makes an object of `size` bytes, at least 16, that the kernel skips.
#[must_use]
pub fn padding_object(size: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend(BASE_HEADER_BYTES.to_le_bytes());
    bytes.extend(size.to_le_bytes());
    bytes.resize(
        usize::try_from(size)
            .unwrap_or(usize::MAX)
            .max(BASE_HEADER_BYTES.into()),
        0,
    );
    seal(&mut bytes);
    bytes
}

/// Writes the checksum that the other words of the header call for.
///
/// # Panics
///
/// `bytes` is shorter than the header size it states.
pub fn seal(bytes: &mut [u8]) {
    let header_size = usize::from(u16::from_le_bytes([bytes[2], bytes[3]]));
    bytes[CHECKSUM].fill(0);
    let checksum = bytes[..header_size].chunks_exact(4).fold(0, |sum, word| {
        sum ^ u32::from_le_bytes([word[0], word[1], word[2], word[3]])
    });
    bytes[CHECKSUM].copy_from_slice(&checksum.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// An app for 0x8010_0080 and 0x8030_0000 with a 0x58-byte header and a binary of 60 bytes.
    fn object() -> Vec<u8> {
        let entry = |kind: u32, length: u32| kind | length << 16;
        let base = [2 | 0x58 << 16, 0xBC, 1, 0];
        let main = [entry(1, 12), 0x50, 0x28, 0x104C];
        let program = [entry(9, 20), 0x50, 0x28, 0x104C, 0xBA, 0];
        let name = [entry(3, 5), u32::from_le_bytes(*b"hell"), u32::from(b'o')];
        let fixed = [entry(5, 8), 0x8030_0000, 0x8010_0080];
        let version = [entry(8, 4), entry(2, 1)];
        let words = [&base[..], &main, &program, &name, &fixed, &version].concat();
        let mut bytes: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
        assert_eq!(bytes.len(), 0x58);
        bytes.resize(0x80, 0);
        bytes.resize(0xBA, 0x13);
        bytes.resize(0xBC, 0);
        seal(&mut bytes);
        bytes
    }

    #[test]
    fn description_covers_the_whole_object_and_the_kernels_share_of_ram() {
        let expected = Description {
            name: "hello".to_owned(),
            flash: 0x8010_0000..0x8010_00BC,
            ram: 0x8030_0000..0x8030_104C + KERNEL_SHARE_BYTES,
        };
        assert_eq!(describe(&object()), Ok(expected));
        // The value that elf2tab computes for these very header words.
        assert_eq!(object()[CHECKSUM], 0x6C04_6586u32.to_le_bytes());
    }

    #[test]
    fn files_that_are_not_one_whole_app_are_refused_with_the_reason() {
        let refusal = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = object();
            change(&mut bytes);
            describe(&bytes).expect_err("the change breaks a rule")
        };
        assert_eq!(refusal(&|bytes| bytes.truncate(7)), ObjectError::NotTbf);
        assert_eq!(refusal(&|bytes| bytes[0] = 0x7F), ObjectError::NotTbf);
        assert_eq!(refusal(&|bytes| bytes[3] = 0x7F), ObjectError::HeaderSize);
        let truncated = ObjectError::Truncated {
            announced: 0xBC,
            found: 0xB0,
        };
        assert_eq!(refusal(&|bytes| bytes.truncate(0xB0)), truncated);
        let trailing = ObjectError::Trailing {
            announced: 0xBC,
            found: 0xBD,
        };
        assert_eq!(refusal(&|bytes| bytes.push(0)), trailing);
        assert!(matches!(
            refusal(&|bytes| bytes[0x50] ^= 1),
            ObjectError::Checksum { .. }
        ));
        let disabled = refusal(&|bytes| {
            bytes[8] = 0;
            seal(bytes);
        });
        assert_eq!(disabled, ObjectError::Disabled);
        let floating = refusal(&|bytes| {
            bytes[0x4C..0x50].fill(0xFF);
            seal(bytes);
        });
        assert_eq!(floating, ObjectError::NotFixed("flash", "_flash_origin"));
        assert_eq!(describe(&padding_object(64)), Err(ObjectError::Padding));
    }

    #[test]
    fn extended_objects_end_on_a_page_with_a_reserved_footer() {
        let extended = extend_to_page(object()).expect("the object is sound");
        assert_eq!(extended.len(), 4096);
        assert_eq!(extended[..4], object()[..4]);
        assert_eq!(extended[0x10..0xBA], object()[0x10..0xBA]);
        assert_eq!(extended[0xBA..0xBC], FOOTER_CREDENTIALS.to_le_bytes());
        assert_eq!(extended[0xBC..0xBE], (4096u16 - 0xBA - 4).to_le_bytes());
        let description = describe(&extended).expect("extending keeps the object sound");
        assert_eq!(description.flash, 0x8010_0000..0x8010_1000);
    }

    proptest! {
        #[test]
        fn no_file_makes_reading_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = describe(&bytes);
        }

        #[test]
        fn no_change_to_a_sound_header_makes_reading_panic(
            changes in prop::collection::vec((0usize..0x58, any::<u8>()), 1..8),
            resealed in any::<bool>(),
        ) {
            let mut bytes = object();
            for (index, value) in changes {
                bytes[index] = value;
            }
            let header_size = u16::from_le_bytes([bytes[2], bytes[3]]);
            if resealed && (16..=0x80).contains(&header_size) {
                seal(&mut bytes);
            }
            let _ = describe(&bytes);
            let _ = extend_to_page(bytes);
        }
    }
}
