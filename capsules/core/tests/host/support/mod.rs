// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Stand-ins for hardware and for the board's start-up. Processes are those of `kernel::testing`.

pub mod alarm;
pub mod uart;

use capsules_core::late_upcalls::Retry;
use core::cell::Cell;
use kernel::deferred_call::{DeferredCall, initialize_deferred_call_state};
use kernel::testing::TestThread;

/// Counts how often drivers want another try.
#[derive(Default)]
pub struct Tries(pub Cell<usize>);

impl Retry for Tries {
    fn soon(&self) {
        self.0.set(self.0.get() + 1);
    }
}

/// Does what a board does before it creates drivers.
pub fn start() {
    initialize_deferred_call_state::<TestThread>();
}

/// Does what the main loop does with deferred calls.
pub fn run_deferred_calls() {
    while DeferredCall::service_next_pending().is_some() {}
}
