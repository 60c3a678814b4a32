// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The fences around memory that the CPU shares with a device.
//!
//! An architecture that knows how its devices see memory implements [`DmaFence`]. Drivers take it as
//! a parameter and hand it to the holders in [`crate::utilities::dma_slice`].

use core::fmt::Debug;

/// Makes memory change hands between the CPU and a device that accesses it by itself (DMA).
///
/// A fence is a token without state, so it is copied freely.
///
/// # Safety
///
/// Code outside `unsafe` relies on both directions, for any address range, whether or not it is a
/// valid slice:
///
/// - all CPU accesses to the range, volatile or not, that precede [`release`](Self::release) in
///   program order are visible to the device before any store or device register access after it;
/// - all CPU accesses to the range that follow [`acquire`](Self::acquire) see what the device wrote
///   before the CPU observed, by an earlier load or register read, that it had finished.
///
/// Neither the compiler nor the CPU nor its caches may undo that; for the compiler, both count as
/// able to read and write the range.
pub unsafe trait DmaFence: Copy + Debug + Send + Sync {
    /// Hands the range to the device: call it after the last CPU access, before telling the device.
    fn release<T>(self, buf: *mut [T]);

    /// Takes the range back: call it after learning that the device is done, before CPU access.
    fn acquire<T>(self, buf: *mut [T]);
}
