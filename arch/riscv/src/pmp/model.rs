// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A second opinion for tests: how a CPU reads PMP registers, and what the plan must yield.

use super::plan::{ENTRIES, FIRST_USER_ENTRY, KernelMap, Mode, Plan, borders, move_pair};
use super::range::Range;
use super::regions::{AppMemory, AppRegions, FlashRights, Purpose};
use proptest::prelude::*;
use std::string::ToString;
use std::vec::Vec;

#[derive(Clone, Copy, PartialEq)]
enum Privilege {
    Machine,
    User,
}

/// What an access wants, as one letter of the rule tables.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Access {
    Read,
    Write,
    Execute,
}

const ACCESSES: [Access; 3] = [Access::Read, Access::Write, Access::Execute];

/// Smepmp rules with MML set, in the order of the bits L R W X: M-mode, U-mode.
const MML_TABLE: [(&str, &str); 16] = [
    ("", ""),
    ("", "x"),
    ("rw", "r"),
    ("rw", "rw"),
    ("", "r"),
    ("", "rx"),
    ("", "rw"),
    ("", "rwx"),
    ("", ""),
    ("x", ""),
    ("x", "x"),
    ("rx", "x"),
    ("r", ""),
    ("rx", ""),
    ("rw", ""),
    ("r", "r"),
];

fn matches(plan: &Plan, entry: usize, address: u64) -> bool {
    let value = u64::from(plan.addresses[entry]);
    let (low, high) = match (plan.rights[entry] >> 3) & 3 {
        0 => return false,
        1 => {
            let below = if entry == 0 {
                0
            } else {
                u64::from(plan.addresses[entry - 1])
            };
            // QEMU, unlike the specification, finds the last byte by subtracting one.
            let above = if value == 0 { 1 << 32 } else { value << 2 };
            (below << 2, above)
        }
        2 => (value << 2, (value << 2) + 4),
        _ => {
            let size = 8u64 << value.trailing_ones();
            let base = (value << 2) & !(size - 1);
            (base, base + size)
        }
    };
    (low..high).contains(&address)
}

fn allowed(plan: &Plan, mode: Mode, who: Privilege, access: Access, address: u32) -> bool {
    let letter = match access {
        Access::Read => 'r',
        Access::Write => 'w',
        Access::Execute => 'x',
    };
    let found = (0..ENTRIES).find(|entry| matches(plan, *entry, address.into()));
    let Some(entry) = found else {
        return mode == Mode::Plain && who == Privilege::Machine;
    };
    let bits = plan.rights[entry];
    let (lock, r, w, x) = (bits >> 7 & 1, bits & 1, bits >> 1 & 1, bits >> 2 & 1);
    if mode == Mode::Plain {
        if who == Privilege::Machine && lock == 0 {
            return true;
        }
        return [('r', r), ('w', w), ('x', x)].contains(&(letter, 1));
    }
    let (machine, user) = MML_TABLE[usize::from(lock << 3 | r << 2 | w << 1 | x)];
    (if who == Privilege::Machine {
        machine
    } else {
        user
    })
    .contains(letter)
}

const MAP: KernelMap = KernelMap {
    text: Range::new(0x8000_0000, 0x8001_2340),
    rom: Range::new(0x8000_0000, 0x8020_0000),
    ram: Range::new(0x8020_0000, 0x8040_0000),
    stack_guard: Range::new(0x8020_0000, 0x8020_0400),
    devices: Range::new(0, 0x2000_0000),
    app_flash: Range::new(0x8010_0000, 0x8020_0000),
    app_ram: Range::new(0x8022_0000, 0x8040_0000),
};

const MEMORY: AppMemory = AppMemory {
    flash: MAP.app_flash,
    ram: MAP.app_ram,
};

/// Puts borders into the plan the way the CSR writer does.
fn load(plan: &mut Plan, regions: &AppRegions, mut between: impl FnMut(&Plan)) {
    for (pair, new) in borders(regions).into_iter().enumerate() {
        let entry = FIRST_USER_ENTRY + 2 * pair;
        let old = (plan.addresses[entry], plan.addresses[entry + 1]);
        let mut steps = Vec::new();
        move_pair(old, new, |offset, value| steps.push((offset, value)));
        for (offset, value) in steps {
            plan.addresses[entry + offset] = value;
            between(plan);
        }
    }
    plan.set_flash_rights(regions.flash_rights());
}

fn inside(range: Range, address: u32) -> bool {
    (range.start..range.end).contains(&address)
}

