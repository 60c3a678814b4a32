// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Memory-mapped registers, from `tock-registers`.
//!
//! Everything a driver needs, the two declaring macros included, so that a chip crate depends on
//! the kernel alone.

pub use tock_registers::fields::{Field, FieldValue};
pub use tock_registers::interfaces;
pub use tock_registers::registers::{Aliased, InMemoryRegister, ReadOnly, ReadWrite, WriteOnly};
pub use tock_registers::{
    LocalRegisterCopy, RegisterLongName, register_bitfields, register_structs,
};
