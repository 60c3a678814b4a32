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
use crate::queues::lent::Lent;
use crate::queues::memory::RingMemory;
use crate::queues::ring::{Ring, UsedElement};

/// The ring.
pub struct SplitRing {
    descriptors: DescriptorTable,
    available: AvailableRing,
    used: UsedRing,
    /// Whether notifications are asked for by index, rather than by flag.
    by_index: Cell<bool>,
    /// The entry of the used ring at which the device was asked to notify.
    event: Cell<u16>,
}

/// Whether an index that moved from `old` to `new` has passed `event` (2.7.7.2).
#[inline]
pub(super) fn passes(event: u16, new: u16, old: u16) -> bool {
    new.wrapping_sub(event).wrapping_sub(1) < new.wrapping_sub(old)
}

/// The entry of the used ring that ends the next `delay` chains behind the first `taken`, or the last
/// of the `shown`, of which there are more.
#[inline(always)]
fn event_after(taken: u32, shown: u32, delay: u16) -> u16 {
    let pending = shown.wrapping_sub(taken) as u16;
    (taken as u16)
        .wrapping_add(delay.min(pending))
        .wrapping_sub(1)
}

impl SplitRing {
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
        self.event.set(0);
    }

    fn addresses(&self) -> VirtqueueAddresses {
        VirtqueueAddresses {
            descriptor_area: self.descriptors.address(),
            driver_area: self.available.address(),
            device_area: self.used.address(),
        }
    }

    #[inline(always)]
    fn write(&self, _head: u16, index: u16, lent: &Lent, link: u32, changed: bool) {
        if changed {
            self.descriptors.write(index, lent, link);
        }
    }

    #[inline(always)]
    fn close(&self, head: u16, position: u32) {
        self.available.set_entry(position, head);
    }

    #[inline(always)]
    fn show<B: Barriers>(&self, taken: u32, before: u32, now: u32, delay: u16, barriers: B) {
        // With a delay of one the event stands at the next chain, shown or not.
        if delay > 1 && self.by_index.get() {
            let event = event_after(taken, now, delay);
            // Only to a chain that the device cannot have used yet. That it never misses, while an
            // earlier one it may have passed a moment ago, and does not look back.
            if event.wrapping_sub(before as u16) < now.wrapping_sub(before) as u16 {
                self.set_event(event);
            }
        }
        // Descriptors, ring entries and the event before the index that shows them (2.7.13.3).
        barriers.release();
        self.available.set_index(now as u16);
    }

    #[inline(always)]
    fn wants_notification(&self, before: u32, now: u32) -> bool {
        if self.by_index.get() {
            passes(self.used.available_event(), now as u16, before as u16)
        } else {
            self.used.wants_notification()
        }
    }

    #[inline(always)]
    fn look(&self, taken: u32) -> u16 {
        self.used.index().wrapping_sub(taken as u16)
    }

    #[inline(always)]
    fn look_on(&self) -> u16 {
        0
    }

    #[inline(always)]
    fn element(&self, taken: u32) -> UsedElement {
        self.used.element(taken)
    }

    #[inline(always)]
    fn advance(&self, _links: u16) {}

    #[inline]
    fn quiet(&self) {
        // An index is quiet by itself once the device has passed it.
        if !self.by_index.get() {
            self.available.set_wanted(false);
        }
    }

    fn silence(&self, taken: u32) {
        if self.by_index.get() {
            // The device has passed this entry, and gets there again after 65 536 chains.
            self.set_event((taken as u16).wrapping_sub(1));
        } else {
            self.available.set_wanted(false);
        }
    }

    #[inline(always)]
    fn arm(&self, taken: u32, shown: u32, delay: u16) -> bool {
        if !self.by_index.get() {
            self.available.set_wanted(true);
            return true;
        }
        if delay == 1 {
            // After used chains were taken it has moved.
            self.event.set(taken as u16);
            self.available.set_used_event(taken as u16);
            return shown != taken;
        }
        // With nothing outstanding there is nothing to wait for; `show` sets the next event.
        shown != taken && self.set_event(event_after(taken, shown, delay))
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
