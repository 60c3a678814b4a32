// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A packed queue as one ring: what is made available, what is used, and when each side wants to be
//! notified.
//!
//! The slot of a chain's head in the chain table is its buffer identifier. Places in the ring have
//! nothing to do with slots: chains take them in order, and so do used descriptors.

use core::cell::Cell;

use super::descriptor_ring::DescriptorRing;
use super::event_suppression::EventSuppression;
use super::position::Position;
use crate::barriers::Barriers;
use crate::features;
use crate::queues::VirtqueueAddresses;
use crate::queues::memory::RingMemory;
use crate::queues::ring::{Entry, Ring, Style, UsedElement};
use crate::queues::split_queue::SplitRing;

/// The ring.
pub struct PackedRing {
    descriptors: DescriptorRing,
    events: EventSuppression,
    size: Cell<u16>,
    /// Whether notifications are asked for by place, rather than all or none.
    by_index: Cell<bool>,
    /// Where the next descriptor goes.
    next: Cell<Position>,
    /// Up to where the device knows descriptors: the one here is still
    /// to be made available.
    shown: Cell<Position>,
    /// The identifier and the flags that this descriptor is to get.
    first: Cell<(u16, u16)>,
    /// Where the device marks the next chain as used.
    taken: Cell<Position>,
    /// Where the device was asked to notify.
    event: Cell<Position>,
    /// Whether it was asked not to since.
    silent: Cell<bool>,
    /// How many descriptors it is to use before that.
    delay: Cell<u16>,
}

impl PackedRing {
    #[inline(always)]
    fn index(&self, position: Position) -> u16 {
        position.index() & self.size.get().wrapping_sub(1)
    }

    /// The place that ends the next `delay` descriptors, if as many lie before `end`: with several for
    /// a chain that is earlier than the driver asked for, never later.
    #[inline]
    fn event_before(&self, end: Position) -> Position {
        let taken = self.taken.get();
        let steps = self.delay.get().min(end.since(taken)).max(1);
        taken.plus(steps - 1)
    }

    #[inline]
    fn set_event(&self, event: Position) -> bool {
        let changed = self.event.replace(event) != event || self.silent.take();
        if changed {
            self.events.set_event(event, self.size.get());
        }
        changed
    }
}

/// Not expanded into their callers, and cold: the split layout is more common, and is not to be
/// burdened where either may be in use.
impl Ring for PackedRing {
    const FEATURES: u64 = features::RING_PACKED | features::EVENT_IDX | features::INDIRECT_DESC;

    #[inline(always)]
    fn split(&self) -> Option<&SplitRing> {
        None
    }

    #[inline(always)]
    fn split_part(&self) -> Option<&SplitRing> {
        None
    }

    unsafe fn new(memory: RingMemory) -> Self {
        // SAFETY: passed on to the caller; each part has a piece of the memory to itself.
        let (descriptors, events) =
            unsafe { (DescriptorRing::new(memory), EventSuppression::new(memory)) };
        Self {
            descriptors,
            events,
            size: Cell::new(1),
            by_index: Cell::new(false),
            next: Cell::default(),
            shown: Cell::default(),
            first: Cell::new((0, 0)),
            taken: Cell::default(),
            event: Cell::default(),
            silent: Cell::new(false),
            delay: Cell::new(1),
        }
    }

    fn suits(&self, features: u64) -> bool {
        features & features::RING_PACKED != 0
    }

    fn clear(&self, size: u16, features: u64) {
        self.descriptors.clear();
        self.events.clear();
        self.size.set(size);
        for position in [&self.next, &self.shown, &self.taken, &self.event] {
            position.set(Position::default());
        }
        self.silent.set(false);
        self.by_index.set(features & features::EVENT_IDX != 0);
        if self.by_index.get() {
            self.events.set_event(Position::default(), size);
        }
    }

    fn addresses(&self) -> VirtqueueAddresses {
        VirtqueueAddresses {
            descriptor_area: self.descriptors.address(),
            driver_area: self.events.driver_address(),
            device_area: self.events.device_address(),
        }
    }

    #[cold]
    #[inline(never)]
    fn write(&self, head: u16, Entry { lent, .. }: Entry<'_>) {
        let position = self.next.get();
        self.next.set(position.plus(1));
        let index = self.index(position);
        self.descriptors
            .write_buffer(index, lent.address(), lent.len());
        if position == self.shown.get() {
            // The device takes chains in order, so this one hides all that come after it.
            self.first.set((head, lent.flags()));
        } else {
            let wrap = position.wrap(self.size.get());
            self.descriptors
                .make_available(index, head, lent.flags(), wrap);
        }
    }

    #[inline]
    fn close(&self, _head: u16, _position: u32) {}

    fn set_delay(&self, delay: u16) {
        self.delay.set(delay);
    }

    fn style(&self) -> Style {
        Style::Other
    }

    #[cold]
    #[inline(never)]
    fn show<B: Barriers>(&self, _taken: u32, _before: u32, _now: u32, barriers: B) {
        let (before, now) = (self.shown.get(), self.next.get());
        if self.by_index.get() && self.delay.get() != 0 {
            let event = self.event_before(now);
            // Only at a descriptor that the device cannot have used yet, as in the split queue.
            if event.since(before) < now.since(before) {
                self.set_event(event);
            }
        }
        // Everything else before the flags that show it (2.8.21.1).
        barriers.release();
        let wrap = before.wrap(self.size.get());
        let (id, flags) = self.first.get();
        self.descriptors
            .make_available(self.index(before), id, flags, wrap);
        self.shown.set(now);
    }

    #[cold]
    #[inline(never)]
    fn wants_notification(&self, _before: u32, _now: u32) -> bool {
        self.events.device_wants_notification()
    }

    #[cold]
    #[inline(never)]
    fn look(&self, _taken: u32) -> u32 {
        self.descriptors
            .is_used(self.taken.get(), self.size.get())
            .into()
    }

    #[inline]
    fn look_on(&self) -> u32 {
        self.look(0)
    }

    #[cold]
    #[inline(never)]
    fn element(&self, _taken: u32) -> UsedElement {
        self.descriptors.element(self.index(self.taken.get()))
    }

    #[cold]
    #[inline(never)]
    fn has_length(&self) -> bool {
        let index = self.index(self.taken.get());
        self.descriptors.says_written(index)
    }

    #[inline]
    fn advance(&self, links: u16) {
        self.taken.set(self.taken.get().plus(links));
    }

    #[cold]
    #[inline(never)]
    fn quiet(&self) {
        // A place is quiet by itself once the device has passed it.
        if !self.by_index.get() {
            self.events.set_wanted(false);
        }
    }

    fn silence(&self, _taken: u32) {
        self.silent.set(true);
        self.events.set_wanted(false);
    }

    #[cold]
    #[inline(never)]
    fn arm(&self, _taken: u32, _shown: u32) -> bool {
        if self.delay.get() == 0 {
            return false;
        }
        if !self.by_index.get() {
            self.events.set_wanted(true);
            return true;
        }
        let shown = self.shown.get();
        // With nothing outstanding there is nothing to wait for; `show` sets the next event.
        shown != self.taken.get() && self.set_event(self.event_before(shown))
    }

    fn show_only<B: Barriers>(&self, now: u32, barriers: B) {
        self.show(0, 0, now, barriers);
    }

    fn wants_by_index(&self, before: u32, now: u32) -> bool {
        self.wants_notification(before, now)
    }

    fn arm_next(&self, taken: u32, shown: u32) -> bool {
        self.arm(taken, shown)
    }
}
