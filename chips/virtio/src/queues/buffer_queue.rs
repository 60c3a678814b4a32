// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What a device driver asks of a queue, whatever its layout.

use super::buffer::VirtqueueBuffer;
use super::client::SplitVirtqueueClient;
use super::error::QueueError;
use super::{Served, Virtqueue};
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

    /// Lends the device one buffer to write, the whole of it; else as [`provide`](Self::provide), at
    /// less cost.
    ///
    /// # Errors
    ///
    /// See [`QueueError`]; the buffer comes back.
    fn provide_writable(
        &self,
        buffer: &'b mut [u8],
        context: usize,
    ) -> Result<(), (QueueError, &'b mut [u8])>;

    /// Lends the device a header and the first `len` bytes of a frame, both to read; else as
    /// [`provide`](Self::provide), at less cost.
    ///
    /// # Errors
    ///
    /// See [`QueueError`]; the frame comes back. [`QueueError::TooLong`] if it has fewer bytes.
    fn provide_readable(
        &self,
        header: &'b [u8],
        frame: &'b mut [u8],
        len: usize,
        context: usize,
    ) -> Result<(), (QueueError, &'b mut [u8])>;

    /// Shows the device all chains provided so far. It may use them at once, or not before it is
    /// [notified](Self::notify).
    ///
    /// From inside a client's [`chain_used`](super::split_queue::SplitVirtqueueClient::chain_used) this
    /// takes effect, with a notification, when the run of used chains is over.
    fn publish(&self);

    /// Notifies the device of what was published since the last time, unless it does not ask for it.
    fn notify(&self);

    /// [Publishes](Self::publish) and [notifies](Self::notify).
    fn announce(&self) {
        self.publish();
        self.notify();
    }

    /// Notifies the device of what it did not want to be notified of, if it has not used all of that.
    ///
    /// For a driver that waits: a device that had to wait itself may have fallen asleep before it said
    /// that it wants to know.
    fn remind(&self);

    /// Hands the client whatever the device has used, without waiting for an interrupt.
    fn reap(&self);

    /// Asks for an interrupt only when the device has used `chains` more chains, or all it has if
    /// they are fewer: 1, the default, for each one; `u16::MAX` for the last one outstanding; 0 for
    /// none, so that [`reap`](Self::reap) has to be called.
    ///
    /// A longer delay holds from the next publication on. A shorter one holds at once, and hands the
    /// client what has been used already. A device may interrupt earlier, and one without EVENT_IDX
    /// does.
    fn delay_interrupts(&self, chains: u16);

    /// Has the transport ask the driver about its progress until there is nothing to wait for.
    ///
    /// See [`VirtIOTransport::watch`](crate::transports::VirtIOTransport::watch).
    fn watch(&self);

    /// Counts the chains provided since the queue was initialized, modulo 2^32.
    fn provided(&self) -> u32;

    /// Whether one of the first `count` chains is still in the queue: a chain provided when
    /// [`provided`](Self::provided) was less than that. Takes time in proportion to the size.
    fn holds_any_of_first(&self, count: u32) -> bool;

    /// Counts the descriptors of the queue, which is the number agreed with the device.
    fn size(&self) -> usize;

    /// Counts the descriptors that are free; a chain takes one for each buffer.
    fn free(&self) -> usize;

    /// What has happened so far.
    fn counters(&self) -> QueueCounters;
}

/// A queue as a driver holds it: by its type, or as an object.
///
/// A driver that knows the type of its queue gives itself when it takes back what the device has used.
/// Then the two are compiled as one, which costs less than to be called through the client that the queue
/// knows. That has to be the same driver: it is still the one that gets what comes back in other ways.
pub trait DrivenQueue<'b>: BufferQueue<'b> {
    /// As [`Virtqueue::serve_expected`] of `queue`, which is this queue as the transport knows it.
    fn serve_for<C: SplitVirtqueueClient<'b>>(&self, client: &C, queue: &dyn Virtqueue) -> Served;

    /// As [`reap`](BufferQueue::reap).
    fn reap_for<C: SplitVirtqueueClient<'b>>(&self, client: &C);
}

/// Of an object the type is not known, so the client is the one that the queue knows.
impl<'b> DrivenQueue<'b> for dyn BufferQueue<'b> + '_ {
    fn serve_for<C: SplitVirtqueueClient<'b>>(&self, _: &C, queue: &dyn Virtqueue) -> Served {
        queue.serve_expected()
    }

    fn reap_for<C: SplitVirtqueueClient<'b>>(&self, _: &C) {
        self.reap();
    }
}
