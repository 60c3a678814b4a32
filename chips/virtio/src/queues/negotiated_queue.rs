// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A virtqueue in the layout that driver and device agree on.
//!
//! Both layouts of a queue use the same memory, one at a time.

use core::cell::Cell;

use super::VirtqueueAddresses;
use super::memory::RingMemory;
use super::packed_queue::PackedRing;
use super::ring::{Entry, Ring, Style, UsedElement};
use super::ring_queue::RingQueue;
use super::split_queue::SplitRing;
use crate::barriers::{Barriers, MachineBarriers};
use crate::features;

/// A virtqueue of at most `MAX_SIZE` descriptors, a power of two: packed if the device offers that,
/// else split.
///
/// See [`RingQueue`] for what it does.
pub type NegotiatedVirtqueue<'a, 'b, const MAX_SIZE: usize, F, B = MachineBarriers> =
    RingQueue<'a, 'b, MAX_SIZE, F, EitherRing, B>;

/// A ring in one of the two layouts.
#[repr(C)]
pub struct EitherRing {
    split: SplitRing,
    is_packed: Cell<bool>,
    packed: PackedRing,
}

/// Calls a method of the layout in use.
macro_rules! in_use {
    ($self:ident.$method:ident($($argument:expr),*)) => {
        if $self.is_packed.get() {
            $self.packed.$method($($argument),*)
        } else {
            $self.split.$method($($argument),*)
        }
    };
}

impl Ring for EitherRing {
    const FEATURES: u64 = SplitRing::FEATURES | PackedRing::FEATURES;

    #[inline(always)]
    fn split(&self) -> Option<&SplitRing> {
        (!self.is_packed.get()).then_some(&self.split)
    }

    #[inline(always)]
    fn split_part(&self) -> Option<&SplitRing> {
        Some(&self.split)
    }

    unsafe fn new(memory: RingMemory) -> Self {
        // SAFETY: passed on to the caller. Each ring clears the memory before it uses it, and is not
        // used again before it has, so that the other one may have it meanwhile.
        let (split, packed) = unsafe { (SplitRing::new(memory), PackedRing::new(memory)) };
        Self {
            split,
            packed,
            is_packed: Cell::new(false),
        }
    }

    fn suits(&self, _features: u64) -> bool {
        true
    }

    fn clear(&self, size: u16, features: u64) {
        self.is_packed.set(features & features::RING_PACKED != 0);
        in_use!(self.clear(size, features));
    }

    fn addresses(&self) -> VirtqueueAddresses {
        in_use!(self.addresses())
    }

    #[inline]
    fn write(&self, head: u16, entry: Entry<'_>) {
        in_use!(self.write(head, entry));
    }

    #[inline]
    fn close(&self, head: u16, position: u32) {
        in_use!(self.close(head, position));
    }

    #[inline(never)]
    fn set_delay(&self, delay: u16) {
        in_use!(self.set_delay(delay));
    }

    fn style(&self) -> Style {
        in_use!(self.style())
    }

    #[inline]
    fn show<B: Barriers>(&self, taken: u32, before: u32, now: u32, barriers: B) {
        in_use!(self.show(taken, before, now, barriers));
    }

    #[inline(always)]
    fn show_only<B: Barriers>(&self, now: u32, barriers: B) {
        self.split.show_only(now, barriers);
    }

    #[inline]
    fn wants_notification(&self, before: u32, now: u32) -> bool {
        in_use!(self.wants_notification(before, now))
    }

    #[inline(always)]
    fn wants_by_index(&self, before: u32, now: u32) -> bool {
        self.split.wants_by_index(before, now)
    }

    #[inline]
    fn look(&self, taken: u32) -> u32 {
        in_use!(self.look(taken))
    }

    #[inline]
    fn look_on(&self) -> u32 {
        in_use!(self.look_on())
    }

    #[inline]
    fn element(&self, taken: u32) -> UsedElement {
        in_use!(self.element(taken))
    }

    #[cold]
    fn has_length(&self) -> bool {
        in_use!(self.has_length())
    }

    #[inline]
    fn advance(&self, links: u16) {
        in_use!(self.advance(links));
    }

    #[inline]
    fn quiet(&self) {
        in_use!(self.quiet());
    }

    fn silence(&self, taken: u32) {
        in_use!(self.silence(taken));
    }

    #[inline(never)]
    fn arm(&self, taken: u32, shown: u32) -> bool {
        in_use!(self.arm(taken, shown))
    }

    #[inline(always)]
    fn arm_next(&self, taken: u32, shown: u32) -> bool {
        self.split.arm_next(taken, shown)
    }
}
