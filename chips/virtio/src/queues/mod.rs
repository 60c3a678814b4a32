// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Virtqueues (VirtIO 1.2, 2.6): what transports and drivers need of any kind, and the kinds.

mod buffer;
mod buffer_queue;
mod chain_table;
mod client;
#[cfg(test)]
mod conformance;
mod descriptor_memory;
mod error;
mod indirect_tables;
#[cfg(test)]
mod interleavings;
mod lending;
mod lent;
mod memory;
pub mod negotiated_queue;
mod nobody;
pub mod packed_queue;
mod queue_core;
mod ring;
mod ring_queue;
mod shared;
pub mod split_queue;
mod taking;

pub use buffer_queue::{BufferQueue, DrivenQueue};
pub use error::{QueueError, Violation};
pub use indirect_tables::IndirectMemory;
pub use memory::QueueMemory;
pub(crate) use memory::{RING_ALIGN, split_offsets};
pub use ring_queue::RingQueue;

/// One virtqueue, as the transport sees it.
pub trait Virtqueue {
    /// Picks a number of elements, at most `device_max_elements`; zero if none will do, as for a queue that
    /// another device may know.
    fn negotiate_queue_size(&self, device_max_elements: usize) -> usize;

    /// Clears the queue's memory and prepares it as number `queue_number`, with `queue_elements`
    /// elements.
    ///
    /// No device knows the queue at this time: none ever did, or it was reset. The queues of this crate
    /// ignore the call otherwise.
    fn initialize(&self, queue_number: u32, queue_elements: usize);

    /// Says where in memory the three parts of the queue are.
    fn physical_addresses(&self) -> VirtqueueAddresses;

    /// Takes what the device has used, on a used buffer notification.
    fn used_interrupt(&self);

    /// As [`used_interrupt`](Self::used_interrupt), and says what came of it.
    ///
    /// A queue that cannot tell claims to have taken something.
    fn serve(&self) -> Served {
        self.used_interrupt();
        Served::Something
    }

    /// As [`serve`](Self::serve), of a queue for which an interrupt may have come; another one is not
    /// looked at.
    ///
    /// A device may interrupt although it was asked not to, so if no queue had anything, all are to be
    /// served.
    fn serve_expected(&self) -> Served {
        self.serve()
    }

    /// The features that this queue can use, out of those that belong to queues (24 to 40).
    fn features(&self) -> u64 {
        0
    }

    /// Tells the queue, before [`initialize`](Self::initialize), which features were agreed on.
    fn set_features(&self, accepted: u64) {
        let _ = accepted;
    }

    /// Takes back every buffer, after a reset of the device.
    ///
    /// # Safety
    ///
    /// The device for which the queue was [initialized](Self::initialize) last has been reset, and was seen
    /// to have completed the reset, since it last knew this queue: it accesses neither the queue nor the
    /// buffers in it.
    unsafe fn device_was_reset(&self) {}
}

/// What came of a look at a queue, from good to bad: of several queues the largest counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Served {
    /// The device has used nothing.
    Nothing = 0,
    /// Chains were taken, now or by the driver itself since the last look.
    Something = 1,
    /// The device broke the rules, so that the queue has stopped.
    Broken = 2,
}

/// Where in memory the parts of a queue are, as the device addresses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VirtqueueAddresses {
    /// The descriptor table, or the descriptor ring of a packed queue.
    pub descriptor_area: u64,
    /// What the driver writes: the available ring, or driver event suppression.
    pub driver_area: u64,
    /// What the device writes: the used ring, or device event suppression.
    pub device_area: u64,
}
