// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A value that is lent to one user at a time.
//!
//! `MapCell` is the same for a value that may be absent, which costs a check at each use. Each
//! system call uses the two values that are kept like this three times.

use core::cell::{Cell, UnsafeCell};
use core::ops::{Deref, DerefMut};

/// A slot with a `T` that is lent to one user after the other.
pub(super) struct LoanCell<T> {
    lent: Cell<bool>,
    value: UnsafeCell<T>,
}

/// The value, which goes back when this is dropped, also by unwinding.
pub(super) struct Loan<'a, T>(&'a LoanCell<T>);

impl<T> LoanCell<T> {
    pub(super) const fn new(value: T) -> LoanCell<T> {
        LoanCell {
            lent: Cell::new(false),
            value: UnsafeCell::new(value),
        }
    }

    /// Lends the value; returns `None` when it is lent already.
    #[inline(always)]
    pub(super) fn lend(&self) -> Option<Loan<'_, T>> {
        (!self.lent.replace(true)).then(|| Loan(self))
    }

    /// Calls `f` with the value; returns `None` when the value is lent already.
    #[inline(always)]
    pub(super) fn map<R>(&self, f: impl FnOnce(&mut T) -> R) -> Option<R> {
        self.lend().map(|mut loan| f(&mut loan))
    }
}

impl<T> Deref for Loan<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: there is one loan at a time, since the mark was not set when this one was made and
        // stays set until it goes; so whatever else refers to the value borrows this loan. Nothing
        // else here follows the pointer, and the cell is not `Sync`.
        unsafe { &*self.0.value.get() }
    }
}

impl<T> DerefMut for Loan<'_, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as for `deref`.
        unsafe { &mut *self.0.value.get() }
    }
}

impl<T> Drop for Loan<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        self.0.lent.set(false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    #[test]
    fn a_value_is_changed_in_place_by_one_user_at_a_time() {
        let cell = LoanCell::new(5);
        let inner = cell.map(|value| {
            *value += 1;
            cell.map(|value| *value)
        });
        assert_eq!(inner, Some(None));
        assert_eq!(cell.map(|value| *value), Some(6));
    }

    #[test]
    fn a_panic_ends_the_loan() {
        let cell = LoanCell::new(5);
        let outcome = catch_unwind(AssertUnwindSafe(|| cell.map(|_| panic!("inside"))));
        assert!(outcome.is_err());
        assert_eq!(cell.map(|value| *value), Some(5));
    }
}
