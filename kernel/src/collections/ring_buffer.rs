// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A queue in a slice that the caller provides.
//!
//! The ring keeps the place of its oldest element and a count, so every slot of the storage is
//! used. Elements are `Copy`: none ever needs dropping, and the storage may be uninitialised.

use core::mem::MaybeUninit;

use super::queue::Queue;

/// A bounded queue in borrowed, possibly uninitialised storage.
pub struct RingBuffer<'a, T> {
    /// Slots `first .. first + count`, modulo the length, hold initialised elements.
    slots: &'a mut [MaybeUninit<T>],
    first: usize,
    count: usize,
}

impl<'a, T: Copy> RingBuffer<'a, T> {
    /// Creates an empty queue that holds as many elements as `storage` has slots.
    pub fn new(storage: &'a mut [MaybeUninit<T>]) -> Self {
        Self {
            slots: storage,
            first: 0,
            count: 0,
        }
    }

    /// Counts the elements that can be added before the queue is full.
    pub fn available_len(&self) -> usize {
        self.slots.len() - self.count
    }

    /// Returns the elements, oldest first, as up to two slices that follow one another.
    ///
    /// The second is `None` unless the queue reaches across the end of its storage; both are
    /// `None` when it is empty.
    pub fn as_slices(&self) -> (Option<&[T]>, Option<&[T]>) {
        if self.count == 0 {
            return (None, None);
        }
        let in_front = self.count.min(self.slots.len() - self.first);
        let wrapped = self.count - in_front;
        let front = self
            .slots
            .get(self.first..self.first + in_front)
            .unwrap_or_default();
        let back = self.slots.get(..wrapped).unwrap_or_default();
        // SAFETY: the two ranges are the slots that `slots` promises to be initialised.
        let (front, back) = unsafe { (front.assume_init_ref(), back.assume_init_ref()) };
        (Some(front), (wrapped > 0).then_some(back))
    }

    /// The slot of the element with `age` older ones before it; `age` is at most the length.
    fn slot(&self, age: usize) -> usize {
        let place = self.first + age;
        if place < self.slots.len() {
            place
        } else {
            place - self.slots.len()
        }
    }

    /// The element with `age` older ones before it.
    fn element(&self, age: usize) -> Option<&T> {
        if age >= self.count {
            return None;
        }
        let slot = self.slots.get(self.slot(age))?;
        // SAFETY: slots of ages below `count` are initialised.
        Some(unsafe { slot.assume_init_ref() })
    }

    /// The age of the oldest element for which `f` is true.
    fn position(&self, f: impl Fn(&T) -> bool) -> Option<usize> {
        (0..self.count).find(|&age| self.element(age).is_some_and(&f))
    }
}

impl<T: Copy> Queue<T> for RingBuffer<'_, T> {
    fn has_elements(&self) -> bool {
        self.count > 0
    }

    fn is_full(&self) -> bool {
        self.count == self.slots.len()
    }

    fn len(&self) -> usize {
        self.count
    }

    fn enqueue(&mut self, val: T) -> bool {
        if self.is_full() {
            return false;
        }
        let end = self.slot(self.count);
        let Some(slot) = self.slots.get_mut(end) else {
            return false;
        };
        slot.write(val);
        self.count += 1;
        true
    }

    fn push(&mut self, val: T) -> Option<T> {
        let displaced = if self.is_full() { self.dequeue() } else { None };
        // A queue without storage displaces the new element itself.
        if self.enqueue(val) {
            displaced
        } else {
            Some(val)
        }
    }

    fn dequeue(&mut self) -> Option<T> {
        let oldest = *self.element(0)?;
        self.first = self.slot(1);
        self.count -= 1;
        Some(oldest)
    }

    fn find_first_matching<F>(&mut self, f: F) -> Option<&T>
    where
        F: Fn(&T) -> bool,
    {
        self.element(self.position(f)?)
    }

    fn remove_first_matching<F>(&mut self, f: F) -> Option<T>
    where
        F: Fn(&T) -> bool,
    {
        let age = self.position(f)?;
        let removed = *self.element(age)?;
        for age in age..self.count - 1 {
            self.slots.swap(self.slot(age), self.slot(age + 1));
        }
        self.count -= 1;
        Some(removed)
    }

    fn empty(&mut self) {
        (self.first, self.count) = (0, 0);
    }

    fn retain<F>(&mut self, mut f: F)
    where
        F: FnMut(&T) -> bool,
    {
        let mut kept = 0;
        for age in 0..self.count {
            if self.element(age).is_some_and(&mut f) {
                self.slots.swap(self.slot(age), self.slot(kept));
                kept += 1;
            }
        }
        self.count = kept;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;
    use std::vec::Vec;

    fn content(ring: &RingBuffer<'_, u8>) -> Vec<u8> {
        let (front, back) = ring.as_slices();
        [front.unwrap_or(&[]), back.unwrap_or(&[])].concat()
    }

    /// Every storage length, and every place in it where the ring may begin.
    fn for_each_shape(check: impl Fn(&mut RingBuffer<'_, u8>, usize)) {
        for length in 1..6 {
            for start in 0..length {
                let mut storage = [MaybeUninit::uninit(); 6];
                let mut ring = RingBuffer::new(&mut storage[..length]);
                for _ in 0..start {
                    ring.enqueue(0);
                    ring.dequeue();
                }
                check(&mut ring, length);
            }
        }
    }

    #[test]
    fn every_slot_is_used_and_elements_come_out_in_order() {
        for_each_shape(|ring, length| {
            for value in 0..length {
                assert_eq!(ring.available_len(), length - value);
                assert!(ring.enqueue(value as u8));
            }
            assert!(ring.is_full());
            assert!(!ring.enqueue(99));
            for value in 0..length {
                assert_eq!(ring.dequeue(), Some(value as u8));
            }
            assert_eq!(ring.dequeue(), None);
            assert_eq!(ring.as_slices(), (None, None));
        });
    }

    #[test]
    fn push_into_a_full_queue_displaces_the_oldest() {
        for_each_shape(|ring, length| {
            for value in 0..length + 2 {
                let displaced = value.checked_sub(length).map(|value| value as u8);
                assert_eq!(ring.push(value as u8), displaced);
            }
            assert_eq!(content(ring).first(), Some(&2));
        });
    }

    #[test]
    fn removing_and_retaining_agree_with_a_model() {
        for_each_shape(|ring, length| {
            let mut model: VecDeque<u8> = (0..length as u8).collect();
            model.iter().for_each(|value| assert!(ring.enqueue(*value)));
            assert_eq!(
                ring.find_first_matching(|value| *value > 1).copied(),
                model.get(2).copied()
            );
            let removed = ring.remove_first_matching(|value| *value == 1);
            assert_eq!(removed, if length > 1 { model.remove(1) } else { None });
            assert_eq!(content(ring), Vec::from(model.clone()));
            ring.retain(|value| *value % 2 == 0);
            model.retain(|value| *value % 2 == 0);
            assert_eq!(content(ring), Vec::from(model.clone()));
            assert!(ring.enqueue(7) == (length > model.len()));
            ring.empty();
            assert!(!ring.has_elements());
        });
    }

    #[test]
    fn a_queue_without_storage_is_full_and_empty() {
        let mut ring = RingBuffer::<u8>::new(&mut []);
        assert!(ring.is_full() && !ring.has_elements());
        assert!(!ring.enqueue(1));
        assert_eq!(ring.push(1), Some(1));
        assert_eq!(ring.dequeue(), None);
        ring.retain(|_| true);
    }
}
