// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A device that checks what it reads and returns chains in any order.

use std::ops::Deref;
use std::sync::Arc;

use virtio::queues::VirtqueueAddresses;
use virtio_queue::desc::split::Descriptor;
use virtio_queue::{Queue, QueueOwnedT, QueueT};
use vm_memory::{Bytes, GuestMemoryMmap};

use crate::random::Random;

/// A chain that the device has.
struct Chain {
    head: u16,
    parts: Vec<Descriptor>,
}

/// The device's side of a queue.
pub struct Device {
    queue: Queue,
    memory: Arc<GuestMemoryMmap>,
    chains: Vec<Chain>,
    by_index: bool,
}

/// `len` bytes that count up from `first`: what both sides write, since a byte out of place shows.
#[must_use]
pub fn run(first: u8, len: usize) -> Vec<u8> {
    (0..=u8::MAX).cycle().skip(first.into()).take(len).collect()
}

/// Checks that `bytes` are a run.
///
/// # Panics
///
/// They are not.
pub fn assert_run(bytes: &[u8]) {
    if let Some(&first) = bytes.first() {
        assert_eq!(bytes, run(first, bytes.len()), "bytes out of place");
    }
}

impl Device {
    /// Takes over a queue of `size` descriptors.
    ///
    /// # Panics
    ///
    /// The queue is not where or what a queue may be.
    #[must_use]
    pub fn new(
        memory: Arc<GuestMemoryMmap>,
        addresses: VirtqueueAddresses,
        size: u16,
        by_index: bool,
    ) -> Device {
        let halves = |address: u64| (Some(address as u32), Some((address >> 32) as u32));
        let mut queue = Queue::new(size).expect("a size that is a power of two");
        let (low, high) = halves(addresses.descriptor_area);
        queue.set_desc_table_address(low, high);
        let (low, high) = halves(addresses.driver_area);
        queue.set_avail_ring_address(low, high);
        let (low, high) = halves(addresses.device_area);
        queue.set_used_ring_address(low, high);
        queue.set_size(size);
        queue.set_event_idx(by_index);
        queue.set_ready(true);
        assert!(queue.is_valid(memory.deref()), "the queue lies in memory");
        Device {
            queue,
            memory,
            chains: Vec::new(),
            by_index,
        }
    }

    /// Takes every available chain, on a notification, until it is sure to be notified of the next.
    ///
    /// # Panics
    ///
    /// The rings are not what the standard says.
    pub fn take_available(&mut self) {
        let memory = self.memory.deref();
        loop {
            self.queue.disable_notification(memory).expect("flags");
            while let Some(chain) = self.queue.iter(memory).expect("an index").next() {
                let head = chain.head_index();
                self.chains.push(Chain {
                    head,
                    parts: chain.collect(),
                });
            }
            if !self.queue.enable_notification(memory).expect("flags") {
                return;
            }
        }
    }

    /// How many chains the device has.
    #[must_use]
    pub fn held(&self) -> usize {
        self.chains.len()
    }

    /// Returns one of its chains, with a part of its writable bytes written.
    ///
    /// # Panics
    ///
    /// What the driver wrote does not arrive, or arrives out of order.
    pub fn return_one(&mut self, random: &mut Random) {
        let chain = self.chains.swap_remove(random.below(self.chains.len()));
        let memory = self.memory.deref();
        let mut bytes = Vec::new();
        for part in chain.parts.iter().filter(|part| !part.is_write_only()) {
            let read = bytes.len();
            bytes.resize(read + part.len() as usize, 0);
            memory
                .read_slice(&mut bytes[read..], part.addr())
                .expect("a buffer");
        }
        assert_run(&bytes);
        let writable: Vec<_> = chain
            .parts
            .iter()
            .filter(|part| part.is_write_only())
            .collect();
        let directions: Vec<_> = chain
            .parts
            .iter()
            .map(|part| part.is_write_only())
            .collect();
        assert!(directions.is_sorted(), "readable buffers come first");
        let room: usize = writable.iter().map(|part| part.len() as usize).sum();
        let written = random.below(room + 1);
        let bytes = run(chain.head.to_le_bytes()[0], written);
        let mut done = 0;
        for part in writable {
            let count = (written - done).min(part.len() as usize);
            memory
                .write_slice(&bytes[done..done + count], part.addr())
                .expect("a buffer");
            done += count;
        }
        let len = u32::try_from(written).expect("small buffers");
        self.queue
            .add_used(memory, chain.head, len)
            .expect("a head of this queue");
    }

    /// Whether the driver wants to be notified of what was returned since this was last asked.
    ///
    /// # Panics
    ///
    /// The ring cannot be read.
    pub fn interrupts(&mut self) -> bool {
        let memory = self.memory.deref();
        let by_index = self.queue.needs_notification(memory).expect("an index");
        if self.by_index {
            return by_index;
        }
        let flags: u16 = memory
            .read_obj(vm_memory::GuestAddress(self.queue.avail_ring()))
            .expect("flags");
        u16::from_le(flags) & 1 == 0
    }
}
