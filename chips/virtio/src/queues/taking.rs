// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Taking chains back: from a device that has used them, or after it was reset.

use kernel::platform::dma_fence::DmaFence;

use super::buffer::VirtqueueReturnBuffer;
use super::chain_table::{ChainSlot, READABLE};
use super::client::SplitVirtqueueClient;
use super::lent::Lent;
use super::queue_core::{HELD, MAX_CHAIN, QueueCore, READY, SCANNING};
use super::ring::{Ring, Style, UsedElement};
use super::{Served, Violation};
use crate::barriers::Barriers;

impl<'b, F: DmaFence, R: Ring, B: Barriers> QueueCore<'_, 'b, F, R, B> {
    /// Takes all chains that the device has returned, and arms the notification for the next ones.
    ///
    /// Afterwards each chain that the device returns is announced, at once or as late as the driver
    /// asked for: what it returned before it knew of that is found by the last look. Returns whether
    /// there were any.
    #[inline(never)]
    pub(super) fn scan_used(&self) -> bool {
        let advance = self.look();
        if advance != 0 {
            self.scan(advance);
        }
        advance != 0
    }

    /// Looks how many chains the device has used, as far as somebody may take them now.
    #[inline(always)]
    pub(super) fn look(&self) -> u32 {
        self.look_at(&self.ring)
    }

    #[inline(always)]
    fn look_at(&self, ring: &impl Ring) -> u32 {
        if self.state.get() != READY {
            return 0;
        }
        let advance = ring.look(self.taken.get());
        if advance == 0 {
            self.events.empty_scans.bump();
        }
        advance
    }

    /// Takes all chains that the device has returned, and says what came of it, or was due before.
    #[inline(always)]
    pub(super) fn serve(&self) -> Served {
        let due = self.due.take();
        let Some(ring) = self.ring.split() else {
            return self.serve_otherwise(due);
        };
        match self.look_at(ring) {
            0 => self.outcome(due),
            advance => self.scan(advance),
        }
    }

    /// The same in another layout. Apart, so that the above takes no stack.
    #[cold]
    #[inline(never)]
    fn serve_otherwise(&self, due: bool) -> Served {
        let something = self.scan_used();
        self.outcome(something || due)
    }

    /// Takes the next `advance` chains and what follows them, and says what came of it. Not part of the
    /// above, so that a look at an idle queue costs little.
    #[inline(never)]
    pub(super) fn scan(&self, advance: u32) -> Served {
        self.scan_for(advance, || self.client.get());
        self.outcome(true)
    }

    /// Whether the queue has stopped, or something was taken.
    #[inline(always)]
    pub(super) fn outcome(&self, something: bool) -> Served {
        match self.violation.get() {
            Some(_) => Served::Broken,
            None if something => Served::Something,
            None => Served::Nothing,
        }
    }

    /// As [`scan`](Self::scan), for the client that `client` names.
    #[inline(always)]
    pub(super) fn scan_for<'c, C>(&self, mut advance: u32, client: impl Fn() -> &'c C)
    where
        C: SplitVirtqueueClient<'b> + ?Sized + 'c,
    {
        self.events.scans.bump();
        self.state.set(READY | SCANNING);
        if self.ring.style() == Style::Other {
            self.ring.quiet();
        }
        // A violation ends the scan, and so does a client that has the device reset.
        while self.expect(advance) {
            while advance != 0 {
                self.take(&client);
                if self.state.get() & SCANNING == 0 {
                    return;
                }
                advance = advance.wrapping_sub(1);
            }
            advance = self.look_on_or_arm();
            if advance == 0 {
                self.end_scan(client());
                break;
            }
        }
    }

    /// Looks for more, and asks to be notified as the driver wants it if there is nothing. Returns how
    /// many chains were used.
    #[inline(always)]
    fn look_on_or_arm(&self) -> u32 {
        let (taken, shown) = (self.taken.get(), self.published.get());
        // The usual way first, so that nothing is left of the general case.
        let may_have_missed = if self.ring.style() == Style::Each {
            self.ring.arm_next(taken, shown)
        } else {
            let advance = self.ring.look_on();
            if advance != 0 {
                return advance;
            }
            self.ring.arm(taken, shown)
        };
        if !may_have_missed {
            return 0;
        }
        // The wish before the look at the ring, lest both sides wait (2.7.7.1).
        self.barriers.full();
        self.ring.look(taken)
    }

    #[inline(always)]
    fn end_scan<C: SplitVirtqueueClient<'b> + ?Sized>(&self, client: &C) {
        let held = self.state.replace(READY) & HELD != 0;
        client.chains_served(self.number.get());
        if held {
            self.announce();
        }
    }

    /// Stops the queue, since the device broke its rules.
    fn reject(&self, violation: Violation) {
        self.events.rejected.bump();
        self.violation.set(Some(violation));
        self.state.set(0);
        self.due.set(true);
        // Found by the driver's own look, there may never be an interrupt that shows it.
        self.transport.get().watch();
        self.client.get().chains_served(self.number.get());
    }

    // Apart from where they are found, and with plain arguments, so that they cost nothing there.

    #[cold]
    #[inline(never)]
    fn reject_jump(&self, advance: u32, outstanding: u32) {
        // Lossless: an index has 16 bits, and no more chains are outstanding than there are descriptors.
        self.reject(Violation::IndexJump {
            advance: advance as u16,
            outstanding: outstanding as u16,
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
    fn expect(&self, advance: u32) -> bool {
        let outstanding = self.published.get().wrapping_sub(self.taken.get());
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
    fn take<'c, C>(&self, client: impl Fn() -> &'c C)
    where
        C: SplitVirtqueueClient<'b> + ?Sized + 'c,
    {
        let UsedElement { id, len } = self.ring.element(self.taken.get());
        let Some(slot) = self
            .chains
            .used(id, self.published.get(), self.provided.get())
        else {
            return self.reject_head(id);
        };
        // Lossless: the identifier was found to be an index.
        let head = id as u16;
        if slot.is_writable() {
            self.take_writable(head, slot, len, client);
        } else if slot.is_readable() {
            self.take_readable(head, slot, len, client);
        } else {
            self.take_chain(head, slot, len, client());
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
    fn take_writable<'c, C>(
        &self,
        head: u16,
        slot: &ChainSlot<'b>,
        written: u32,
        client: impl Fn() -> &'c C,
    ) where
        C: SplitVirtqueueClient<'b> + ?Sized + 'c,
    {
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
        match client().buffer_written(self.number.get(), slot.context(), buffer, written) {
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
    fn take_readable<'c, C>(
        &self,
        head: u16,
        slot: &ChainSlot<'b>,
        written: u32,
        client: impl Fn() -> &'c C,
    ) where
        C: SplitVirtqueueClient<'b> + ?Sized + 'c,
    {
        if written != 0 && self.ring.has_length() {
            return self.reject_length(written, 0);
        }
        self.accept(slot, links(slot, 2));
        let context = slot.context();
        // SAFETY: the device has returned the chain, which is now off the table.
        let (buffer, len) = unsafe { self.take_frame(head, slot) };
        client().buffer_read(self.number.get(), context, buffer, len);
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
    fn take_chain<C>(&self, head: u16, slot: &ChainSlot<'b>, written: u32, client: &C)
    where
        C: SplitVirtqueueClient<'b> + ?Sized,
    {
        if slot.kind() == 0 {
            return self.reject_head(head.into());
        }
        let writable = self.acquire(head, slot);
        if written > writable && (writable != 0 || self.ring.has_length()) {
            return self.reject_length(written, writable);
        }
        let written = written.min(writable) as usize;
        let buffers = slot.buffers();
        self.accept(slot, links(slot, buffers));
        // SAFETY: the device has returned the chain, which is now off the table.
        unsafe { self.return_chain(head, slot, buffers, Some(written), client) };
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
    unsafe fn return_chain<C: SplitVirtqueueClient<'b> + ?Sized>(
        &self,
        head: u16,
        slot: &ChainSlot<'b>,
        buffers: u16,
        written: Option<usize>,
        client: &C,
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
                if u16::from(kind) == buffers {
                    self.return_chain(head, slot, buffers, None, self.client.get());
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
