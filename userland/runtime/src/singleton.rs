// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Handing out a static as a `&'static mut`, once.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};

/// A value in static memory that one part of the app may own for good.
///
/// Buffers that stay shared with the kernel live in one of these: static memory outlives every share.
pub struct Singleton<T> {
    taken: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached only by the one caller that `take` lets through, so sharing the
// singleton amounts to sending the value there.
unsafe impl<T: Send> Sync for Singleton<T> {}

impl<T> Singleton<T> {
    /// Wraps the first value.
    pub const fn new(value: T) -> Self {
        Self {
            taken: AtomicBool::new(false),
            value: UnsafeCell::new(value),
        }
    }

    /// Returns the value the first time, and nothing ever after.
    #[allow(
        clippy::mut_from_ref,
        reason = "the flag makes the one reference exclusive"
    )]
    pub fn take(&'static self) -> Option<&'static mut T> {
        if self.taken.swap(true, Ordering::Acquire) {
            return None;
        }
        // SAFETY: the swap lets one caller in, ever; nothing else forms a reference to the value.
        Some(unsafe { &mut *self.value.get() })
    }
}

#[cfg(test)]
mod tests {
    use super::Singleton;

    #[test]
    fn the_value_is_handed_out_once() {
        static VALUE: Singleton<u32> = Singleton::new(5);
        assert_eq!(VALUE.take(), Some(&mut 5));
        assert_eq!(VALUE.take(), None);
    }
}
