// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The three parts of a split queue as one ring, and when each side wants to be notified
//! (VirtIO 1.2, 2.7.7 and 2.7.10).
//!
//! All positions count chains without bound, modulo 2^16.

use core::cell::Cell;

use super::available_ring::AvailableRing;
use super::descriptor_table::DescriptorTable;
use super::used_ring::UsedRing;
use crate::barriers::Barriers;
use crate::features;
use crate::queues::VirtqueueAddresses;
use crate::queues::memory::RingMemory;
use crate::queues::ring::{Link, Ring, UsedElement};

/// The ring.
pub struct SplitRing {
    descriptors: DescriptorTable,
    available: AvailableRing,
    used: UsedRing,
    /// Whether notifications are asked for by index, rather than by flag.
    by_index: Cell<bool>,
    /// The available index, as the device knows it.
    shown: Cell<u16>,
    /// The available index when the device's wish was last looked at.
    asked_at: Cell<u16>,
    /// Entries of the used ring that were taken.
    taken: Cell<u16>,
    /// The entry of the used ring at which the device was asked to notify.
    event: Cell<u16>,
}

/// Whether an index that moved from `old` to `new` has passed `event` (2.7.7.2).
#[inline]
pub(super) fn passes(event: u16, new: u16, old: u16) -> bool {
    new.wrapping_sub(event).wrapping_sub(1) < new.wrapping_sub(old)
}

impl SplitRing {
    /// The entry of the used ring that ends the next `delay` chains, if as many as are known to the
    /// device at index `end` are used.
    #[inline]
    fn event_after(&self, delay: u16, end: u16) -> u16 {
        let taken = self.taken.get();
        let steps = delay.min(end.wrapping_sub(taken)).max(1);
        taken.wrapping_add(steps).wrapping_sub(1)
    }

    #[inline]
    fn set_event(&self, event: u16) -> bool {
        let changed = self.event.replace(event) != event;
        if changed {
            self.available.set_used_event(event);
        }
        changed
    }
}

impl Ring for SplitRing {
    const FEATURES: u64 = features::EVENT_IDX | features::INDIRECT_DESC;

    fn links_by_index(&self) -> bool {
        true
    }

    unsafe fn new(memory: RingMemory) -> Self {
        // SAFETY: passed on to the caller; each part has a piece of the memory to itself.
        let (descriptors, available, used) = unsafe {
            (
                DescriptorTable::new(memory),
                AvailableRing::new(memory),
                UsedRing::new(memory),
            )
        };
        Self {
            descriptors,
            available,
            used,
            by_index: Cell::new(false),
            shown: Cell::new(0),
            asked_at: Cell::new(0),
            taken: Cell::new(0),
            event: Cell::new(0),
        }
    }

    fn suits(&self, features: u64) -> bool {
        features & features::RING_PACKED == 0
    }

    fn clear(&self, size: u16, features: u64) {
        self.descriptors.clear();
        self.available.clear(size);
        self.used.clear(size);
        self.by_index.set(features & features::EVENT_IDX != 0);
        for counter in [&self.shown, &self.asked_at, &self.taken, &self.event] {
            counter.set(0);
        }
    }

    fn addresses(&self) -> VirtqueueAddresses {
        VirtqueueAddresses {
            descriptor_area: self.descriptors.address(),
            driver_area: self.available.address(),
            device_area: self.used.address(),
        }
    }

    #[inline]
    fn write(&self, link: Link) {
        self.descriptors.write(link);
    }

    #[inline]
    fn close(&self, head: u16, position: u32) {
        self.available.set_entry(position as u16, head);
    }

    #[inline]
    fn show<B: Barriers>(&self, provided: u32, delay: u16, barriers: B) {
        let (before, now) = (self.shown.get(), provided as u16);
        if self.by_index.get() && delay != 0 {
            let event = self.event_after(delay, now);
            // Only to a chain that the device cannot have used yet. That it never misses, while an
            // earlier one it may have passed a moment ago, and does not look back.
            if event.wrapping_sub(before) < now.wrapping_sub(before) {
                self.set_event(event);
            }
        }
        // Descriptors, ring entries and the event before the index that shows them (2.7.13.3).
        barriers.release();
        self.available.set_index(now);
        self.shown.set(now);
    }

    #[inline]
    fn wants_notification(&self) -> bool {
        let now = self.shown.get();
        let before = self.asked_at.replace(now);
        if self.by_index.get() {
            passes(self.used.available_event(), now, before)
        } else {
            self.used.wants_notification()
        }
    }

    #[inline]
    fn look(&self) -> u16 {
        self.used.index().wrapping_sub(self.taken.get())
    }

    #[inline]
    fn look_on(&self) -> u16 {
        0
    }

    #[inline]
    fn element(&self) -> UsedElement {
        self.used.element(self.taken.get())
    }

    #[inline]
    fn advance(&self, _links: u16) {
        self.taken.set(self.taken.get().wrapping_add(1));
    }

    #[inline]
    fn quiet(&self) {
        // An index is quiet by itself once the device has passed it.
        if !self.by_index.get() {
            self.available.set_wanted(false);
        }
    }

    fn silence(&self) {
        if self.by_index.get() {
            // The device has passed this entry, and gets there again after 65 536 chains.
            self.set_event(self.taken.get().wrapping_sub(1));
        } else {
            self.available.set_wanted(false);
        }
    }

    #[inline]
    fn arm(&self, delay: u16) -> bool {
        if !self.by_index.get() {
            self.available.set_wanted(true);
            return true;
        }
        let shown = self.shown.get();
        // With nothing outstanding there is nothing to wait for; `show` sets the next event.
        shown != self.taken.get() && self.set_event(self.event_after(delay, shown))
    }
}

#[cfg(test)]
mod tests {
    use super::passes;

    #[test]
    fn an_event_is_passed_by_the_step_beyond_it_and_by_no_other() {
        for start in [0u16, 1, 0x7FFF, 0xFFFE, 0xFFFF] {
            for steps in 0..10u16 {
                for at in 0..10u16 {
                    let (event, new) = (start.wrapping_add(at), start.wrapping_add(steps));
                    assert_eq!(
                        passes(event, new, start),
                        at < steps,
                        "{start} {steps} {at}"
                    );
                }
                assert!(!passes(
                    start.wrapping_sub(1),
                    start.wrapping_add(steps),
                    start
                ));
            }
        }
    }
}
