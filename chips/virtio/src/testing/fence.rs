// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A fence for devices that run on the test's own thread.

use kernel::platform::dma_fence::DmaFence;

/// Does nothing: the device model runs on this thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NoFence;

// SAFETY: one thread sees its own accesses in order. The device model reaches buffers through
// addresses that the queue has exposed, which the compiler takes into account.
unsafe impl DmaFence for NoFence {
    fn release<T>(self, _buf: *mut [T]) {}

    fn acquire<T>(self, _buf: *mut [T]) {}
}
