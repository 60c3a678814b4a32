// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The device's half of a packed queue (VirtIO 1.2, 2.8), honest until told otherwise.

use core::cell::Cell;
use std::collections::BTreeMap;
use std::vec::Vec;

use super::split_device::{DeviceBuffer, DeviceChain, load, store};
use crate::queues::VirtqueueAddresses;

const NEXT: u16 = 1;
const WRITE: u16 = 2;
const INDIRECT: u16 = 4;
const AVAIL: u16 = 0x80;
const USED: u16 = 0x8000;

/// A place in the ring and a wrap counter, kept the way the standard tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) index: u16,
    pub(crate) wrap: bool,
}

impl Place {
    const START: Self = Self {
        index: 0,
        wrap: true,
    };

    fn step(self, descriptors: u16, size: u16) -> Self {
        let index = self.index + descriptors;
        if index < size {
            Self { index, ..self }
        } else {
            Self {
                index: index - size,
                wrap: !self.wrap,
            }
        }
    }

    /// The place before this one.
    pub(crate) fn back(self, size: u16) -> Self {
        match self.index.checked_sub(1) {
            Some(index) => Self { index, ..self },
            None => Self {
                index: size - 1,
                wrap: !self.wrap,
            },
        }
    }

    pub(crate) fn word(self) -> u16 {
        self.index | if self.wrap { 0x8000 } else { 0 }
    }
}

/// The device's view of one queue.
pub(crate) struct PackedDevice {
    parts: VirtqueueAddresses,
    size: u16,
    pub(crate) next_available: Cell<Place>,
    pub(crate) next_used: Cell<Place>,
    /// How many descriptors each chain has that was taken and not returned.
    taken: std::cell::RefCell<BTreeMap<u16, u16>>,
}

impl PackedDevice {
    pub(crate) fn new(parts: VirtqueueAddresses, size: u16) -> Self {
        assert_eq!(parts.descriptor_area % 16, 0);
        assert_eq!(parts.driver_area % 4, 0);
        assert_eq!(parts.device_area % 4, 0);
        Self {
            parts,
            size,
            next_available: Cell::new(Place::START),
            next_used: Cell::new(Place::START),
            taken: Default::default(),
        }
    }

    pub(crate) fn size(&self) -> u16 {
        self.size
    }

    /// Shows every byte of the queue's memory.
    pub(crate) fn memory(&self, see: &mut dyn FnMut(u8)) {
        for (start, len) in [
            (self.parts.descriptor_area, 16 * u64::from(self.size)),
            (self.parts.driver_area, 4),
            (self.parts.device_area, 4),
        ] {
            (start..start + len).for_each(|address| see(load(address)));
        }
    }

    fn descriptor(&self, index: u16) -> u64 {
        self.parts.descriptor_area + 16 * u64::from(index)
    }

    pub(crate) fn has_available(&self) -> bool {
        let place = self.next_available.get();
        let flags: u16 = load(self.descriptor(place.index) + 14);
        let owner = if place.wrap { AVAIL } else { USED };
        flags & (AVAIL | USED) == owner
    }

    /// Takes the next available chain; its `head` is the buffer identifier.
    pub(crate) fn pop(&self) -> Option<DeviceChain> {
        if !self.has_available() {
            return None;
        }
        let mut buffers = Vec::new();
        let mut count = 0;
        loop {
            assert!(count < self.size, "a chain longer than the queue");
            let place = self.next_available.get();
            let at = self.descriptor(place.index);
            let flags: u16 = load(at + 14);
            assert!(self.has_available(), "a chain that is not all available");
            self.next_available.set(place.step(1, self.size));
            count += 1;
            if flags & INDIRECT != 0 {
                assert_eq!((count, flags & NEXT), (1, 0));
                let len: u32 = load(at + 8);
                assert_eq!(len % 16, 0, "whole entries");
                let table: u64 = load(at);
                buffers.extend(
                    (0..len / 16).map(|entry| Self::table_entry(table + 16 * u64::from(entry))),
                );
            } else {
                buffers.push(Self::entry(at));
            }
            if flags & NEXT == 0 {
                let head = load(at + 12);
                assert!(
                    self.taken.borrow_mut().insert(head, count).is_none(),
                    "an identifier in use"
                );
                return Some(DeviceChain { head, buffers });
            }
        }
    }

    /// The entries of a table follow each other, so that only one flag means anything (2.8.19).
    fn table_entry(at: u64) -> DeviceBuffer {
        let flags: u16 = load(at + 14);
        assert_eq!(flags & !WRITE, 0, "a flag that does not belong there");
        Self::entry(at)
    }

    fn entry(at: u64) -> DeviceBuffer {
        let flags: u16 = load(at + 14);
        DeviceBuffer {
            address: load(at),
            len: load(at + 8),
            writable: flags & WRITE != 0,
        }
    }

    /// Says that a chain has been used.
    pub(crate) fn return_used(&self, id: u16, len: u32) {
        let count = self.taken.borrow_mut().remove(&id).expect("it was taken");
        self.claim(id, len, count);
    }

    /// The same, and says that something was written.
    pub(crate) fn return_written(&self, id: u16, len: u32) {
        let count = self.taken.borrow_mut().remove(&id).expect("it was taken");
        self.claim_written(id, len, count);
    }

    /// Says so of anything, as if it had `count` descriptors.
    pub(crate) fn claim(&self, id: u16, len: u32, count: u16) {
        self.mark_used(id, len, count, 0);
    }

    /// The same, and says that something was written.
    pub(crate) fn claim_written(&self, id: u16, len: u32, count: u16) {
        self.mark_used(id, len, count, WRITE);
    }

    fn mark_used(&self, id: u16, len: u32, count: u16, flags: u16) {
        let place = self.next_used.get();
        let at = self.descriptor(place.index);
        store(at + 8, len);
        store(at + 12, id);
        let owner = if place.wrap { AVAIL | USED } else { 0 };
        store(at + 14, owner | flags);
        self.next_used.set(place.step(count, self.size));
    }

    /// The driver's wish: event word and flags.
    pub(crate) fn driver_event(&self) -> (u16, u16) {
        (
            load(self.parts.driver_area),
            load(self.parts.driver_area + 2),
        )
    }

    pub(crate) fn set_device_event(&self, word: u16, flags: u16) {
        store(self.parts.device_area, word);
        store(self.parts.device_area + 2, flags);
    }

    /// Fills what only the driver writes, as far as it is not used to return chains.
    pub(crate) fn scribble(&self, value: u8) {
        (0..16 * u64::from(self.size))
            .for_each(|offset| store(self.parts.descriptor_area + offset, value));
        (0..4).for_each(|offset| store(self.parts.driver_area + offset, value));
    }
}
