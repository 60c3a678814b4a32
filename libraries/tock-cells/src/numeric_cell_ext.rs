// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Arithmetic on a number that lives in a [`Cell`].

use core::cell::Cell;
use core::ops::{Add, Sub};

/// Adds and subtracts in place.
///
/// Overflow behaves as the content's own `+` and `-` do.
pub trait NumericCellExt<T> {
    /// Adds `amount`.
    fn add(&self, amount: T);

    /// Subtracts `amount`.
    fn subtract(&self, amount: T);

    /// Adds one.
    fn increment(&self);

    /// Subtracts one.
    fn decrement(&self);

    /// Adds one and returns the number as it was before.
    fn get_and_increment(&self) -> T;

    /// Subtracts one and returns the number as it was before.
    fn get_and_decrement(&self) -> T;
}

impl<T> NumericCellExt<T> for Cell<T>
where
    T: Copy + Add<Output = T> + Sub<Output = T> + From<usize>,
{
    fn add(&self, amount: T) {
        self.set(self.get() + amount);
    }

    fn subtract(&self, amount: T) {
        self.set(self.get() - amount);
    }

    fn increment(&self) {
        self.add(T::from(1));
    }

    fn decrement(&self) {
        self.subtract(T::from(1));
    }

    fn get_and_increment(&self) -> T {
        let before = self.get();
        self.increment();
        before
    }

    fn get_and_decrement(&self) -> T {
        let before = self.get();
        self.decrement();
        before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counting_goes_up_and_down() {
        let cell = Cell::new(10usize);
        cell.add(5);
        cell.subtract(3);
        cell.increment();
        assert_eq!(cell.get_and_increment(), 13);
        assert_eq!(cell.get_and_decrement(), 14);
        cell.decrement();
        assert_eq!(cell.get(), 12);
    }
}
