// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A chain on its way back to the driver, off the chain table and with its descriptors not yet free.

use kernel::platform::dma_fence::DmaFence;

use super::buffer::VirtqueueReturnBuffer;
use super::chain_table::{ChainSlot, ChainTable};
use super::lent::Lent;

/// A chain that came back from the device, while the driver looks at it.
///
/// The driver takes the buffers out, in order, or looks at them in place and lends the whole chain
/// again. Once all are taken, their descriptors are free for another chain. Buffers that the driver does
/// neither with are lost.
pub struct ReturnedChain<'q, 'b> {
    chains: &'q ChainTable<'q, 'b>,
    /// The slot of the next buffer; that of the head if the buffers are in a table.
    slot: &'q ChainSlot<'b>,
    /// What the indirect table stands for, if the buffers are in one.
    table: Option<&'q [Lent]>,
    context: usize,
    written: u32,
    /// What is left of the bytes that the device says it wrote.
    unaccounted: u32,
    head: u16,
    buffers: u16,
    /// How many buffers have not been taken.
    left: u16,
    used: bool,
    again: bool,
}

impl<'q, 'b> ReturnedChain<'q, 'b> {
    /// Makes the view of the chain at `head`, whose buffers are in `table` if it is an indirect one.
    #[inline(always)]
    pub(super) fn new(
        chains: &'q ChainTable<'q, 'b>,
        head: u16,
        slot: &'q ChainSlot<'b>,
        table: Option<&'q [Lent]>,
        written: u32,
        used: bool,
    ) -> Self {
        let buffers = slot.buffers();
        Self {
            chains,
            slot,
            table,
            context: slot.context(),
            written,
            unaccounted: written,
            head,
            buffers,
            left: buffers,
            used,
            again: false,
        }
    }

    /// How many descriptors the chain has.
    #[inline(always)]
    pub(super) fn links(&self) -> u16 {
        match self.table {
            None => self.buffers,
            Some(_) => 1,
        }
    }

    #[inline(always)]
    pub(super) fn head(&self) -> u16 {
        self.head
    }

    #[inline(always)]
    pub(super) fn buffers(&self) -> u16 {
        self.buffers
    }

    /// Calls `each` with the buffers, none of which has been taken.
    #[inline(always)]
    pub(super) fn each(&self, mut each: impl FnMut(&Lent)) {
        let Some(table) = self.table else {
            let mut slot = self.slot;
            for _ in 1..self.buffers {
                each(&slot.lent);
                slot = self.chains.slot(slot.next());
            }
            each(&slot.lent);
            return;
        };
        table.iter().take(self.buffers.into()).for_each(each);
    }

    /// Takes over from the device what it wrote, and returns how much that is at most.
    #[inline(always)]
    pub(super) fn acquire(&self, fence: impl DmaFence) -> u32 {
        let mut writable: u32 = 0;
        self.each(|lent| writable = writable.wrapping_add(lent.acquire(fence)));
        writable
    }

    /// Whether the driver wants the chain to be lent again.
    #[inline(always)]
    pub(super) fn goes_again(&self) -> bool {
        self.again
    }

    /// Hands the chain to the driver once more, after a reset.
    pub(super) fn turn_back(&mut self) {
        (self.used, self.again, self.written, self.unaccounted) = (false, false, 0, 0);
    }

    /// Frees the descriptors, whether or not all buffers were taken.
    #[inline(always)]
    pub(super) fn finish(&mut self) {
        while self.left != 0 {
            self.next_lent();
        }
    }

    #[inline(always)]
    fn next_lent(&mut self) -> Option<&'q Lent> {
        self.left = self.left.checked_sub(1)?;
        let slot = self.slot;
        let lent = match self.table {
            None => &slot.lent,
            Some(table) => {
                let index = self.buffers.wrapping_sub(self.left).wrapping_sub(1);
                table.get(usize::from(index))?
            }
        };
        if self.left == 0 {
            self.chains.release(self.head, slot, self.links());
        } else if self.table.is_none() {
            self.slot = self.chains.slot(slot.next());
        }
        Some(lent)
    }

    /// What the driver gave with the chain.
    #[inline(always)]
    pub fn context(&self) -> usize {
        self.context
    }

    /// How many bytes the device says it has written, from the start of the writable part: never more
    /// than fit, but whether they were written is the device's word.
    #[inline(always)]
    pub fn written(&self) -> usize {
        // Lossless where pointers have at least 32 bits.
        self.written as usize
    }

    /// Whether the device has used the chain. If not, it was reset before it did, and the queue accepts
    /// nothing now.
    #[inline(always)]
    pub fn is_used(&self) -> bool {
        self.used
    }

    /// Takes the next buffer of the chain.
    pub fn next_buffer(&mut self) -> Option<VirtqueueReturnBuffer<'b>> {
        let lent = self.next_lent()?;
        // The device fills the writable buffers of a chain in order (2.7.4.2).
        let share = lent.writable().min(self.unaccounted);
        self.unaccounted = self.unaccounted.wrapping_sub(share);
        Some(VirtqueueReturnBuffer {
            // SAFETY: the queue made this view when the device had finished with the chain, and took
            // the chain off the table for it. A view passes each of its buffers once, and when it is
            // dropped nothing finds those that are left.
            virtqueue_buffer: unsafe { lent.take() },
            device_len: share as usize,
        })
    }

    /// Takes the next buffer that was lent uniquely, with the length of the window that the device saw;
    /// shared ones before it are passed over.
    #[inline]
    pub fn next_unique(&mut self) -> Option<(&'b mut [u8], usize)> {
        loop {
            let lent = self.next_lent()?;
            let len = lent.len() as usize;
            // SAFETY: as in `next_buffer`.
            if let Some(bytes) = unsafe { lent.take_unique() } {
                return Some((bytes, len));
            }
        }
    }

    /// The bytes that the device says it has written to the buffer with this index in the chain, as long
    /// as no buffer has been taken.
    #[inline]
    pub fn bytes(&self, index: usize) -> Option<&[u8]> {
        if self.left != self.buffers {
            return None;
        }
        let (mut at, mut unaccounted, mut found) = (0_usize, self.written, None);
        self.each(|lent| {
            let share = lent.writable().min(unaccounted);
            unaccounted = unaccounted.wrapping_sub(share);
            if at == index && lent.writable() != 0 {
                // SAFETY: the device has finished with the chain, and its buffers are all here. They
                // are taken through a unique borrow of this view, so not while it is borrowed for the
                // bytes; and lent again only when the view is no more.
                found = Some(unsafe { lent.bytes(share as usize) });
            }
            at = at.wrapping_add(1);
        });
        found
    }

    /// Lends the chain to the device again as it was, with the same context, once the client's method
    /// returns. It is to be published like any other.
    ///
    /// Returns false if that is not possible, because the device was reset or a buffer was taken: then
    /// the driver takes the buffers. Should the client have the device reset before it returns, it gets
    /// the chain once more, unused.
    #[inline(always)]
    pub fn lend_again(&mut self) -> bool {
        self.again = self.used && self.left == self.buffers;
        self.again
    }
}
