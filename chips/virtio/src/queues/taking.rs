// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Taking chains back: from a device that has used them, or after it was reset.

use kernel::platform::dma_fence::DmaFence;

use super::Violation;
use super::buffer::VirtqueueReturnBuffer;
use super::chain_table::{ChainSlot, READABLE, WRITABLE};
use super::lent::Lent;
use super::queue_core::{HELD, MAX_CHAIN, QueueCore, READY, SCANNING};
use super::ring::{Ring, UsedElement};
use crate::barriers::Barriers;

impl<'b, F: DmaFence, R: Ring, B: Barriers> QueueCore<'_, 'b, F, R, B> {
    /// Takes all chains that the device has returned, and arms the notification for the next ones.
    ///
    /// Afterwards each chain that the device returns is announced, at once or as late as the driver
    /// asked for: what it returned before it knew of that is found by the last look. Returns whether
    /// there were any.
    #[inline]
    pub(super) fn scan_used(&self) -> bool {
        if self.state.get() != READY {
            return false;
        }
        let advance = self.ring.look(self.taken.get());
        if advance == 0 {
            self.events.empty_scans.bump();
            return false;
        }
        self.scan(advance)
    }

    /// Takes the next `advance` chains and what follows them. Not part of the above, so that a look at
    /// an idle queue costs little.
    #[inline(never)]
    fn scan(&self, mut advance: u16) -> bool {
        self.events.scans.bump();
        self.state.set(READY | SCANNING);
        self.ring.quiet();
        // A violation ends the scan, and so does a client that has the device reset.
        while self.expect(advance) {
            while advance != 0 {
                self.take();
                if self.state.get() & SCANNING == 0 {
                    return true;
                }
                advance = advance.wrapping_sub(1);
            }
            advance = self.ring.look_on();
            if advance == 0 && self.arm() {
                // The wish before the look at the ring, lest both sides wait (2.7.7.1).
                self.barriers.full();
                advance = self.ring.look(self.taken.get());
            }
            if advance == 0 {
                self.end_scan();
                break;
            }
        }
        true
    }

    #[inline(always)]
    fn end_scan(&self) {
        let held = self.state.replace(READY) & HELD != 0;
        self.client.get().chains_served(self.number.get());
        if held {
            self.announce();
        }
    }

    /// Stops the queue, since the device broke its rules.
    fn reject(&self, violation: Violation) {
        self.events.rejected.bump();
        self.violation.set(Some(violation));
        self.state.set(0);
        // Found by the driver's own look, there may never be an interrupt that shows it.
        self.transport.get().watch();
        self.client.get().chains_served(self.number.get());
    }

    // Apart from where they are found, and with plain arguments, so that they cost nothing there.

    #[cold]
    #[inline(never)]
    fn reject_jump(&self, advance: u16, outstanding: u16) {
        self.reject(Violation::IndexJump {
            advance,
            outstanding,
        });
    }

    #[cold]
    #[inline(never)]
    fn reject_head(&self, id: u32) {
        self.reject(Violation::UnknownHead(id));
    }

    #[cold]
    #[inline(never)]
    fn reject_length(&self, written: u32, writable: u32) {
        self.reject(Violation::Overrun { written, writable });
    }

    /// Prepares for the next `advance` used chains, if there can be as many.
    #[inline(always)]
    fn expect(&self, advance: u16) -> bool {
        // Lossless: no more chains are outstanding than there are descriptors.
        let outstanding = self.published.get().wrapping_sub(self.taken.get()) as u16;
        if advance > outstanding {
            self.reject_jump(advance, outstanding);
            return false;
        }
        // What announces the entries and buffers before themselves (2.7.14).
        self.barriers.acquire();
        true
    }

    /// Hands the client the next used chain.
    #[inline(always)]
    fn take(&self) {
        let UsedElement { id, len } = self.ring.element(self.taken.get());
        let Some(slot) = self
            .chains
            .used(id, self.published.get(), self.provided.get())
        else {
            return self.reject_head(id);
        };
        // Lossless: the identifier was found to be an index.
        let head = id as u16;
        match slot.kind() {
            WRITABLE => self.take_writable(head, slot, len),
            READABLE => self.take_readable(head, slot, len),
            _ => self.take_chain(head, slot, len),
        }
    }

    /// Notes that a chain of `links` descriptors has come back, and takes it off the table.
    #[inline(always)]
    fn accept(&self, slot: &ChainSlot<'b>, links: u16) {
        slot.take();
        self.ring.advance(links);
        self.taken.set(self.taken.get().wrapping_add(1));
    }

    #[inline(always)]
    fn take_writable(&self, head: u16, slot: &ChainSlot<'b>, written: u32) {
        let writable = slot.lent.acquire_written(self.fence);
        if written > writable {
            return self.reject_length(written, writable);
        }
        self.accept(slot, 1);
        // SAFETY: the device has returned the chain, which is now off the table, so that nobody takes
        // its buffer again. A chain of this kind was lent like that.
        let buffer = unsafe { slot.lent.take_whole() };
        // Lossless where pointers have at least 32 bits.
        let written = written as usize;
        let client = self.client.get();
        match client.buffer_written(self.number.get(), slot.context(), buffer, written) {
            Some(buffer) if self.state.get() & SCANNING != 0 => {
                self.lend_again(head, slot, buffer);
            }
            left => {
                self.chains.release(head, slot, 1);
                if let Some(buffer) = left {
                    self.turn_back(slot.context(), buffer);
                }
            }
        }
    }

    /// Gives back a buffer that was to be lent again by a client that had the device reset.
    #[cold]
    fn turn_back(&self, context: usize, buffer: &'b mut [u8]) {
        let len = buffer.len();
        let client = self.client.get();
        client.buffer_reclaimed(self.number.get(), context, buffer, len);
    }

    #[inline(always)]
    fn take_readable(&self, head: u16, slot: &ChainSlot<'b>, written: u32) {
        if written != 0 {
            return self.reject_length(written, 0);
        }
        self.accept(slot, links(slot, 2));
        let context = slot.context();
        // SAFETY: the device has returned the chain, which is now off the table.
        let (buffer, len) = unsafe { self.take_frame(head, slot) };
        let client = self.client.get();
        client.buffer_read(self.number.get(), context, buffer, len);
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
        let buffer = unsafe { frame.take_front() };
        self.chains.release(head, last, links(slot, 2));
        (buffer, frame.len() as usize)
    }

    /// Takes a chain of any kind, if it is one.
    #[inline(never)]
    fn take_chain(&self, head: u16, slot: &ChainSlot<'b>, written: u32) {
        if slot.kind() == 0 {
            return self.reject_head(head.into());
        }
        let writable = self.acquire(head, slot);
        if written > writable {
            return self.reject_length(written, writable);
        }
        let buffers = slot.buffers();
        self.accept(slot, links(slot, buffers));
        // SAFETY: the device has returned the chain, which is now off the table.
        unsafe { self.return_chain(head, slot, buffers, Some(written as usize)) };
    }

    /// Takes over from the device what it wrote to a chain, and says how much that is at most.
    #[inline(never)]
    fn acquire(&self, head: u16, slot: &ChainSlot<'b>) -> u32 {
        let mut writable: u32 = 0;
        self.each(head, slot, slot.buffers(), |lent| {
            writable = writable.wrapping_add(lent.acquire(self.fence));
        });
        writable
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

    /// Gives the client the buffers of a chain, once its descriptors are free again: as used, with the
    /// number of bytes written, or as reclaimed.
    ///
    /// # Safety
    ///
    /// The device has finished with the chain, and it was just taken off the table.
    #[inline(never)]
    unsafe fn return_chain(
        &self,
        head: u16,
        slot: &ChainSlot<'b>,
        buffers: u16,
        written: Option<usize>,
    ) {
        let (number, context) = (self.number.get(), slot.context());
        let mut chain: [Option<VirtqueueReturnBuffer<'b>>; MAX_CHAIN] = [const { None }; _];
        let mut places = chain.iter_mut();
        let mut unaccounted = written.unwrap_or_default();
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
        let chain = chain.get_mut(..usize::from(buffers)).unwrap_or_default();
        let client = self.client.get();
        match written {
            Some(written) => client.chain_used(number, context, chain, written),
            None => client.chain_reclaimed(number, context, chain),
        }
    }

    fn is_down(&self) -> bool {
        self.state.get() == 0 && self.violation.get().is_none()
    }

    /// Gives every chain back, whether or not the device knew of it.
    ///
    /// # Safety
    ///
    /// The device does not access the queue or its buffers any more.
    pub(super) unsafe fn reclaim(&self) {
        self.state.set(0);
        self.violation.set(None);
        self.forgotten();
        let mut from = 0;
        // A client that initializes the queue from inside the last call has a device for new chains.
        while self.is_down()
            && let Some(head) = self.chains.any(from)
        {
            from = head;
            self.events.reclaimed.bump();
            let slot = self.chains.slot(head);
            let (kind, buffers) = (slot.kind(), slot.buffers());
            let (number, context) = (self.number.get(), slot.context());
            self.acquire(head, slot);
            slot.take();
            // SAFETY: the caller vouches for the device, and the chain is off the table.
            unsafe {
                if kind == buffers {
                    self.return_chain(head, slot, buffers, None);
                    continue;
                }
                let (buffer, len) = if kind == READABLE {
                    self.take_frame(head, slot)
                } else {
                    self.chains.release(head, slot, 1);
                    (slot.lent.take_whole(), slot.lent.len() as usize)
                };
                let client = self.client.get();
                client.buffer_reclaimed(number, context, buffer, len);
            }
        }
    }
}

/// How many descriptors a chain has.
#[inline(always)]
fn links(head: &ChainSlot<'_>, buffers: u16) -> u16 {
    if head.is_indirect() { 1 } else { buffers }
}
