// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A value that is lent to one user at a time.
//!
//! `MapCell` is the same for a value that may be absent, which costs a check at each use. Each
//! system call uses the two values that are kept like this three times.

use core::cell::{Cell, UnsafeCell};

/// A slot with a `T` that is lent for the length of a closure.
pub(super) struct LoanCell<T> {
    lent: Cell<bool>,
    value: UnsafeCell<T>,
}

/// Ends a loan when dropped, also by unwinding.
struct Return<'a>(&'a Cell<bool>);

impl Drop for Return<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        self.0.set(false);
    }
}

impl<T> LoanCell<T> {
    pub(super) const fn new(value: T) -> LoanCell<T> {
        LoanCell {
            lent: Cell::new(false),
            value: UnsafeCell::new(value),
        }
    }

    /// Calls `f` with the value; returns `None` when the value is lent already.
    #[inline(always)]
    pub(super) fn map<R>(&self, f: impl FnOnce(&mut T) -> R) -> Option<R> {
        if self.lent.replace(true) {
            return None;
        }
        let _return = Return(&self.lent);
        // SAFETY: the mark was not set, so no other reference to the value exists, and it stays
        // set until `_return` goes, after `f`. Nothing else here follows the pointer, and the cell
        // is not `Sync`.
        Some(f(unsafe { &mut *self.value.get() }))
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
