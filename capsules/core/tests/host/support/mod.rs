// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Stand-ins for hardware and for the board's start-up.

pub mod uart;

use kernel::deferred_call::initialize_deferred_call_state;
use kernel::platform::chip::ThreadIdProvider;

/// Names a test's thread by the address of something that only it has.
struct HostThread;

// SAFETY: a thread-local variable has an address of its own in each living thread, and tests have
// no interrupt handlers.
unsafe impl ThreadIdProvider for HostThread {
    fn running_thread_id() -> usize {
        std::thread_local!(static MARK: u8 = const { 0 });
        MARK.with(|mark| core::ptr::from_ref(mark) as usize)
    }
}

/// Does what a board does before it creates drivers.
pub fn start() {
    initialize_deferred_call_state::<HostThread>();
}

/// Keeps a value for the rest of the test run, as a board's statics are kept.
pub fn leak<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}
