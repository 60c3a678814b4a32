// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Memory of a queue, written without any check (VirtIO 1.2, 2.7).

use virtio_queue::{Queue, QueueT};
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

use crate::error::Error;

/// The rings of a queue as plain memory.
pub struct RawQueue<'a> {
    memory: &'a GuestMemoryMmap,
    descriptors: GuestAddress,
    available: GuestAddress,
    used: GuestAddress,
    size: u16,
}

impl<'a> RawQueue<'a> {
    pub fn new(queue: &Queue, memory: &'a GuestMemoryMmap) -> Self {
        Self {
            memory,
            descriptors: GuestAddress(queue.desc_table()),
            available: GuestAddress(queue.avail_ring()),
            used: GuestAddress(queue.used_ring()),
            size: queue.size(),
        }
    }

    /// Writes the entry of the used ring for `position`, which counts without bound.
    pub fn set_used(&self, position: u16, id: u32, len: u32) -> Result<(), Error> {
        let entry = 4 + 8 * u64::from(position % self.size.max(1));
        self.write(self.used, entry, &id.to_le_bytes())?;
        self.write(self.used, entry + 4, &len.to_le_bytes())
    }

    /// Writes the used index.
    pub fn set_used_index(&self, index: u16) -> Result<(), Error> {
        self.write(self.used, 2, &index.to_le_bytes())
    }

    /// Writes the flags of the used ring, and the event index behind it.
    pub fn set_wishes(&self, flags: u16, event: u16) -> Result<(), Error> {
        self.write(self.used, 0, &flags.to_le_bytes())?;
        let behind = 4 + 8 * u64::from(self.size);
        self.write(self.used, behind, &event.to_le_bytes())
    }

    /// Fills the descriptor table.
    pub fn fill_descriptors(&self, with: u8) -> Result<(), Error> {
        let all = vec![with; 16 * usize::from(self.size)];
        self.write(self.descriptors, 0, &all)
    }

    /// Fills the available ring with everything that belongs to it.
    pub fn fill_available(&self, with: u8) -> Result<(), Error> {
        let all = vec![with; 6 + 2 * usize::from(self.size)];
        self.write(self.available, 0, &all)
    }

    fn write(&self, start: GuestAddress, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        let place = GuestAddress(start.0.wrapping_add(offset));
        Ok(self.memory.write_slice(bytes, place)?)
    }
}
