// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Counts what a queue does with the memory that it shares with the device, word by word.

use core::cell::Cell;

std::thread_local! {
    static TOUCHES: Cell<usize> = const { Cell::new(0) };
}

pub(crate) fn before_load() {
    TOUCHES.set(TOUCHES.get() + 1);
}

pub(crate) fn before_store() {
    TOUCHES.set(TOUCHES.get() + 1);
}

/// Counts accesses since the last call.
pub(crate) fn take_touches() -> usize {
    TOUCHES.take()
}
