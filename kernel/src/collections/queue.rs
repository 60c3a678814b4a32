// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What a bounded first-in, first-out queue can do.

/// A bounded queue.
pub trait Queue<T> {
    /// Tells whether the queue holds at least one element.
    fn has_elements(&self) -> bool;

    /// Tells whether the queue holds nothing.
    fn is_empty(&self) -> bool {
        !self.has_elements()
    }

    /// Tells whether [`enqueue`](Self::enqueue) would refuse.
    fn is_full(&self) -> bool;

    /// Counts the elements.
    fn len(&self) -> usize;

    /// Adds `val` at the end; returns `false`, and drops it, if the queue is full.
    fn enqueue(&mut self, val: T) -> bool;

    /// Adds `val` at the end; returns the oldest element if that had to make room.
    fn push(&mut self, val: T) -> Option<T>;

    /// Removes the oldest element.
    fn dequeue(&mut self) -> Option<T>;

    /// Returns the oldest element for which `f` is true, which stays in the queue.
    fn find_first_matching<F>(&mut self, f: F) -> Option<&T>
    where
        F: Fn(&T) -> bool;

    /// Removes the oldest element for which `f` is true; the others keep their order.
    fn remove_first_matching<F>(&mut self, f: F) -> Option<T>
    where
        F: Fn(&T) -> bool;

    /// Removes every element.
    fn empty(&mut self);

    /// Removes the elements for which `f` is false; the others keep their order.
    fn retain<F>(&mut self, f: F)
    where
        F: FnMut(&T) -> bool;
}
