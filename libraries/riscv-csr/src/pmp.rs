// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The registers of physical memory protection, picked by index at run time.
//!
//! A CSR instruction names its register in its encoding, so a run-time index takes one instruction
//! per register and a jump among them. Where the index is a constant the jump disappears.

use crate::register::backend::Backend;

/// Rules that the registers here cover: 0 to 15.
pub const RULES: usize = 16;

macro_rules! pmp_registers {
    (
        $(#[$doc:meta])* $name:ident,
        $read:ident, $write:ident,
        $($field:ident : $index:literal => $number:literal),+ $(,)?
    ) => {
        $(#[$doc])*
        pub struct $name {
            $($field: Backend<$number>,)+
        }

        impl $name {
            /// Gives access to the registers.
            ///
            /// # Safety
            ///
            /// These registers decide what memory accesses are allowed. Whoever makes the value
            /// sees to it that no one who can reach it gives away memory that is in use. The core
            /// has the registers.
            pub const unsafe fn new() -> Self {
                Self { $($field: Backend::new(),)+ }
            }

            /// Reads the register with the given index; `None` if there is none.
            #[inline]
            pub fn $read(&self, index: usize) -> Option<u32> {
                match index {
                    $($index => Some(self.$field.read()),)+
                    _ => None,
                }
            }

            /// Writes the register with the given index; does nothing if there is none.
            #[inline]
            pub fn $write(&self, index: usize, value: u32) {
                match index {
                    $($index => self.$field.write(value),)+
                    _ => {}
                }
            }
        }
    };
}

pmp_registers! {
    /// `pmpaddr0` to `pmpaddr15` (0x3B0 to 0x3BF): addresses, shifted right by two.
    PmpAddresses, read, write,
    a0: 0 => 0x3B0, a1: 1 => 0x3B1, a2: 2 => 0x3B2, a3: 3 => 0x3B3,
    a4: 4 => 0x3B4, a5: 5 => 0x3B5, a6: 6 => 0x3B6, a7: 7 => 0x3B7,
    a8: 8 => 0x3B8, a9: 9 => 0x3B9, a10: 10 => 0x3BA, a11: 11 => 0x3BB,
    a12: 12 => 0x3BC, a13: 13 => 0x3BD, a14: 14 => 0x3BE, a15: 15 => 0x3BF,
}

pmp_registers! {
    /// `pmpcfg0` to `pmpcfg3` (0x3A0 to 0x3A3): four configurations each, see
    /// [`pmpcfg`](crate::fields::pmpcfg).
    PmpConfigurations, read, write,
    c0: 0 => 0x3A0, c1: 1 => 0x3A1, c2: 2 => 0x3A2, c3: 3 => 0x3A3,
}

impl PmpConfigurations {
    /// Reads the configuration of one rule; `None` if there is no such rule.
    pub fn read_entry(&self, rule: usize) -> Option<u8> {
        let [entry, ..] = (self.read(rule / 4)? >> shift(rule)).to_le_bytes();
        Some(entry)
    }

    /// Writes the configuration of one rule and leaves its neighbours; does nothing if there is
    /// no such rule.
    pub fn write_entry(&self, rule: usize, entry: u8) {
        if let Some(all) = self.read(rule / 4) {
            let others = all & !(0xFF << shift(rule));
            self.write(rule / 4, others | u32::from(entry) << shift(rule));
        }
    }
}

/// Where the configuration of `rule` begins in its register.
const fn shift(rule: usize) -> usize {
    rule % 4 * 8
}

#[cfg(all(test, not(target_arch = "riscv32")))]
mod tests {
    use super::*;

    #[test]
    fn each_index_is_a_register_of_its_own() {
        // SAFETY: on the host the registers are memory cells.
        let addresses = unsafe { PmpAddresses::new() };
        for index in 0..RULES {
            addresses.write(index, 0x100 + index as u32);
        }
        for index in 0..RULES {
            assert_eq!(addresses.read(index), Some(0x100 + index as u32));
        }
        addresses.write(RULES, 1);
        assert_eq!(addresses.read(RULES), None);
    }

    #[test]
    fn a_rule_is_configured_without_touching_its_neighbours() {
        // SAFETY: as above.
        let configurations = unsafe { PmpConfigurations::new() };
        configurations.write(1, 0x4433_2211);
        configurations.write_entry(6, 0x9F);
        assert_eq!(configurations.read(1), Some(0x449F_2211));
        assert_eq!(configurations.read_entry(6), Some(0x9F));
        assert_eq!(configurations.read_entry(16), None);
        configurations.write_entry(16, 1);
        assert_eq!(configurations.read(0), Some(0));
    }
}
