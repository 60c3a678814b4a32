// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A shared slot for one value that may be absent.
//!
//! Content goes in and comes out by value, so no reference into the slot ever exists outside this
//! file, and whatever a closure does to the cell is well defined.

use core::cell::Cell;

/// A slot that holds one `T` or nothing, writable through `&self`.
///
/// The reading half of the interface copies and asks for `T: Copy`; the storing and taking half
/// works for every type.
pub struct OptionalCell<T> {
    slot: Cell<Option<T>>,
}

impl<T> OptionalCell<T> {
    /// Creates a cell that holds `value`.
    pub const fn new(value: T) -> Self {
        Self {
            slot: Cell::new(Some(value)),
        }
    }

    /// Creates a cell that holds nothing.
    pub const fn empty() -> Self {
        Self {
            slot: Cell::new(None),
        }
    }

    /// Stores `value` and drops what was there.
    pub fn set(&self, value: T) {
        self.slot.set(Some(value));
    }

    /// Makes `content` the whole content of the cell: `None` empties it.
    pub fn insert(&self, content: Option<T>) {
        self.slot.set(content);
    }

    /// Stores `value` and returns what was there.
    pub fn replace(&self, value: T) -> Option<T> {
        self.slot.replace(Some(value))
    }

    /// Empties the cell and returns what was there.
    pub fn take(&self) -> Option<T> {
        self.slot.replace(None)
    }

    /// Empties the cell and drops what was there.
    pub fn clear(&self) {
        self.slot.set(None);
    }

    /// Tells whether the cell holds a value.
    pub fn is_some(&self) -> bool {
        // SAFETY: the pointer comes from a live `Cell`. The reference lasts for one look at the
        // discriminant, during which no other code runs: the cell is not `Sync` and looking at a
        // discriminant calls nothing of `T`.
        unsafe { (*self.slot.as_ptr()).is_some() }
    }

    /// Tells whether the cell holds nothing.
    pub fn is_none(&self) -> bool {
        !self.is_some()
    }

    /// Tells whether the cell holds a value equal to `expected`.
    ///
    /// A comparison that reaches this cell again finds it empty.
    pub fn contains(&self, expected: &T) -> bool
    where
        T: PartialEq,
    {
        let Some(value) = self.take() else {
            return false;
        };
        let same = value == *expected;
        self.set(value);
        same
    }

    /// Turns the content into a `Result`, with `error` for an empty cell.
    pub fn ok_or<E>(self, error: E) -> Result<T, E> {
        self.slot.into_inner().ok_or(error)
    }

    /// Turns the content into a `Result`, computing the error of an empty cell.
    pub fn ok_or_else<E>(self, error: impl FnOnce() -> E) -> Result<T, E> {
        self.slot.into_inner().ok_or_else(error)
    }

    /// Returns `other` if the cell holds a value, else `None`.
    pub fn and<U>(self, other: Option<U>) -> Option<U> {
        if self.is_some() { other } else { None }
    }

    /// Returns the content if `keep` says so.
    pub fn filter(self, keep: impl FnOnce(&T) -> bool) -> Option<T> {
        self.slot.into_inner().filter(keep)
    }

    /// Returns the content, or `other` for an empty cell.
    pub fn or(self, other: Option<T>) -> Option<T> {
        self.slot.into_inner().or(other)
    }

    /// Returns the content, or what `other` returns for an empty cell.
    pub fn or_else(self, other: impl FnOnce() -> Option<T>) -> Option<T> {
        self.slot.into_inner().or_else(other)
    }

    /// Returns the content, or the default value for an empty cell.
    pub fn unwrap_or_default(self) -> T
    where
        T: Default,
    {
        self.slot.into_inner().unwrap_or_default()
    }
}

impl<T: Copy> OptionalCell<T> {
    /// Copies the content out.
    pub fn get(&self) -> Option<T> {
        self.slot.get()
    }

    /// Copies the value out of a cell that the caller knows to be full.
    ///
    /// # Panics
    ///
    /// If the cell is empty. Meant for boot code; drivers use [`get`](Self::get).
    #[track_caller]
    pub fn unwrap_or_panic(&self) -> T {
        match self.get() {
            Some(value) => value,
            None => panic!("OptionalCell is empty"),
        }
    }

    /// Copies the value out, or returns `default` for an empty cell.
    pub fn unwrap_or(&self, default: T) -> T {
        self.get().unwrap_or(default)
    }

    /// Copies the value out, or computes one for an empty cell.
    pub fn unwrap_or_else(&self, default: impl FnOnce() -> T) -> T {
        self.get().unwrap_or_else(default)
    }

    /// Calls `f` with a copy of the value; returns `None` for an empty cell.
    ///
    /// `f` may change the cell: it works on its own copy.
    pub fn map<U>(&self, f: impl FnOnce(T) -> U) -> Option<U> {
        self.get().map(f)
    }

