// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Loading of good applications beside bad ones.

use std::string::String;
use std::vec::Vec;

use tock_tbf::types::TbfParseError;

use crate::process::fake_tbf::{Tbf, padding, seal};
use crate::process::fakes::{FakeChip, POOL, SLOTS, World};
use crate::process::{BinaryVersion, ProcessBinaryError, ProcessLoadError, ShortId, State};
use core::num::NonZeroU32;

/// Names of the processes, by slot.
fn names(world: &World) -> Vec<&'static str> {
    world
        .kernel
        .get_process_iter()
        .map(|process| process.get_process_name())
        .collect()
}

/// Why the only application that was not loaded was not.
fn reason(world: &World) -> ProcessLoadError {
    let reports = world.reports.borrow();
    let mut errors = reports.iter().filter_map(|(_, outcome)| outcome.err());
    let error = errors.next().unwrap();
    assert_eq!(errors.next(), None);
    error
}

/// Flash with a good application, these bytes, and another good application.
fn between(bytes: &[u8]) -> &'static World {
    let mut flash = Tbf::new("first").build();
    flash.extend(bytes);
    flash.extend(Tbf::new("last").build());
    World::with_flash(&flash)
}

/// Checks that these bytes are passed over for this reason, and the applications around them load.
fn assert_skipped(bytes: &[u8], because: ProcessBinaryError) {
    let world = between(bytes);
    assert_eq!(names(world), ["first", "last"]);
    assert_eq!(reason(world), ProcessLoadError::BinaryError(because));
}

/// Checks that the search ends at these bytes for this reason.
fn assert_last(bytes: &[u8], because: ProcessBinaryError) {
    let world = between(bytes);
    assert_eq!(names(world), ["first"]);
    assert_eq!(reason(world), ProcessLoadError::BinaryError(because));
}

#[test]
fn every_application_becomes_a_process_in_the_order_of_flash() {
    let world = World::with_apps(&[Tbf::new("one"), Tbf::new("two"), Tbf::new("three")]);
    assert_eq!(names(world), ["one", "two", "three"]);
    assert_eq!(world.load_result.get(), Ok(()));
    let mut last_end = 0;
    for (index, process) in world.kernel.get_process_iter().enumerate() {
        let id = process.processid();
        assert_eq!((id.slot_index(), id.id()), (index, index));
        assert_eq!(process.get_state(), State::Yielded);
        assert!(process.ready());
        assert!(process.short_app_id() != ShortId::LocallyUnique);
        let version = NonZeroU32::new(3).map(BinaryVersion::new);
        assert_eq!(process.binary_version(), version);
        let map = process.get_addresses();
        assert!(map.sram_start >= last_end);
        assert!(map.sram_grant_start - map.sram_start >= 1024);
        assert!(map.sram_end > map.sram_grant_start);
        last_end = map.sram_end;
    }
}

#[test]
fn the_loaded_line_names_the_application_and_its_place() {
    let world = World::with_apps(&[Tbf::new("hello")]);
    let map = world.process(0).get_addresses();
    let expected = std::format!(
        "App hello at {:#x}: loaded, RAM {:#x}-{:#x}",
        map.flash_start,
        map.sram_start,
        map.sram_end
    );
    assert_eq!(*world.lines.borrow(), [expected]);
}

#[test]
fn a_refused_application_is_told_with_the_addresses_it_wants() {
    let mut tbf = Tbf::new("web");
    tbf.fixed = Some((0x8030_0000, 0x8010_0080));
    let world = World::with_apps(&[tbf]);
    let line: String = world.lines.borrow()[0].clone();
    assert!(line.starts_with("App web at 0x"), "{line}");
    assert!(
        line.contains("not loaded: linked for flash at 0x80100080"),
        "{line}"
    );
    let wants = "(wants flash at 0x80100080, 1024 bytes of RAM at 0x80300000)";
    assert!(line.ends_with(wants), "{line}");
}

#[test]
fn unused_flash_ends_the_list_without_a_word() {
    for unused in [&[0u8; 64][..], &[0xFF; 64], &[0xFF; 3], &[2, 0, 16, 0]] {
        let mut flash = Tbf::new("only").build();
        flash.extend(unused);
        let world = World::with_flash(&flash);
        assert_eq!(names(world), ["only"]);
        assert_eq!(world.reports.borrow().len(), 1);
    }
    assert!(World::with_flash(&[]).reports.borrow().is_empty());
}

#[test]
fn an_unknown_version_ends_the_list() {
    let mut object = Tbf::new("odd").build();
    object[0] = 3;
    seal(&mut object);
    assert_last(&object, ProcessBinaryError::UnknownVersion(3));
}

