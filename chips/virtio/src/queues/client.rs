// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The driver that a queue hands its used chains to.

use kernel::utilities::leasable_buffer::{SubSliceMut, SubSliceMutImmut};

use super::buffer::{VirtqueueBuffer, VirtqueueReturnBuffer};

/// A driver that gets chains back from a queue.
///
/// All methods are called from an interrupt or during a reset, never from inside the queue's other
/// methods. Buffers that a method leaves in the slice are lost.
pub trait SplitVirtqueueClient<'b> {
    /// Takes a chain that the device has used.
    ///
    /// Each entry of `buffer_chain` is a buffer of the chain, in order. `bytes_used` counts the bytes
    /// the device says it has written, from the start of the writable part: never more than fit, but
    /// whether they were written is the device's word.
    fn buffer_chain_ready(
        &self,
        queue_number: u32,
        buffer_chain: &mut [Option<VirtqueueReturnBuffer<'b>>],
        bytes_used: usize,
    );

    /// As [`buffer_chain_ready`](Self::buffer_chain_ready), with the context the chain was given.
    fn chain_used(
        &self,
        queue_number: u32,
        context: usize,
        buffer_chain: &mut [Option<VirtqueueReturnBuffer<'b>>],
        bytes_used: usize,
    ) {
        let _ = context;
        self.buffer_chain_ready(queue_number, buffer_chain, bytes_used);
    }

    /// Ends a run of used chains: the time to publish what was provided meanwhile.
    fn chains_served(&self, queue_number: u32) {
        let _ = queue_number;
    }

    /// Takes back a chain that the device was reset before it used. The queue accepts nothing now.
    fn chain_reclaimed(
        &self,
        queue_number: u32,
        context: usize,
        buffer_chain: &mut [Option<VirtqueueReturnBuffer<'b>>],
    ) {
        self.chain_used(queue_number, context, buffer_chain, 0);
    }

    /// Takes a buffer that was lent by [`provide_writable`](super::BufferQueue::provide_writable), and
    /// that the device has used: of every such chain, instead of [`chain_used`](Self::chain_used).
    ///
    /// The device says it has written the first `written` bytes, which is never more than there are.
    ///
    /// Returns the buffer, or another one that is not empty, to have it lent again in the same place with
    /// the same context, to be published like any other. If it is not returned its descriptor is free once the method
    /// returns.
    fn buffer_written(
        &self,
        queue_number: u32,
        context: usize,
        buffer: &'b mut [u8],
        written: usize,
    ) -> Option<&'b mut [u8]> {
        let window = VirtqueueBuffer::DeviceWriteable(SubSliceMut::new(buffer));
        self.chain_used(queue_number, context, &mut alone(window, written), written);
        None
    }

    /// Takes the frame of a chain that was lent by
    /// [`provide_readable`](super::BufferQueue::provide_readable), and that the device has used: of every
    /// such chain, instead of [`chain_used`](Self::chain_used).
    ///
    /// The first `len` bytes were lent. The header belongs to nobody and does not come back.
    #[inline(never)]
    fn buffer_read(&self, queue_number: u32, context: usize, buffer: &'b mut [u8], len: usize) {
        let mut window = SubSliceMut::new(buffer);
        window.slice(..len);
        let window = VirtqueueBuffer::DeviceReadable(SubSliceMutImmut::Mutable(window));
        self.chain_used(queue_number, context, &mut alone(window, 0), 0);
    }

    /// Takes back what was lent in either of these ways, after a reset before the device had used it.
    ///
    /// The first `len` bytes were lent. The queue accepts nothing now. A driver that lends frames to be
    /// read implements this: [`chain_reclaimed`](Self::chain_reclaimed) is told of a writable buffer.
    fn buffer_reclaimed(
        &self,
        queue_number: u32,
        context: usize,
        buffer: &'b mut [u8],
        len: usize,
    ) {
        let mut window = SubSliceMut::new(buffer);
        window.slice(..len);
        let window = VirtqueueBuffer::DeviceWriteable(window);
        self.chain_reclaimed(queue_number, context, &mut alone(window, 0));
    }
}

/// A chain of one buffer.
fn alone(buffer: VirtqueueBuffer<'_>, written: usize) -> [Option<VirtqueueReturnBuffer<'_>>; 1] {
    [Some(VirtqueueReturnBuffer {
        virtqueue_buffer: buffer,
        device_len: written,
    })]
}
