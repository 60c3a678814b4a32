// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Machine state as text, for panic output.
//!
//! Numbers are written without `core::fmt`'s integer formatting, which would cost several
//! kilobytes for little. Errors of the writer are ignored: there is no one left to tell.

use core::fmt::Write;
use kernel::utilities::registers::interfaces::Readable;
use riscv_csr::pmp::{PmpAddresses, PmpConfigurations, RULES};
use riscv_csr::{Mcause, Mepc, Mie, Mip, Mstatus, Mtval, Mtvec};

/// Exception numbers that code asks for.
pub(crate) mod cause {
    /// `ebreak`.
    #[cfg(not(target_arch = "riscv32"))]
    pub(crate) const BREAKPOINT: u32 = 3;
    /// `ecall` from user mode.
    pub(crate) const USER_CALL: u32 = 8;
    /// Set in `mcause` when the trap was an interrupt.
    pub(crate) const INTERRUPT: u32 = 1 << 31;
}

/// Returns what an `mcause` value means (RISC-V privileged specification 20211203, 3.1.15).
pub fn cause_text(mcause: u32) -> &'static str {
    const EXCEPTIONS: [&str; 16] = [
        "instruction address misaligned",
        "instruction access fault",
        "illegal instruction",
        "breakpoint",
        "load address misaligned",
        "load access fault",
        "store address misaligned",
        "store access fault",
        "call from user mode",
        "call from supervisor mode",
        "reserved exception",
        "call from machine mode",
        "instruction page fault",
        "load page fault",
        "reserved exception",
        "store page fault",
    ];
    if mcause & cause::INTERRUPT != 0 {
        return match mcause & !cause::INTERRUPT {
            3 => "software interrupt",
            7 => "timer interrupt",
            11 => "external interrupt",
            _ => "other interrupt",
        };
    }
    EXCEPTIONS
        .get(mcause as usize)
        .unwrap_or(&"reserved exception")
}

/// Writes `0x` and eight hexadecimal digits.
#[inline(never)]
pub fn hex(writer: &mut dyn Write, value: u32) {
    let mut text = *b"0x00000000";
    let (_, digits) = text.split_at_mut(2);
    for (digit, shift) in digits.iter_mut().zip((0..8).rev()) {
        let nibble = (value >> (shift * 4) & 0xF) as u8;
        *digit = if nibble < 10 {
            b'0' + nibble
        } else {
            b'A' + nibble - 10
        };
    }
    let _ = writer.write_str(core::str::from_utf8(&text).unwrap_or_default());
}

#[inline(never)]
fn line(writer: &mut dyn Write, name: &str, value: u32, text: &str) {
    let _ = writer.write_str(name);
    hex(writer, value);
    let _ = writer.write_str(text);
    let _ = writer.write_str("\r\n");
}

/// Writes the integer registers, four in a line, then the program counter and the trap's cause.
///
/// `registers` starts with `x1`; `x0` is zero.
#[inline(never)]
pub fn registers(writer: &mut dyn Write, registers: &[u32; 31], pc: u32, mcause: u32, mtval: u32) {
    for (index, value) in core::iter::once(&0).chain(registers).enumerate() {
        let tens = [" R", " R1", " R2", " R3"][index / 10 % 4];
        let ones = (b'0' + (index % 10) as u8) as char;
        let _ = writer.write_str(tens);
        let _ = writer.write_char(ones);
        let _ = writer.write_str(if index < 10 { " : " } else { ": " });
        hex(writer, *value);
        if index % 4 == 3 {
            let _ = writer.write_str("\r\n");
        }
    }
    line(writer, " PC : ", pc, "");
    let _ = writer.write_str(" mcause: ");
    hex(writer, mcause);
    let _ = writer.write_str(" (");
    let _ = writer.write_str(cause_text(mcause));
    let _ = writer.write_str(")\r\n");
    line(writer, " mtval:  ", mtval, "");
}