#[test]
fn an_object_without_a_length_ends_the_list() {
    for size in [0u32, 8, 15] {
        let mut object = Tbf::new("odd").build();
        object[4..8].copy_from_slice(&size.to_le_bytes());
        let world = between(&object);
        assert_eq!(names(world), ["first"]);
        assert!(matches!(reason(world), ProcessLoadError::BinaryError(_)));
    }
}

#[test]
fn a_header_of_an_impossible_length_is_passed_over() {
    for size in [0u16, 12, 0xFFFC] {
        let mut object = Tbf::new("odd").build();
        object[2..4].copy_from_slice(&size.to_le_bytes());
        assert_skipped(&object, ProcessBinaryError::BadLengths);
    }
}

#[test]
fn an_object_beyond_the_end_of_flash_is_truncated() {
    let mut flash = Tbf::new("first").build();
    let mut cut = Tbf::new("cut").build();
    let size = cut.len();
    cut.truncate(size - 4);
    flash.extend(cut);
    let world = World::with_flash(&flash);
    assert_eq!(names(world), ["first"]);
    assert_eq!(
        reason(world),
        ProcessLoadError::BinaryError(ProcessBinaryError::Truncated {
            available: size - 4,
            size
        })
    );

    let mut object = Tbf::new("huge").build();
    object[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
    let world = World::with_flash(&object);
    assert!(matches!(
        reason(world),
        ProcessLoadError::BinaryError(ProcessBinaryError::Truncated { .. })
    ));
}

#[test]
fn a_wrong_checksum_is_passed_over() {
    let mut object = Tbf::new("bad").build();
    object[12] ^= 1;
    let world = between(&object);
    assert_eq!(names(world), ["first", "last"]);
    assert!(matches!(
        reason(world),
        ProcessLoadError::BinaryError(ProcessBinaryError::BadHeader(
            TbfParseError::ChecksumMismatch(..)
        ))
    ));
    assert!(world.lines.borrow()[1].contains("corrupt: header checksum"));
}

#[test]
fn a_malformed_entry_is_passed_over() {
    let mut object = Tbf::new("abcd").build();
    // The first entry is the name; its length now runs past the header.
    object[18..20].copy_from_slice(&0x7FFFu16.to_le_bytes());
    seal(&mut object);
    let world = between(&object);
    assert_eq!(names(world), ["first", "last"]);
    assert!(matches!(
        reason(world),
        ProcessLoadError::BinaryError(ProcessBinaryError::BadHeader(_))
    ));
}

#[test]
fn padding_is_passed_over_without_a_word() {
    let world = between(&padding(256));
    assert_eq!(names(world), ["first", "last"]);
    assert_eq!(world.reports.borrow().len(), 2);
}

#[test]
fn a_disabled_application_does_not_start() {
    let mut tbf = Tbf::new("off");
    tbf.enabled = false;
    assert_skipped(&tbf.build(), ProcessBinaryError::Disabled);
}

#[test]
fn an_application_for_another_kernel_does_not_start() {
    let mut tbf = Tbf::new("old");
    tbf.kernel = None;
    assert_skipped(&tbf.build(), ProcessBinaryError::NoKernelVersion);
    for (major, minor) in [(1, 0), (3, 0), (2, 4)] {
        tbf.kernel = Some((major, minor));
        assert_skipped(
            &tbf.build(),
            ProcessBinaryError::KernelVersion { major, minor },
        );
    }
}

#[test]
fn a_binary_that_ends_outside_its_object_is_passed_over() {
    let mut object = Tbf::new("bad").build();
    // The end of the binary is the fourth word of the last entry.
    let header_size = usize::from(u16::from_le_bytes([object[2], object[3]]));
    let past = u32::try_from(object.len()).unwrap() + 4;
    object[header_size - 8..header_size - 4].copy_from_slice(&past.to_le_bytes());
    seal(&mut object);
    let world = between(&object);
    assert_eq!(names(world), ["first", "last"]);
    assert!(matches!(reason(world), ProcessLoadError::BinaryError(_)));
}

#[test]
fn a_binary_linked_for_another_place_is_passed_over() {
    let mut tbf = Tbf::new("lost");
    tbf.fixed = Some((u32::MAX, 0x8010_0080));
    let object = tbf.build();
    let world = between(&object);
    assert_eq!(names(world), ["first", "last"]);
    assert!(matches!(
        reason(world),
        ProcessLoadError::BinaryError(ProcessBinaryError::FlashAddress {
            expected: 0x8010_0080,
            ..
        })
    ));
}

#[test]
fn an_application_linked_for_ram_that_is_gone_is_passed_over() {
    let mut tbf = Tbf::new("late");
    tbf.fixed = Some((0x100, u32::MAX));
    let world = between(&tbf.build());
    assert_eq!(names(world), ["first", "last"]);
    let ProcessLoadError::MemoryAddressMismatch {
        actual_address,
        expected_address,
    } = reason(world)
    else {
        panic!("{:?}", reason(world));
    };
    let first = world.process(0).get_addresses();
    assert_eq!(actual_address.addr(), first.sram_end);
    assert_eq!(expected_address.addr(), 0x100);
}

#[test]
fn an_application_too_large_for_the_pool_is_passed_over() {
    for ram in [POOL as u32, u32::MAX] {
        let mut tbf = Tbf::new("big");
        tbf.ram = ram;
        let world = between(&tbf.build());
        assert_eq!(names(world), ["first", "last"]);
        assert_eq!(reason(world), ProcessLoadError::NotEnoughMemory);
    }
}

#[test]
fn flash_that_cannot_be_protected_is_passed_over() {
    let mut tbf = Tbf::new("odd");
    tbf.footer = 18;
    let world = World::with_flash(&tbf.build());
    assert_eq!(names(world), Vec::<&str>::new());
    assert_eq!(reason(world), ProcessLoadError::MpuInvalidFlashLength);
}

#[test]
fn a_chip_without_protection_to_give_loads_nothing() {
    let chip = FakeChip::default();
    chip.mpu.refuse.set(true);
    let world = World::with_flash_and_chip(&Tbf::new("app").build(), chip);
    assert_eq!(reason(world), ProcessLoadError::MpuConfigurationError);
}

#[test]
fn a_process_that_the_architecture_refuses_takes_no_slot() {
    let chip = FakeChip::default();
    chip.boundary.broken.set(true);
    let world = World::with_flash_and_chip(&Tbf::new("app").build(), chip);
    assert_eq!(reason(world), ProcessLoadError::InternalError);
    assert_eq!(names(world), Vec::<&str>::new());
}

#[test]
fn applications_beyond_the_process_table_are_told() {
    let apps: Vec<Tbf> = (0..SLOTS + 2).map(|_| Tbf::new("same")).collect();
    let world = World::with_apps(&apps);
    assert_eq!(names(world).len(), SLOTS);
    let no_slot = Err(ProcessLoadError::NoProcessSlot);
    assert_eq!(world.load_result.get(), no_slot);
    let reports = world.reports.borrow();
    let (loaded, refused) = reports.split_at(SLOTS);
    assert!(loaded.iter().all(|(_, outcome)| outcome.is_ok()));
    assert_eq!(*refused, [(Some("same"), no_slot); 2]);
}

#[test]
fn damaged_flash_never_harms_the_loader() {
    let apps = [Tbf::new("one"), Tbf::new("two"), Tbf::new("three")];
    let good: Vec<u8> = apps.iter().flat_map(Tbf::build).collect();
    // A small generator will do: the point is many different damages.
    let mut random = 0x2545_F491u32;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        random as usize
    };
    let rounds = if cfg!(miri) { 20 } else { 2000 };
    for _ in 0..rounds {
        let mut flash = good.clone();
        for _ in 0..=next() % 4 {
            let place = next() % flash.len();
            flash[place] = next() as u8;
        }
        if next() % 2 == 0 {
            // Headers that pass the checksum are worth more than ones that do not.
            let size = usize::from(u16::from_le_bytes([flash[2], flash[3]]));
            if (16..=flash.len()).contains(&size) {
                seal(&mut flash);
            }
        }
        flash.truncate(next() % (flash.len() + 1));
        let world = World::with_flash(&flash);
        for process in world.kernel.get_process_iter() {
            let map = process.get_addresses();
            assert!(map.flash_start <= map.flash_non_protected_start);
            assert!(map.flash_non_protected_start <= map.flash_integrity_end.addr());
            assert!(map.flash_integrity_end.addr() <= map.flash_end);
        }
    }
}

#[test]
fn a_line_about_an_application_is_text_whatever_its_name() {
    let world = World::with_apps(&[Tbf::new("a\x1b[2J\r\nkernel")]);
    let line: String = world.lines.borrow()[0].clone();
    assert!(line.starts_with("App a?[2J??kernel at "), "{line}");
    // Its peers know it by the name it has.
    assert_eq!(world.process(0).get_process_name(), "a\x1b[2J\r\nkernel");
}
