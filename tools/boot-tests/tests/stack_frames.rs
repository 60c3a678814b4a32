// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The kernel's stack frames in its machine code: none leaps over the guard below the stack.
//!
//! A function's frame begins in the stack. If it is no longer than the guard, the frame's other end is in
//! the guard at the lowest, and whatever the function writes beyond the stack is caught. Without Smepmp
//! nothing else would catch it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use board_runner::credential::Maker;
use board_runner::workspace::Workspace;
use boot_tests::{kernel, kernel_variant, symbol};
use elf::ElfBytes;
use elf::abi::{SHF_EXECINSTR, SHT_PROGBITS, STT_FUNC};
use elf::endian::LittleEndian;
use p256::ecdsa::SigningKey;

/// What `main` calls once, at boot, in parts of the mangled names: it lies right below the frame of `main`,
/// at the top of the stack.
const AT_BOOT: [&str; 1] = ["14qemu_rv32_virt7loading5start"];

/// What one instruction takes, if the frame is longer than it can take.
const LONGEST_STEP: u32 = 2032;

/// What an instruction does to the stack pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Nothing, or it gives bytes back, or sets the pointer to a value from elsewhere.
    None,
    /// It takes so many bytes.
    Takes(u32),
    /// It takes as many as a register says.
    TakesUnknown,
}

fn step_by(bytes: i32) -> Step {
    match bytes {
        ..0 => Step::Takes(bytes.unsigned_abs()),
        _ => Step::None,
    }
}

/// Extends a sign that is in this bit.
fn signed(value: u32, bit: u32) -> i32 {
    let unused = 31 - bit;
    (value << unused) as i32 >> unused
}

/// What the first instruction does, and its length in halfwords.
fn decode(code: &[u16]) -> (Step, usize) {
    let low = u32::from(code[0]);
    if low & 3 != 3 {
        let step = match low & 0xEF83 {
            // c.addi16sp: offset[9] in bit 12, [4] in 6, [6] in 5, [8:7] in 4 to 3, [5] in 2.
            0x6101 => step_by(signed(
                (low >> 12 & 1) << 9
                    | (low >> 6 & 1) << 4
                    | (low >> 5 & 1) << 6
                    | (low >> 3 & 3) << 7
                    | (low >> 2 & 1) << 5,
                9,
            )),
            // c.addi: offset[5] in bit 12, [4:0] in 6 to 2.
            0x0101 => step_by(signed((low >> 12 & 1) << 5 | low >> 2 & 31, 5)),
            // c.add with a register; without one it is a jump.
            0x8102 if low & 0x1000 != 0 && low & 0x7C != 0 => Step::TakesUnknown,
            _ => Step::None,
        };
        return (step, 1);
    }
    let word = low | u32::from(code.get(1).copied().unwrap_or_default()) << 16;
    let step = if word & 0xF_FFFF == 0x1_0113 {
        step_by(word as i32 >> 20)
    } else if matches!(word & 0xFE0F_FFFF, 0x4001_0133 | 0x0001_0133) {
        Step::TakesUnknown
    } else {
        Step::None
    };
    (step, 2)
}

