// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The kernel's machine code, where the source cannot show what matters.

use std::fs;

use board_runner::workspace::Workspace;
use elf::ElfBytes;
use elf::abi::{SHF_EXECINSTR, SHT_PROGBITS};
use elf::endian::LittleEndian;

/// `fence w, o`: stores to memory before writes to devices.
const FENCE_W_O: u32 = 0x0140_000F;

/// Where registers are in a device's window (VirtIO 1.2, 4.2.2) whose writes have the device look at
/// memory.
const QUEUE_NOTIFY: u32 = 0x50;
const STATUS: u32 = 0x70;

/// The halfwords of the kernel's code, section by section.
fn code() -> Vec<Vec<u16>> {
    let kernel = Workspace::of_this_tool().build_kernel();
    let kernel = kernel.unwrap_or_else(|error| panic!("{error}"));
    let file = fs::read(kernel).expect("the kernel");
    let file = ElfBytes::<LittleEndian>::minimal_parse(&file).expect("an ELF file");
    let sections = file.section_headers().expect("sections");
    let code = sections.iter().filter(|section| {
        section.sh_type == SHT_PROGBITS && section.sh_flags & u64::from(SHF_EXECINSTR) != 0
    });
    let code: Vec<_> = code
        .map(|section| {
            let (bytes, _) = file.section_data(&section).expect("its bytes");
            let halves = bytes.as_chunks::<2>().0.iter();
            halves.map(|half| u16::from_le_bytes(*half)).collect()
        })
        .collect();
    assert!(!code.is_empty(), "there is code");
    code
}

/// The offset that an instruction stores a word to, if it stores one, and its length in halfwords.
fn store(code: &[u16]) -> (Option<u32>, usize) {
    let low = u32::from(code[0]);
    if low & 3 != 3 {
        // c.sw: offset[5:3] in bits 12 to 10, offset[2] in bit 6, offset[6] in bit 5.
        let offset = (low >> 10 & 7) << 3 | (low >> 6 & 1) << 2 | (low >> 5 & 1) << 6;
        return ((low & 0xE003 == 0xC000).then_some(offset), 1);
    }
    let word = low | u32::from(code.get(1).copied().unwrap_or_default()) << 16;
    // sw: offset[11:5] in bits 31 to 25, offset[4:0] in bits 11 to 7.
    let offset = word >> 25 << 5 | word >> 7 & 31;
    ((word & 0x707F == 0x2023).then_some(offset), 2)
}

/// The offset of the first word that is stored within the next few instructions.
fn next_store(mut code: &[u16]) -> Option<u32> {
    for _ in 0..4 {
        if code.is_empty() {
            return None;
        }
        let (offset, len) = store(code);
        if offset.is_some() {
            return offset;
        }
        code = code.get(len..).unwrap_or_default();
    }
    None
}

#[test]
fn a_fence_for_output_comes_before_the_doorbell() {
    let fences: Vec<Option<u32>> = code()
        .iter()
        .flat_map(|section| {
            let fence = [FENCE_W_O as u16, (FENCE_W_O >> 16) as u16];
            let at = (0..section.len()).filter(move |at| section[*at..].starts_with(&fence));
            at.map(|at| next_store(&section[at + 2..]))
        })
        .collect();
    println!("stores after fences: {fences:x?}");
    let count = |register| {
        let before = fences.iter().filter(|offset| **offset == Some(register));
        before.count()
    };
    // One for the queue that is notified in service, one for what was put off until the start.
    assert!(count(QUEUE_NOTIFY) >= 2, "{fences:x?}");
    assert!(count(STATUS) >= 1, "the start: {fences:x?}");
    // And one for a queue of either kind of device. The compiler joins what follows those two into one
    // store to a computed address, so the places cannot be told here.
    assert!(fences.len() >= 5, "the queues: {fences:x?}");
}

#[test]
fn stores_are_told_from_other_instructions() {
    // sw a1, 0x50(a0); c.sw a1, 0x50(a0); lw a1, 0x50(a0); sb a1, 0x50(a0).
    assert_eq!(store(&[0x2823, 0x04B5]), (Some(0x50), 2));
    assert_eq!(store(&[0xC92C]), (Some(0x50), 1));
    assert_eq!(store(&[0x2583, 0x0505]), (None, 2));
    assert_eq!(store(&[0x0823, 0x04B5]), (None, 2));
}
