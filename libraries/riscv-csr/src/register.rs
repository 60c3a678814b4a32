// SPDX-License-Identifier: Apache-2.0 OR MIT

//! One register: whole-word access, `tock-registers` access, and atomic changes of single bits.
//!
//! The atomic operations are single instructions (`csrrw`, `csrrs`, `csrrc`), so a trap cannot come
//! between the read and the write, and bits outside the mask are not written back.

use tock_registers::RegisterLongName;
use tock_registers::fields::{Field, FieldValue};
use tock_registers::interfaces::{Readable, Writeable};

/// The 32-bit register with number `NUMBER` and layout `R`.
///
/// Takes no space on 32-bit RISC-V. Elsewhere it is a memory cell; see the crate's page.
pub struct ReadWriteRiscvCsr<R: RegisterLongName, const NUMBER: u16> {
    backend: backend::Backend<NUMBER>,
    layout: core::marker::PhantomData<fn() -> R>,
}

impl<R: RegisterLongName, const NUMBER: u16> ReadWriteRiscvCsr<R, NUMBER> {
    /// The register's number in the address space of CSR instructions.
    pub const NUMBER: u16 = NUMBER;

    /// Gives access to the register.
    ///
    /// # Safety
    ///
    /// Some registers decide what code runs next or what memory means, and writing them through
    /// this value is safe for the compiler. Whoever makes the value sees to it that no one who can
    /// reach it writes what breaks memory safety. The core has the register, or no one uses it.
    pub const unsafe fn new() -> Self {
        Self {
            backend: backend::Backend::new(),
            layout: core::marker::PhantomData,
        }
    }

    /// Writes `value` and returns what was there.
    #[inline]
    pub fn replace(&self, value: u32) -> u32 {
        self.backend.replace(value)
    }

    /// Sets the bits of `mask` and returns what was there before.
    #[inline]
    pub fn read_and_set_bits(&self, mask: u32) -> u32 {
        self.backend.set_bits(mask)
    }

    /// Clears the bits of `mask` and returns what was there before.
    #[inline]
    pub fn read_and_clear_bits(&self, mask: u32) -> u32 {
        self.backend.clear_bits(mask)
    }

    /// Sets every bit of `field` and returns what the field was before.
    #[inline]
    pub fn read_and_set_field(&self, field: Field<u32, R>) -> u32 {
        field.read(self.read_and_set_bits(field.mask << field.shift))
    }

    /// Clears every bit of `field` and returns what the field was before.
    #[inline]
    pub fn read_and_clear_field(&self, field: Field<u32, R>) -> u32 {
        field.read(self.read_and_clear_bits(field.mask << field.shift))
    }

    /// Sets the bits that are one in `value` and leaves all others.
    #[inline]
    pub fn set_bits(&self, value: FieldValue<u32, R>) {
        self.read_and_set_bits(value.value);
    }

    /// Clears every bit of the fields in `value`, whatever value it names for them.
    #[inline]
    pub fn clear_fields(&self, value: FieldValue<u32, R>) {
        self.read_and_clear_bits(value.mask());
    }
}

impl<R: RegisterLongName, const NUMBER: u16> Readable for ReadWriteRiscvCsr<R, NUMBER> {
    type T = u32;
    type R = R;

    #[inline]
    fn get(&self) -> u32 {
        self.backend.read()
    }
}

impl<R: RegisterLongName, const NUMBER: u16> Writeable for ReadWriteRiscvCsr<R, NUMBER> {
    type T = u32;
    type R = R;

    #[inline]
    fn set(&self, value: u32) {
        self.backend.write(value);
    }
}

#[cfg(target_arch = "riscv32")]
pub(crate) mod backend {
    //! The register itself.
    //!
    //! None of the instructions is marked `nomem`: writing `mstatus` or a PMP register changes what
    //! memory accesses do, so none may move across.

    use core::arch::asm;

    pub(crate) struct Backend<const NUMBER: u16>;

    impl<const NUMBER: u16> Backend<NUMBER> {
        pub(crate) const fn new() -> Self {
            Self
        }

        #[inline]
        pub(crate) fn read(&self) -> u32 {
            let value: u32;
            // SAFETY: whoever made the register vouched that it exists; reading has no effect.
            unsafe {
                asm!("csrr {0}, {1}", out(reg) value, const NUMBER, options(nostack, preserves_flags))
            };
            value
        }

