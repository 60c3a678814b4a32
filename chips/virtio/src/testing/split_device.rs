// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The device's half of a split queue (VirtIO 1.2, 2.7), honest until told otherwise.
//!
//! It knows three addresses and a size, as a device does, and reads and writes real memory.

use core::cell::Cell;
use core::ptr::{with_exposed_provenance, with_exposed_provenance_mut};
use std::vec::Vec;

use crate::queues::VirtqueueAddresses;

/// A buffer as a descriptor shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DeviceBuffer {
    pub(crate) address: u64,
    pub(crate) len: u32,
    pub(crate) writable: bool,
}

impl DeviceBuffer {
    pub(crate) fn read(&self) -> Vec<u8> {
        (0..u64::from(self.len))
            .map(|offset| load::<u8>(self.address + offset))
            .collect()
    }

    /// Writes bytes from the start of the buffer, as many as fit.
    pub(crate) fn write(&self, bytes: &[u8]) {
        assert!(self.writable, "an honest device respects direction");
        for (offset, byte) in bytes.iter().take(self.len as usize).enumerate() {
            store(self.address + offset as u64, *byte);
        }
    }
}

/// A chain that the driver made available.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DeviceChain {
    pub(crate) head: u16,
    pub(crate) buffers: Vec<DeviceBuffer>,
}

impl DeviceChain {
    /// Writes bytes across the writable buffers and returns how many fitted.
    pub(crate) fn fill(&self, mut bytes: &[u8]) -> u32 {
        let before = bytes.len();
        for buffer in self.buffers.iter().filter(|buffer| buffer.writable) {
            let (now, later) = bytes.split_at(bytes.len().min(buffer.len as usize));
            buffer.write(now);
            bytes = later;
        }
        (before - bytes.len()) as u32
    }
}

/// The device's view of one queue.
pub(crate) struct SplitDevice {
    parts: VirtqueueAddresses,
    size: u16,
    next_available: Cell<u16>,
    used_index: Cell<u16>,
}

pub(super) fn load<T: Copy>(address: u64) -> T {
    // SAFETY: the tests hand over addresses that the driver has exposed, of memory that is leaked.
    unsafe { with_exposed_provenance::<T>(address as usize).read_volatile() }
}

pub(super) fn store<T>(address: u64, value: T) {
    // SAFETY: as above.
    unsafe { with_exposed_provenance_mut::<T>(address as usize).write_volatile(value) };
}

impl SplitDevice {
    pub(crate) fn new(parts: VirtqueueAddresses, size: u16) -> Self {
        assert_eq!(parts.descriptor_area % 16, 0);
        assert_eq!(parts.driver_area % 2, 0);
        assert_eq!(parts.device_area % 4, 0);
        Self {
            parts,
            size,
            next_available: Cell::new(0),
            used_index: Cell::new(0),
        }
    }

    pub(crate) fn available_index(&self) -> u16 {
        load(self.parts.driver_area + 2)
    }

    pub(crate) fn available_entry(&self, position: u16) -> u16 {
        load(self.parts.driver_area + 4 + 2 * u64::from(position % self.size))
    }

    pub(crate) fn next_available(&self) -> u16 {
        self.next_available.get()
    }

    pub(crate) fn has_available(&self) -> bool {
        self.next_available.get() != self.available_index()
    }

    /// Shows every byte of the queue's memory.
    pub(crate) fn memory(&self, see: &mut dyn FnMut(u8)) {
        let n = u64::from(self.size);
        for (start, len) in [
            (self.parts.descriptor_area, 16 * n),
            (self.parts.driver_area, 6 + 2 * n),
            (self.parts.device_area, 6 + 8 * n),
        ] {
            (start..start + len).for_each(|address| see(load(address)));
        }
    }

    /// Takes the next available chain.
    pub(crate) fn pop(&self) -> Option<DeviceChain> {
        let position = self.next_available.get();
        if position == self.available_index() {
            return None;
        }
        self.next_available.set(position.wrapping_add(1));
        let head = self.available_entry(position);
        Some(self.walk(head))
    }

