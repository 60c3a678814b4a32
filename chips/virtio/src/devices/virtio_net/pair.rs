// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Chains of two pieces of memory: a request with room for its answer, or a header apart from its frame.

use crate::queues::BufferQueue;
use crate::queues::split_queue::{VirtqueueBuffer, VirtqueueReturnBuffer};
use kernel::utilities::leasable_buffer::SubSliceMutImmut;

/// Two pieces of memory, in the order in which they are lent.
pub(super) type Pair = [&'static mut [u8]; 2];

/// Lends two pieces as one chain.
///
/// # Errors
///
/// The pieces, if the queue refuses the chain.
pub(super) fn lend(
    queue: &(impl BufferQueue<'static> + ?Sized),
    pieces: [VirtqueueBuffer<'static>; 2],
) -> Result<(), Pair> {
    let [first, second] = pieces;
    let mut chain = [Some(first), Some(second)];
    if queue.provide(&mut chain, 0).is_ok() {
        return Ok(());
    }
    // A queue that refuses a chain leaves it where it is.
    Err(chain.map(|piece| piece.map(memory).unwrap_or_default()))
}

/// Takes the pieces out of a chain, in which there are two.
pub(super) fn take(chain: &mut [Option<VirtqueueReturnBuffer<'static>>]) -> Option<Pair> {
    let [first, second] = chain.first_chunk_mut()?;
    Some([
        memory(first.take()?.virtqueue_buffer),
        memory(second.take()?.virtqueue_buffer),
    ])
}

#[inline(never)]
fn memory(buffer: VirtqueueBuffer<'static>) -> &'static mut [u8] {
    match buffer {
        VirtqueueBuffer::DeviceReadable(SubSliceMutImmut::Mutable(window))
        | VirtqueueBuffer::DeviceWriteable(window) => window.take(),
        // None of these is lent here.
        VirtqueueBuffer::DeviceReadable(SubSliceMutImmut::Immutable(_)) => &mut [],
    }
}
