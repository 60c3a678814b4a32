// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The driver that a queue hands its used chains to.

use super::buffer::VirtqueueReturnBuffer;

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
}
