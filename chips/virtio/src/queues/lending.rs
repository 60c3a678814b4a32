// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Lending chains to the device: checks first, so that a refused chain is left as it was.

use kernel::platform::dma_fence::DmaFence;

use super::QueueError;
use super::buffer::VirtqueueBuffer;
use super::chain_table::{ChainSlot, READABLE, WRITABLE};
use super::lent::{Loan, link};
use super::queue_core::{DOWN, MAX_CHAIN, NOT_SPLIT, QueueCore};
use super::ring::{Entry, NEXT, Ring, WRITE};
use super::split_queue::SplitRing;
use crate::barriers::Barriers;

/// What a queue answers to a single buffer: nothing, or the buffer and why it was refused.
type Answer = Result<(), (QueueError, &'static mut [u8])>;

impl<'b, F: DmaFence, R: Ring, B: Barriers> QueueCore<'_, 'b, F, R, B> {
    #[inline(always)]
    fn check_state(&self) -> Result<(), QueueError> {
        if !self.is_up() {
            return Err(self.refusal());
        }
        Ok(())
    }

    #[cold]
    fn full(&self) -> QueueError {
        self.events.full.bump();
        QueueError::Full
    }

    #[inline(always)]
    fn check_room(&self, links: u16) -> Result<(), QueueError> {
        self.check_state()?;
        if links > self.chains.free() {
            return Err(self.full());
        }
        Ok(())
    }

    /// Whether a chain of several buffers should be in an indirect table: if no more than a quarter
    /// of the descriptors is free. Before that a table would only be a detour.
    #[inline(always)]
    fn prefers_tables(&self) -> bool {
        self.indirect.get() && self.chains.free() <= self.chains.size() / 4
    }

    /// Writes one descriptor of the chain at `head`, and returns the next free one.
    #[inline(never)]
    fn link(&self, head: u16, index: u16, loan: Loan, goes_on: bool) -> u16 {
        let slot = self.chains.slot(index);
        let next = slot.next();
        let continuation = if goes_on {
            u32::from(next) << 16 | u32::from(NEXT)
        } else {
            0
        };
        let about = loan.flags | continuation;
        let entry = Entry {
            index,
            changed: slot.lent.record(loan, about),
            lent: &slot.lent,
            link: link(about),
        };
        self.ring.write(head, entry);
        next
    }

    /// Ends the chain at `head`, with the first free descriptor behind it.
    #[inline(never)]
    fn close(&self, head: u16, next: u16, links: u16, kind: u8, context: usize) {
        self.chains.remove_free(next, links);
        let slot = self.chains.slot(head);
        slot.set_context(context);
        let position = self.provided.get();
        self.ring.close(head, position);
        slot.put(kind, position);
        self.provided.set(position.wrapping_add(1));
    }

    /// Lends a buffer in the place of the one that came back from there, to be written as that was.
    ///
    /// # Safety
    ///
    /// `head` is the index of `slot`.
    #[inline(always)]
    pub(super) unsafe fn lend_again<O: Ring>(
        &self,
        ring: &O,
        head: u16,
        slot: &ChainSlot<'b>,
        buffer: &'b mut [u8],
    ) {
        match ring.split_part() {
            // SAFETY: passed on to the caller.
            Some(ring) if O::IS_SPLIT => unsafe { self.lend_writable(ring, head, slot, buffer) },
            _ => self.lend_again_otherwise(head, slot, buffer),
        }
    }

    /// Lends a buffer to be written as a chain of its own, in the place of `head`.
    ///
    /// # Safety
    ///
    /// `head` is the index of `slot`.
    #[inline(always)]
    unsafe fn lend_writable(
        &self,
        ring: &SplitRing,
        head: u16,
        slot: &ChainSlot<'b>,
        buffer: &mut [u8],
    ) {
        let (address, len) = place(buffer);
        if slot.lent.lend_whole(buffer, self.fence) {
            // SAFETY: the caller has found the slot in the table.
            unsafe { ring.write_descriptor_of_slot(head, address, len, WRITE.into()) };
        }
        self.put(ring, head, slot, WRITABLE);
    }

    /// Puts a chain into the queue, as the next one to be published.
    #[inline(always)]
    fn put(&self, ring: &SplitRing, head: u16, slot: &ChainSlot<'b>, kind: u8) {
        let position = self.provided.get();
        ring.write_entry(head, position);
        slot.put(kind, position);
        self.provided.set(position.wrapping_add(1));
    }

    /// The same in any layout.
    #[inline(never)]
    fn lend_again_otherwise(&self, head: u16, slot: &ChainSlot<'b>, buffer: &'b mut [u8]) {
        self.chains.release(head, slot, 1);
        self.lend_next_writable(buffer, slot.context());
    }

    /// Lends a buffer to be written as a chain of its own, in any layout; there is room.
    #[inline(never)]
    fn lend_next_writable(&self, buffer: &mut [u8], context: usize) {
        let head = self.chains.first_free();
        let next = self.link(head, head, Loan::writable(buffer, self.fence), false);
        self.close(head, next, 1, WRITABLE, context);
    }
}

