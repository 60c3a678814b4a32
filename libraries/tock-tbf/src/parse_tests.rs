// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The base header, footers, and properties that hold for all bytes.

use std::sync::Mutex;
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::{parse_tbf_footer, parse_tbf_header, parse_tbf_header_lengths, tbf_footers};
use crate::testing::{Builder, halves, sign, words};
use crate::types::{
    InitialTbfParseError, TbfFooterV2CredentialsType as Format, TbfHeader, TbfParseError,
};

fn lengths(version: u16, header: u16, total: u32) -> Result<(u16, u16, u32), InitialTbfParseError> {
    let bytes = [halves(&[version, header]), words(&[total])].concat();
    parse_tbf_header_lengths(&bytes.try_into().unwrap())
}

#[test]
fn lengths_of_a_sound_header_are_returned() {
    assert_eq!(lengths(2, 16, 16), Ok((2, 16, 16)));
    assert_eq!(lengths(2, 0xFFFC, u32::MAX), Ok((2, 0xFFFC, u32::MAX)));
}

#[test]
fn an_unknown_version_ends_the_list() {
    for version in [0, 1, 3, 0xFFFF] {
        assert_eq!(
            lengths(version, 16, 16),
            Err(InitialTbfParseError::UnableToParse)
        );
    }
}

#[test]
fn an_object_too_small_to_step_over_ends_the_list() {
    for total in [0, 1, 15] {
        assert_eq!(
            lengths(2, 16, total),
            Err(InitialTbfParseError::UnableToParse)
        );
    }
}

#[test]
fn a_header_length_that_makes_no_sense_is_stepped_over() {
    for (header, total) in [(0, 64), (15, 64), (18, 64), (68, 64), (20, 16)] {
        assert_eq!(
            lengths(2, header, total),
            Err(InitialTbfParseError::InvalidHeader(total))
        );
    }
}

#[test]
fn every_bit_of_the_header_is_under_the_checksum() {
    let bytes = Builder::app().with(3, b"name".to_vec()).build();
    let sum = u32::from_le_bytes(bytes[12..16].try_into().unwrap());
    for bit in 0..bytes.len() * 8 {
        let mut bytes = bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let error = parse_tbf_header(&bytes, 2).unwrap_err();
        match bit / 8 {
            // Version and lengths are looked at first.
            0..8 => {}
            12..16 => assert_eq!(
                error,
                TbfParseError::ChecksumMismatch(sum ^ 1 << (bit - 96), sum)
            ),
            _ => {
                let computed = sum ^ 1 << (bit % 32);
                assert_eq!(error, TbfParseError::ChecksumMismatch(sum, computed));
            }
        }
    }
}

#[test]
fn bytes_behind_the_header_do_not_matter_and_missing_ones_do() {
    let mut bytes = Builder::app().build();
    for length in 0..bytes.len() {
        let error = parse_tbf_header(&bytes[..length], 2).unwrap_err();
        assert_eq!(error, TbfParseError::NotEnoughFlash);
    }
    bytes.extend([0xFF; 7]);
    assert!(parse_tbf_header(&bytes, 2).is_ok());
}

#[test]
fn another_version_is_refused_by_argument_and_by_content() {
    let mut bytes = Builder::app().build();
    let unsupported = |version| Some(TbfParseError::UnsupportedVersion(version));
    assert_eq!(parse_tbf_header(&bytes, 1).err(), unsupported(1));
    bytes[0] = 3;
    sign(&mut bytes);
    assert_eq!(parse_tbf_header(&bytes, 2).err(), unsupported(3));
}

/// Gives bytes the lifetime of flash, and keeps them where a leak checker finds them.
fn flash(bytes: Vec<u8>) -> &'static [u8] {
    static KEPT: Mutex<Vec<&'static [u8]>> = Mutex::new(Vec::new());
    let bytes: &'static [u8] = bytes.leak();
    KEPT.lock().unwrap().push(bytes);
    bytes
}

fn footer(kind: u16, length: usize, data: &[u8]) -> &'static [u8] {
    flash([halves(&[kind, length as u16]), data.to_vec()].concat())
}

fn credential(format: u32, length: usize) -> &'static [u8] {
    footer(
        128,
        length + 4,
        &[words(&[format]), vec![7; length]].concat(),
    )
}