    /// Follows a chain from its head.
    pub(crate) fn walk(&self, head: u16) -> DeviceChain {
        let mut buffers = Vec::new();
        let mut index = head;
        loop {
            assert!(index < self.size, "a descriptor beyond the table");
            assert!(
                buffers.len() < self.size.into(),
                "a chain longer than the queue"
            );
            let at = self.parts.descriptor_area + 16 * u64::from(index);
            let flags: u16 = load(at + 12);
            if flags == 4 {
                assert!(buffers.is_empty(), "a table is a chain of its own");
                buffers = Self::walk_table(load(at), load(at + 8));
                return DeviceChain { head, buffers };
            }
            assert_eq!(flags & !3, 0, "no other flag was agreed on");
            buffers.push(DeviceBuffer {
                address: load(at),
                len: load(at + 8),
                writable: flags & 2 != 0,
            });
            if flags & 1 == 0 {
                return DeviceChain { head, buffers };
            }
            index = load(at + 14);
        }
    }

    /// Follows a chain in an indirect table of `len` bytes.
    fn walk_table(table: u64, len: u32) -> Vec<DeviceBuffer> {
        assert_eq!(len % 16, 0, "whole entries");
        let mut buffers = Vec::new();
        let mut index = 0u16;
        loop {
            assert!(u32::from(index) < len / 16, "an entry beyond the table");
            let at = table + 16 * u64::from(index);
            let flags: u16 = load(at + 12);
            assert_eq!(flags & !3, 0, "no table inside a table");
            buffers.push(DeviceBuffer {
                address: load(at),
                len: load(at + 8),
                writable: flags & 2 != 0,
            });
            if flags & 1 == 0 {
                assert_eq!(buffers.len() as u32, len / 16, "no entry is left over");
                return buffers;
            }
            index = load(at + 14);
        }
    }

    /// The indirect tables that descriptors name, as memory that the device can write, though it must not.
    pub(crate) fn tables(&self) -> Vec<DeviceBuffer> {
        (0..u64::from(self.size))
            .map(|index| self.parts.descriptor_area + 16 * index)
            .filter(|at| load::<u16>(at + 12) == 4)
            .map(|at| DeviceBuffer {
                address: load(at),
                len: load(at + 8),
                writable: true,
            })
            .collect()
    }

    /// Writes an entry of the used ring without showing it.
    pub(crate) fn write_element(&self, position: u16, id: u32, len: u32) {
        let at = self.parts.device_area + 4 + 8 * u64::from(position % self.size);
        store(at, id);
        store(at + 4, len);
    }

    pub(crate) fn set_used_index(&self, index: u16) {
        self.used_index.set(index);
        store(self.parts.device_area + 2, index);
    }

    pub(crate) fn used_index(&self) -> u16 {
        self.used_index.get()
    }

    /// Says that a chain has been used.
    pub(crate) fn return_used(&self, id: u32, len: u32) {
        let position = self.used_index.get();
        self.write_element(position, id, len);
        self.set_used_index(position.wrapping_add(1));
    }

    /// Where the driver wants to be notified, with EVENT_IDX.
    pub(crate) fn used_event(&self) -> u16 {
        load(self.parts.driver_area + 4 + 2 * u64::from(self.size))
    }

    /// Whether the driver wants no notification, without EVENT_IDX.
    pub(crate) fn driver_flags(&self) -> u16 {
        load(self.parts.driver_area)
    }

    /// Says where the device wants to be notified, with EVENT_IDX.
    pub(crate) fn set_available_event(&self, index: u16) {
        store(self.parts.device_area + 4 + 8 * u64::from(self.size), index);
    }

    pub(crate) fn set_flags(&self, flags: u16) {
        store(self.parts.device_area, flags);
    }

    /// Fills every byte of the queue's memory, the driver's part included.
    pub(crate) fn scribble(&self, value: u8) {
        let n = u64::from(self.size);
        let parts = [
            (self.parts.descriptor_area, 16 * n),
            (self.parts.driver_area, 6 + 2 * n),
            (self.parts.device_area, 6 + 8 * n),
        ];
        for (start, len) in parts {
            (start..start + len).for_each(|address| store(address, value));
        }
    }

    /// Fills what only the driver writes: descriptors and available ring.
    pub(crate) fn scribble_driver_parts(&self, value: u8) {
        let n = u64::from(self.size);
        for (start, len) in [
            (self.parts.descriptor_area, 16 * n),
            (self.parts.driver_area, 6 + 2 * n),
        ] {
            (start..start + len).for_each(|address| store(address, value));
        }
    }
}
