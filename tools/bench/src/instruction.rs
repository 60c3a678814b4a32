// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The few kinds of instructions that cost more than others under QEMU.

/// What makes an instruction worth its own count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Writes a PMP configuration or address register, or `mseccfg`.
    PmpWrite,
    /// Accesses any other control and status register.
    Csr,
    /// Drops cached translations.
    Fence,
    /// Everything else.
    Plain,
}

const OPCODE_SYSTEM: u32 = 0x73;
/// `sfence.vma` with any operands: funct7 9, funct3 0, rd 0.
const SFENCE_VMA: (u32, u32) = (0xFE00_7FFF, 0x1200_0073);

/// Tells the kind of an instruction by its encoding (RISC-V unprivileged 20191213, chapter 9).
#[must_use]
pub fn kind(word: u32) -> Kind {
    if word & SFENCE_VMA.0 == SFENCE_VMA.1 {
        return Kind::Fence;
    }
    let funct3 = word >> 12 & 7;
    if word & 0x7F != OPCODE_SYSTEM || matches!(funct3, 0 | 4) {
        return Kind::Plain;
    }
    let source = word >> 15 & 0x1F;
    // csrrs and csrrc with no bits to set or clear only read.
    let writes = matches!(funct3, 1 | 5) || source != 0;
    match word >> 20 {
        0x3A0..=0x3EF | 0x747 | 0x757 if writes => Kind::PmpWrite,
        _ => Kind::Csr,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_are_told_by_their_encoding() {
        let cases = [
            ("csrw pmpcfg0, a0", 0x3A05_1073, Kind::PmpWrite),
            ("csrr a0, pmpcfg0", 0x3A00_2573, Kind::Csr),
            ("csrs pmpaddr3, a0", 0x3B35_2073, Kind::PmpWrite),
            ("csrw mepc, a0", 0x3415_1073, Kind::Csr),
            ("csrci mstatus, 8", 0x3004_7073, Kind::Csr),
            ("sfence.vma", 0x1200_0073, Kind::Fence),
            ("sfence.vma a0, a1", 0x12B5_0073, Kind::Fence),
            ("ecall", 0x0000_0073, Kind::Plain),
            ("mret", 0x3020_0073, Kind::Plain),
            ("addi a0, a0, 1", 0x0015_0513, Kind::Plain),
        ];
        for (text, word, expected) in cases {
            assert_eq!(kind(word), expected, "{text}");
        }
    }
}
