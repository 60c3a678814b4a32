// SPDX-License-Identifier: Apache-2.0 OR MIT

//! One test per rule of the header.

use std::vec;
use std::vec::Vec;

use super::{CommandPermissions, TbfHeader, TbfParseError};
use crate::parse::parse_tbf_header;
use crate::testing::{Builder, halves, words};

fn rejected(builder: &Builder) -> TbfParseError {
    parse_tbf_header(&builder.build(), 2).unwrap_err()
}

/// Runs `check` on the header that `builder` writes.
fn accepted<R>(builder: &Builder, check: impl FnOnce(&TbfHeader<'_>) -> R) -> R {
    check(&parse_tbf_header(&builder.build(), 2).unwrap())
}

#[test]
fn elf2tab_output_reads_back() {
    let object = Builder::padding(0xBC)
        .with(1, words(&[0x50, 0x28, 0x104C]))
        .with(9, words(&[0x50, 0x28, 0x104C, 0xBA, 0]))
        .with(3, b"hello".to_vec())
        .with(5, words(&[0x8030_0000, 0x8010_0080]))
        .with(8, halves(&[2, 1]));
    let bytes = object.build();
    assert_eq!(bytes.len(), 0x58);
    assert_eq!(bytes[12..16], 0x6C04_6586_u32.to_le_bytes());
    accepted(&object, |header| {
        assert!(header.is_app() && header.enabled());
        assert_eq!((header.length(), header.total_size()), (0x58, 0xBC));
        assert_eq!(header.get_protected_size(), 0x80);
        assert_eq!(header.get_app_start_offset(), 0x80);
        assert_eq!(header.get_init_function_offset(), 0xA8);
        assert_eq!(header.get_binary_end(), 0xBA);
        assert_eq!(header.get_minimum_app_ram_size(), 0x104C);
        assert_eq!(header.get_binary_version(), 0);
        assert_eq!(header.get_package_name(), Some("hello"));
        assert_eq!(header.get_fixed_address_ram(), Some(0x8030_0000));
        assert_eq!(header.get_fixed_address_flash(), Some(0x8010_0080));
        assert_eq!(header.get_kernel_version(), Some((2, 1)));
        assert_eq!(
            header.get_command_permissions(1, 0),
            CommandPermissions::NoPermsAtAll
        );
    });
}

#[test]
fn a_header_without_main_and_program_is_padding() {
    for builder in [
        Builder::padding(64),
        Builder::padding(64).with(3, b"name".to_vec()),
    ] {
        accepted(&builder, |header| {
            assert!(!header.is_app());
            assert_eq!(header.get_minimum_app_ram_size(), 0);
            assert_eq!(header.get_init_function_offset(), 0);
            assert_eq!(header.get_binary_end(), 64);
            assert_eq!(header.get_protected_size(), header.length().into());
        });
    }
}

#[test]
fn only_the_lowest_flag_enables() {
    for (flags, enabled) in [
        (0, false),
        (1, true),
        (2, false),
        (3, true),
        (u32::MAX - 1, false),
    ] {
        let builder = Builder {
            flags,
            ..Builder::app()
        };
        assert_eq!(accepted(&builder, |header| header.enabled()), enabled);
    }
}

#[test]
fn program_replaces_main_wherever_it_stands() {
    let program = words(&[16, 4, 4096, 512, 7]);
    let main = words(&[8, 0, 2048]);
    for entries in [
        [(1, main.clone()), (9, program.clone())],
        [(9, program), (1, main)],
    ] {
        let builder = Builder {
            entries: entries.into(),
            ..Builder::padding(1024)
        };
        accepted(&builder, |header| {
            assert_eq!(header.get_minimum_app_ram_size(), 4096);
            assert_eq!(
                (header.get_binary_end(), header.get_binary_version()),
                (512, 7)
            );
        });
    }
}

#[test]
fn the_first_main_and_program_count_and_the_last_of_the_others() {
    let builder = Builder::app()
        .with(1, words(&[8, 0, 1]))
        .with(3, b"first".to_vec())
        .with(3, b"last".to_vec())
        .with(5, words(&[1, 2]))
        .with(5, words(&[3, u32::MAX]))
        .with(10, words(&[5]))
        .with(10, words(&[0]));
    accepted(&builder, |header| {
        assert_eq!(header.get_minimum_app_ram_size(), 2048);
        assert_eq!(header.get_package_name(), Some("last"));
        assert_eq!(header.get_fixed_address_ram(), Some(3));
        assert_eq!(header.get_fixed_address_flash(), None);
        assert_eq!(header.get_fixed_short_id(), None);
    });
    let builder = Builder::padding(1024)
        .with(9, words(&[8, 0, 10, 1000, 1]))
        .with(9, words(&[8, 0, 20, 1000, 2]));
    assert_eq!(accepted(&builder, |header| header.get_binary_version()), 1);
}

#[test]
fn regions_of_every_entry_are_kept() {
    let builder = Builder::app()
        .with(2, words(&[256, 64]))
        .with(3, b"n".to_vec())
        .with(2, words(&[512, 32, 768, u32::MAX]));
    accepted(&builder, |header| {
        assert_eq!(header.number_writeable_flash_regions(), 3);
        let regions = [0, 1, 2, 3].map(|index| header.get_writeable_flash_region(index));
        assert_eq!(regions, [(256, 64), (512, 32), (768, 0xFFFF_FFFF), (0, 0)]);
    });
}

#[test]
fn entries_with_a_wrong_length_reject_the_object() {
    let wrong: [(u16, &[usize]); 7] = [
        (1, &[0, 8, 11, 13, 16, 20]),
        (2, &[1, 7, 12]),
        (5, &[0, 4, 9, 12]),
        (8, &[0, 2, 8]),
        (9, &[0, 12, 16, 24]),
        (10, &[0, 3, 8]),
        (7, &[0, 4, 6, 7]),
    ];
    for (kind, lengths) in wrong {
        for length in lengths {
            let builder = Builder::app().with(kind, vec![0; *length]);
            assert_eq!(
                rejected(&builder),
                TbfParseError::BadTlvEntry(kind.into()),
                "{length}"
            );
        }
    }
}

#[test]
fn unknown_entries_are_stepped_over_with_their_padding() {
    for length in 0..9 {
        let builder = Builder::app()
            .with(4, vec![1; length])
            .with(0x8003, vec![2; 3])
            .with(3, b"n".to_vec());
        assert!(accepted(&builder, |header| header
            .get_package_name()
            .is_some()));
    }
}

#[test]
fn an_entry_that_runs_past_the_header_rejects_the_object() {
    let mut bytes = Builder::app().with(3, b"name".to_vec()).build();
    for length in [5, 8, 0x7FFF, 0xFFFF] {
        let at = bytes.len() - 6;
        bytes[at..at + 2].copy_from_slice(&u16::to_le_bytes(length));
        crate::testing::sign(&mut bytes);
        assert_eq!(
            parse_tbf_header(&bytes, 2).unwrap_err(),
            TbfParseError::BadTlvEntry(3)
        );
    }
}

#[test]
fn a_name_that_is_not_utf8_rejects_the_object() {
    let builder = Builder::app().with(3, vec![b'a', 0xFF]);
    assert_eq!(rejected(&builder), TbfParseError::BadProcessName);
}

#[test]
fn a_program_outside_the_object_rejects_it() {
    // The header of one Program entry is 40 bytes long, that of one Main entry 32.
    let program = |fields: [u32; 5]| Builder::padding(1024).with(9, words(&fields));
    let bad = Err(TbfParseError::BadTlvEntry(9));
    let tell = |builder: Builder| parse_tbf_header(&builder.build(), 2).map(|_| ());
    for (entry, trailer, end, outcome) in [
        (0, 0, 41, Ok(())),
        (0, 0, 40, bad),
        (100, 100, 141, Ok(())),
        (100, 101, 1024, bad),
        (100, 0, 140, bad),
        (983, 0, 1024, Ok(())),
        (984, 0, 1024, bad),
        (983, 983, 1025, bad),
        (8, 0, u32::MAX, bad),
        (u32::MAX, 0, 1024, bad),
        (u32::MAX - 20, u32::MAX - 20, 1024, bad),
        (8, u32::MAX, 1024, bad),
    ] {
        assert_eq!(
            tell(program([entry, trailer, 0, end, 0])),
            outcome,
            "{entry} {trailer} {end}"
        );
    }
    let main = |entry| tell(Builder::padding(64).with(1, words(&[entry, 0, 0])));
    assert_eq!(main(31), Ok(()));
    assert_eq!(main(32), Err(TbfParseError::BadTlvEntry(1)));
}

/// A permission entry: driver, offset and command bits per item.
fn permissions(count: u16, items: &[(u32, u32, u64)]) -> Vec<u8> {
    let mut data = halves(&[count]);
    for (driver, offset, bits) in items {
        data.extend(words(&[*driver, *offset]));
        data.extend(bits.to_le_bytes());
    }
    data
}

#[test]
fn commands_are_allowed_by_driver_and_block() {
    use CommandPermissions::{Mask, NoPermsThisDriver};
    let items = [(4, 0, 0b101), (4, 2, u64::MAX), (4, 0, 0b10), (9, 1, 8)];
    let mut data = permissions(4, &items);
    // The padding that elf2tab counts in.
    data.extend([0, 0]);
    accepted(&Builder::app().with(6, data), |header| {
        assert_eq!(header.get_command_permissions(4, 0), Mask(0b111));
        assert_eq!(header.get_command_permissions(4, 1), Mask(0));
        assert_eq!(header.get_command_permissions(4, 2), Mask(u64::MAX));
        assert_eq!(header.get_command_permissions(9, 1), Mask(8));
        assert_eq!(header.get_command_permissions(5, 0), NoPermsThisDriver);
        assert_eq!(
            header.get_command_permissions(usize::MAX, usize::MAX),
            NoPermsThisDriver
        );
    });
}

#[test]
fn an_empty_permission_list_allows_nothing() {
    let builder = Builder::app().with(6, permissions(0, &[(4, 0, 1)]));
    let allowed = accepted(&builder, |header| header.get_command_permissions(4, 0));
    assert_eq!(allowed, CommandPermissions::NoPermsThisDriver);
}

#[test]
fn permissions_too_short_for_their_count_reject_the_object() {
    for data in [
        vec![],
        vec![0],
        permissions(1, &[]),
        permissions(0xFFFF, &[(1, 1, 1)]),
    ] {
        assert_eq!(
            rejected(&Builder::app().with(6, data)),
            TbfParseError::BadTlvEntry(6)
        );
    }
}

/// A storage entry.
fn storage(write: u32, read: &[u32], modify: &[u32]) -> Vec<u8> {
    let count = |list: &[u32]| halves(&[list.len() as u16]);
    [
        words(&[write]),
        count(read),
        words(read),
        count(modify),
        words(modify),
    ]
    .concat()
}

#[test]
fn storage_identifiers_are_listed() {
    let builder = Builder::app().with(7, storage(3, &[1, 2], &[5, 6, 7, 8, 9, 10, 11, 12]));
    accepted(&builder, |header| {
        assert_eq!(header.get_storage_write_id().map(u32::from), Some(3));
        assert_eq!(
            header.get_storage_read_ids(),
            Some((2, [1, 2, 0, 0, 0, 0, 0, 0]))
        );
        assert_eq!(
            header.get_storage_modify_ids(),
            Some((8, [5, 6, 7, 8, 9, 10, 11, 12]))
        );
    });
    accepted(&Builder::app().with(7, storage(0, &[], &[])), |header| {
        assert_eq!(header.get_storage_write_id(), None);
        assert_eq!(header.get_storage_read_ids(), Some((0, [0; 8])));
    });
    assert_eq!(
        accepted(&Builder::app(), |header| header.get_storage_read_ids()),
        None
    );
}

#[test]
fn more_storage_identifiers_than_can_be_kept_reject_the_object() {
    for data in [storage(1, &[1; 9], &[]), storage(1, &[], &[1; 9])] {
        assert_eq!(
            rejected(&Builder::app().with(7, data)),
            TbfParseError::TooManyEntries(7)
        );
    }
}

#[test]
fn storage_lists_too_short_for_their_counts_reject_the_object() {
    let whole = storage(1, &[1, 2], &[3]);
    for length in 0..whole.len() {
        let builder = Builder::app().with(7, whole[..length].to_vec());
        assert_eq!(
            rejected(&builder),
            TbfParseError::BadTlvEntry(7),
            "{length}"
        );
    }
}
