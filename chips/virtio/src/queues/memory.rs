// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The memory of a queue: the three parts that the device accesses (VirtIO 1.2, 2.7 and 2.8), and
//! two that it has no business with.

use core::cell::Cell;
use core::mem::MaybeUninit;

use super::chain_table::ChainSlot;
use super::shared;

/// A descriptor of either layout (2.7.5 and 2.8.13), little-endian.
#[repr(C, align(16))]
pub(super) struct RawDescriptor {
    pub(super) address_low: u32,
    pub(super) address_high: u32,
    pub(super) len: u32,
    /// Flags in a split queue, the buffer identifier in a packed one.
    pub(super) third: u16,
    /// The next descriptor in a split queue, flags in a packed one.
    pub(super) fourth: u16,
}

impl RawDescriptor {
    /// Writes where a buffer is, to a descriptor that was once all zeros.
    ///
    /// # Safety
    ///
    /// As for [`shared::store`], for each field of `place`.
    #[inline(always)]
    pub(super) unsafe fn write_address(place: *mut Self, address: u64) {
        // SAFETY: the caller vouches for the place.
        unsafe {
            shared::store(&raw mut (*place).address_low, address as u32);
            // Where no address has an upper half it keeps the zero that it was cleared to.
            if usize::BITS > u32::BITS {
                shared::store(&raw mut (*place).address_high, (address >> 32) as u32);
            }
        }
    }
}

/// The available ring (2.7.6) at its largest: in a smaller one the event index follows the last entry
/// used. Driver event suppression (2.8.14) in a packed queue, hence the alignment.
#[repr(C, align(4))]
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

/// The used ring (2.7.8) at its largest, or device event suppression (2.8.14).
#[repr(C, align(4))]
pub(super) struct RawUsedRing<const N: usize> {
    pub(super) flags: u16,
    pub(super) index: u16,
    pub(super) ring: [RawUsedElement; N],
    _event: u16,
}

/// Where the used ring may begin in the block that a legacy device takes a queue to be (2.7.2), and
/// where the block may.
pub(crate) const RING_ALIGN: usize = 64;

/// Offsets of the available and the used ring from the descriptors of a split queue, which are laid
/// out for legacy devices to find them. No other device minds.
pub(crate) const fn split_offsets(size: usize) -> (usize, usize) {
    let available = size_of::<RawDescriptor>() * size;
    let used = available + 6 + 2 * size;
    (available, used.next_multiple_of(RING_ALIGN))
}

/// Places a part of a queue as [`split_offsets`] does for the largest size.
#[repr(C, align(64))]
pub(super) struct RingAligned<T>(T);

const _: () = assert!(align_of::<RingAligned<u8>>() == RING_ALIGN);

/// Memory for a queue of at most `N` descriptors, in whichever layout.
///
/// A board sets it aside, uninitialized, and gives it to the queue's `new`.
#[repr(C, align(64))]
pub struct QueueMemory<'b, const N: usize> {
    pub(super) descriptors: [RawDescriptor; N],
    pub(super) available: RawAvailableRing<N>,
    pub(super) used: RingAligned<RawUsedRing<N>>,
    /// What was last written to the descriptors of a packed queue; a split one has it in `chains`.
    pub(super) addresses: [Cell<usize>; N],
    pub(super) chains: [MaybeUninit<ChainSlot<'b>>; N],
}

/// Where the parts that the device accesses are, and what is known of the first.
#[derive(Clone, Copy)]
pub struct RingMemory {
    pub(super) descriptors: *mut RawDescriptor,
    pub(super) addresses: *mut Cell<usize>,
    pub(super) available: *mut RawAvailableRing<0>,
    pub(super) used: *mut RawUsedRing<0>,
    /// One less than the number of descriptors that memory is there for, a power of two.
    pub(super) mask: u16,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_used_ring_begins_at_the_first_aligned_place_behind_the_available_one() {
        for size in (0..=15).map(|exponent| 1 << exponent) {
            let (available, used) = split_offsets(size);
            assert_eq!(available, 16 * size);
            // Flags, index and event, and the entries.
            let end = available + 2 * (3 + size);
            assert_eq!(used % RING_ALIGN, 0);
            assert!((end..end + RING_ALIGN).contains(&used), "{used} for {size}");
        }
    }
}
