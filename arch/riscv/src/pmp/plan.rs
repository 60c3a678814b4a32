// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What each of the sixteen PMP entries holds, as plain numbers.
//!
//! | entries | covers | changes |
//! | --- | --- | --- |
//! | 0, 1 | kernel text; without Smepmp, the guard below the kernel's stack | never |
//! | 2, 3 | flash of the loaded process | addresses; off while the kernel reads app flash |
//! | 4, 5 | RAM of the loaded process | addresses only |
//! | 6 to 11 | three spare regions, for shared buffers | addresses only |
//! | 12 | unused | never |
//! | 13, 14, 15 | ROM with app flash, RAM, devices: for the kernel alone | never |
//!
//! The user part is five top-of-range pairs: the even entry is off and lends its address as the
//! lower border. A pair whose two addresses are equal matches nothing; that is how it is parked,
//! because on QEMU 7.2 the shared read-write rule cannot come back once it was switched off. The
//! address must not be zero: QEMU takes an upper border of zero for the end of the address space.

use core::fmt;

use super::range::Range;
use super::regions::{AppRegions, FlashRights, SPARES};

/// Number of PMP entries this plan uses.
pub const ENTRIES: usize = 16;
/// Top-of-range pairs that follow the process.
pub const USER_PAIRS: usize = 2 + SPARES;
/// Lower border of the first user pair.
pub const FIRST_USER_ENTRY: usize = 2;

const STACK_GUARD: usize = 0;
const TEXT_TOP: usize = 1;
const FLASH_TOP: usize = 3;
const ROM: usize = 13;
const RAM: usize = 14;
const DEVICES: usize = 15;

const R: u8 = 1;
const W: u8 = 2;
const X: u8 = 4;
const TOR: u8 = 1 << 3;
const NAPOT: u8 = 3 << 3;
const LOCK: u8 = 1 << 7;

/// Both borders of a pair that matches nothing.
pub const PARKED: (u32, u32) = (1, 1);

/// Which rule table the CPU applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Privileged specification: unlocked rules bind U-mode only.
    Plain,
    /// Smepmp with MML and MMWP set: every rule names its mode.
    Smepmp,
}

/// Where the kernel and its devices lie.
#[derive(Clone, Copy, Debug)]
pub struct KernelMap {
    /// Kernel code: the only memory that M-mode may execute under Smepmp.
    pub text: Range,
    /// Kernel image and app flash together: a naturally aligned power of two.
    pub rom: Range,
    /// All RAM, the kernel's and the processes': a naturally aligned power of two.
    pub ram: Range,
    /// Device registers: a naturally aligned power of two.
    pub devices: Range,
    /// The part of `ram` below the kernel's stack that nobody uses: a naturally aligned power of two.
    pub stack_guard: Range,
    /// The part of `rom` that processes may execute from.
    pub app_flash: Range,
    /// The part of `ram` that processes may be given.
    pub app_ram: Range,
}

/// Why memory protection could not be set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetupError {
    /// The CPU has no physical memory protection.
    Missing,
    /// A range that must be a naturally aligned power of two of at least 8 bytes is not.
    NotNaturallyAligned(Range),
    /// ROM, RAM or devices share addresses with another of them.
    Overlapping(Range, Range),
    /// Kernel text is not on 4-byte borders inside ROM, or lies in app flash.
    TextMisplaced(Range),
    /// App flash is outside ROM, or app RAM outside RAM.
    AppMemoryMisplaced(Range),
    /// The guard below the kernel's stack is outside RAM, or in app RAM.
    StackGuardMisplaced(Range),
    /// The CPU refused the rule that lets kernel and process share app RAM.
    SharedRuleRefused,
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SetupError::Missing => f.write_str("the CPU has none"),
            SetupError::NotNaturallyAligned(range) => {
                write!(f, "{range} is not a naturally aligned power of two")
            }
            SetupError::Overlapping(one, other) => write!(f, "{one} and {other} overlap"),
            SetupError::TextMisplaced(range) => write!(f, "kernel text is misplaced at {range}"),
            SetupError::AppMemoryMisplaced(range) => {
                write!(f, "memory of apps is misplaced at {range}")
            }
            SetupError::StackGuardMisplaced(range) => {
                write!(f, "the stack's guard is misplaced at {range}")
            }
            SetupError::SharedRuleRefused => {
                f.write_str("the CPU refused the rule for shared memory")
            }
        }
    }
}

/// Values for all entries before the first process is entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// `pmpaddr0` to `pmpaddr15`.
    pub addresses: [u32; ENTRIES],
    /// Configuration bytes; four make a `pmpcfg` register, lowest entry in the lowest byte.
    pub rights: [u8; ENTRIES],
}

