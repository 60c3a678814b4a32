// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The memory of a split queue: the three parts that the device accesses (VirtIO 1.2, 2.7), and the
//! table of chains that it has no business with.

use core::mem::MaybeUninit;

use super::chain_table::ChainSlot;

/// An entry of the descriptor table (2.7.5), little-endian.
#[repr(C, align(16))]
pub(super) struct RawDescriptor {
    pub(super) address_low: u32,
    pub(super) address_high: u32,
    pub(super) len: u32,
    pub(super) flags: u16,
    pub(super) next: u16,
}

/// The available ring (2.7.6) at its largest. In a smaller one the event index follows the last entry used.
#[repr(C, align(2))]
pub(super) struct RawAvailableRing<const N: usize> {
    pub(super) flags: u16,
    pub(super) index: u16,
    pub(super) ring: [u16; N],
    _event: u16,
}

/// An entry of the used ring, little-endian.
#[repr(C)]
pub(super) struct RawUsedElement {
    pub(super) id: u32,
    pub(super) len: u32,
}

/// The used ring (2.7.8) at its largest.
#[repr(C, align(4))]
pub(super) struct RawUsedRing<const N: usize> {
    pub(super) flags: u16,
    pub(super) index: u16,
    pub(super) ring: [RawUsedElement; N],
    _event: u16,
}

/// Memory for a split queue of at most `N` descriptors.
///
/// A board sets it aside, uninitialized, and gives it to
/// [`SplitVirtqueue::new`](super::SplitVirtqueue::new).
#[repr(C)]
pub struct SplitQueueMemory<'b, const N: usize> {
    pub(super) descriptors: [RawDescriptor; N],
    pub(super) available: RawAvailableRing<N>,
    pub(super) used: RawUsedRing<N>,
    pub(super) chains: [MaybeUninit<ChainSlot<'b>>; N],
}
