// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The watchdog, which resets the chip when the main loop hangs.

/// A watchdog, as the main loop uses it. Every method does nothing unless it is implemented.
pub trait WatchDog {
    /// Starts the watchdog, before the first turn of the main loop.
    fn setup(&self) {}

    /// Shows that the main loop is still turning.
    fn tickle(&self) {}

    /// Stops the countdown while the chip sleeps.
    fn suspend(&self) {}

    /// Goes on with the countdown after a sleep.
    fn resume(&self) {
        self.tickle();
    }
}

/// No watchdog.
impl WatchDog for () {}

#[cfg(test)]
mod tests {
    use super::*;
    use core::cell::Cell;

    #[test]
    fn waking_up_counts_as_a_sign_of_life() {
        struct Dog(Cell<u32>);
        impl WatchDog for Dog {
            fn tickle(&self) {
                self.0.set(self.0.get() + 1);
            }
        }
        let dog = Dog(Cell::new(0));
        dog.suspend();
        dog.resume();
        assert_eq!(dog.0.get(), 1);
    }
}
