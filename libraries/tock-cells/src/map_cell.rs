// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A shared slot for a value that is changed in place.
//!
//! Unlike the other cells this one lends a reference into itself, so that a large value is not
//! moved for every access. A mark says that the content is lent; while it stands, every other
//! access treats the cell as empty and leaves the storage alone.

use core::cell::{Cell, UnsafeCell};

/// A slot that holds one `T` or nothing and lends it out for the length of a closure.
///
/// While the content is lent the cell looks empty and accepts nothing: [`put`](Self::put) drops
/// its argument and [`replace`](Self::replace) hands it back.
pub struct MapCell<T> {
    lent: Cell<bool>,
    slot: UnsafeCell<Option<T>>,
}

/// Withdraws the lending mark when a closure ends, also by unwinding.
struct Loan<'a>(&'a Cell<bool>);

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

impl<T> MapCell<T> {
    /// Creates a cell that holds nothing.
    pub const fn empty() -> Self {
        Self {
            lent: Cell::new(false),
            slot: UnsafeCell::new(None),
        }
    }

    /// Creates a cell that holds `value`.
    pub const fn new(value: T) -> Self {
        Self {
            lent: Cell::new(false),
            slot: UnsafeCell::new(Some(value)),
        }
    }

    /// Lends the slot, full or empty, to `f`; returns `None` when it is lent already.
    #[inline(always)]
    fn with_slot<R>(&self, f: impl FnOnce(&mut Option<T>) -> R) -> Option<R> {
        if self.lent.replace(true) {
            return None;
        }
        let _loan = Loan(&self.lent);
        // SAFETY: the mark was not set, so no other reference into the slot exists, and it stays
        // set until `_loan` goes, after `f`. This is the only place that dereferences the slot
        // through `&self`, and the cell is not `Sync`.
        Some(f(unsafe { &mut *self.slot.get() }))
    }

    /// Tells whether the cell holds a value that is not lent.
    pub fn is_some(&self) -> bool {
        self.with_slot(|slot| slot.is_some()).unwrap_or(false)
    }

    /// Tells whether the cell is empty, or its content is lent.
    pub fn is_none(&self) -> bool {
        !self.is_some()
    }

    /// Stores `value` and drops what was there.
    pub fn put(&self, value: T) {
        // The old value is dropped here, when the slot is free again: its destructor may use the
        // cell.
        drop(self.replace(value));
    }

    /// Stores `value` and returns what was there.
    ///
    /// Returns `value` itself when the content is lent.
    pub fn replace(&self, value: T) -> Option<T> {
        let mut offered = Some(value);
        self.with_slot(|slot| core::mem::swap(slot, &mut offered));
        offered
    }

    /// Empties the cell and returns what was there.
    pub fn take(&self) -> Option<T> {
        self.with_slot(Option::take).flatten()
    }

    /// Copies the content out.
    pub fn get(&self) -> Option<T>
    where
        T: Copy,
    {
        self.with_slot(|slot| *slot).flatten()
    }

    /// Reaches the content through exclusive access to the cell.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.slot.get_mut().as_mut()
    }

    /// Calls `f` with the content in place; returns `None` for an empty cell.
    ///
    /// The cell looks empty while `f` runs.
    #[inline(always)]
    pub fn map<R>(&self, f: impl FnOnce(&mut T) -> R) -> Option<R> {
        self.with_slot(|slot| slot.as_mut().map(f)).flatten()
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
    ///
    /// Does neither while the content is lent.
    pub fn modify_or_replace(&self, modify: impl FnOnce(&mut T), make: impl FnOnce() -> T) {
        self.with_slot(|slot| match slot {
            Some(value) => modify(value),
            None => *slot = Some(make()),
        });
    }
}

impl<T> Default for MapCell<T> {
    fn default() -> Self {
        Self::empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::boxed::Box;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::rc::Rc;

    #[test]
    fn content_is_changed_in_place() {
        let cell = MapCell::new([0u8; 64]);
        assert_eq!(cell.map(|bytes| bytes[3] = 7), Some(()));
        assert_eq!(cell.map_or(0, |bytes| bytes[3]), 7);
        assert_eq!(cell.and_then(|bytes| bytes.get(64).copied()), None);
        assert_eq!(cell.take().map(|bytes| bytes[3]), Some(7));
        assert!(cell.is_none());
        assert_eq!(cell.map_or_else(|| 2, |bytes| bytes[3]), 2);
    }

    #[test]
    fn every_access_from_inside_map_finds_the_cell_empty() {
        let cell = MapCell::new(1u32);
        cell.map(|outer| {
            assert!(cell.is_none());
            assert!(!cell.is_some());
            assert_eq!(cell.get(), None);
            assert_eq!(cell.take(), None);
            assert_eq!(cell.map(|inner| *inner = 9), None);
            assert_eq!(cell.replace(5), Some(5));
            cell.put(6);
            cell.modify_or_replace(|_| panic!("lent"), || panic!("lent"));
            *outer += 1;
        });
        assert_eq!(cell.get(), Some(2));
    }

    #[test]
    fn a_value_put_into_a_lent_cell_is_dropped_not_leaked() {
        let watched = Rc::new(());
        let cell = MapCell::new(Rc::new(()));
        cell.map(|_| cell.put(watched.clone()));
        assert_eq!(Rc::strong_count(&watched), 1);
    }

    #[test]
    fn the_loan_ends_when_the_closure_unwinds() {
        let cell = MapCell::new(3);
        let outcome = catch_unwind(AssertUnwindSafe(|| cell.map(|_| panic!("inside"))));
        assert!(outcome.is_err());
        assert_eq!(cell.get(), Some(3));
    }

    #[test]
    fn a_destructor_may_use_the_cell_that_drops_its_value() {
        struct Refill(Rc<MapCell<Refill>>, u8);
        impl Drop for Refill {
            fn drop(&mut self) {
                if let Some(next) = self.1.checked_sub(1) {
                    self.0.put(Refill(self.0.clone(), next));
                }
            }
        }
        let cell = Rc::new(MapCell::empty());
        cell.put(Refill(cell.clone(), 3));
        cell.put(Refill(cell.clone(), 0));
        assert_eq!(
            cell.map(|refill| core::mem::replace(&mut refill.1, 0)),
            Some(2)
        );
        cell.take();
        assert_eq!(Rc::strong_count(&cell), 1);
    }

    #[test]
    fn modify_or_replace_fills_an_empty_cell_and_changes_a_full_one() {
        let cell = MapCell::default();
        cell.modify_or_replace(|_| panic!("empty"), || 4);
        cell.modify_or_replace(|value| *value += 1, || panic!("full"));
        assert_eq!(cell.get(), Some(5));
    }

    #[test]
    fn replace_hands_the_old_value_back() {
        let mut cell = MapCell::new(Box::new(1));
        assert_eq!(cell.replace(Box::new(2)).as_deref(), Some(&1));
        **cell.get_mut().unwrap() += 5;
        assert_eq!(cell.take().as_deref(), Some(&7));
    }
}
