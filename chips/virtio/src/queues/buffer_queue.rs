// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What a device driver asks of a queue, whatever its layout.

use super::buffer::VirtqueueBuffer;
use super::error::QueueError;
use crate::counters::QueueCounters;

/// A queue that a driver puts buffers into.
///
/// Chains come back through the queue's client, in any order. Adding and publishing are separate so
/// that a batch costs one notification.
pub trait BufferQueue<'b> {
    /// Lends the device a chain of buffers: those for it to read first, then those for it to write.
    ///
    /// The chain is the leading `Some`s of `chain`, which are `None` afterwards. `context` comes back
    /// with it and means nothing to the queue. The device sees the chain after the next
    /// [`publish`](Self::publish).
    ///
    /// # Errors
    ///
    /// See [`QueueError`]; the buffers stay in `chain`.
    fn provide(
        &self,
        chain: &mut [Option<VirtqueueBuffer<'b>>],
        context: usize,
    ) -> Result<(), QueueError>;

    /// Shows the device all chains provided so far, and notifies it unless it asked not to be.
    fn publish(&self);

    /// Counts the descriptors of the queue, which is the number agreed with the device.
    fn size(&self) -> usize;

    /// Counts the descriptors that are free; a chain takes one for each buffer.
    fn free(&self) -> usize;

    /// What has happened so far.
    fn counters(&self) -> QueueCounters;
}
