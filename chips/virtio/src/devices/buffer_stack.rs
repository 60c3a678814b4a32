// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Buffers that a driver has in hand, neither lent to the device nor in use.

use core::cell::Cell;

/// Room for `N` buffers; the last one in is the first one out.
pub(super) struct BufferStack<'b, const N: usize> {
    places: [Cell<Option<&'b mut [u8]>>; N],
    len: Cell<usize>,
}

impl<'b, const N: usize> BufferStack<'b, N> {
    pub(super) const fn new() -> Self {
        Self {
            places: [const { Cell::new(None) }; N],
            len: Cell::new(0),
        }
    }

    /// Adds a buffer. One too many is lost, which a driver with `N` buffers cannot have.
    pub(super) fn push(&self, buffer: &'b mut [u8]) {
        let len = self.len.get();
        if let Some(place) = self.places.get(len) {
            place.set(Some(buffer));
            self.len.set(len.wrapping_add(1));
        }
    }

    pub(super) fn pop(&self) -> Option<&'b mut [u8]> {
        let top = self.len.get().checked_sub(1)?;
        self.len.set(top);
        self.places.get(top)?.take()
    }

    pub(super) fn len(&self) -> usize {
        self.len.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_come_back_last_first() {
        let (mut one, mut two) = ([1u8; 1], [2u8; 2]);
        let stack = BufferStack::<2>::new();
        stack.push(&mut one);
        stack.push(&mut two);
        assert_eq!(stack.len(), 2);
        assert_eq!(stack.pop().as_deref(), Some(&[2, 2][..]));
        assert_eq!(stack.pop().as_deref(), Some(&[1][..]));
        assert!(stack.pop().is_none());
    }
}
