// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A queue in any layout, as boards, transports and drivers see it.

use core::cell::Cell;
use core::mem::MaybeUninit;

use kernel::platform::dma_fence::DmaFence;

use super::buffer::VirtqueueBuffer;
use super::chain_table::ChainTable;
use super::client::SplitVirtqueueClient;
use super::indirect_tables::{IndirectMemory, IndirectTables};
use super::memory::{QueueMemory, RingMemory};
use super::queue_core::QueueCore;
use super::ring::Ring;
use super::{
    BufferQueue, DrivenQueue, QueueError, Served, Violation, Virtqueue, VirtqueueAddresses,
};
use crate::barriers::{Barriers, MachineBarriers};
use crate::counters::QueueCounters;
use crate::transports::VirtIOTransport;

/// A virtqueue of at most `MAX_SIZE` descriptors, a power of two, laid out as `R` says.
///
/// The size in use is the largest power of two that the device allows. A chain has at most four
/// buffers. Once the device breaks a rule the queue accepts and returns nothing more and keeps its
/// buffers until the transport has reset the device.
#[repr(C)]
pub struct RingQueue<'a, 'b, const MAX_SIZE: usize, F: DmaFence, R: Ring, B: Barriers> {
    core: QueueCore<'a, 'b, F, R, B>,
    /// Features that the board does not want.
    declined: Cell<u64>,
}

impl<'a, 'b, const MAX_SIZE: usize, F: DmaFence, R: Ring>
    RingQueue<'a, 'b, MAX_SIZE, F, R, MachineBarriers>
{
    /// Makes a queue in `memory`; `fence` hands buffers over to the device and back.
    pub fn new(memory: &'a mut MaybeUninit<QueueMemory<'b, MAX_SIZE>>, fence: F) -> Self {
        Self::with_barriers(memory, fence, MachineBarriers)
    }
}

impl<'a, 'b, const MAX_SIZE: usize, F: DmaFence, R: Ring, B: Barriers>
    RingQueue<'a, 'b, MAX_SIZE, F, R, B>
{
    pub(crate) fn with_barriers(
        memory: &'a mut MaybeUninit<QueueMemory<'b, MAX_SIZE>>,
        fence: F,
        barriers: B,
    ) -> Self {
        let memory = memory.as_mut_ptr();
        // SAFETY: the memory is borrowed uniquely for `'a`, and this split is its only use: the ring
        // has the parts that the device accesses, `MAX_SIZE` entries each, which the mask says. The
        // chain slots are `MaybeUninit`, hence valid as they are.
        let (ring, chains) = unsafe {
            let rings = RingMemory {
                descriptors: (&raw mut (*memory).descriptors).cast(),
                available: (&raw mut (*memory).available).cast(),
                used: (&raw mut (*memory).used).cast(),
                addresses: (&raw mut (*memory).addresses).cast(),
                mask: (MAX_SIZE - 1) as u16,
            };
            (R::new(rings), &mut (*memory).chains)
        };
        Self {
            core: QueueCore::new(ring, ChainTable::new(chains), fence, barriers),
            declined: Cell::new(0),
        }
    }

    /// Names the driver that gets chains back.
    pub fn set_client(&self, client: &'a dyn SplitVirtqueueClient<'b>) {
        self.core.set_client(client);
    }

    /// Names the transport that notifies the device.
    pub fn set_transport(&self, transport: &'a dyn VirtIOTransport) {
        self.core.transport.set(transport);
    }

    /// Gives the queue memory for indirect tables (VirtIO 1.2, 2.7.5.3): a chain of several buffers
    /// then needs one descriptor once three quarters are taken, if the device takes that.
    ///
    /// Only the first memory given is used.
    pub fn set_indirect_tables(&self, memory: &'a mut MaybeUninit<IndirectMemory<'b, MAX_SIZE>>) {
        if self.core.tables.get().is_none() {
            self.core.tables.set(Some(IndirectTables::new(memory)));
        }
    }

    /// Declines features that the queue could use, from the next initialization on.
    ///
    /// All queues of a device have to agree on a feature, so one that declines speaks for all.
    pub fn decline_features(&self, features: u64) {
        self.declined.set(features);
    }

    /// The features in use.
    pub fn accepted_features(&self) -> u64 {
        self.core.features.get()
    }

    #[inline(never)]
    fn suitable_size(&self, device_max_elements: usize) -> usize {
        if !self.core.ring.suits(self.core.features.get()) {
            return 0;
        }
        device_max_elements
            .min(MAX_SIZE)
            .checked_ilog2()
            .map_or(0, |exponent| 1 << exponent)
    }

    /// Says how the device broke the rules, if it did since the queue was initialized.
    pub fn violation(&self) -> Option<Violation> {
        self.core.violation.get()
    }
}