    /// Calls `f` with a copy of the value; returns `default` for an empty cell.
    pub fn map_or<U>(&self, default: U, f: impl FnOnce(T) -> U) -> U {
        self.get().map_or(default, f)
    }

    /// Calls `f` with a copy of the value, or `default` for an empty cell.
    pub fn map_or_else<U>(&self, default: impl FnOnce() -> U, f: impl FnOnce(T) -> U) -> U {
        self.get().map_or_else(default, f)
    }

    /// Calls `f` with a copy of the value and returns what it returns.
    pub fn and_then<U>(&self, f: impl FnOnce(T) -> Option<U>) -> Option<U> {
        self.get().and_then(f)
    }
}

impl<T> Default for OptionalCell<T> {
    fn default() -> Self {
        Self::empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::rc::Rc;

    #[test]
    fn values_go_in_and_come_out_once() {
        let cell = OptionalCell::empty();
        assert!(cell.is_none());
        assert_eq!(cell.replace(4), None);
        assert_eq!(cell.replace(5), Some(4));
        assert!(cell.is_some());
        assert_eq!(cell.take(), Some(5));
        assert_eq!(cell.take(), None);
        cell.insert(Some(6));
        assert_eq!(cell.get(), Some(6));
        cell.insert(None);
        assert!(cell.is_none());
    }

    #[test]
    fn content_that_is_not_copy_is_dropped_when_overwritten() {
        let watched = Rc::new(());
        let cell = OptionalCell::new(watched.clone());
        assert_eq!(Rc::strong_count(&watched), 2);
        cell.set(Rc::new(()));
        assert_eq!(Rc::strong_count(&watched), 1);
        cell.set(watched.clone());
        cell.clear();
        assert_eq!(Rc::strong_count(&watched), 1);
    }

    #[test]
    fn map_may_change_the_cell_it_runs_on() {
        let cell = OptionalCell::new(1);
        let seen = cell.map(|value| {
            cell.set(value + 1);
            cell.map(|inner| inner * 10)
        });
        assert_eq!(seen, Some(Some(20)));
        assert_eq!(cell.get(), Some(2));
    }

    #[test]
    fn content_may_look_at_the_cell_while_it_is_dropped() {
        struct Looker(Rc<OptionalCell<Looker>>, Rc<Cell<Option<bool>>>);
        impl Drop for Looker {
            fn drop(&mut self) {
                self.1.set(Some(self.0.is_some()));
            }
        }
        let seen = Rc::new(Cell::new(None));
        let cell = Rc::new(OptionalCell::empty());
        cell.set(Looker(cell.clone(), seen.clone()));
        cell.clear();
        assert_eq!(seen.get(), Some(false));
    }

    #[test]
    fn contains_compares_and_keeps_the_content() {
        let cell = OptionalCell::new(std::string::String::from("a"));
        assert!(cell.contains(&"a".into()));
        assert!(!cell.contains(&"b".into()));
        assert_eq!(cell.take().as_deref(), Some("a"));
        assert!(!cell.contains(&"a".into()));
    }

    #[test]
    fn an_empty_cell_takes_the_fallback_of_each_adapter() {
        let empty = OptionalCell::<u32>::empty;
        assert_eq!(empty().unwrap_or(3), 3);
        assert_eq!(empty().unwrap_or_else(|| 4), 4);
        assert_eq!(empty().map_or(5, |v| v), 5);
        assert_eq!(empty().map_or_else(|| 6, |v| v), 6);
        assert_eq!(empty().and_then(Some), None);
        assert_eq!(empty().ok_or("e"), Err("e"));
        assert_eq!(empty().ok_or_else(|| "f"), Err("f"));
        assert_eq!(empty().and(Some(1)), None);
        assert_eq!(empty().or(Some(7)), Some(7));
        assert_eq!(empty().or_else(|| Some(8)), Some(8));
        assert_eq!(empty().filter(|_| true), None);
        assert_eq!(empty().unwrap_or_default(), 0);
    }

    #[test]
    fn a_full_cell_ignores_the_fallback_of_each_adapter() {
        let full = || OptionalCell::new(9u32);
        assert_eq!(full().unwrap_or(3), 9);
        assert_eq!(full().unwrap_or_panic(), 9);
        assert_eq!(full().unwrap_or_else(|| 4), 9);
        assert_eq!(full().map_or(5, |v| v), 9);
        assert_eq!(full().map_or_else(|| 6, |v| v), 9);
        assert_eq!(full().ok_or("e"), Ok(9));
        assert_eq!(full().and(Some(1)), Some(1));
        assert_eq!(full().or(Some(7)), Some(9));
        assert_eq!(full().filter(|v| *v > 9), None);
        assert_eq!(full().unwrap_or_default(), 9);
    }

    #[test]
    #[should_panic(expected = "empty")]
    fn unwrapping_an_empty_cell_panics() {
        OptionalCell::<u8>::empty().unwrap_or_panic();
    }
}
