// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Stand-ins for hardware and for the board's start-up.

pub mod alarm;
pub mod process;
pub mod uart;

pub use process::leak;

use core::sync::atomic::{AtomicUsize, Ordering};
use kernel::deferred_call::{DeferredCall, initialize_deferred_call_state};
use kernel::platform::chip::ThreadIdProvider;

/// Numbers the threads of tests, so that none is taken for an earlier one that has ended.
struct HostThread;

std::thread_local! {
    static NUMBER: usize = {
        static NEXT: AtomicUsize = AtomicUsize::new(1);
        NEXT.fetch_add(1, Ordering::Relaxed)
    };
}

// SAFETY: each thread draws a number of its own and keeps it, and tests have no interrupt
// handlers.
unsafe impl ThreadIdProvider for HostThread {
    fn running_thread_id() -> usize {
        NUMBER.with(|number| *number)
    }
}

/// Does what a board does before it creates drivers.
pub fn start() {
    initialize_deferred_call_state::<HostThread>();
}

/// Does what the main loop does with deferred calls.
pub fn run_deferred_calls() {
    while DeferredCall::service_next_pending().is_some() {}
}
