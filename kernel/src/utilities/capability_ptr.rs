// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A pointer as a process holds it, with whatever authority the machine attaches to pointers.
//!
//! On the machines this kernel runs on, a pointer carries an address and nothing else, so the
//! authority named in [`CapabilityPtr::new_with_authority`] is not stored. The type keeps places
//! that carry a process's pointers apart from those that carry plain numbers.

use core::fmt;
use core::ops::AddAssign;

/// What a pointer may be used for, where the machine can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CapabilityPtrPermissions {
    /// No access at all; the address is only data.
    None,
    /// Loads.
    Read,
    /// Stores.
    Write,
    /// Loads and stores.
    ReadWrite,
    /// Instruction fetches.
    Execute,
}

/// A pointer of a process. The kernel passes it on and never follows it.
///
/// The default is null.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct CapabilityPtr {
    pointer: *const (),
}

impl CapabilityPtr {
    /// Makes a pointer to `address` with authority over `length` bytes from `base`.
    ///
    /// # Safety
    ///
    /// Whoever gets the pointer gets the authority with it, so the caller makes sure that the
    /// process it is meant for may use those bytes in the way `permissions` says.
    #[inline]
    pub const unsafe fn new_with_authority(
        address: *const (),
        base: usize,
        length: usize,
        permissions: CapabilityPtrPermissions,
    ) -> Self {
        // Nothing on this machine can hold these.
        let _ = (base, length, permissions);
        Self { pointer: address }
    }

    /// Returns the address.
    #[inline]
    pub fn addr(&self) -> usize {
        self.pointer.addr()
    }

    /// Returns the address as a raw pointer to a `T`.
    #[inline]
    pub const fn as_ptr<T>(&self) -> *const T {
        self.pointer.cast()
    }

    /// Applies `f` to a pointer that is not null; gives `default` for null.
    #[inline]
    pub fn map_or<U, F>(&self, default: U, f: F) -> U
    where
        F: FnOnce(&Self) -> U,
    {
        if self.pointer.is_null() {
            default
        } else {
            f(self)
        }
    }

    /// Applies `f` to a pointer that is not null; calls `default` for null.
    #[inline]
    pub fn map_or_else<U, D, F>(&self, default: D, f: F) -> U
    where
        D: FnOnce() -> U,
        F: FnOnce(&Self) -> U,
    {
        if self.pointer.is_null() {
            default()
        } else {
            f(self)
        }
    }
}

impl Default for CapabilityPtr {
    #[inline]
    fn default() -> Self {
        Self {
            pointer: core::ptr::null(),
        }
    }
}

impl From<usize> for CapabilityPtr {
    /// Takes an address without any authority.
    #[inline]
    fn from(address: usize) -> Self {
        Self {
            pointer: core::ptr::with_exposed_provenance(address),
        }
    }
}

impl AddAssign<usize> for CapabilityPtr {
    /// Moves the pointer up by `bytes`, around the end of the address space if need be.
    #[inline]
    fn add_assign(&mut self, bytes: usize) {
        self.pointer = self.pointer.wrapping_byte_add(bytes);
    }
}

impl fmt::Debug for CapabilityPtr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Pointer::fmt(&self.pointer, f)
    }
}

impl fmt::LowerHex for CapabilityPtr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::LowerHex::fmt(&self.addr(), f)
    }
}

impl fmt::UpperHex for CapabilityPtr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::UpperHex::fmt(&self.addr(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    #[test]
    fn null_is_the_default_and_skips_the_closure() {
        let null = CapabilityPtr::default();
        assert_eq!(null.addr(), 0);
        assert_eq!(null.map_or(7, CapabilityPtr::addr), 7);
        assert_eq!(null.map_or_else(|| 8, CapabilityPtr::addr), 8);
        let some = CapabilityPtr::from(0x20);
        assert_eq!(some.map_or(7, CapabilityPtr::addr), 0x20);
        assert_eq!(some.map_or_else(|| 8, CapabilityPtr::addr), 0x20);
    }

    #[test]
    fn addition_wraps_around_the_address_space() {
        let mut pointer = CapabilityPtr::from(usize::MAX - 1);
        pointer += 4;
        assert_eq!(pointer.addr(), 2);
    }

    #[test]
    fn pointers_are_ordered_and_printed_by_address() {
        assert!(CapabilityPtr::from(8) < CapabilityPtr::from(0x8000));
        let pointer = CapabilityPtr::from(0xBEEF);
        assert_eq!(
            format!("{pointer:x} {pointer:X} {pointer:?}"),
            "beef BEEF 0xbeef"
        );
    }
}