/// Writes the machine-mode registers, the registers of a kernel exception if there was one, and
/// the PMP table.
pub fn machine_state(writer: &mut dyn Write) {
    // SAFETY: the registers are only read here.
    let (mcause, mtval, mepc): (Mcause, Mtval, Mepc) =
        unsafe { (Mcause::new(), Mtval::new(), Mepc::new()) };
    // SAFETY: as above.
    let (mstatus, mtvec, mie, mip): (Mstatus, Mtvec, Mie, Mip) =
        unsafe { (Mstatus::new(), Mtvec::new(), Mie::new(), Mip::new()) };
    let _ = writer.write_str("\r\n---| RISC-V Machine State |---\r\n");
    let _ = writer.write_str("Last cause: ");
    let _ = writer.write_str(cause_text(mcause.get()));
    line(writer, " (mcause=", mcause.get(), ")");
    const NAMES: [&str; 6] = [
        "mtval:   ",
        "mepc:    ",
        "mstatus: ",
        "mtvec:   ",
        "mie:     ",
        "mip:     ",
    ];
    let values = [
        mtval.get(),
        mepc.get(),
        mstatus.get(),
        mtvec.get(),
        mie.get(),
        mip.get(),
    ];
    for (name, value) in NAMES.iter().zip(values) {
        line(writer, name, value, "");
    }
    crate::fault::print_frame(writer);
    pmp_table(writer);
}

/// Writes each PMP entry that is not off: first its address, then its configuration byte.
fn pmp_table(writer: &mut dyn Write) {
    // SAFETY: the registers are only read here.
    let (addresses, configurations) = unsafe { (PmpAddresses::new(), PmpConfigurations::new()) };
    let _ = writer.write_str("PMP, bits LxxAAXWR: lower address (TOR), address, configuration\r\n");
    let mut below = 0;
    for entry in 0..RULES {
        let address = addresses.read(entry).unwrap_or(0);
        let configuration = configurations.read_entry(entry).unwrap_or(0);
        if configuration & 0x18 != 0 {
            let _ = writer.write_str(" ");
            hex(
                writer,
                if configuration & 0x18 == 0x08 {
                    below << 2
                } else {
                    0
                },
            );
            line_part(writer, address, configuration);
        }
        below = address;
    }
}

fn line_part(writer: &mut dyn Write, address: u32, configuration: u8) {
    let _ = writer.write_str(" ");
    hex(writer, address << 2);
    let _ = writer.write_str(" ");
    hex(writer, configuration.into());
    let _ = writer.write_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::String;

    #[test]
    fn numbers_have_eight_digits() {
        let mut text = String::new();
        hex(&mut text, 0);
        hex(&mut text, 0x9A0F_1234);
        assert_eq!(text, "0x000000000x9A0F1234");
    }

    #[test]
    fn causes_without_a_name_are_not_out_of_range() {
        for mcause in [16, 24, u32::MAX, 0x7FFF_FFFF, 0x8000_0000] {
            assert!(!cause_text(mcause).is_empty());
        }
        assert_eq!(cause_text(5), "load access fault");
        assert_eq!(cause_text(0x8000_0007), "timer interrupt");
    }

    #[test]
    fn every_register_is_named_once() {
        let mut text = String::new();
        let values = core::array::from_fn(|index| index as u32 + 1);
        registers(&mut text, &values, 0x8010_0000, 2, 7);
        for index in 0..32 {
            assert_eq!(
                text.matches(&std::format!(" R{index} ")).count()
                    + text.matches(&std::format!(" R{index}:")).count(),
                1,
                "{text}"
            );
        }
        assert!(text.contains("R31: 0x0000001F"));
        assert!(text.contains("illegal instruction"));
    }

    #[test]
    fn the_machine_state_lists_registers_and_rules() {
        let mut text = String::new();
        machine_state(&mut text);
        assert!(text.contains("mcause=0x00000000"));
    }
}
