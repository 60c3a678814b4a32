// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The split virtqueue (VirtIO 1.2, 2.7).
//!
//! `descriptor_table`, `available_ring` and `used_ring` are the parts that the device accesses,
//! `chain_table` is the private truth about them, and `queue_core` composes the four. The device's
//! word is checked in `chain_table` and `queue_core`. Ring memory has to be coherent with the device;
//! buffers are handed over with the board's `DmaFence`.

mod available_ring;
mod chain_table;
mod client;
mod descriptor_table;
mod memory;
mod queue_core;
mod used_ring;

use core::cell::Cell;
use core::mem::MaybeUninit;

use kernel::platform::dma_fence::DmaFence;

use self::available_ring::AvailableRing;
use self::chain_table::ChainTable;
use self::descriptor_table::DescriptorTable;
use self::queue_core::{QueueCore, State};
use self::used_ring::UsedRing;
use super::{BufferQueue, QueueError, Violation, Virtqueue, VirtqueueAddresses};
use crate::barriers::{Barriers, MachineBarriers};
use crate::counters::{QueueCounters, QueueEvents};
use crate::transports::VirtIOTransport;

pub use self::client::SplitVirtqueueClient;
pub use self::memory::SplitQueueMemory;
pub use super::buffer::{VirtqueueBuffer, VirtqueueReturnBuffer};

/// A split virtqueue of at most `MAX_SIZE` descriptors, a power of two.
///
/// The size in use is the largest power of two that the device allows. A chain has at most four
/// buffers. Once the device breaks a rule the queue accepts and returns nothing more and keeps its
/// buffers until the transport has reset the device.
pub struct SplitVirtqueue<'a, 'b, const MAX_SIZE: usize, F: DmaFence, B: Barriers = MachineBarriers>
{
    core: QueueCore<'a, 'b, F, B>,
}

impl<'a, 'b, const MAX_SIZE: usize, F: DmaFence> SplitVirtqueue<'a, 'b, MAX_SIZE, F> {
    /// Makes a queue in `memory`; `fence` hands buffers over to the device and back.
    pub fn new(memory: &'a mut MaybeUninit<SplitQueueMemory<'b, MAX_SIZE>>, fence: F) -> Self {
        Self::with_barriers(memory, fence, MachineBarriers)
    }
}

impl<'a, 'b, const MAX_SIZE: usize, F: DmaFence, B: Barriers>
    SplitVirtqueue<'a, 'b, MAX_SIZE, F, B>
{
    pub(crate) fn with_barriers(
        memory: &'a mut MaybeUninit<SplitQueueMemory<'b, MAX_SIZE>>,
        fence: F,
        barriers: B,
    ) -> Self {
        const { assert!(MAX_SIZE.is_power_of_two() && MAX_SIZE <= 32_768) };
        let mask = (MAX_SIZE - 1) as u16;
        let memory = memory.as_mut_ptr();
        // SAFETY: the memory is borrowed uniquely for `'a`, and this split is its only use. Each part
        // is an array or a ring of `MAX_SIZE` entries, which the mask says. The chain slots are
        // `MaybeUninit`, hence valid as they are.
        let (descriptors, available, used, chains) = unsafe {
            (
                DescriptorTable::new((&raw mut (*memory).descriptors).cast(), mask),
                AvailableRing::new((&raw mut (*memory).available).cast(), mask),
                UsedRing::new((&raw mut (*memory).used).cast(), mask),
                &mut (*memory).chains,
            )
        };
        Self {
            core: QueueCore {
                descriptors,
                available,
                used,
                chains: ChainTable::new(chains),
                fence,
                barriers,
                client: Cell::new(None),
                transport: Cell::new(None),
                number: Cell::new(0),
                state: Cell::new(State::Down),
                provided: Cell::new(0),
                published: Cell::new(0),
                taken: Cell::new(0),
                outstanding: Cell::new(0),
                scanning: Cell::new(false),
                events: QueueEvents::new(),
            },
        }
    }

    /// Names the driver that gets chains back.
    pub fn set_client(&self, client: &'a dyn SplitVirtqueueClient<'b>) {
        self.core.client.set(Some(client));
    }

    /// Names the transport that notifies the device.
    pub fn set_transport(&self, transport: &'a dyn VirtIOTransport) {
        self.core.transport.set(Some(transport));
    }

    /// Says how the device broke the rules, if it did since the queue was initialized.
    pub fn violation(&self) -> Option<Violation> {
        match self.core.state.get() {
            State::Broken(violation) => Some(violation),
            State::Down | State::Ready => None,
        }
    }
}

impl<const MAX_SIZE: usize, F: DmaFence, B: Barriers> Virtqueue
    for SplitVirtqueue<'_, '_, MAX_SIZE, F, B>
{
    fn negotiate_queue_size(&self, device_max_elements: usize) -> usize {
        device_max_elements
            .min(MAX_SIZE)
            .checked_ilog2()
            .map_or(0, |exponent| 1 << exponent)
    }

    fn initialize(&self, queue_number: u32, queue_elements: usize) {
        // A size that was not negotiated leaves the queue down: it could not be indexed by masks.
        if self.negotiate_queue_size(queue_elements) == queue_elements && queue_elements != 0 {
            self.core.initialize(queue_number, queue_elements as u16);
        }
    }

    fn physical_addresses(&self) -> VirtqueueAddresses {
        self.core.addresses()
    }

    fn used_interrupt(&self) {
        self.core.scan_used();
    }

    fn serve(&self) -> bool {
        self.core.scan_used()
    }

    fn is_broken(&self) -> bool {
        self.violation().is_some()
    }

    unsafe fn device_was_reset(&self) {
        // SAFETY: passed on to the caller.
        unsafe { self.core.reclaim() };
    }
}

impl<const MAX_SIZE: usize, F: DmaFence, B: Barriers> BufferQueue<'static>
    for SplitVirtqueue<'_, 'static, MAX_SIZE, F, B>
{
    fn provide(
        &self,
        chain: &mut [Option<VirtqueueBuffer<'static>>],
        context: usize,
    ) -> Result<(), QueueError> {
        self.core.provide(chain, context)
    }

    fn publish(&self) {
        self.core.publish();
    }

    fn size(&self) -> usize {
        self.core.chains.size().into()
    }

    fn free(&self) -> usize {
        self.core.chains.free().into()
    }

    fn counters(&self) -> QueueCounters {
        self.core.events.snapshot()
    }
}

#[cfg(test)]
mod tests;