impl Plan {
    /// Plans the kernel's rules and parks every user pair.
    ///
    /// # Errors
    ///
    /// Any [`SetupError`] but `Missing` and `SharedRuleRefused`: the board's map cannot be
    /// expressed.
    pub fn new(map: &KernelMap, mode: Mode) -> Result<Self, SetupError> {
        check(map)?;
        let mut plan = Plan {
            addresses: [0; ENTRIES],
            rights: [0; ENTRIES],
        };
        for pair in 0..USER_PAIRS {
            let lower = FIRST_USER_ENTRY + 2 * pair;
            (plan.addresses[lower], plan.addresses[lower + 1]) = PARKED;
            plan.rights[lower + 1] = shared_rights(mode);
        }
        plan.rights[FLASH_TOP] = flash_rights(FlashRights::ReadExecute);
        if mode == Mode::Plain {
            // Locked, so that it binds the kernel, too. Under Smepmp the kernel cannot write to what
            // lies below its RAM anyway.
            plan.addresses[STACK_GUARD] = napot(map.stack_guard);
            plan.rights[STACK_GUARD] = LOCK | NAPOT;
        } else {
            plan.addresses[TEXT_TOP - 1] = map.text.start >> 2;
            plan.addresses[TEXT_TOP] = map.text.end >> 2;
            plan.rights[TEXT_TOP] = LOCK | TOR | X | R;
            for (entry, range, rights) in [
                (ROM, map.rom, R),
                (RAM, map.ram, R | W),
                (DEVICES, map.devices, R | W),
            ] {
                plan.addresses[entry] = napot(range);
                plan.rights[entry] = LOCK | NAPOT | rights;
            }
        }
        Ok(plan)
    }

    /// Returns the value of `pmpcfg` register `index`.
    pub fn config_word(&self, index: usize) -> u32 {
        let at = index * 4;
        u32::from_le_bytes([
            self.rights[at],
            self.rights[at + 1],
            self.rights[at + 2],
            self.rights[at + 3],
        ])
    }

    /// Returns a plan of which only `pmpcfg0` is known.
    pub fn from_config_word(word: u32) -> Self {
        let mut plan = Plan {
            addresses: [0; ENTRIES],
            rights: [0; ENTRIES],
        };
        for (entry, byte) in plan.rights.iter_mut().zip(word.to_le_bytes()) {
            *entry = byte;
        }
        plan
    }

    /// Changes the rights of the flash pair, which `pmpcfg0` holds.
    pub fn set_flash_rights(&mut self, rights: FlashRights) {
        self.rights[FLASH_TOP] = flash_rights(rights);
    }

    /// Returns `pmpcfg0` with the flash rule off, so that M-mode falls through to the ROM rule.
    pub fn config_word_flash_lifted(&self) -> u32 {
        let mut lifted = *self;
        lifted.rights[FLASH_TOP] = 0;
        lifted.config_word(0)
    }
}

fn check(map: &KernelMap) -> Result<(), SetupError> {
    for range in [&map.rom, &map.ram, &map.devices, &map.stack_guard] {
        if !range.is_naturally_aligned() {
            return Err(SetupError::NotNaturallyAligned(*range));
        }
    }
    for (one, other) in [
        (&map.rom, &map.ram),
        (&map.rom, &map.devices),
        (&map.ram, &map.devices),
    ] {
        if one.overlaps(*other) {
            return Err(SetupError::Overlapping(*one, *other));
        }
    }
    let text = map.text;
    if text.is_empty()
        || (text.start | text.end) & 3 != 0
        || !map.rom.contains(text)
        || map.app_flash.overlaps(text)
    {
        return Err(SetupError::TextMisplaced(text));
    }
    for (outer, inner) in [(map.rom, map.app_flash), (map.ram, map.app_ram)] {
        if !outer.contains(inner) {
            return Err(SetupError::AppMemoryMisplaced(inner));
        }
    }
    let guard = map.stack_guard;
    if !map.ram.contains(guard) || map.app_ram.overlaps(guard) {
        return Err(SetupError::StackGuardMisplaced(guard));
    }
    Ok(())
}

/// Naturally aligned power of two: the low ones of the address give the size.
const fn napot(range: Range) -> u32 {
    (range.start >> 2) | ((range.len() >> 3) - 1)
}

/// App RAM and spare regions: read and write for U-mode, and for M-mode as well.
const fn shared_rights(mode: Mode) -> u8 {
    match mode {
        Mode::Plain => TOR | R | W,
        Mode::Smepmp => TOR | W | X,
    }
}

/// App flash: for U-mode only; both rule tables use the same bits.
const fn flash_rights(rights: FlashRights) -> u8 {
    TOR | match rights {
        FlashRights::ReadExecute => R | X,
        FlashRights::Read => R,
        FlashRights::Execute => X,
    }
}

/// The borders of the five user pairs, as address register values.
pub type Borders = [(u32, u32); USER_PAIRS];

/// Returns the borders that `regions` ask for; a pair without a region is parked.
pub fn borders(regions: &AppRegions) -> Borders {
    let mut result = [PARKED; USER_PAIRS];
    let ranges = [regions.flash(), regions.ram()]
        .into_iter()
        .chain(regions.spares());
    for (border, range) in result.iter_mut().zip(ranges) {
        if !range.is_empty() {
            *border = (range.start >> 2, range.end >> 2);
        }
    }
    result
}

/// Moves one pair from `old` to `new` through `write(entry offset, value)`, where offset 0 is the
/// lower border.
///
/// The kernel runs from memory that this pair must never cover, not even between two writes. So
/// a pair opens from its lower border and closes from its upper one; what it covers in between
/// lies between the old and the new range.
#[inline(always)]
pub fn move_pair(old: (u32, u32), new: (u32, u32), mut write: impl FnMut(usize, u32)) {
    let parks = new.1 <= new.0;
    if parks {
        if old.1 != new.1 {
            write(1, new.1);
        }
        if old.0 != new.0 {
            write(0, new.0);
        }
    } else {
        if old.0 != new.0 {
            write(0, new.0);
        }
        if old.1 != new.1 {
            write(1, new.1);
        }
    }
}
