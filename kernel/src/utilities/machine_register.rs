// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The content of one register of a process: a number or a pointer, whichever is wider.

use core::fmt;

use super::capability_ptr::CapabilityPtr;

/// A register's content. The process knows whether it is a number or a pointer.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct MachineRegister {
    content: CapabilityPtr,
}

impl MachineRegister {
    /// Returns the content as a pointer, with the authority it has.
    #[inline]
    pub const fn as_capability_ptr(self) -> CapabilityPtr {
        self.content
    }

    /// Returns the content as a number.
    #[inline]
    pub fn as_usize(self) -> usize {
        self.content.addr()
    }

    /// Returns the low 32 bits as a number, which is all that a 32-bit system call argument has.
    #[inline]
    pub fn as_usize_32bit(self) -> usize {
        self.content.addr() as u32 as usize
    }
}

impl From<usize> for MachineRegister {
    #[inline]
    fn from(number: usize) -> Self {
        Self {
            content: number.into(),
        }
    }
}

impl From<CapabilityPtr> for MachineRegister {
    #[inline]
    fn from(content: CapabilityPtr) -> Self {
        Self { content }
    }
}

impl fmt::Debug for MachineRegister {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.content, f)
    }
}

impl fmt::LowerHex for MachineRegister {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::LowerHex::fmt(&self.content, f)
    }
}

impl fmt::UpperHex for MachineRegister {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::UpperHex::fmt(&self.content, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_pointers_pass_through_unchanged() {
        for number in [0, 1, 0x8000_0000, usize::MAX] {
            let register = MachineRegister::from(number);
            assert_eq!(register.as_usize(), number);
            assert_eq!(register.as_capability_ptr(), CapabilityPtr::from(number));
            assert_eq!(MachineRegister::from(CapabilityPtr::from(number)), register);
        }
    }

    #[test]
    fn the_32_bit_view_drops_what_lies_above() {
        let register = MachineRegister::from(usize::MAX);
        assert_eq!(register.as_usize_32bit(), u32::MAX as usize);
    }
}