/// What U-mode should be allowed, straight from the regions.
fn user_expected(regions: &AppRegions, access: Access, address: u32) -> bool {
    let flash = match regions.flash_rights() {
        FlashRights::ReadExecute => access != Access::Write,
        FlashRights::Read => access == Access::Read,
        FlashRights::Execute => access == Access::Execute,
    };
    let shared = access != Access::Execute;
    flash && inside(regions.flash(), address)
        || shared && inside(regions.ram(), address)
        || shared && regions.spares().iter().any(|spare| inside(*spare, address))
}

/// What M-mode should be allowed under Smepmp.
fn machine_expected(regions: &AppRegions, access: Access, address: u32) -> bool {
    match access {
        Access::Execute => inside(MAP.text, address),
        Access::Write => inside(MAP.ram, address) || inside(MAP.devices, address),
        Access::Read => {
            (inside(MAP.rom, address) && !inside(regions.flash(), address))
                || inside(MAP.ram, address)
                || inside(MAP.devices, address)
        }
    }
}

/// Every address where a decision could change, and its neighbours.
fn probes(regions: &AppRegions) -> Vec<u32> {
    let fixed = [
        MAP.text,
        MAP.rom,
        MAP.ram,
        MAP.stack_guard,
        MAP.devices,
        MAP.app_flash,
        MAP.app_ram,
    ];
    let own = [regions.flash(), regions.ram()];
    let ranges = fixed.into_iter().chain(own).chain(regions.spares());
    let edges = ranges.flat_map(|range| [range.start, range.end]);
    edges
        .chain([0, 0x7000_0000, u32::MAX])
        .flat_map(|edge| {
            [
                edge.wrapping_sub(1),
                edge,
                edge.wrapping_add(1),
                edge.wrapping_add(4),
            ]
        })
        .collect()
}

fn check_reach(plan: &Plan, mode: Mode, regions: &AppRegions) {
    for address in probes(regions) {
        for access in ACCESSES {
            assert_eq!(
                allowed(plan, mode, Privilege::User, access, address),
                user_expected(regions, access, address),
                "U-mode {access:?} at {address:#x}, {mode:?}, {regions:x?}"
            );
            let machine = allowed(plan, mode, Privilege::Machine, access, address);
            let expected = match mode {
                Mode::Plain => !inside(MAP.stack_guard, address),
                Mode::Smepmp => machine_expected(regions, access, address),
            };
            assert_eq!(
                machine, expected,
                "M-mode {access:?} at {address:#x}, {mode:?}"
            );
        }
    }
}

prop_compose! {
    fn any_regions()(
        flash in (0u32..0x10_0000, 1u32..0x8000),
        rights in 0usize..3,
        ram in (0u32..0x1E_0000, 0u32..0x8000, 1u32..0x1000),
        app_break in 0u32..0x9000,
        spares in prop::collection::vec((0u32..0x1E_0000, 1u32..0x800), 0..4),
    ) -> AppRegions {
        let rights = [FlashRights::ReadExecute, FlashRights::Read, FlashRights::Execute][rights];
        let mut regions = AppRegions::default();
        let from = |base: u32, offset: u32, end: u32| Range::new(base + offset, end);
        let _ = regions.add(&MEMORY, from(MEMORY.flash.start, flash.0, MEMORY.flash.end), flash.1,
            Purpose::Flash(rights));
        let block = regions.place_block(&MEMORY, from(MEMORY.ram.start, ram.0, MEMORY.ram.end),
            0, ram.1, ram.2);
        if let Some(block) = block {
            let kernel_break = (block.end - ram.2) & !3;
            let _ = regions.set_break(block.start + app_break, kernel_break);
            assert!(regions.ram().end <= block.end);
        }
        for (offset, size) in spares {
            let _ = regions.add(&MEMORY, from(MEMORY.ram.start, offset, MEMORY.ram.end), size,
                Purpose::Shared);
        }
        regions
    }
}

