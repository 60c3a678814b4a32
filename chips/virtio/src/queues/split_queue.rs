// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The split virtqueue (VirtIO 1.2, 2.7).
//!
//! `descriptor_table`, `available_ring` and `used_ring` are the parts that the device accesses, and
//! `split_ring` composes the three. What a queue does with them, in this layout or another, is in
//! `queue_core`; the device's word is checked there and in `chain_table`. Ring memory has to be
//! coherent with the device; buffers are handed over with the board's `DmaFence`.

mod available_ring;
mod descriptor_table;
mod split_ring;
mod used_ring;

use super::ring_queue::RingQueue;
use crate::barriers::MachineBarriers;

pub(super) use self::split_ring::SplitRing;
pub use super::buffer::{VirtqueueBuffer, VirtqueueReturnBuffer};
pub use super::client::SplitVirtqueueClient;

/// Memory for a split queue of at most `N` descriptors.
pub type SplitQueueMemory<'b, const N: usize> = super::memory::QueueMemory<'b, N>;

/// A split virtqueue of at most `MAX_SIZE` descriptors, a power of two.
///
/// See [`RingQueue`] for what it does.
pub type SplitVirtqueue<'a, 'b, const MAX_SIZE: usize, F, B = MachineBarriers> =
    RingQueue<'a, 'b, MAX_SIZE, F, SplitRing, B>;

#[cfg(test)]
mod tests;