impl<F: DmaFence, R: Ring, B: Barriers> QueueCore<'_, 'static, F, R, B> {
    #[inline(always)]
    pub(super) fn provide_writable(&self, buffer: &'static mut [u8], context: usize) -> Answer {
        if fits(buffer.len())
            && self.state.get() & (DOWN | NOT_SPLIT) == 0
            && let Some(ring) = self.ring.split_part()
            && let Some(slot) = self.chains.first_free_slot()
        {
            let head = self.chains.first_free();
            // SAFETY: both are of the first free descriptor.
            unsafe { self.lend_writable(ring, head, slot, buffer) };
            slot.set_context(context);
            self.chains.remove_free(slot.next(), 1);
            return Ok(());
        }
        self.provide_writable_otherwise(buffer, context)
    }

    /// The same in another layout, or not at all. Apart, so that the above takes no stack.
    #[inline(never)]
    fn provide_writable_otherwise(&self, buffer: &'static mut [u8], context: usize) -> Answer {
        if let Err(error) = length(buffer.len()).and_then(|_| self.check_room(1)) {
            return Err((error, buffer));
        }
        self.lend_next_writable(buffer, context);
        Ok(())
    }

    #[inline(always)]
    pub(super) fn provide_readable(
        &self,
        header: &'static [u8],
        frame: &'static mut [u8],
        len: usize,
        context: usize,
    ) -> Answer {
        if self.state.get() & (DOWN | NOT_SPLIT) == 0
            && let Some(ring) = self.ring.split_part()
            && self.chains.free() > self.scarce.get()
            && check_frame(header, frame, len).is_ok()
        {
            let head = self.chains.first_free();
            let first = self.chains.slot(head);
            let next = first.next();
            let second = self.chains.slot(next);
            if first.lent.lend_shared(header, next, self.fence) {
                let (address, len) = place(header);
                let goes_on = u32::from(next) << 16 | u32::from(NEXT);
                ring.write_descriptor(head, address, len, goes_on);
            }
            let (address, _) = place(frame);
            if second.lent.lend_front(frame, len, self.fence) {
                ring.write_descriptor(next, address, len as u32, 0);
            }
            self.put(ring, head, first, READABLE);
            first.set_context(context);
            self.chains.remove_free(second.next(), 2);
            return Ok(());
        }
        self.provide_readable_otherwise(header, frame, len, context)
    }

    /// The same in another layout, in a table, or not at all. Apart, so that the above takes no stack.
    #[inline(never)]
    fn provide_readable_otherwise(
        &self,
        header: &'static [u8],
        frame: &'static mut [u8],
        len: usize,
        context: usize,
    ) -> Answer {
        let tables = self.tables.get().filter(|_| self.prefers_tables());
        let links = if tables.is_some() { 1 } else { 2 };
        if let Err(error) = check_frame(header, frame, len).and_then(|()| self.check_room(links)) {
            return Err((error, frame));
        }
        let header = Loan::shared(header, self.fence);
        let frame = Loan::readable(frame, len, self.fence);
        let head = self.chains.first_free();
        let next = match tables {
            Some(tables) => {
                let by_index = self.ring.split().is_some();
                tables.set(head, 0, header, true, by_index);
                tables.set(head, 1, frame, false, by_index);
                self.link(head, head, tables.loan(head, 2), false)
            }
            None => {
                let next = self.link(head, head, header, true);
                self.link(head, next, frame, false)
            }
        };
        self.close(head, next, links, READABLE, context);
        Ok(())
    }

