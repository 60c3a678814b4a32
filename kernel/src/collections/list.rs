// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A singly linked list whose links live in its elements.
//!
//! Elements are shared references, so one can be in a list and in use at the same time. A list
//! remembers its tail, so adding at either end takes constant time.

use core::cell::Cell;

/// The link that an element keeps to the one behind it.
pub struct ListLink<'a, T: 'a + ?Sized>(Cell<Option<&'a T>>);

impl<'a, T: ?Sized> ListLink<'a, T> {
    /// Creates a link that leads nowhere.
    pub const fn empty() -> Self {
        Self(Cell::new(None))
    }
}

/// What an element of a [`List`] implements.
pub trait ListNode<'a, T: ?Sized> {
    /// Returns the element's link, always the same one.
    fn next(&'a self) -> &'a ListLink<'a, T>;
}

/// A list of elements that outlive it.
///
/// An element is in at most one list through the same link, and only once: adding it again before
/// it is removed breaks the chain behind it, or closes it into a ring that iterates for ever.
pub struct List<'a, T: 'a + ?Sized + ListNode<'a, T>> {
    head: Cell<Option<&'a T>>,
    tail: Cell<Option<&'a T>>,
}

impl<'a, T: ?Sized + ListNode<'a, T>> List<'a, T> {
    /// Creates a list without elements.
    pub const fn new() -> Self {
        Self {
            head: Cell::new(None),
            tail: Cell::new(None),
        }
    }

    /// Returns the first element.
    pub fn head(&self) -> Option<&'a T> {
        self.head.get()
    }

    /// Adds `element` in front of all others.
    pub fn push_head(&self, element: &'a T) {
        let second = self.head.replace(Some(element));
        element.next().0.set(second);
        if second.is_none() {
            self.tail.set(Some(element));
        }
    }

    /// Adds `element` behind all others.
    pub fn push_tail(&self, element: &'a T) {
        element.next().0.set(None);
        match self.tail.replace(Some(element)) {
            Some(last) => last.next().0.set(Some(element)),
            None => self.head.set(Some(element)),
        }
    }

    /// Removes the first element and returns it, ready to be added to a list again.
    pub fn pop_head(&self) -> Option<&'a T> {
        let first = self.head.get()?;
        let second = first.next().0.take();
        self.head.set(second);
        if second.is_none() {
            self.tail.set(None);
        }
        Some(first)
    }

    /// Walks the elements from the head.
    ///
    /// Elements may be added meanwhile; those behind the walk's place are met.
    pub fn iter(&self) -> ListIterator<'a, T> {
        ListIterator { place: self.head() }
    }
}

impl<'a, T: ?Sized + ListNode<'a, T>> Default for List<'a, T> {
    fn default() -> Self {
        Self::new()
    }
}

/// A walk over a [`List`].
pub struct ListIterator<'a, T: 'a + ?Sized + ListNode<'a, T>> {
    place: Option<&'a T>,
}

impl<'a, T: ?Sized + ListNode<'a, T>> Iterator for ListIterator<'a, T> {
    type Item = &'a T;

    fn next(&mut self) -> Option<&'a T> {
        let here = self.place?;
        self.place = here.next().0.get();
        Some(here)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    struct Element<'a>(ListLink<'a, Element<'a>>, u8);

    impl<'a> ListNode<'a, Element<'a>> for Element<'a> {
        fn next(&'a self) -> &'a ListLink<'a, Element<'a>> {
            &self.0
        }
    }

    fn elements<'a>() -> [Element<'a>; 4] {
        [0, 1, 2, 3].map(|id| Element(ListLink::empty(), id))
    }

    fn ids<'a>(list: &List<'a, Element<'a>>) -> Vec<u8> {
        list.iter().map(|element| element.1).collect()
    }

    #[test]
    fn both_ends_take_elements_in_order() {
        let elements = elements();
        let list = List::new();
        assert!(list.head().is_none());
        list.push_tail(&elements[1]);
        list.push_head(&elements[0]);
        list.push_tail(&elements[2]);
        assert_eq!(ids(&list), [0, 1, 2]);
        assert_eq!(list.head().map(|element| element.1), Some(0));
    }

    #[test]
    fn an_emptied_list_starts_over() {
        let elements = elements();
        let list = List::default();
        list.push_head(&elements[0]);
        assert_eq!(list.pop_head().map(|element| element.1), Some(0));
        assert!(list.pop_head().is_none());
        list.push_tail(&elements[1]);
        list.push_tail(&elements[0]);
        assert_eq!(ids(&list), [1, 0]);
    }

    #[test]
    fn rotating_keeps_every_element() {
        let elements = elements();
        let list = List::new();
        elements.iter().for_each(|element| list.push_tail(element));
        for _ in 0..5 {
            let first = list.pop_head().unwrap();
            list.push_tail(first);
        }
        assert_eq!(ids(&list), [1, 2, 3, 0]);
    }

    #[test]
    fn a_removed_element_does_not_drag_its_old_neighbours_along() {
        let elements = elements();
        let (one, other) = (List::new(), List::new());
        elements.iter().for_each(|element| one.push_tail(element));
        other.push_tail(one.pop_head().unwrap());
        assert_eq!((ids(&one), ids(&other)), ([1, 2, 3].into(), [0].into()));
    }
}
