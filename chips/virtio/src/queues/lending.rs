// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Lending chains to the device: checks first, so that a refused chain is left as it was.

use kernel::platform::dma_fence::DmaFence;

use super::QueueError;
use super::buffer::VirtqueueBuffer;
use super::chain_table::{ChainSlot, READABLE, WRITABLE};
use super::lent::{Loan, link};
use super::queue_core::{MAX_CHAIN, QueueCore};
use super::ring::{NEXT, Ring, WRITE};
use crate::barriers::Barriers;

/// What a queue answers to a single buffer: nothing, or the buffer and why it was refused.
type Answer = Result<(), (QueueError, &'static mut [u8])>;

impl<'b, F: DmaFence, R: Ring, B: Barriers> QueueCore<'_, 'b, F, R, B> {
    #[inline(always)]
    fn check_room(&self, links: u16) -> Result<(), QueueError> {
        if self.state.get() == 0 {
            return Err(self.refusal());
        }
        if links > self.chains.free() {
            self.events.full.bump();
            return Err(QueueError::Full);
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
    #[inline(always)]
    fn link(&self, head: u16, index: u16, loan: Loan, goes_on: bool) -> u16 {
        let slot = self.chains.slot(index);
        let next = slot.next();
        let continuation = if goes_on {
            u32::from(next) << 16 | u32::from(NEXT)
        } else {
            0
        };
        let about = loan.flags | continuation;
        let changed = slot.lent.record(loan, about);
        self.ring
            .write(head, index, &slot.lent, link(about), changed);
        next
    }

    /// Ends the chain at `head`, with the first free descriptor behind it.
    #[inline(always)]
    fn close(&self, head: u16, next: u16, links: u16, kind: u16, context: usize) {
        self.chains.remove_free(next, links);
        let slot = self.chains.slot(head);
        slot.set_context(context);
        self.put(head, slot, kind);
    }

    /// Puts a chain into the queue, as the next one to be published.
    #[inline(always)]
    fn put(&self, head: u16, slot: &ChainSlot<'b>, kind: u16) {
        let position = self.provided.get();
        self.ring.close(head, position);
        slot.put(kind, position);
        self.provided.set(position.wrapping_add(1));
    }

    /// Lends a buffer in the place of the one that came back from there, to be written as that was.
    #[inline(always)]
    pub(super) fn lend_again(&self, head: u16, slot: &ChainSlot<'b>, buffer: &'b mut [u8]) {
        let changed = slot.lent.lend_whole(buffer, self.fence);
        self.ring
            .write(head, head, &slot.lent, WRITE.into(), changed);
        self.put(head, slot, WRITABLE);
    }
}

impl<F: DmaFence, R: Ring, B: Barriers> QueueCore<'_, 'static, F, R, B> {
    #[inline]
    pub(super) fn provide_writable(&self, buffer: &'static mut [u8], context: usize) -> Answer {
        if let Err(error) = length(buffer.len()).and_then(|_| self.check_room(1)) {
            return Err((error, buffer));
        }
        let head = self.chains.first_free();
        let slot = self.chains.slot(head);
        let changed = slot.lent.lend_whole(buffer, self.fence);
        self.ring
            .write(head, head, &slot.lent, WRITE.into(), changed);
        slot.set_context(context);
        self.chains.remove_free(slot.next(), 1);
        self.put(head, slot, WRITABLE);
        Ok(())
    }

    #[inline]
    pub(super) fn provide_readable(
        &self,
        header: &'static [u8],
        frame: &'static mut [u8],
        len: usize,
        context: usize,
    ) -> Answer {
        let in_table = self.prefers_tables();
        let links = if in_table { 1 } else { 2 };
        if let Err(error) = check_frame(header, frame, len).and_then(|()| self.check_room(links)) {
            return Err((error, frame));
        }
        if in_table {
            self.lend_frame_in_table(header, frame, len, context);
            return Ok(());
        }
        let head = self.chains.first_free();
        let first = self.chains.slot(head);
        let second = self.chains.slot(first.next());
        let changed = first.lent.lend_shared(header, first.next(), self.fence);
        let goes_on = u32::from(first.next()) << 16 | u32::from(NEXT);
        self.ring.write(head, head, &first.lent, goes_on, changed);
        let changed = second.lent.lend_front(frame, len, self.fence);
        self.ring
            .write(head, first.next(), &second.lent, 0, changed);
        first.set_context(context);
        self.chains.remove_free(second.next(), 2);
        self.put(head, first, READABLE);
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
        self.close(head, next, buffers, buffers, context);
        Ok(())
    }

    /// Lends buffers with one descriptor for all, which is free.
    #[inline(never)]
    fn lend_in_table(&self, loans: &mut dyn Iterator<Item = Loan>, buffers: u16, context: usize) {
        let Some(tables) = self.tables.get() else {
            return;
        };
        let (head, by_index) = (self.chains.first_free(), self.ring.links_by_index());
        for (index, loan) in (0u16..).zip(loans) {
            let goes_on = index.wrapping_add(1) != buffers;
            tables.set(head, index, loan, goes_on, by_index);
        }
        let next = self.link(head, head, tables.loan(head, buffers), false);
        self.close(head, next, 1, buffers, context);
    }

    /// As [`lend_in_table`](Self::lend_in_table), for what is lent most often.
    #[inline(never)]
    fn lend_frame_in_table(
        &self,
        header: &'static [u8],
        frame: &'static mut [u8],
        len: usize,
        context: usize,
    ) {
        let Some(tables) = self.tables.get() else {
            return;
        };
        let (head, by_index) = (self.chains.first_free(), self.ring.links_by_index());
        tables.set(head, 0, Loan::shared(header, self.fence), true, by_index);
        tables.set(
            head,
            1,
            Loan::readable(frame, len, self.fence),
            false,
            by_index,
        );
        let next = self.link(head, head, tables.loan(head, 2), false);
        self.close(head, next, 1, READABLE, context);
    }
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

#[inline(always)]
fn length(len: usize) -> Result<u32, QueueError> {
    // One test for both bounds: none has the largest predecessor.
    if len.wrapping_sub(1) >> 31 == 0 {
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