#[test]
fn a_footer_is_read_and_stepped_over_without_padding() {
    let two = flash([credential(0, 3), credential(3, 32)].concat());
    let (first, length) = parse_tbf_footer(two).unwrap();
    assert_eq!(
        (first.format(), first.data()),
        (Format::Reserved, &[7; 3][..])
    );
    let behind = &two[4 + length as usize..];
    let (second, length) = parse_tbf_footer(behind).unwrap();
    assert_eq!(
        (second.format(), second.data().len(), length),
        (Format::SHA256, 32, 36)
    );
    let end = &behind[4 + length as usize..];
    assert_eq!(
        parse_tbf_footer(end).unwrap_err(),
        TbfParseError::NotEnoughFlash
    );
}

#[test]
fn each_format_has_its_length() {
    let formats = [
        (1, 768, Format::Rsa3072Key),
        (2, 1024, Format::Rsa4096Key),
        (3, 32, Format::SHA256),
        (4, 48, Format::SHA384),
        (5, 64, Format::SHA512),
        (6, 64, Format::EcdsaNistP256),
    ];
    for (number, length, format) in formats {
        let (read, _) = parse_tbf_footer(credential(number, length)).unwrap();
        assert_eq!(read.format(), format);
        for wrong in [0, length - 1, length + 1] {
            let error = parse_tbf_footer(credential(number, wrong)).unwrap_err();
            assert_eq!(error, TbfParseError::BadTlvEntry(128));
        }
    }
}

/// What each footer is, in order.
fn kinds(bytes: Vec<u8>) -> Vec<Result<Format, TbfParseError>> {
    tbf_footers(flash(bytes))
        .map(|footer| footer.map(|credentials| credentials.format()))
        .collect()
}

#[test]
fn footers_that_cannot_be_used_are_passed_over() {
    let unusable = [
        credential(7, 12),
        credential(u32::MAX, 0),
        credential(3, 31),
        footer(128, 3, &[0; 3]),
        footer(129, 5, &[0; 5]),
        footer(0, 0, &[]),
    ];
    for odd in unusable {
        let bytes = [credential(3, 32), odd, credential(6, 64), &[0; 3]].concat();
        let kind = u16::from_le_bytes([odd[0], odd[1]]);
        let expected = [
            Ok(Format::SHA256),
            Err(TbfParseError::BadTlvEntry(kind.into())),
            Ok(Format::EcdsaNistP256),
        ];
        assert_eq!(kinds(bytes), expected);
    }
}

#[test]
fn a_footer_that_runs_past_the_end_is_the_last() {
    let whole = [credential(0, 5), credential(3, 32)].concat();
    for cut in 1..=36 {
        let items = kinds(whole[..whole.len() - cut].to_vec());
        assert_eq!(items[0], Ok(Format::Reserved));
        assert_eq!(items[1..], [Err(TbfParseError::BadTlvEntry(128))]);
    }
    for left in 0..4 {
        assert_eq!(kinds(whole[..13 + left].to_vec()), [Ok(Format::Reserved)]);
    }
    assert_eq!(kinds(Vec::new()), []);
}

#[test]
fn what_is_no_credential_is_refused() {
    for bytes in [
        footer(128, 3, &[0; 3]),
        footer(128, 8, &[0; 7]),
        footer(128, 0xFFFF, &[0; 64]),
        credential(7, 32),
        credential(u32::MAX, 32),
    ] {
        assert_eq!(
            parse_tbf_footer(bytes).unwrap_err(),
            TbfParseError::BadTlvEntry(128)
        );
    }
    assert_eq!(
        parse_tbf_footer(footer(1, 4, &[0; 4])).unwrap_err(),
        TbfParseError::BadTlvEntry(1)
    );
}

/// Asks a header everything, and checks what an accepted header promises.
fn explore(header: &TbfHeader<'_>) {
    if header.is_app() {
        let length = u32::from(header.length());
        assert!(length <= header.get_protected_size());
        assert!(header.get_protected_size() <= header.get_init_function_offset());
        assert!(header.get_init_function_offset() < header.get_binary_end());
    }
    assert!(header.get_binary_end() <= header.total_size());
    let regions = header.number_writeable_flash_regions();
    for index in [0, regions.wrapping_sub(1), regions, usize::MAX] {
        header.get_writeable_flash_region(index);
    }
    for driver in [0, 1, 0x90001, usize::MAX] {
        header.get_command_permissions(driver, 0);
    }
    for (count, _) in header
        .get_storage_read_ids()
        .into_iter()
        .chain(header.get_storage_modify_ids())
    {
        assert!(count <= 8);
    }
    header.get_storage_write_id();
    header.get_package_name();
    assert!(!std::format!("{header:?}").is_empty());
}

