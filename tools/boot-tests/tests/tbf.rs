// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Damaged and misplaced binaries in flash: each gets a line, and the sound one beside it runs.

use board_runner::flash_image::{self, PlacedObject};
use board_runner::memory_map::FLASH;
use board_runner::tbf_object::seal;
use boot_tests::{Board, app_objects, each_qemu, header_entry};

fn put(object: &mut [u8], offset: usize, value: u32) {
    object[offset..offset + 4].copy_from_slice(&value.to_le_bytes());
}

/// Boots `crash`, changed by `damage`, in front of `ticker`, and expects a line with all of `words`.
fn boot_with(damage: impl Fn(&mut Vec<u8>), words: &[&str]) {
    each_qemu(|qemu| {
        let mut objects = app_objects(&["crash", "ticker"]);
        damage(&mut objects[0].bytes);
        let image = flash_image::build(objects).expect("the damage keeps the size");
        let mut guest = Board::on(qemu).image(image).boot();
        let boot = guest.expect("ticker: 3");
        if !boot
            .lines()
            .any(|line| words.iter().all(|word| line.contains(word)))
        {
            guest.fail_with(&format!("no line with {words:?}"));
        }
        if boot.contains("crash: reading") {
            guest.fail_with("the damaged app ran");
        }
    });
}

const FIXED_ADDRESSES: u16 = 5;
const PROGRAM: u16 = 9;

#[test]
fn a_wrong_checksum_is_reported() {
    boot_with(|object| object[0x20] ^= 0x40, &["checksum"]);
}

#[test]
fn a_wrong_flash_address_is_reported_with_the_one_it_wants() {
    let damage = |object: &mut Vec<u8>| {
        let addresses = header_entry(object, FIXED_ADDRESSES);
        put(object, addresses + 4, 0x8018_0080);
        seal(object);
    };
    boot_with(damage, &["crash", "flash", "0x80180080"]);
}

#[test]
fn a_wrong_ram_address_is_reported_with_the_one_it_wants() {
    let damage = |object: &mut Vec<u8>| {
        let addresses = header_entry(object, FIXED_ADDRESSES);
        put(object, addresses, 0x8010_0000);
        seal(object);
    };
    boot_with(damage, &["crash", "RAM", "0x80100000"]);
}

#[test]
fn a_ram_address_at_which_no_protection_can_begin_is_reported() {
    let damage = |object: &mut Vec<u8>| {
        let addresses = header_entry(object, FIXED_ADDRESSES);
        put(object, addresses, 0x8030_0001);
        seal(object);
    };
    boot_with(damage, &["crash", "RAM", "0x80300001"]);
}

#[test]
fn a_demand_for_more_ram_than_there_is_is_reported() {
    let damage = |object: &mut Vec<u8>| {
        for kind in [1, PROGRAM] {
            let ram = header_entry(object, kind) + 8;
            put(object, ram, 0x0020_0000);
        }
        seal(object);
    };
    boot_with(damage, &["crash", "RAM"]);
}

#[test]
fn an_impossible_entry_point_is_reported() {
    let damage = |object: &mut Vec<u8>| {
        for kind in [1, PROGRAM] {
            let start = header_entry(object, kind);
            put(object, start, 0x7FFF_FFFC);
        }
        seal(object);
    };
    boot_with(damage, &["corrupt"]);
}

#[test]
fn an_object_that_claims_more_than_the_flash_is_reported() {
    each_qemu(|qemu| {
        // Nothing behind it can be found, so the sound app comes first.
        let mut objects = app_objects(&["ticker", "crash"]);
        let object = &mut objects[1].bytes;
        put(object, 4, FLASH.end - FLASH.start);
        seal(object);
        let image = flash_image::build(objects).expect("the bytes are as many as before");
        let mut guest = Board::on(qemu).image(image).boot();
        let boot = guest.expect("ticker: 3");
        if !boot.lines().any(|line| line.contains("truncated")) {
            guest.fail_with("no line about the truncated object");
        }
    });
}

#[test]
fn an_object_cut_off_in_its_header_is_reported() {
    each_qemu(|qemu| {
        let mut objects = app_objects(&["ticker", "crash"]);
        objects[1].bytes.truncate(0x20);
        let image = flash_image::build(objects).expect("shorter objects fit");
        let mut guest = Board::on(qemu).image(image).boot();
        let boot = guest.expect("ticker: 3");
        if !boot.lines().any(|line| line.contains("corrupt")) {
            guest.fail_with("no line about the cut-off object");
        }
    });
}

#[test]
fn a_flash_without_an_object_boots() {
    each_qemu(|qemu| {
        for image in [Vec::new(), vec![0xFF; 4096], vec![0x5A; 4096]] {
            let mut guest = Board::on(qemu).image(image).boot();
            guest.expect("tock$ ");
        }
    });
}

#[test]
fn a_gap_between_two_objects_is_bridged_by_padding() {
    each_qemu(|qemu| {
        let mut objects = app_objects(&["crash", "ticker"]);
        // Only the second app is left, where it was linked to be.
        let second = objects.remove(1);
        assert!(second.start > FLASH.start);
        let image = flash_image::build(vec![PlacedObject { ..second }]).expect("one object fits");
        let mut guest = Board::on(qemu).image(image).boot();
        guest.expect("ticker: 3");
    });
}
