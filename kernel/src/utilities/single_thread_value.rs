// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A value in a static that only one thread can reach.
//!
//! Kernel objects are full of cells, which the compiler rightly keeps out of statics: another
//! thread, or an interrupt handler, could come in between. This type lets them in by asking, at
//! each access, in which thread it runs.

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::platform::chip::ThreadIdProvider;

/// Nothing is stored, and anyone may start to.
const OPEN: usize = 0;
/// A thread is storing a value. On targets without atomic operations this is never seen.
#[cfg(target_has_atomic = "ptr")]
const FILLING: usize = 1;
/// A value is stored and stays.
const BOUND: usize = 2;

/// A place for one value, which belongs to the thread that stores it.
pub struct SingleThreadValue<T> {
    state: AtomicUsize,
    content: UnsafeCell<MaybeUninit<Bound<T>>>,
}

/// A value with its thread.
struct Bound<T> {
    value: T,
    /// Tells in which thread it is called.
    running_thread_id: fn() -> usize,
    owner: usize,
}

// SAFETY: `content` is written once, by the thread that moved `state` out of `OPEN` (the caller
// vouches for that where there are no atomic operations), and read by others only after `BOUND` is
// seen. All that another thread reads then are the two words that name the owner; a reference to
// the value itself goes to its own thread alone.
unsafe impl<T> Sync for SingleThreadValue<T> {}

impl<T> SingleThreadValue<T> {
    /// Creates a place without a value.
    pub const fn new() -> Self {
        Self {
            state: AtomicUsize::new(OPEN),
            content: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }

    /// Stores `value`, which only the running thread can reach from now on.
    ///
    /// # Errors
    ///
    /// Returns `value` if there is one already, whoever stored it.
    #[cfg(target_has_atomic = "ptr")]
    pub fn bind_to_thread<P: ThreadIdProvider>(&self, value: T) -> Result<(), T> {
        let claim =
            self.state
                .compare_exchange(OPEN, FILLING, Ordering::Acquire, Ordering::Relaxed);
        match claim {
            Ok(_) => {
                // SAFETY: this call moved the state out of `OPEN`, which happens once.
                unsafe { self.fill::<P>(value) };
                Ok(())
            }
            Err(_) => Err(value),
        }
    }

    /// Stores `value` like `bind_to_thread`, on targets without atomic operations.
    ///
    /// # Errors
    ///
    /// Returns `value` if there is one already, whoever stored it.
    ///
    /// # Safety
    ///
    /// No other thread or interrupt handler tries to store a value at the same time.
    pub unsafe fn bind_to_thread_unsafe<P: ThreadIdProvider>(&self, value: T) -> Result<(), T> {
        if self.state.load(Ordering::Relaxed) != OPEN {
            return Err(value);
        }
        // SAFETY: nothing was stored yet, and the caller rules out that anyone else does now.
        unsafe { self.fill::<P>(value) };
        Ok(())
    }

    /// Writes the content and announces it.
    ///
    /// # Safety
    ///
    /// Nobody did so before or does so at the same time.
    unsafe fn fill<P: ThreadIdProvider>(&self, value: T) {
        let owner = P::running_thread_id();
        let bound = Bound {
            value,
            running_thread_id: P::running_thread_id,
            owner,
        };
        // SAFETY: the caller vouches that nobody else writes, and nobody reads before `BOUND`.
        unsafe { (*self.content.get()).write(bound) };
        self.state.store(BOUND, Ordering::Release);
    }

    /// The content, if there is any and it belongs to the running thread.
    fn owned(&self) -> Option<&Bound<T>> {
        if self.state.load(Ordering::Acquire) != BOUND {
            return None;
        }
        let content = self.content.get().cast::<Bound<T>>();
        // SAFETY: the state says that the content was written, and it is never written again. No
        // reference to `value` is made here, which may be another thread's.
        let (running_thread_id, owner) = unsafe {
            (
                &raw const (*content).running_thread_id,
                &raw const (*content).owner,
            )
        };
        // SAFETY: as above; both are plain words.
        let (running_thread_id, owner) = unsafe { (*running_thread_id, *owner) };
        if running_thread_id() != owner {
            return None;
        }
        // SAFETY: this is the thread that stored the value, so it may share it with itself.
        Some(unsafe { &*content })
    }

    /// Tells whether there is a value that the running thread can reach.
    pub fn bound_to_current_thread(&self) -> bool {
        self.owned().is_some()
    }

    /// Returns the value if the running thread is the one that stored it.
    pub fn get(&self) -> Option<&T> {
        self.owned().map(|bound| &bound.value)
    }
}

impl<T> Default for SingleThreadValue<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Drop for SingleThreadValue<T> {
    fn drop(&mut self) {
        // What belongs to another thread is left alone: it may not be dropped here.
        if self.bound_to_current_thread() {
            // SAFETY: there is a value, it belongs to this thread, and nothing follows its drop.
            unsafe { self.content.get_mut().assume_init_drop() };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestThread;
    use core::cell::Cell;
    use std::rc::Rc;
    use std::thread;

    #[test]
    fn only_the_thread_that_stored_the_value_reaches_it() {
        static PLACE: SingleThreadValue<Cell<u32>> = SingleThreadValue::new();
        assert!(PLACE.get().is_none() && !PLACE.bound_to_current_thread());
        assert!(PLACE.bind_to_thread::<TestThread>(Cell::new(1)).is_ok());
        PLACE.get().unwrap().set(2);
        thread::spawn(|| {
            assert!(PLACE.get().is_none() && !PLACE.bound_to_current_thread());
            let refused = PLACE.bind_to_thread::<TestThread>(Cell::new(9));
            assert_eq!(refused.map_err(Cell::into_inner), Err(9));
        })
        .join()
        .unwrap();
        assert_eq!(PLACE.get().map(Cell::get), Some(2));
    }

    #[test]
    fn one_of_many_threads_wins() {
        static PLACE: SingleThreadValue<u32> = SingleThreadValue::new();
        let won = |number| {
            let stored = PLACE.bind_to_thread::<TestThread>(number).is_ok();
            assert_eq!(PLACE.get(), stored.then_some(&number));
            stored
        };
        let threads: std::vec::Vec<_> = (0..8).map(|n| thread::spawn(move || won(n))).collect();
        let wins = threads.into_iter().map(|t| t.join().unwrap());
        assert_eq!(wins.filter(|stored| *stored).count(), 1);
    }

    #[test]
    fn a_value_is_stored_without_atomic_operations() {
        let place = SingleThreadValue::default();
        // SAFETY: no other thread knows the place.
        unsafe {
            assert_eq!(place.bind_to_thread_unsafe::<TestThread>(1), Ok(()));
            assert_eq!(place.bind_to_thread_unsafe::<TestThread>(2), Err(2));
        }
        assert_eq!(place.get(), Some(&1));
    }

    #[test]
    fn the_owner_drops_the_value() {
        let watched = Rc::new(());
        let place = SingleThreadValue::new();
        assert!(place.bind_to_thread::<TestThread>(watched.clone()).is_ok());
        drop(place);
        assert_eq!(Rc::strong_count(&watched), 1);
    }
}
