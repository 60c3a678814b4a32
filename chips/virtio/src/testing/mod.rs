// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Stand-ins for the device and the machine, for host tests.
//!
//! The device models share no code with the driver: they follow the standard's structures by offset.

pub(crate) mod barriers;
pub(crate) mod configuration;
pub(crate) mod explorer;
pub(crate) mod fence;
pub(crate) mod low_queue;
pub(crate) mod mmio_device;
pub(crate) mod packed_device;
pub(crate) mod queue_rig;
pub(crate) mod shared_memory;
pub(crate) mod split_device;
pub(crate) mod step_device;

use core::cell::Cell;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::boxed::Box;

use kernel::platform::chip::ThreadIdProvider;

/// Moves a value to where it stays for the rest of the run, as static memory on a board does.
pub(crate) fn leak<T>(value: T) -> &'static mut T {
    Box::leak(Box::new(value))
}

/// Tells kernels under test apart.
struct TestKernel;

std::thread_local! {
    static KERNEL: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: a thread draws numbers that no other draws, and never goes back to an earlier one.
unsafe impl ThreadIdProvider for TestKernel {
    fn running_thread_id() -> usize {
        KERNEL.get()
    }
}

/// Starts a new kernel in this thread, as far as deferred calls go: each has few.
pub(crate) fn with_deferred_calls() {
    static KERNELS: AtomicUsize = AtomicUsize::new(1);
    KERNEL.set(KERNELS.fetch_add(1, Ordering::Relaxed));
    kernel::deferred_call::initialize_deferred_call_state::<TestKernel>();
}

/// Runs all deferred calls that are set.
pub(crate) fn run_deferred_calls() {
    while kernel::deferred_call::DeferredCall::service_next_pending().is_some() {}
}
