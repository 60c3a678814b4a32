// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Control and status registers of RV32 machine mode, read and written like `tock-registers`.
//!
//! [`register`] has the access type, [`fields`] the layouts and [`pmp`] the registers of physical
//! memory protection, which are picked by index at run time. Names, numbers and layouts are those
//! of the RISC-V Instruction Set Manual, volume II, version 20211203, and of Smepmp 1.0.
//!
//! The registers exist on 32-bit RISC-V. On every other target a register is a plain memory cell
//! that starts as zero and keeps what is written to it, so that logic above can run in host tests.

#![no_std]

pub mod fields;
pub mod pmp;
pub mod register;

pub use register::ReadWriteRiscvCsr;

/// Trap status and interrupt enable (`mstatus`, 0x300).
pub type Mstatus = ReadWriteRiscvCsr<fields::mstatus::Register, 0x300>;
/// Enabled interrupt sources (`mie`, 0x304).
pub type Mie = ReadWriteRiscvCsr<fields::mie::Register, 0x304>;
/// Trap handler address and mode (`mtvec`, 0x305).
pub type Mtvec = ReadWriteRiscvCsr<fields::mtvec::Register, 0x305>;
/// Counters that user mode may read (`mcounteren`, 0x306).
pub type Mcounteren = ReadWriteRiscvCsr<fields::mcounteren::Register, 0x306>;
/// A word for the trap handler (`mscratch`, 0x340).
pub type Mscratch = ReadWriteRiscvCsr<(), 0x340>;
/// Address of the trapped instruction (`mepc`, 0x341).
pub type Mepc = ReadWriteRiscvCsr<(), 0x341>;
/// Reason of the last trap (`mcause`, 0x342).
pub type Mcause = ReadWriteRiscvCsr<fields::mcause::Register, 0x342>;
/// Address or instruction that belongs to the last trap (`mtval`, 0x343).
pub type Mtval = ReadWriteRiscvCsr<(), 0x343>;
/// Pending interrupt sources (`mip`, 0x344).
pub type Mip = ReadWriteRiscvCsr<fields::mip::Register, 0x344>;
/// Security configuration, low half (`mseccfg`, 0x747); traps on cores without Smepmp.
pub type Mseccfg = ReadWriteRiscvCsr<fields::mseccfg::Register, 0x747>;
/// Cycle counter, low half (`mcycle`, 0xB00).
pub type Mcycle = ReadWriteRiscvCsr<(), 0xB00>;
/// Instruction counter, low half (`minstret`, 0xB02).
pub type Minstret = ReadWriteRiscvCsr<(), 0xB02>;
/// Cycle counter, high half (`mcycleh`, 0xB80).
pub type Mcycleh = ReadWriteRiscvCsr<(), 0xB80>;
/// Instruction counter, high half (`minstreth`, 0xB82).
pub type Minstreth = ReadWriteRiscvCsr<(), 0xB82>;
