// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Taking chains back: from a device that has used them, or after it was reset.

use kernel::platform::dma_fence::DmaFence;

use super::buffer::VirtqueueReturnBuffer;
use super::chain_table::{ChainSlot, READABLE};
use super::client::SplitVirtqueueClient;
use super::lent::Lent;
use super::queue_core::{
    DOWN, HELD, LATER, MAX_CHAIN, NEVER, OF_THE_RING, OTHERWISE, QueueCore, SCANNING,
};
use super::ring::{Ring, UsedElement};
use super::split_queue::SplitRing;
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
        let advance = self.look(&self.ring);
        if advance == 0 {
            return false;
        }
        if advance > self.outstanding() {
            self.reject_jump(advance);
            return true;
        }
        if self.state.get() & OTHERWISE != 0 {
            self.ring.quiet();
        }
        self.scan_for(&self.ring, advance, || self.client.get());
        true
    }

    /// Looks how many chains the device has used, as far as somebody may take them now.
    #[inline(always)]
    fn look(&self, ring: &impl Ring) -> u32 {
        if self.state.get() & !OF_THE_RING != 0 {
            return 0;
        }
        let advance = ring.look(self.taken.get());
        if advance == 0 {
            self.events.empty_scans.bump();
        }
        advance
    }

    /// Takes all chains that the device has returned, and says what came of it, or was due before.
    #[inline(never)]
    pub(super) fn serve(&self) -> Served {
        let due = self.due.take();
        let something = self.scan_used();
        self.outcome(something || due)
    }

    /// As [`serve`](Self::serve), of a queue for which an interrupt may have come; another one is not
    /// looked at.
    #[inline(never)]
    pub(super) fn serve_expected(&self) -> Served {
        if self.expects_nothing() {
            Served::Nothing
        } else {
            self.serve()
        }
    }

    /// The same for a client that is given.
    #[inline]
    pub(super) fn serve_for<C: SplitVirtqueueClient<'b>>(&self, client: &C) -> Served {
        if self.state.get() != 0 {
            return self.serve_expected();
        }
        let Some(ring) = self.ring.split_part() else {
            return Served::Nothing;
        };
        let advance = ring.look(self.taken.get());
        // One test for nothing and for too much: zero has the largest predecessor.
        if advance.wrapping_sub(1) >= self.outstanding() {
            return self.serve_oddity(advance);
        }
        self.due.set(false);
        if self.scan_split(ring, advance, client) {
            Served::Something
        } else {
            self.outcome(true)
        }
    }

    /// Says what came of a look that found nothing, or more than there can be.
    #[inline(never)]
    fn serve_oddity(&self, advance: u32) -> Served {
        if advance == 0 {
            self.events.empty_scans.bump();
        } else {
            self.reject_jump(advance);
        }
        self.outcome(self.due.take())
    }

    /// As [`scan_used`](Self::scan_used), for a client that is given.
    #[inline(always)]
    pub(super) fn scan_used_for<C: SplitVirtqueueClient<'b>>(&self, client: &C) -> bool {
        if self.state.get() & !(LATER | NEVER) == 0
            && let Some(ring) = self.ring.split_part()
        {
            let advance = self.look(ring);
            if advance.wrapping_sub(1) < self.outstanding() {
                self.scan_split(ring, advance, client);
                return true;
            }
            if advance == 0 {
                return false;
            }
        }
        self.scan_used()
    }

    /// Whether the queue has stopped, or something was taken.
    #[inline(always)]
    fn outcome(&self, something: bool) -> Served {
        match self.violation.get() {
            Some(_) => Served::Broken,
            None if something => Served::Something,
            None => Served::Nothing,
        }
    }

    /// As [`scan_for`](Self::scan_for), for a client that is given. Not part of its callers, where that is
    /// worth it.
    #[inline]
    fn scan_split<C>(&self, ring: &SplitRing, advance: u32, client: &C) -> bool
    where
        C: SplitVirtqueueClient<'b>,
    {
        self.scan_for(ring, advance, || client)
    }

    /// How many chains the device has.
    #[inline(always)]
    fn outstanding(&self) -> u32 {
        self.published.get().wrapping_sub(self.taken.get())
    }

    /// Takes the next `advance` chains, of which there is one and can be as many, and what follows them,
    /// for the client that `client` names. `ring` is that of the queue.
    ///
    /// A violation ends this early, and so does a client that has the device reset. Returns whether
    /// neither happened.
    #[inline(always)]
    fn scan_for<'c, C, O>(&self, ring: &O, mut advance: u32, client: impl Fn() -> &'c C) -> bool
    where
        C: SplitVirtqueueClient<'b> + ?Sized + 'c,
        O: Ring,
    {
        self.events.scans.bump();
        self.state.set(self.state.get() | SCANNING);
        let held = loop {
            // What announces the entries and buffers before themselves (2.7.14).
            self.barriers.acquire();
            loop {
                self.take(ring, &client);
                if self.state.get() & SCANNING == 0 {
                    return false;
                }
                advance = advance.wrapping_sub(1);
                if advance == 0 {
                    break;
                }
            }
            // The usual way first, so that nothing is left of the general case.
            if O::IS_SPLIT && self.state.get() == SCANNING {
                advance = self.arm_next(ring);
                if advance == 0 {
                    self.state.set(0);
                    break false;
                }
            } else {
                advance = self.look_on_or_arm();
                if advance == 0 {
                    break self.end_scan();
                }
            }
            if advance > self.outstanding() {
                self.reject_jump(advance);
                return false;
            }
        };
        client().chains_served(self.number.get());
        if held {
            self.announce();
        }
        true
    }

    /// Returns whether something is to be published.
    #[inline(always)]
    fn end_scan(&self) -> bool {
        let state = self.state.get();
        self.state.set(state & !(SCANNING | HELD));
        state & HELD != 0
    }

    /// Asks to be notified of the next chain, and looks whether it is there.
    #[inline(always)]
    fn arm_next(&self, ring: &impl Ring) -> u32 {
        let taken = self.taken.get();
        if ring.arm_next(taken, self.published.get()) {
            self.look_again(ring, taken)
        } else {
            0
        }
    }

    /// Looks for more, and asks to be notified as the driver wants it if there is nothing. Returns how
    /// many chains were used.
    #[inline(never)]
    fn look_on_or_arm(&self) -> u32 {
        if self.state.get() & !HELD == SCANNING {
            return self.arm_next(&self.ring);
        }
        let taken = self.taken.get();
        let advance = self.ring.look_on();
        if advance != 0 || !self.ring.arm(taken, self.published.get()) {
            return advance;
        }
        self.look_again(&self.ring, taken)
    }

    /// Looks for what the device has used before it knew that somebody waits.
    #[inline(always)]
    fn look_again(&self, ring: &impl Ring, taken: u32) -> u32 {
        // The wish before the look at the ring, lest both sides wait (2.7.7.1).
        self.barriers.full();
        ring.look(taken)
    }

    /// Stops the queue, since the device broke its rules.
    fn reject(&self, violation: Violation) {
        self.events.rejected.bump();
        self.violation.set(Some(violation));
        self.state.set(DOWN);
        self.due.set(true);
        // Found by the driver's own look, there may never be an interrupt that shows it.
        self.transport.get().watch();
        self.client.get().chains_served(self.number.get());
    }

    // Apart from where they are found, and with plain arguments, so that they cost nothing there.

    #[cold]
    #[inline(never)]
    fn reject_jump(&self, advance: u32) {
        let outstanding = self.outstanding();
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

    /// Hands the client the next used chain.
    #[inline(always)]
    fn take<'c, C, O>(&self, ring: &O, client: impl Fn() -> &'c C)
    where
        C: SplitVirtqueueClient<'b> + ?Sized + 'c,
        O: Ring,
    {
        let UsedElement { id, len } = ring.element(self.taken.get());
        let Some(slot) = self
            .chains
            .used(id, self.published.get(), self.provided.get())
        else {
            return self.reject_head(id);
        };
        // Lossless: the identifier was found to be an index.
        let head = id as u16;
        if slot.is_writable() {
            self.take_writable(ring, head, slot, len, client);
        } else if slot.is_readable() {
            self.take_readable(ring, head, slot, len, client);
        } else {
            self.take_chain(head, slot, len);
        }
    }

    /// Notes that a chain of `links` descriptors has come back, and takes it off the table.
    #[inline(always)]
    fn accept(&self, ring: &impl Ring, slot: &ChainSlot<'b>, links: u16) {
        slot.take();
        ring.advance(links);
        self.taken.set(self.taken.get().wrapping_add(1));
    }

    #[inline(always)]
    fn take_writable<'c, C, O>(
        &self,
        ring: &O,
        head: u16,
        slot: &ChainSlot<'b>,
        written: u32,
        client: impl Fn() -> &'c C,
    ) where
        C: SplitVirtqueueClient<'b> + ?Sized + 'c,
        O: Ring,
    {
        let window = slot.lent.acquire_whole(self.fence);
        // Lossless where pointers have at least 32 bits.
        let len = written as usize;
        if len > window.len() {
            return self.reject_length(written, window.len() as u32);
        }
        self.accept(ring, slot, 1);
        // SAFETY: the device has returned the chain, which is now off the table, so that nobody takes
        // its buffer again. A chain of this kind was lent by a unique reference to the whole of it.
        let buffer = unsafe { &mut *window };
        match client().buffer_written(self.number.get(), slot.context(), buffer, len) {
            Some(buffer) if self.state.get() & SCANNING != 0 => {
                // SAFETY: the slot was found by this index.
                unsafe { self.lend_again(ring, head, slot, buffer) };
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
    fn take_readable<'c, C, O>(
        &self,
        ring: &O,
        head: u16,
        slot: &ChainSlot<'b>,
        written: u32,
        client: impl Fn() -> &'c C,
    ) where
        C: SplitVirtqueueClient<'b> + ?Sized + 'c,
        O: Ring,
    {
        if !O::IS_SPLIT || slot.is_indirect() {
            return self.take_readable_otherwise(head, slot, written);
        }
        if written != 0 {
            return self.reject_length(written, 0);
        }
        self.accept(ring, slot, 2);
        let last = self.chains.slot(slot.next());
        // SAFETY: the device has returned the chain, which is now off the table. Its second buffer was
        // lent like that.
        let buffer = unsafe { last.lent.take_front() };
        self.chains.release(head, last, 2);
        let len = last.lent.len() as usize;
        client().buffer_read(self.number.get(), slot.context(), buffer, len);
    }

    /// The same in another layout, or from a table. Apart, so that the above takes no stack.
    #[inline(never)]
    fn take_readable_otherwise(&self, head: u16, slot: &ChainSlot<'b>, written: u32) {
        if written != 0 && self.ring.has_length() {
            return self.reject_length(written, 0);
        }
        self.accept(&self.ring, slot, links(slot, 2));
        let context = slot.context();
        // SAFETY: the device has returned the chain, which is now off the table.
        let (buffer, len) = unsafe { self.take_frame(head, slot) };
        let client = self.client.get();
        client.buffer_read(self.number.get(), context, buffer, len);
    }

    /// Takes the unique buffer of a chain with a shared one before it, and frees its descriptors.
    ///
    /// # Safety
    ///
    /// The chain is such a one, the device has finished with it, and it was just taken off the table.
    #[inline(never)]
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
        if written > writable && (writable != 0 || self.ring.has_length()) {
            return self.reject_length(written, writable);
        }
        let written = written.min(writable) as usize;
        let buffers = slot.buffers();
        self.accept(&self.ring, slot, links(slot, buffers));
        // SAFETY: the device has returned the chain, which is now off the table.
        unsafe { self.return_chain(head, slot, buffers, Some(written)) };
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
        self.state.get() & DOWN != 0 && self.violation.get().is_none()
    }

    /// Gives every chain back, whether or not the device knew of it.
    ///
    /// # Safety
    ///
    /// The device does not access the queue or its buffers any more.
    pub(super) unsafe fn reclaim(&self) {
        self.state.set(DOWN);
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
