// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The driver that a queue hands its used chains to.

use super::buffer::VirtqueueReturnBuffer;
use super::queue_core::MAX_CHAIN;
use super::returned_chain::ReturnedChain;

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

    /// Takes a chain that the device has used, or was reset before it did: every chain comes back
    /// through this method.
    ///
    /// A driver that cares for cost implements it, and takes what it needs out of the chain or lends the
    /// chain again. Otherwise [`chain_used`](Self::chain_used) and
    /// [`chain_reclaimed`](Self::chain_reclaimed) get all buffers.
    fn chain_returned(&self, queue_number: u32, chain: &mut ReturnedChain<'_, 'b>) {
        let mut buffers: [Option<VirtqueueReturnBuffer<'b>>; MAX_CHAIN] = [const { None }; _];
        let mut len: usize = 0;
        for place in &mut buffers {
            *place = chain.next_buffer();
            if place.is_none() {
                break;
            }
            len = len.saturating_add(1);
        }
        let buffers = buffers.get_mut(..len).unwrap_or_default();
        if chain.is_used() {
            self.chain_used(queue_number, chain.context(), buffers, chain.written());
        } else {
            self.chain_reclaimed(queue_number, chain.context(), buffers);
        }
    }
}
