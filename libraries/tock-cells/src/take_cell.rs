// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A shared slot for a mutable reference, usually a buffer.
//!
//! A `&mut` must never exist twice, so every access first takes the reference out of the slot.
//! Code that comes back to the cell meanwhile finds it empty.

use core::cell::Cell;

/// A slot that holds one `&'a mut T` or nothing, writable through `&self`.
pub struct TakeCell<'a, T: 'a + ?Sized> {
    slot: Cell<Option<&'a mut T>>,
}

impl<'a, T: ?Sized> TakeCell<'a, T> {
    /// Creates a cell that holds nothing.
    pub const fn empty() -> Self {
        Self {
            slot: Cell::new(None),
        }
    }

    /// Creates a cell that holds `value`.
    pub const fn new(value: &'a mut T) -> Self {
        Self {
            slot: Cell::new(Some(value)),
        }
    }

    /// Tells whether the cell holds nothing.
    pub fn is_none(&self) -> bool {
        !self.is_some()
    }

    /// Tells whether the cell holds a reference.
    pub fn is_some(&self) -> bool {
        let content = self.slot.take();
        let held = content.is_some();
        self.slot.set(content);
        held
    }

    /// Empties the cell and returns what was there.
    pub fn take(&self) -> Option<&'a mut T> {
        self.slot.take()
    }

    /// Makes `content` the whole content of the cell.
    pub fn put(&self, content: Option<&'a mut T>) {
        self.slot.set(content);
    }

    /// Stores `value` and returns what was there.
    pub fn replace(&self, value: &'a mut T) -> Option<&'a mut T> {
        self.slot.replace(Some(value))
    }

    /// Reaches the content through exclusive access to the cell.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.slot.get_mut().as_deref_mut()
    }

    /// Calls `f` with the content; returns `None` for an empty cell.
    ///
    /// The cell is empty while `f` runs and holds the same reference again afterwards; a reference
    /// that `f` stores in the cell is given up for it.
    pub fn map<R>(&self, f: impl FnOnce(&mut T) -> R) -> Option<R> {
        let lent = self.slot.take()?;
        let result = f(lent);
        self.slot.set(Some(lent));
        Some(result)
    }

    /// Calls `f` with the content; returns `default` for an empty cell. See [`map`](Self::map).
    pub fn map_or<R>(&self, default: R, f: impl FnOnce(&mut T) -> R) -> R {
        self.map(f).unwrap_or(default)
    }

    /// Calls `f` with the content, or `default` for an empty cell. See [`map`](Self::map).
    pub fn map_or_else<R>(&self, default: impl FnOnce() -> R, f: impl FnOnce(&mut T) -> R) -> R {
        self.map(f).unwrap_or_else(default)
    }

    /// Calls `f` with the content and returns what it returns. See [`map`](Self::map).
    pub fn and_then<R>(&self, f: impl FnOnce(&mut T) -> Option<R>) -> Option<R> {
        self.map(f).flatten()
    }

    /// Calls `modify` with the content, or fills an empty cell from `make`.
    pub fn modify_or_replace(&self, modify: impl FnOnce(&mut T), make: impl FnOnce() -> &'a mut T) {
        if self.map(modify).is_none() {
            self.slot.set(Some(make()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_leaves_the_cell_when_taken() {
        let mut value = 1;
        let cell = TakeCell::new(&mut value);
        assert!(cell.is_some());
        let out = cell.take().unwrap();
        *out += 1;
        assert!(cell.is_none());
        assert!(cell.take().is_none());
        cell.put(Some(out));
        assert_eq!(cell.map(|value| *value), Some(2));
    }

    #[test]
    fn a_nested_map_finds_the_cell_empty() {
        let mut bytes = [0u8; 4];
        let cell = TakeCell::new(&mut bytes[..]);
        let nested = cell.map(|outer| {
            outer[0] = 1;
            let nested = cell.map(|inner| inner[0] = 9);
            outer[1] = 2;
            (nested, cell.is_none())
        });
        assert_eq!(nested, Some((None, true)));
        assert_eq!(cell.map(|bytes| (bytes[0], bytes[1])), Some((1, 2)));
    }

    #[test]
    fn what_was_mapped_wins_over_what_the_closure_stores() {
        let (mut first, mut second) = (1, 2);
        let cell = TakeCell::new(&mut first);
        let mut spare = Some(&mut second);
        cell.map(|_| cell.put(spare.take()));
        assert_eq!(cell.take().copied(), Some(1));
        assert_eq!(second, 2);
    }

    #[test]
    fn replace_hands_the_old_reference_back() {
        let (mut first, mut second) = (1, 2);
        let mut cell = TakeCell::new(&mut first);
        assert_eq!(cell.replace(&mut second).copied(), Some(1));
        *cell.get_mut().unwrap() = 7;
        assert_eq!((first, second), (1, 7));
    }

    #[test]
    fn an_empty_cell_takes_the_fallback_of_each_adapter() {
        let cell = TakeCell::<u8>::empty();
        assert_eq!(cell.map_or(3, |value| *value), 3);
        assert_eq!(cell.map_or_else(|| 4, |value| *value), 4);
        assert_eq!(cell.and_then(|value| value.checked_sub(1)), None);
    }

    #[test]
    fn modify_or_replace_fills_an_empty_cell_and_changes_a_full_one() {
        let mut spare = 5;
        let cell = TakeCell::empty();
        cell.modify_or_replace(|_| panic!("the cell is empty"), || &mut spare);
        cell.modify_or_replace(|value| *value += 1, || panic!("the cell is full"));
        assert_eq!(cell.map_or(0, |value| *value), 6);
    }
}
