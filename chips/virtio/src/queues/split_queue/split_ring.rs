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
use crate::queues::ring::{Entry, Ring, Style, UsedElement};

/// The ring.
pub struct SplitRing {
    descriptors: DescriptorTable,
    available: AvailableRing,
    used: UsedRing,
    /// Whether notifications are asked for by index, rather than by flag.
    by_index: Cell<bool>,
    style: Cell<Style>,
    /// How many chains the device is to use before it notifies.
    delay: Cell<u16>,
    /// The entry of the used ring at which the device was asked to notify, as far as that is not each
    /// one in turn.
    event: Cell<Option<u16>>,
}

/// Whether an index that moved by `steps` to `new` has passed `event` (2.7.7.2).
#[inline]
pub(super) fn passes(event: u16, new: u16, steps: u32) -> bool {
    u32::from(new.wrapping_sub(event).wrapping_sub(1)) < steps
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
    /// Writes the descriptor in the place of slot `index`.
    #[inline(always)]
    pub(in crate::queues) fn write_descriptor(
        &self,
        index: u16,
        address: u64,
        len: u32,
        link: u32,
    ) {
        self.descriptors.write(index, address, len, link);
    }

    /// As [`write_descriptor`](Self::write_descriptor).
    ///
    /// # Safety
    ///
    /// The slot is one of those that the chain table has memory for, which are as many as descriptors.
    #[inline(always)]
    pub(in crate::queues) unsafe fn write_descriptor_of_slot(
        &self,
        index: u16,
        address: u64,
        len: u32,
        link: u32,
    ) {
        // SAFETY: passed on to the caller.
        unsafe { self.descriptors.write_within(index, address, len, link) };
    }

    /// Makes `head` the next chain, before which `position` others were provided.
    #[inline(always)]
    pub(in crate::queues) fn write_entry(&self, head: u16, position: u32) {
        self.available.set_entry(position, head);
    }

    #[inline]
    fn set_event(&self, event: u16) -> bool {
        let changed = self.event.replace(Some(event)) != Some(event);
        if changed {
            self.available.set_used_event(event);
        }
        changed
    }
}

impl Ring for SplitRing {
    const FEATURES: u64 = features::EVENT_IDX | features::INDIRECT_DESC;
    const IS_SPLIT: bool = true;

    #[inline(always)]
    fn split(&self) -> Option<&SplitRing> {
        Some(self)
    }

    #[inline(always)]
    fn split_part(&self) -> Option<&SplitRing> {
        Some(self)
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
            style: Cell::new(Style::Other),
            delay: Cell::new(1),
            event: Cell::new(None),
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
        self.event.set(None);
    }

    fn addresses(&self) -> VirtqueueAddresses {
        VirtqueueAddresses {
            descriptor_area: self.descriptors.address(),
            driver_area: self.available.address(),
            device_area: self.used.address(),
        }
    }

    #[inline]
    fn write(&self, _head: u16, entry: Entry<'_>) {
        if entry.changed {
            let (address, len) = (entry.lent.address(), entry.lent.len());
            self.write_descriptor(entry.index, address, len, entry.link);
        }
    }

    #[inline]
    fn close(&self, head: u16, position: u32) {
        self.write_entry(head, position);
    }

    fn set_delay(&self, delay: u16) {
        self.delay.set(delay);
        self.event.set(None);
        self.style.set(match delay {
            _ if !self.by_index.get() => Style::Other,
            0 => Style::Never,
            1 => Style::Each,
            _ => Style::Later,
        });
    }

    #[inline(always)]
    fn style(&self) -> Style {
        self.style.get()
    }

    #[inline]
    fn show<B: Barriers>(&self, taken: u32, before: u32, now: u32, barriers: B) {
        // With a delay of one the event stands at the next chain, shown or not.
        if self.style.get() == Style::Later {
            let event = event_after(taken, now, self.delay.get());
            // Only to a chain that the device cannot have used yet. That it never misses, while an
            // earlier one it may have passed a moment ago, and does not look back.
            if event.wrapping_sub(before as u16) < now.wrapping_sub(before) as u16 {
                self.set_event(event);
            }
        }
        self.show_only(now, barriers);
    }

    #[inline(always)]
    fn show_only<B: Barriers>(&self, now: u32, barriers: B) {
        // Descriptors, ring entries and the event before the index that shows them (2.7.13.3).
        barriers.release();
        self.available.set_index(now as u16);
    }

    #[inline]
    fn wants_notification(&self, before: u32, now: u32) -> bool {
        if self.by_index.get() {
            self.wants_by_index(before, now)
        } else {
            self.used.wants_notification()
        }
    }

    #[inline(always)]
    fn wants_by_index(&self, before: u32, now: u32) -> bool {
        passes(
            self.used.available_event(),
            now as u16,
            now.wrapping_sub(before),
        )
    }

    #[inline(always)]
    fn look(&self, taken: u32) -> u32 {
        self.used.index().wrapping_sub(taken as u16).into()
    }

    #[inline(always)]
    fn look_on(&self) -> u32 {
        0
    }

    #[inline(always)]
    fn element(&self, taken: u32) -> UsedElement {
        self.used.element(taken)
    }

    #[inline(always)]
    fn has_length(&self) -> bool {
        true
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

    #[inline]
    fn arm(&self, taken: u32, shown: u32) -> bool {
        match (self.style.get(), self.delay.get()) {
            (Style::Never, _) | (_, 0) => false,
            (Style::Each, _) => self.arm_next(taken, shown),
            // With nothing outstanding there is nothing to wait for; `show` sets the next event.
            (Style::Later, delay) => {
                shown != taken && self.set_event(event_after(taken, shown, delay))
            }
            (Style::Other, _) => {
                self.available.set_wanted(true);
                true
            }
        }
    }

    #[inline(always)]
    fn arm_next(&self, taken: u32, shown: u32) -> bool {
        self.available.set_used_event(taken as u16);
        shown != taken
    }
}

#[cfg(test)]
mod tests {
    use super::passes;

    #[test]
    fn an_event_is_passed_by_the_step_beyond_it_and_by_no_other() {
        for start in [0u16, 1, 0x7FFF, 0xFFFE, 0xFFFF] {
            for steps in 0..10u16 {
                let new = start.wrapping_add(steps);
                for at in 0..10u16 {
                    let passed = passes(start.wrapping_add(at), new, steps.into());
                    assert_eq!(passed, at < steps, "{start} {steps} {at}");
                }
                assert!(!passes(start.wrapping_sub(1), new, steps.into()));
            }
        }
    }

    #[test]
    fn every_event_is_passed_by_a_whole_lap_of_the_index() {
        for event in [0, 1, 0x7FFF, 0xFFFF] {
            assert!(passes(event, 0, 0x1_0000));
        }
    }
}
