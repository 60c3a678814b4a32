// SPDX-License-Identifier: Apache-2.0 OR MIT

use super::*;
use std::string::ToString;

const MAP: KernelMap = KernelMap {
    text: Range::new(0x8000_0000, 0x8001_0000),
    rom: Range::new(0x8000_0000, 0x8020_0000),
    ram: Range::new(0x8020_0000, 0x8040_0000),
    stack_guard: Range::new(0x8020_0000, 0x8020_0400),
    devices: Range::new(0, 0x2000_0000),
    app_flash: Range::new(0x8010_0000, 0x8020_0000),
    app_ram: Range::new(0x8022_0000, 0x8040_0000),
};

fn at(address: usize) -> *const u8 {
    core::ptr::without_provenance(address)
}

fn unit() -> Pmp {
    // SAFETY: on the host the registers are memory cells that nothing obeys.
    unsafe { Pmp::new(&MAP) }.unwrap()
}

fn process(unit: &Pmp, ram: usize) -> PmpConfig {
    let mut config = unit.new_config().unwrap();
    let block = unit.allocate_app_memory_region(
        at(ram),
        0x1_0000,
        0x4000,
        0,
        0x1000,
        Permissions::ReadWriteOnly,
        &mut config,
    );
    assert_eq!(block, Some((at(ram), 0x4000)));
    move_break(unit, &mut config, ram, 0x1000).unwrap();
    config
}

fn move_break(unit: &Pmp, config: &mut PmpConfig, ram: usize, size: usize) -> Result<(), ()> {
    let kernel_break = at(ram + 0x3000);
    unit.update_app_memory_region(
        at(ram + size),
        kernel_break,
        Permissions::ReadWriteOnly,
        config,
    )
}

fn load(unit: &Pmp, config: &PmpConfig) {
    // SAFETY: no process runs on the host.
    unsafe { unit.configure_mpu(config) }
}

/// Borders of the RAM pair, as addresses.
fn ram_pair(unit: &Pmp) -> (u32, u32) {
    (
        unit.addresses.read(4).unwrap() << 2,
        unit.addresses.read(5).unwrap() << 2,
    )
}

#[test]
fn no_process_has_memory_before_the_first_is_loaded() {
    let unit = unit();
    for entry in (FIRST_USER_ENTRY..).step_by(2).take(USER_PAIRS) {
        let lower = unit.addresses.read(entry).unwrap();
        assert_eq!(unit.addresses.read(entry + 1), Some(lower));
        assert_ne!(lower, 0);
    }
}

#[test]
fn entering_another_process_replaces_the_regions() {
    let unit = unit();
    let (first, second) = (process(&unit, 0x8030_0000), process(&unit, 0x8031_0000));
    load(&unit, &first);
    assert_eq!(ram_pair(&unit), (0x8030_0000, 0x8030_1000));
    load(&unit, &second);
    assert_eq!(ram_pair(&unit), (0x8031_0000, 0x8031_1000));
    load(&unit, &first);
    assert_eq!(ram_pair(&unit), (0x8030_0000, 0x8030_1000));
}

#[test]
fn the_same_process_again_writes_nothing() {
    let unit = unit();
    let config = process(&unit, 0x8030_0000);
    load(&unit, &config);
    unit.addresses.write(5, 0x1234);
    load(&unit, &config);
    assert_eq!(unit.addresses.read(5), Some(0x1234));
}

#[test]
fn a_moved_break_is_loaded_at_the_next_entry() {
    let unit = unit();
    let mut config = process(&unit, 0x8030_0000);
    load(&unit, &config);
    move_break(&unit, &mut config, 0x8030_0000, 0x801).unwrap();
    load(&unit, &config);
    assert_eq!(ram_pair(&unit), (0x8030_0000, 0x8030_0804));
    assert_eq!(move_break(&unit, &mut config, 0x8030_0000, 0x3001), Err(()));
    load(&unit, &config);
    assert_eq!(ram_pair(&unit), (0x8030_0000, 0x8030_0804));
}

#[test]
fn a_reset_process_loses_everything() {
    let unit = unit();
    let mut config = process(&unit, 0x8030_0000);
    load(&unit, &config);
    unit.reset_config(&mut config);
    load(&unit, &config);
    let (lower, upper) = ram_pair(&unit);
    assert_eq!(lower, upper);
}

#[test]
fn writable_and_executable_memory_is_refused() {
    let unit = unit();
    let mut config = unit.new_config().unwrap();
    let everything = Permissions::ReadWriteExecute;
    assert_eq!(
        unit.allocate_region(at(0x8030_0000), 64, 64, everything, &mut config),
        None
    );
    let block = unit.allocate_app_memory_region(
        at(0x8030_0000),
        0x1000,
        0x1000,
        0,
        0,
        everything,
        &mut config,
    );
    assert_eq!(block, None);
}

#[test]
fn addresses_beyond_32_bits_are_refused() {
    let unit = unit();
    let mut config = unit.new_config().unwrap();
    let shared = Permissions::ReadWriteOnly;
    for (start, size) in [
        (usize::MAX - 63, 64),
        (0x8030_0000, usize::MAX),
        (usize::MAX, 1),
    ] {
        assert_eq!(
            unit.allocate_region(at(start), size, 64, shared, &mut config),
            None
        );
    }
}

#[test]
fn a_region_is_shown_and_can_be_removed() {
    let unit = unit();
    let mut config = process(&unit, 0x8030_0000);
    let shared = Permissions::ReadWriteOnly;
    let region = unit
        .allocate_region(at(0x8032_0000), 64, 64, shared, &mut config)
        .unwrap();
    assert!(config.to_string().contains("spare 0x80320000..0x80320040"));
    assert_eq!(unit.remove_memory_region(region, &mut config), Ok(()));
    assert_eq!(unit.remove_memory_region(region, &mut config), Err(()));
    assert!(!config.to_string().contains("spare"));
}

/// Borders of the first spare pair, as addresses.
fn spare_pair(unit: &Pmp) -> (u32, u32) {
    (
        unit.addresses.read(6).unwrap() << 2,
        unit.addresses.read(7).unwrap() << 2,
    )
}

#[test]
fn a_region_comes_and_goes_with_the_next_entry_of_a_process_that_is_loaded() {
    let unit = unit();
    let mut config = process(&unit, 0x8030_0000);
    load(&unit, &config);
    for _ in 0..2 {
        let shared = Permissions::ReadWriteOnly;
        let region = unit
            .allocate_region(at(0x8032_0000), 64, 64, shared, &mut config)
            .unwrap();
        load(&unit, &config);
        assert_eq!(spare_pair(&unit), (0x8032_0000, 0x8032_0040));
        unit.remove_memory_region(region, &mut config).unwrap();
        load(&unit, &config);
        let (lower, upper) = spare_pair(&unit);
        assert_eq!(lower, upper);
    }
}

#[test]
fn app_ram_that_the_kernel_keeps_is_given_to_no_process() {
    let unit = unit();
    unit.keep_app_ram(at(0x8030_0040));
    let mut config = unit.new_config().unwrap();
    let shared = Permissions::ReadWriteOnly;
    for (start, given) in [
        (0x8030_0000, false),
        (0x8030_003C, false),
        (0x8030_0040, true),
    ] {
        let region = unit.allocate_region(at(start), 64, 64, shared, &mut config);
        assert_eq!(region.is_some(), given, "{start:#x}");
    }
}