/// Entries of known and unknown types, with data of likely lengths and any content.
fn any_header() -> impl Strategy<Value = Builder> {
    let small = prop_oneof![Just(0u32), 0u32..300, Just(u32::MAX), any::<u32>()];
    let data = prop_oneof![
        prop::collection::vec(small, 0..7).prop_map(|content| words(&content)),
        prop::collection::vec(any::<u8>(), 0..40),
    ];
    let entries = prop::collection::vec((prop_oneof![0u16..12, any::<u16>()], data), 0..6);
    (prop_oneof![16u32..2000, any::<u32>()], 0u32..4, entries).prop_map(
        |(total_size, flags, entries)| Builder {
            total_size,
            flags,
            entries,
        },
    )
}

/// Few cases under Miri, which is slow; else as many as the environment asks for.
fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    let cases = if cfg!(miri) { 4 } else { default.cases };
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..default
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let lengths = bytes.first_chunk().map(parse_tbf_header_lengths);
        if let Some(Err(InitialTbfParseError::InvalidHeader(size))) = lengths {
            prop_assert!(size >= 16);
        }
        if let Ok(header) = parse_tbf_header(&bytes, 2) {
            explore(&header);
        }
        let _ = parse_tbf_footer(flash(bytes));
    }

    #[test]
    fn signed_entries_of_any_content_never_panic(builder in any_header()) {
        if let Ok(header) = parse_tbf_header(&builder.build(), 2) {
            explore(&header);
        }
    }

    #[test]
    fn damaged_applications_never_panic(
        at in 0usize..200,
        value in any::<u8>(),
        cut in 0usize..200,
        resigned in any::<bool>(),
    ) {
        let mut bytes = Builder::app()
            .with(2, words(&[64, 64]))
            .with(3, b"application".to_vec())
            .with(6, [halves(&[1]), words(&[1, 0, 7, 0])].concat())
            .with(7, [words(&[1]), halves(&[1, 5, 0, 0])].concat())
            .with(9, words(&[64, 32, 4096, 1000, 3]))
            .build();
        let length = bytes.len();
        bytes[at % length] = value;
        if resigned {
            sign(&mut bytes);
        }

        if let Ok(header) = parse_tbf_header(&bytes, 2) {
            explore(&header);
        }
        let _ = parse_tbf_header(&bytes[..cut.min(length)], 2).map(|header| explore(&header));
    }

    #[test]
    fn footers_of_any_bytes_come_to_an_end(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let length = bytes.len();
        prop_assert!(kinds(bytes).len() <= length / 4 + 1);
    }

    #[test]
    fn every_credential_is_found_among_footers_of_any_type(
        footers in prop::collection::vec((
            prop_oneof![Just(128u16), any::<u16>()],
            prop_oneof![0u32..9, any::<u32>()],
            0usize..40,
        ), 0..8),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..2),
    ) {
        let mut bytes = Vec::new();
        let mut expected = Vec::new();
        for (kind, format, length) in footers {
            let data = [words(&[format]), vec![7; length]].concat();
            bytes.extend(footer(kind, data.len(), &data));
            expected.push(match (kind, format, length) {
                (128, 0, _) => Ok(Format::Reserved),
                (128, 3, 32) => Ok(Format::SHA256),
                _ => Err(TbfParseError::BadTlvEntry(kind.into())),
            });
        }
        prop_assert_eq!(kinds(bytes.clone()), expected);
        for (place, value) in damage {
            if !bytes.is_empty() {
                let place = place.index(bytes.len());
                bytes[place] = value;
            }
        }
        // Whatever became of them, each is inside the bytes.
        let place = flash(bytes);
        for credentials in tbf_footers(place).flatten() {
            prop_assert!(place.as_ptr_range().contains(&credentials.data().as_ptr())
                || credentials.data().is_empty());
        }
    }
}