    pub(super) fn provide(
        &self,
        chain: &mut [Option<VirtqueueBuffer<'static>>],
        context: usize,
    ) -> Result<(), QueueError> {
        let buffers = measure(chain)?;
        let in_table = buffers > 1 && self.prefers_tables();
        self.check_room(if in_table { 1 } else { buffers })?;
        let loans = chain.iter_mut().map_while(Option::take);
        let mut loans = loans.map(|buffer| Loan::of(buffer, self.fence));
        if in_table {
            self.lend_in_table(&mut loans, buffers, context);
            return Ok(());
        }
        let head = self.chains.first_free();
        let (mut next, mut left) = (head, buffers);
        for loan in loans {
            left = left.wrapping_sub(1);
            next = self.link(head, next, loan, left != 0);
        }
        self.close(head, next, buffers, buffers as u8, context);
        Ok(())
    }

    /// Lends buffers with one descriptor for all, which is free.
    #[inline(never)]
    fn lend_in_table(&self, loans: &mut dyn Iterator<Item = Loan>, buffers: u16, context: usize) {
        let Some(tables) = self.tables.get() else {
            return;
        };
        let (head, by_index) = (self.chains.first_free(), self.ring.split().is_some());
        for (index, loan) in (0u16..).zip(loans) {
            let goes_on = index.wrapping_add(1) != buffers;
            tables.set(head, index, loan, goes_on, by_index);
        }
        let next = self.link(head, head, tables.loan(head, buffers), false);
        self.close(head, next, 1, buffers as u8, context);
    }
}

/// Where a buffer is, and its length, which fits 32 bits.
#[inline(always)]
fn place(buffer: &[u8]) -> (u64, u32) {
    (buffer.as_ptr().addr() as u64, buffer.len() as u32)
}

/// Checks that a frame can be lent behind a header.
#[inline(always)]
fn check_frame(header: &[u8], frame: &[u8], len: usize) -> Result<(), QueueError> {
    if len > frame.len() {
        return Err(QueueError::TooLong);
    }
    let sum = length(header.len())?.checked_add(length(len)?);
    sum.map(|_| ()).ok_or(QueueError::TooLong)
}

/// Whether a descriptor can have this length.
#[inline(always)]
fn fits(len: usize) -> bool {
    // One test for both bounds: none has the largest predecessor.
    len.wrapping_sub(1) >> 31 == 0
}

#[inline(always)]
fn length(len: usize) -> Result<u32, QueueError> {
    if fits(len) {
        Ok(len as u32)
    } else if len == 0 {
        Err(QueueError::EmptyBuffer)
    } else {
        Err(QueueError::TooLong)
    }
}

/// Checks that a chain can be lent and returned, before any part of it is taken, and counts its
/// buffers.
fn measure(chain: &[Option<VirtqueueBuffer<'_>>]) -> Result<u16, QueueError> {
    let mut buffers: u16 = 0;
    let mut readable: u32 = 0;
    let mut writable: u32 = 0;
    for buffer in chain.iter().map_while(Option::as_ref) {
        let len = length(buffer.len())?;
        let sum = match buffer {
            VirtqueueBuffer::DeviceReadable(_) if writable != 0 => {
                return Err(QueueError::ReadableAfterWriteable);
            }
            VirtqueueBuffer::DeviceReadable(_) => &mut readable,
            VirtqueueBuffer::DeviceWriteable(_) => &mut writable,
        };
        *sum = sum.checked_add(len).ok_or(QueueError::TooLong)?;
        buffers = buffers.wrapping_add(1);
        if usize::from(buffers) > MAX_CHAIN {
            return Err(QueueError::TooLong);
        }
    }
    if buffers == 0 {
        return Err(QueueError::EmptyChain);
    }
    Ok(buffers)
}