        #[inline]
        pub(crate) fn write(&self, value: u32) {
            // SAFETY: whoever made the register vouched for those who write it.
            unsafe {
                asm!("csrw {1}, {0}", in(reg) value, const NUMBER, options(nostack, preserves_flags))
            };
        }

        #[inline]
        pub(crate) fn replace(&self, value: u32) -> u32 {
            let before: u32;
            // SAFETY: as for `write`.
            unsafe {
                asm!("csrrw {0}, {2}, {1}", out(reg) before, in(reg) value, const NUMBER,
                    options(nostack, preserves_flags))
            };
            before
        }

        #[inline]
        pub(crate) fn set_bits(&self, mask: u32) -> u32 {
            let before: u32;
            // SAFETY: as for `write`.
            unsafe {
                asm!("csrrs {0}, {2}, {1}", out(reg) before, in(reg) mask, const NUMBER,
                    options(nostack, preserves_flags))
            };
            before
        }

        #[inline]
        pub(crate) fn clear_bits(&self, mask: u32) -> u32 {
            let before: u32;
            // SAFETY: as for `write`.
            unsafe {
                asm!("csrrc {0}, {2}, {1}", out(reg) before, in(reg) mask, const NUMBER,
                    options(nostack, preserves_flags))
            };
            before
        }
    }
}

#[cfg(not(target_arch = "riscv32"))]
pub(crate) mod backend {
    //! A memory cell in the place of the register. Atomic, so that it can be a static as well.

    use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

    pub(crate) struct Backend<const NUMBER: u16>(AtomicU32);

    impl<const NUMBER: u16> Backend<NUMBER> {
        pub(crate) const fn new() -> Self {
            Self(AtomicU32::new(0))
        }

        pub(crate) fn read(&self) -> u32 {
            self.0.load(Relaxed)
        }

        pub(crate) fn write(&self, value: u32) {
            self.0.store(value, Relaxed);
        }

        pub(crate) fn replace(&self, value: u32) -> u32 {
            self.0.swap(value, Relaxed)
        }

        pub(crate) fn set_bits(&self, mask: u32) -> u32 {
            self.0.fetch_or(mask, Relaxed)
        }

        pub(crate) fn clear_bits(&self, mask: u32) -> u32 {
            self.0.fetch_and(!mask, Relaxed)
        }
    }
}

#[cfg(all(test, not(target_arch = "riscv32")))]
mod tests {
    use crate::fields::{mcause, mstatus};
    use crate::{Mcause, Mstatus};
    use tock_registers::interfaces::{ReadWriteable, Readable, Writeable};

    fn mstatus() -> Mstatus {
        // SAFETY: on the host the register is a memory cell.
        unsafe { Mstatus::new() }
    }

    #[test]
    fn fields_are_where_the_manual_puts_them() {
        let register = mstatus();
        register.write(mstatus::MIE::SET + mstatus::MPP::Machine);
        assert_eq!(register.get(), 0x1808);
        register.modify(mstatus::MPP::User);
        assert_eq!(register.get(), 0x8);
        assert!(register.matches_all(mstatus::MPP::User + mstatus::MIE::SET));
    }

    #[test]
    fn atomic_changes_touch_their_own_bits_and_return_the_old_ones() {
        let register = mstatus();
        register.set(0x8000_0080);
        assert_eq!(register.read_and_set_field(mstatus::MIE), 0);
        assert_eq!(register.read_and_set_field(mstatus::MIE), 1);
        assert_eq!(register.read_and_clear_bits(0x88), 0x8000_0088);
        register.set_bits(mstatus::MPP::Machine);
        assert_eq!(register.get(), 0x8000_1800);
        register.clear_fields(mstatus::MPP::User);
        assert_eq!(register.replace(5), 0x8000_0000);
        assert_eq!(register.read_and_clear_field(mstatus::MIE), 0);
        assert_eq!(register.get(), 5);
    }

    #[test]
    fn a_cause_splits_into_kind_and_code() {
        // SAFETY: on the host the register is a memory cell.
        let register = unsafe { Mcause::new() };
        register.set(0x8000_000B);
        assert!(register.is_set(mcause::INTERRUPT));
        assert_eq!(register.read(mcause::CODE), 11);
    }
}