proptest! {
    #[test]
    fn each_mode_reaches_exactly_what_was_planned(regions in any_regions()) {
        for mode in [Mode::Plain, Mode::Smepmp] {
            let mut plan = Plan::new(&MAP, mode).unwrap();
            load(&mut plan, &regions, |_| ());
            check_reach(&plan, mode, &regions);
        }
    }

    #[test]
    fn a_process_leaves_nothing_behind_for_the_next(
        first in any_regions(), second in any_regions(),
    ) {
        for mode in [Mode::Plain, Mode::Smepmp] {
            let mut plan = Plan::new(&MAP, mode).unwrap();
            load(&mut plan, &first, |_| ());
            load(&mut plan, &second, |_| ());
            check_reach(&plan, mode, &second);
            load(&mut plan, &AppRegions::default(), |_| ());
            check_reach(&plan, mode, &AppRegions::default());
        }
    }

    #[test]
    fn the_kernel_keeps_its_memory_while_pairs_move(
        first in any_regions(), second in any_regions(),
    ) {
        let mut plan = Plan::new(&MAP, Mode::Smepmp).unwrap();
        let kernel_can_run = |plan: &Plan| {
            let may = |access, address| {
                allowed(plan, Mode::Smepmp, Privilege::Machine, access, address)
            };
            assert!(may(Access::Execute, MAP.text.start) && may(Access::Execute, MAP.text.end - 4));
            assert!(may(Access::Read, MAP.text.end) && may(Access::Read, MAP.app_flash.start - 4));
            for address in [MAP.ram.start, MAP.app_ram.start, MAP.ram.end - 4, 0, 0x1000_0000] {
                assert!(may(Access::Read, address) && may(Access::Write, address));
            }
        };
        load(&mut plan, &first, kernel_can_run);
        load(&mut plan, &second, kernel_can_run);
        load(&mut plan, &AppRegions::default(), kernel_can_run);
    }

    #[test]
    fn a_lifted_flash_rule_lets_the_kernel_read_all_flash(regions in any_regions()) {
        let mut plan = Plan::new(&MAP, Mode::Smepmp).unwrap();
        load(&mut plan, &regions, |_| ());
        let lifted = plan.config_word_flash_lifted().to_le_bytes();
        plan.rights[..4].copy_from_slice(&lifted);
        for address in probes(&regions).into_iter().filter(|at| inside(MAP.rom, *at)) {
            let machine = |access| {
                allowed(&plan, Mode::Smepmp, Privilege::Machine, access, address)
            };
            assert!(machine(Access::Read) && !machine(Access::Write));
        }
    }
}

#[test]
fn shared_rules_never_change_their_rights() {
    let mut plan = Plan::new(&MAP, Mode::Smepmp).unwrap();
    let before = plan.rights;
    for rights in [FlashRights::Read, FlashRights::Execute] {
        plan.set_flash_rights(rights);
        assert_eq!(plan.rights[4..], before[4..]);
    }
    assert_eq!(before[5], 0b0000_1110);
}

#[test]
fn a_refused_map_is_named_in_one_line() {
    let map = KernelMap {
        ram: Range::new(0x8000_0000, 0x8040_0000),
        ..MAP
    };
    let error = Plan::new(&map, Mode::Plain).unwrap_err();
    assert_eq!(
        error.to_string(),
        "0x80000000-0x80200000 and 0x80000000-0x80400000 overlap"
    );
}

#[test]
fn maps_that_cannot_be_expressed_are_refused() {
    let bad = [
        KernelMap {
            ram: Range::new(0x8020_0000, 0x8050_0000),
            ..MAP
        },
        KernelMap {
            ram: Range::new(0x8010_0000, 0x8030_0000),
            ..MAP
        },
        KernelMap {
            devices: Range::EMPTY,
            ..MAP
        },
        KernelMap {
            text: Range::new(0x8000_0000, 0x8000_0002),
            ..MAP
        },
        KernelMap {
            text: Range::new(0x8000_0000, 0x8010_0004),
            ..MAP
        },
        KernelMap {
            text: Range::EMPTY,
            ..MAP
        },
        KernelMap {
            app_flash: Range::new(0x8010_0000, 0x8020_0004),
            ..MAP
        },
        KernelMap {
            app_ram: Range::new(0x801F_0000, 0x8040_0000),
            ..MAP
        },
        KernelMap {
            devices: Range::new(0x8000_0000, 0x8000_1000),
            ..MAP
        },
        KernelMap {
            ram: Range::new(0x8000_0000, 0x8040_0000),
            ..MAP
        },
        KernelMap {
            stack_guard: Range::new(0x8020_0000, 0x8020_0300),
            ..MAP
        },
        KernelMap {
            stack_guard: Range::new(0x801F_FC00, 0x8020_0000),
            ..MAP
        },
        KernelMap {
            stack_guard: Range::new(0x8022_0000, 0x8022_0400),
            ..MAP
        },
    ];
    for map in bad {
        for mode in [Mode::Plain, Mode::Smepmp] {
            assert!(Plan::new(&map, mode).is_err(), "{map:x?}");
        }
    }
}
