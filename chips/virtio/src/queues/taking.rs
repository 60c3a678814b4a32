// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Taking chains back: from a device that has used them, or after it was reset.

use kernel::platform::dma_fence::DmaFence;

use super::Violation;
use super::buffer::VirtqueueReturnBuffer;
use super::chain_table::{ChainSlot, READABLE, WRITABLE};
use super::client::SplitVirtqueueClient;
use super::lent::Lent;
use super::queue_core::{HELD, MAX_CHAIN, QueueCore, READY, SCANNING};
use super::ring::Ring;
use crate::barriers::Barriers;

impl<'b, F: DmaFence, R: Ring, B: Barriers> QueueCore<'_, 'b, F, R, B> {
    /// Takes all chains that the device has returned, and arms the notification for the next ones.
    ///
    /// Afterwards each chain that the device returns is announced, at once or as late as the driver
    /// asked for: what it returned before it knew of that is found by the last look. Returns whether
    /// there were any.
    pub(super) fn scan_used(&self) -> bool {
        self.events.scans.bump();
        if self.state.get() != READY {
            return false;
        }
        let advance = self.ring.look(self.taken.get());
        if advance == 0 {
            self.events.empty_scans.bump();
            return false;
        }
        let Some(client) = self.client.get() else {
            return false;
        };
        self.serve(client, advance);
        true
    }

    fn serve(&self, client: &dyn SplitVirtqueueClient<'b>, mut advance: u16) {
        self.state.set(READY | SCANNING);
        self.ring.quiet();
        while advance != 0 {
            match self.take(client, advance) {
                Err(violation) => {
                    self.events.rejected.bump();
                    self.violation.set(Some(violation));
                    self.state.set(0);
                    client.chains_served(self.number.get());
                    return;
                }
                // A client had the device reset, and this is another life of the queue.
                Ok(false) => return,
                Ok(true) => {}
            }
            advance = self.ring.look_on();
            if advance == 0 && self.arm() {
                // The wish before the look at the ring, lest both sides wait (2.7.7.1).
                self.barriers.full();
                advance = self.ring.look(self.taken.get());
            }
        }
        let held = self.state.replace(READY) & HELD != 0;
        client.chains_served(self.number.get());
        if held {
            self.announce();
        }
    }

    /// Hands the client the next `advance` used chains. Returns whether the queue is still the same.
    fn take(&self, client: &dyn SplitVirtqueueClient<'b>, advance: u16) -> Result<bool, Violation> {
        // Lossless: no more chains are outstanding than there are descriptors.
        let outstanding = self.published.get().wrapping_sub(self.taken.get()) as u16;
        if advance > outstanding {
            return Err(Violation::IndexJump {
                advance,
                outstanding,
            });
        }
        // What announces the entries and buffers before themselves (2.7.14).
        self.barriers.acquire();
        for _ in 0..advance {
            let taken = self.taken.get();
            let element = self.ring.element(taken);
            let slot = self
                .chains
                .used(element.id, self.published.get(), self.provided.get())?;
            // Lossless: the identifier was found to be an index.
            let head = element.id as u16;
            match slot.kind() {
                WRITABLE => self.take_writable(client, head, slot, element.len)?,
                READABLE => self.take_readable(client, head, slot, element.len)?,
                _ => self.take_chain(client, head, slot, element.len)?,
            }
            if self.state.get() & SCANNING == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Notes that a chain of `links` descriptors has come back, and takes it off the table.
    #[inline(always)]
    fn accept(&self, slot: &ChainSlot<'b>, links: u16) {
        self.chains.take(slot);
        self.ring.advance(links);
        self.taken.set(self.taken.get().wrapping_add(1));
    }

    #[inline(always)]
    fn take_writable(
        &self,
        client: &dyn SplitVirtqueueClient<'b>,
        head: u16,
        slot: &ChainSlot<'b>,
        written: u32,
    ) -> Result<(), Violation> {
        let writable = slot.lent.acquire(self.fence);
        if written > writable {
            return Err(Violation::Overrun { written, writable });
        }
        self.accept(slot, 1);
        // SAFETY: the device has returned the chain, which is now off the table, so that nobody takes
        // its buffer again. A chain of this kind was lent by a unique reference.
        let buffer = unsafe { slot.lent.take_unique() };
        let (number, context) = (self.number.get(), slot.context());
        // Lossless where pointers have at least 32 bits.
        match client.buffer_written(number, context, buffer, written as usize) {
            None => self.chains.release(head, slot, 1),
            Some(buffer) if self.state.get() & SCANNING != 0 => {
                self.lend_again(head, slot, buffer);
            }
            // The client had the device reset.
            Some(buffer) => {
                self.chains.release(head, slot, 1);
                let len = buffer.len();
                client.buffer_reclaimed(number, context, buffer, len);
            }
        }
        Ok(())
    }

    #[inline(always)]
    fn take_readable(
        &self,
        client: &dyn SplitVirtqueueClient<'b>,
        head: u16,
        slot: &ChainSlot<'b>,
        written: u32,
    ) -> Result<(), Violation> {
        if written != 0 {
            return Err(Violation::Overrun {
                written,
                writable: 0,
            });
        }
        self.accept(slot, links(slot, 2));
        let context = slot.context();
        // SAFETY: the device has returned the chain, which is now off the table.
        let (buffer, len) = unsafe { self.take_frame(head, slot) };
        client.buffer_read(self.number.get(), context, buffer, len);
        Ok(())
    }

    /// Takes the unique buffer of a chain with a shared one before it, and frees both descriptors.
    ///
    /// # Safety
    ///
    /// The chain is such a one, the device has finished with it, and it was just taken off the table.
    #[inline(always)]
    unsafe fn take_frame(&self, head: u16, slot: &ChainSlot<'b>) -> (&'b mut [u8], usize) {
        let mut frame = &slot.lent;
        let last = self.each(head, slot, 2, |lent| frame = lent);
        // SAFETY: passed on to the caller.
        let buffer = unsafe { frame.take_unique() };
        self.chains.release(head, last, links(slot, 2));
        (buffer, frame.len() as usize)
    }

    #[inline(never)]
    fn take_chain(
        &self,
        client: &dyn SplitVirtqueueClient<'b>,
        head: u16,
        slot: &ChainSlot<'b>,
        written: u32,
    ) -> Result<(), Violation> {
        let mut writable: u32 = 0;
        self.each(head, slot, slot.buffers(), |lent| {
            writable = writable.wrapping_add(lent.acquire(self.fence));
        });
        if written > writable {
            return Err(Violation::Overrun { written, writable });
        }
        let (buffers, context) = (slot.buffers(), slot.context());
        self.accept(slot, links(slot, buffers));
        // SAFETY: the device has returned the chain, which is now off the table.
        unsafe {
            self.return_chain(head, slot, buffers, written as usize, |chain| {
                client.chain_used(self.number.get(), context, chain, written as usize);
            });
        }
        Ok(())
    }

    /// Calls `each` with the first `buffers` of a chain, and returns the slot of its last descriptor.
    #[inline(always)]
    fn each<'s>(
        &'s self,
        head: u16,
        slot: &'s ChainSlot<'b>,
        buffers: u16,
        mut each: impl FnMut(&'s Lent),
    ) -> &'s ChainSlot<'b> {
        if slot.is_indirect() {
            if let Some(tables) = self.tables.get() {
                let lent = tables.lent(head).iter();
                lent.take(buffers.into()).for_each(each);
            }
            return slot;
        }
        let mut last = slot;
        each(&last.lent);
        for _ in 1..buffers {
            last = self.chains.slot(last.next());
            each(&last.lent);
        }
        last
    }

    /// Calls `receiver` with the buffers of a chain, once its descriptors are free again.
    ///
    /// # Safety
    ///
    /// The device has finished with the chain, and it was just taken off the table.
    unsafe fn return_chain(
        &self,
        head: u16,
        slot: &ChainSlot<'b>,
        buffers: u16,
        written: usize,
        receiver: impl FnOnce(&mut [Option<VirtqueueReturnBuffer<'b>>]),
    ) {
        let mut chain: [Option<VirtqueueReturnBuffer<'b>>; MAX_CHAIN] = [const { None }; _];
        let mut places = chain.iter_mut();
        let mut unaccounted = written;
        let last = self.each(head, slot, buffers, |lent| {
            // The device fills the writable buffers of a chain in order (2.7.4.2).
            let device_len = unaccounted.min(lent.writable() as usize);
            unaccounted = unaccounted.wrapping_sub(device_len);
            if let Some(place) = places.next() {
                *place = Some(VirtqueueReturnBuffer {
                    // SAFETY: passed on to the caller; each buffer is visited once.
                    virtqueue_buffer: unsafe { lent.take() },
                    device_len,
                });
            }
        });
        self.chains.release(head, last, links(slot, buffers));
        if let Some(chain) = chain.get_mut(..usize::from(buffers)) {
            receiver(chain);
        }
    }

    /// Gives every chain back, whether or not the device knew of it.
    ///
    /// # Safety
    ///
    /// The device does not access the queue or its buffers any more.
    pub(super) unsafe fn reclaim(&self) {
        self.state.set(0);
        self.violation.set(None);
        let mut from = 0;
        while let Some(head) = self.chains.any(from) {
            from = head;
            self.events.reclaimed.bump();
            let slot = self.chains.slot(head);
            let (kind, buffers) = (slot.kind(), slot.buffers());
            let (number, context) = (self.number.get(), slot.context());
            self.each(head, slot, buffers, |lent| {
                lent.acquire(self.fence);
            });
            self.chains.take(slot);
            let client = self.client.get();
            // SAFETY: the caller vouches for the device, and the chain is off the table.
            unsafe {
                if kind == buffers {
                    self.return_chain(head, slot, buffers, 0, |chain| {
                        if let Some(client) = client {
                            client.chain_reclaimed(number, context, chain);
                        }
                    });
                    continue;
                }
                let (buffer, len) = if kind == READABLE {
                    self.take_frame(head, slot)
                } else {
                    self.chains.release(head, slot, 1);
                    (slot.lent.take_unique(), slot.lent.len() as usize)
                };
                if let Some(client) = client {
                    client.buffer_reclaimed(number, context, buffer, len);
                }
            }
        }
    }
}

/// How many descriptors a chain has.
#[inline(always)]
fn links(head: &ChainSlot<'_>, buffers: u16) -> u16 {
    if head.is_indirect() { 1 } else { buffers }
}
