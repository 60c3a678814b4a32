// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Stand-ins for the device and the machine, for host tests.
//!
//! The device models share no code with the driver: they follow the standard's structures by offset.

pub(crate) mod barriers;
pub(crate) mod configuration;
pub(crate) mod fence;
pub(crate) mod mmio_device;
pub(crate) mod queue_rig;
pub(crate) mod split_device;

use std::boxed::Box;

use kernel::platform::chip::ThreadIdProvider;

/// Moves a value to where it stays for the rest of the run, as static memory on a board does.
pub(crate) fn leak<T>(value: T) -> &'static mut T {
    Box::leak(Box::new(value))
}

/// Tells test threads apart.
struct TestThread;

// SAFETY: each thread has a variable of its own, at an address of its own, which is never zero.
unsafe impl ThreadIdProvider for TestThread {
    fn running_thread_id() -> usize {
        std::thread_local!(static HERE: u8 = const { 0 });
        HERE.with(|here| core::ptr::from_ref(here).addr())
    }
}

/// Makes deferred calls work in this thread.
pub(crate) fn with_deferred_calls() {
    kernel::deferred_call::initialize_deferred_call_state::<TestThread>();
}

/// Runs all deferred calls that are set.
pub(crate) fn run_deferred_calls() {
    while kernel::deferred_call::DeferredCall::service_next_pending().is_some() {}
}
