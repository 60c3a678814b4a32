// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The packed virtqueue (VirtIO 1.2, 2.8).
//!
//! `descriptor_ring` is written by both sides, `event_suppression` is how each says when it wants to
//! be notified, and `packed_ring` composes the two. What a queue does with them, in this layout or
//! another, is in `queue_core`; the device's word is checked there and in `chain_table`.

mod descriptor_ring;
mod event_suppression;
mod packed_ring;
mod position;

use super::ring_queue::RingQueue;
use crate::barriers::MachineBarriers;

pub(super) use self::packed_ring::PackedRing;

/// A packed virtqueue of at most `MAX_SIZE` descriptors, a power of two.
///
/// See [`RingQueue`] for what it does. It is not available at a device without RING_PACKED; a
/// [`NegotiatedVirtqueue`](super::negotiated_queue::NegotiatedVirtqueue) is, in another layout.
pub type PackedVirtqueue<'a, 'b, const MAX_SIZE: usize, F, B = MachineBarriers> =
    RingQueue<'a, 'b, MAX_SIZE, F, PackedRing, B>;

#[cfg(test)]
mod tests;
