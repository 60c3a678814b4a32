// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The device's half of one queue, by rust-vmm's `virtio-queue`.

use std::sync::Arc;

use virtio::features::{EVENT_IDX, RING_PACKED};
use virtio_queue::desc::split::Descriptor;
use virtio_queue::{Queue, QueueOwnedT, QueueT};
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

/// What the driver wrote to the registers of one queue.
#[derive(Clone, Copy, Debug, Default)]
pub struct Setup {
    /// The number of descriptors.
    pub size: u32,
    /// The addresses of the three parts, each as a low and a high word.
    pub parts: [u32; 6],
}

impl Setup {
    /// The address of a part.
    #[must_use]
    pub fn address(&self, part: usize) -> u64 {
        u64::from(self.parts[2 * part + 1]) << 32 | u64::from(self.parts[2 * part])
    }
}

/// A chain that the driver made available.
pub struct Chain {
    /// Its head.
    pub head: u16,
    parts: Vec<Descriptor>,
}

impl Chain {
    /// Counts the bytes that the device may write.
    #[must_use]
    pub fn writable(&self) -> usize {
        let parts = self.parts.iter().filter(|part| part.is_write_only());
        parts.map(|part| part.len() as usize).sum()
    }
}

/// The half.
pub struct Half {
    queue: Queue,
    memory: Arc<GuestMemoryMmap>,
    by_index: bool,
    /// Whether this device does not know any more which buffers are lent to it, since it wrote over what
    /// says so, or claimed to have used some. It takes no more chains then, until the queue is set up
    /// anew: without an IOMMU nothing holds a device that writes to memory it was not lent.
    lost: bool,
}

impl Half {
    /// Takes over the queue that a driver has set up, unless a queue cannot be like that.
    #[must_use]
    pub fn new(memory: Arc<GuestMemoryMmap>, setup: Setup, features: u64) -> Option<Half> {
        let size = u16::try_from(setup.size).ok()?;
        let mut queue = Queue::new(size.max(1)).ok()?;
        let word = |at: usize| Some(setup.parts[at]);
        queue.set_desc_table_address(word(0), word(1));
        queue.set_avail_ring_address(word(2), word(3));
        queue.set_used_ring_address(word(4), word(5));
        queue.set_size(size);
        let by_index = features & EVENT_IDX != 0;
        queue.set_event_idx(by_index);
        queue.set_ready(true);
        queue.is_valid(&*memory).then_some(Half {
            queue,
            memory,
            by_index,
            // Of the packed layout it knows only where it is.
            lost: features & RING_PACKED != 0,
        })
    }

    /// Takes the next available chain; `None` too if the ring makes no sense.
    pub fn pop(&mut self) -> Option<Chain> {
        let memory = &*self.memory;
        if self.lost {
            return None;
        }
        let chain = self.queue.iter(memory).ok()?.next()?;
        let head = chain.head_index();
        Some(Chain {
            head,
            parts: chain.collect(),
        })
    }

    /// Asks for a notification of what is made available from now on. Says whether there is something
    /// that can be taken.
    pub fn listen(&mut self) -> bool {
        let more = self.queue.enable_notification(&*self.memory);
        more.unwrap_or_default() && !self.lost
    }

    /// Reads the device-readable bytes of a chain that lie in shared memory.
    #[must_use]
    pub fn read(&self, chain: &Chain) -> Vec<u8> {
        let mut bytes = Vec::new();
        for part in chain.parts.iter().filter(|part| !part.is_write_only()) {
            let mut piece = vec![0; part.len().min(1 << 16) as usize];
            if self.memory.read_slice(&mut piece, part.addr()).is_ok() {
                bytes.extend(piece);
            }
        }
        bytes
    }

    /// Writes `bytes` to the writable part of a chain, as far as they fit, and says how many did.
    pub fn fill(&self, chain: &Chain, bytes: &[u8]) -> u32 {
        let mut written = 0;
        for part in chain.parts.iter().filter(|part| part.is_write_only()) {
            let rest = &bytes[written..];
            let count = rest.len().min(part.len() as usize);
            if self
                .memory
                .write_slice(&rest[..count], part.addr())
                .is_err()
            {
                break;
            }
            written += count;
        }
        written as u32
    }

    /// Returns a chain by the rules.
    pub fn give_back(&mut self, chain: &Chain, len: u32) {
        // A head that this device's scribbling made up is one that it cannot return.
        let _ = self.queue.add_used(&*self.memory, chain.head, len);
    }

    /// Claims that `id` was used with `len` bytes written, and that the index moved by `advance`.
    pub fn claim(&mut self, id: u32, len: u32, advance: u16) {
        self.lost = true;
        let position = self.queue.next_used();
        let entry = 4 + 8 * u64::from(position % self.queue.size());
        self.write(2, entry, &id.to_le_bytes());
        self.write(2, entry + 4, &len.to_le_bytes());
        let index = position.wrapping_add(advance);
        self.queue.set_next_used(index);
        self.write(2, 2, &index.to_le_bytes());
    }

    /// Writes to a part of the queue: 0 is the descriptors, 1 the available ring, 2 the used ring.
    pub fn write(&mut self, part: usize, offset: u64, bytes: &[u8]) {
        let size = u64::from(self.queue.size());
        let (start, len) = match part {
            0 => (self.queue.desc_table(), 16 * size),
            1 => (self.queue.avail_ring(), 6 + 2 * size),
            _ => (self.queue.used_ring(), 6 + 8 * size),
        };
        self.lost |= part < 2;
        // Only the queue is the device's to write to, however it behaves there.
        if offset + bytes.len() as u64 <= len {
            let place = GuestAddress(start + offset);
            let written = self.memory.write_slice(bytes, place);
            written.expect("the queue was found to lie in memory");
        }
    }

    /// Whether the driver wants to be notified of what was returned since this was last asked.
    pub fn interrupts(&mut self) -> bool {
        let memory = &*self.memory;
        let by_index = self.queue.needs_notification(memory).unwrap_or(true);
        let flags = memory.read_obj::<u16>(GuestAddress(self.queue.avail_ring()));
        if self.by_index {
            by_index
        } else {
            flags.is_ok_and(|flags| u16::from_le(flags) & 1 == 0)
        }
    }

    /// Counts the descriptors.
    #[must_use]
    pub fn size(&self) -> u16 {
        self.queue.size()
    }
}