/// The functions of a kernel that take stack, and how much.
///
/// # Panics
///
/// One takes as much as a register says.
fn frames(kernel: &Path) -> BTreeMap<String, u32> {
    let bytes = fs::read(kernel).expect("the kernel");
    let file = ElfBytes::<LittleEndian>::minimal_parse(&bytes).expect("an ELF file");
    let table = file.symbol_table().expect("whole symbols");
    let (symbols, names) = table.expect("a symbol table");
    let functions: Vec<_> = symbols
        .iter()
        .filter(|symbol| symbol.st_symtype() == STT_FUNC)
        .collect();
    let name_at = |address: u64| {
        let function = functions.iter().find(|function| {
            (function.st_value..function.st_value + function.st_size).contains(&address)
        });
        function
            .and_then(|function| names.get(function.st_name as usize).ok())
            .map_or_else(|| format!("{address:#x}"), str::to_owned)
    };
    let mut steps = BTreeMap::<String, Vec<u32>>::new();
    for section in file.section_headers().expect("sections").iter() {
        let is_code = section.sh_flags & u64::from(SHF_EXECINSTR) != 0;
        if section.sh_type != SHT_PROGBITS || !is_code {
            continue;
        }
        let (bytes, _) = file.section_data(&section).expect("its bytes");
        let halves = bytes.as_chunks::<2>().0.iter();
        let code: Vec<u16> = halves.map(|half| u16::from_le_bytes(*half)).collect();
        let mut at = 0;
        while at < code.len() {
            let (step, length) = decode(&code[at..]);
            let name = || name_at(section.sh_addr + 2 * at as u64);
            match step {
                Step::None => {}
                Step::Takes(bytes) => steps.entry(name()).or_default().push(bytes),
                Step::TakesUnknown => panic!("{} takes any number of bytes", name()),
            }
            at += length;
        }
    }
    let frame = |steps: Vec<u32>| match steps.iter().max() {
        // More than one instruction can take is taken by several.
        Some(most) if *most >= LONGEST_STEP => steps.iter().sum(),
        most => *most.unwrap_or(&0),
    };
    steps
        .into_iter()
        .map(|(name, steps)| (name, frame(steps)))
        .collect()
}

fn expect_guarded(kernel: &Path) {
    let place = |name: &str| symbol(kernel, |candidate| candidate == name);
    let guard = place("_eguard") - place("_sguard");
    let stack = place("_estack") - place("_sstack");
    let frames = frames(kernel);
    assert!(frames.len() > 300, "only {} frames", frames.len());
    let (mut at_boot, mut longest) = (0, 0);
    for (name, bytes) in frames {
        if name == "main" || AT_BOOT.iter().any(|part| name.contains(part)) {
            at_boot += bytes;
        } else {
            longest = longest.max(bytes);
            assert!(
                bytes <= guard,
                "{name} takes {bytes} bytes, the guard has {guard}"
            );
        }
    }
    println!("longest frame {longest} of {guard} bytes, {at_boot} bytes at boot");
    assert!(longest > 100 && at_boot > 100, "frames were not found");
    // Even so the stack is far from its end when they write.
    assert!(at_boot + longest < stack / 2, "{at_boot} bytes at boot");
}

#[test]
fn no_frame_is_longer_than_the_guard_below_the_stack() {
    let workspace = Workspace::of_this_tool();
    let key = SigningKey::from_slice(&[0x21; 32]).expect("a key");
    for maker in [Maker::Sha256, Maker::EcdsaP256(key)] {
        let kernel = workspace.build_checking_kernel(&maker);
        expect_guarded(&kernel.unwrap_or_else(|error| panic!("{error}")));
    }
    expect_guarded(&kernel_variant("kernel-ping"));
    expect_guarded(&kernel());
}

#[test]
fn steps_of_the_stack_pointer_are_told_from_other_instructions() {
    for (code, expected) in [
        // addi sp, sp, -1120; addi sp, sp, 1120; addi a0, sp, -16.
        (&[0x0113, 0xBA01][..], (Step::Takes(1120), 2)),
        (&[0x0113, 0x4601], (Step::None, 2)),
        (&[0x0513, 0xFF01], (Step::None, 2)),
        // sub sp, sp, a0; add sp, sp, t0; sub a0, a0, sp.
        (&[0x0133, 0x40A1], (Step::TakesUnknown, 2)),
        (&[0x0133, 0x0051], (Step::TakesUnknown, 2)),
        (&[0x0533, 0x4025], (Step::None, 2)),
        // c.addi16sp sp, -496; c.addi16sp sp, 64; c.addi sp, -16; c.add sp, a0; c.jr sp.
        (&[0x7141], (Step::Takes(496), 1)),
        (&[0x6121], (Step::None, 1)),
        (&[0x1141], (Step::Takes(16), 1)),
        (&[0x912A], (Step::TakesUnknown, 1)),
        (&[0x8102], (Step::None, 1)),
    ] {
        assert_eq!(decode(code), expected, "{code:04x?}");
    }
}
