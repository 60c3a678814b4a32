// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A fixed address, usually of a peripheral's registers, used like a reference.

use core::fmt;
use core::ops::Deref;
use core::ptr::NonNull;

/// A reference to a `T` that is there for the whole run.
///
/// It can be made in a constant, from a number, which a plain `&'static T` cannot.
pub struct StaticRef<T> {
    target: NonNull<T>,
}

impl<T> StaticRef<T> {
    /// Vouches for the `T` at `address`.
    ///
    /// # Safety
    ///
    /// `address` is not null, is aligned for `T`, and is the address of a valid `T` that lives,
    /// and may be shared, for the rest of the run.
    pub const unsafe fn new(address: *const T) -> Self {
        Self {
            // SAFETY: the caller vouches that the address is not null.
            target: unsafe { NonNull::new_unchecked(address.cast_mut()) },
        }
    }
}

// Not derived, since a derive would ask for `T: Clone`: only the address is copied.
impl<T> Clone for StaticRef<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for StaticRef<T> {}

impl<T> Deref for StaticRef<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: whoever called `new` promised a valid, aligned and shareable `T` for the rest of
        // the run. The target is never written through this type.
        unsafe { self.target.as_ref() }
    }
}

impl<T> fmt::Debug for StaticRef<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StaticRef({:p})", self.target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::cell::Cell;

    #[test]
    fn copies_reach_the_same_target() {
        let target: &'static Cell<u32> = crate::testing::forever(Cell::new(1));
        // SAFETY: the cell is kept, valid and shared, for the whole run.
        let first = unsafe { StaticRef::new(target) };
        let second = first;
        second.set(8);
        assert_eq!(first.get(), 8);
    }
}