impl<const MAX_SIZE: usize, F: DmaFence, R: Ring, B: Barriers> Virtqueue
    for RingQueue<'_, '_, MAX_SIZE, F, R, B>
{
    /// None will do while a device may know the queue, or chains are in it: it could not be cleared, and
    /// what the device would find there is from before.
    fn negotiate_queue_size(&self, device_max_elements: usize) -> usize {
        if self.core.is_free() {
            self.suitable_size(device_max_elements)
        } else {
            0
        }
    }

    fn initialize(&self, queue_number: u32, queue_elements: usize) {
        // A size that was not negotiated leaves the queue down: it could not be indexed by masks.
        if self.suitable_size(queue_elements) == queue_elements && queue_elements != 0 {
            self.core.initialize(queue_number, queue_elements as u16);
        }
    }

    fn physical_addresses(&self) -> VirtqueueAddresses {
        self.core.ring.addresses()
    }

    fn used_interrupt(&self) {
        self.core.scan_used();
    }

    fn serve(&self) -> Served {
        self.core.serve()
    }

    fn serve_expected(&self) -> Served {
        self.core.serve_expected()
    }

    fn features(&self) -> u64 {
        R::FEATURES & !self.declined.get()
    }

    fn set_features(&self, accepted: u64) {
        self.core.features.set(accepted);
    }

    unsafe fn device_was_reset(&self) {
        // SAFETY: passed on to the caller.
        unsafe { self.core.reclaim() };
    }
}

impl<const MAX_SIZE: usize, F: DmaFence, R: Ring, B: Barriers> DrivenQueue<'static>
    for RingQueue<'_, 'static, MAX_SIZE, F, R, B>
{
    #[inline]
    fn serve_for<C: SplitVirtqueueClient<'static>>(&self, client: &C, _: &dyn Virtqueue) -> Served {
        self.core.serve_for(client)
    }

    #[inline(never)]
    fn reap_for<C: SplitVirtqueueClient<'static>>(&self, client: &C) {
        let expects_interrupts = self.core.delay.get() != 0;
        if self.core.scan_used_for(client) && expects_interrupts {
            self.core.due.set(true);
        }
    }
}

impl<const MAX_SIZE: usize, F: DmaFence, R: Ring, B: Barriers> BufferQueue<'static>
    for RingQueue<'_, 'static, MAX_SIZE, F, R, B>
{
    fn provide(
        &self,
        chain: &mut [Option<VirtqueueBuffer<'static>>],
        context: usize,
    ) -> Result<(), QueueError> {
        self.core.provide(chain, context)
    }

    #[inline(always)]
    fn provide_writable(
        &self,
        buffer: &'static mut [u8],
        context: usize,
    ) -> Result<(), (QueueError, &'static mut [u8])> {
        self.core.provide_writable(buffer, context)
    }

    #[inline(always)]
    fn provide_readable(
        &self,
        header: &'static [u8],
        frame: &'static mut [u8],
        len: usize,
        context: usize,
    ) -> Result<(), (QueueError, &'static mut [u8])> {
        self.core.provide_readable(header, frame, len, context)
    }

    fn publish(&self) {
        self.core.publish();
    }

    fn notify(&self) {
        self.core.notify();
    }

    #[inline]
    fn announce(&self) {
        self.core.announce();
    }

    fn reap(&self) {
        let expects_interrupts = self.core.delay.get() != 0;
        if self.core.scan_used() && expects_interrupts {
            self.core.due.set(true);
        }
    }

    fn remind(&self) {
        self.core.remind();
    }

    fn delay_interrupts(&self, chains: u16) {
        self.core.set_delay(chains);
    }

    fn watch(&self) {
        self.core.transport.get().watch();
    }

    fn provided(&self) -> u32 {
        self.core.provided.get()
    }

    fn holds_any_of_first(&self, count: u32) -> bool {
        self.core.chains.holds_any_of_first(count)
    }

    fn size(&self) -> usize {
        self.core.chains.size().into()
    }

    fn free(&self) -> usize {
        self.core.chains.free().into()
    }

    fn counters(&self) -> QueueCounters {
        self.core.counters()
    }
}
