// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What the driver knows about its descriptors: which are free, which form a chain, whose buffers
//! they stand for. All decisions about a device's claims are made on this table, which the device
//! neither reads nor writes.
//!
//! Free descriptors form a list through `next`, and a chain is cut off the front of that list. So
//! taking and returning chains costs the same in a queue of any size.

use core::cell::Cell;
use core::mem::MaybeUninit;

use super::Violation;
use super::buffer::LentBuffer;

/// What is known about one descriptor.
pub(super) struct ChainSlot<'b> {
    /// The buffer that the descriptor stands for; `None` while it is free.
    lent: Cell<Option<LentBuffer<'b>>>,
    /// The descriptor after this one in its chain, or in the free list.
    next: Cell<u16>,
    /// In the head of a chain the number of its descriptors, else zero.
    links: Cell<u16>,
    /// In the head of a chain: how many buffers it has.
    buffers: Cell<u16>,
    /// In the head of a chain: how many bytes the device may write.
    writable: Cell<u32>,
    /// In the head of a chain: how many chains were provided before it, modulo 2^32.
    position: Cell<u32>,
    /// In the head of a chain: what the driver gave with it.
    context: Cell<usize>,
}

impl ChainSlot<'_> {
    /// Writes a free descriptor, member by member: as a whole it would be put together on the stack
    /// and copied.
    fn write_free(place: &mut MaybeUninit<Self>) {
        // A member that is not named here is not written below.
        let _all_members = |Self {
                                lent: _,
                                next: _,
                                links: _,
                                buffers: _,
                                writable: _,
                                position: _,
                                context: _,
                            }: Self| ();
        let slot = place.as_mut_ptr();
        // SAFETY: the memory is borrowed uniquely and has room for every member.
        unsafe {
            (&raw mut (*slot).lent).write(Cell::new(None));
            (&raw mut (*slot).next).write(Cell::new(0));
            (&raw mut (*slot).links).write(Cell::new(0));
            (&raw mut (*slot).buffers).write(Cell::new(0));
            (&raw mut (*slot).writable).write(Cell::new(0));
            (&raw mut (*slot).position).write(Cell::new(0));
            (&raw mut (*slot).context).write(Cell::new(0));
        }
    }
}

/// A chain that was taken off the table, before its buffers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TakenChain {
    pub(super) head: u16,
    pub(super) links: u16,
    /// As many as there are descriptors, or more, if they are in an indirect table.
    pub(super) buffers: u16,
    pub(super) context: usize,
}

impl TakenChain {
    /// Whether the buffers are in an indirect table.
    pub(super) fn is_indirect(self) -> bool {
        self.buffers != self.links
    }
}

/// The table.
pub(super) struct ChainTable<'a, 'b> {
    /// As many as there is memory for, a power of two; the first `size` are in use.
    slots: &'a [ChainSlot<'b>],
    size: Cell<u16>,
    /// The first free descriptor, meaningless if there is none.
    first_free: Cell<u16>,
    free: Cell<u16>,
}

impl<'a, 'b> ChainTable<'a, 'b> {
    /// Makes a table of slots in `memory`, none of them in use yet.
    pub(super) fn new(memory: &'a mut [MaybeUninit<ChainSlot<'b>>]) -> Self {
        for slot in memory.iter_mut() {
            ChainSlot::write_free(slot);
        }
        let start: *const ChainSlot<'b> = memory.as_ptr().cast();
        // SAFETY: every slot was written above, and a `MaybeUninit` has the layout of what it holds.
        // The unique borrow of the memory is consumed for this shared one of the same lifetime.
        let slots = unsafe { core::slice::from_raw_parts(start, memory.len()) };
        Self {
            slots,
            size: Cell::new(0),
            first_free: Cell::new(0),
            free: Cell::new(0),
        }
    }

    /// Makes the first `size` descriptors free and the rest unusable.
    ///
    /// Returns false, and changes nothing, while a descriptor stands for a buffer.
    pub(super) fn clear(&self, size: u16) -> bool {
        if self.free.get() != self.size.get() {
            return false;
        }
        for (index, slot) in (1..).zip(self.slots.iter().take(usize::from(size))) {
            slot.next.set(index);
            slot.links.set(0);
        }
        self.size.set(size);
        self.free.set(size);
        self.first_free.set(0);
        true
    }

    pub(super) fn size(&self) -> u16 {
        self.size.get()
    }

    pub(super) fn free(&self) -> u16 {
        self.free.get()
    }

    /// The head that the next chain will have.
    pub(super) fn next_head(&self) -> u16 {
        self.first_free.get()
    }

    /// Takes the first free descriptor and returns its index and its successor's.
    ///
    /// It stands for `buffer`, or for an indirect table if that is `None`. The caller has seen that
    /// enough are free and ends with [`close`](Self::close); `None` means it had not.
    #[inline]
    pub(super) fn append(&self, buffer: Option<LentBuffer<'b>>) -> Option<(u16, u16)> {
        let index = self.first_free.get();
        let remaining = self.free.get().checked_sub(1)?;
        let slot = self.slots.get(usize::from(index))?;
        let next = slot.next.get();
        slot.lent.set(buffer);
        self.first_free.set(next);
        self.free.set(remaining);
        Some((index, next))
    }

    /// Makes the descriptors taken since `head` a chain.
    #[inline]
    pub(super) fn close(
        &self,
        head: u16,
        links: u16,
        buffers: u16,
        writable: u32,
        position: u32,
        context: usize,
    ) {
        if let Some(slot) = self.slots.get(usize::from(head)) {
            slot.links.set(links);
            slot.buffers.set(buffers);
            slot.writable.set(writable);
            slot.position.set(position);
            slot.context.set(context);
        }
    }

    /// Checks what the device says about a chain, and takes the chain off the table if it holds.
    ///
    /// `published` is how many chains have been shown to the device, modulo 2^32: a chain that was
    /// provided and not yet published is not the device's to return.
    #[inline]
    pub(super) fn take_used(
        &self,
        id: u32,
        written: u32,
        published: u32,
        provided: u32,
    ) -> Result<TakenChain, Violation> {
        let unknown = Violation::UnknownHead(id);
        let head = u16::try_from(id).map_err(|_| unknown)?;
        if head >= self.size.get() {
            return Err(unknown);
        }
        let slot = self.slots.get(usize::from(head)).ok_or(unknown)?;
        let links = slot.links.get();
        let unpublished = provided.wrapping_sub(published);
        if links == 0 || slot.position.get().wrapping_sub(published) < unpublished {
            return Err(unknown);
        }
        let writable = slot.writable.get();
        if written > writable {
            return Err(Violation::Overrun { written, writable });
        }
        slot.links.set(0);
        Ok(TakenChain {
            head,
            links,
            buffers: slot.buffers.get(),
            context: slot.context.get(),
        })
    }

    /// Whether one of the first `count` chains, modulo 2^32, is still on the table.
    pub(super) fn holds_any_of_first(&self, count: u32) -> bool {
        self.slots.iter().any(|slot| {
            let age = count.wrapping_sub(slot.position.get());
            slot.links.get() != 0 && age != 0 && age <= u32::MAX / 2
        })
    }

    /// Takes any chain off the table, whatever the device knows of it.
    pub(super) fn take_any(&self, from: u16) -> Option<TakenChain> {
        (from..self.size.get()).find_map(|head| {
            let slot = self.slots.get(usize::from(head))?;
            let links = slot.links.take();
            (links != 0).then(|| TakenChain {
                head,
                links,
                buffers: slot.buffers.get(),
                context: slot.context.get(),
            })
        })
    }

    /// Takes the buffers of a chain that is off the table, in order, and frees its descriptors.
    ///
    /// Buffers in an indirect table are not among them.
    #[inline]
    pub(super) fn take_buffers(&self, chain: TakenChain, mut each: impl FnMut(LentBuffer<'b>)) {
        let mut index = chain.head;
        for link in 1..=chain.links {
            let Some(slot) = self.slots.get(usize::from(index)) else {
                return;
            };
            if let Some(buffer) = slot.lent.take() {
                each(buffer);
            }
            if link == chain.links {
                slot.next.set(self.first_free.get());
            }
            index = slot.next.get();
        }
        self.first_free.set(chain.head);
        self.free.set(self.free.get().wrapping_add(chain.links));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queues::buffer::VirtqueueBuffer;
    use crate::testing::fence::NoFence;
    use kernel::utilities::leasable_buffer::SubSliceMutImmut;
    use std::boxed::Box;
    use std::vec::Vec;

    fn table(size: u16) -> ChainTable<'static, 'static> {
        let memory = (0..size).map(|_| MaybeUninit::uninit()).collect::<Vec<_>>();
        let table = ChainTable::new(Box::leak(memory.into_boxed_slice()));
        assert!(table.clear(size));
        table
    }

    fn buffer(bytes: &'static [u8]) -> LentBuffer<'static> {
        LentBuffer::lend(
            VirtqueueBuffer::DeviceReadable(SubSliceMutImmut::from(bytes)),
            NoFence,
        )
    }

    /// Provides a chain of `links` buffers with room for 10 bytes.
    fn provide(table: &ChainTable<'static, 'static>, links: u16, position: u32) -> u16 {
        let head = table.next_head();
        for _ in 0..links {
            assert!(table.append(Some(buffer(&[1]))).is_some());
        }
        table.close(head, links, links, 10, position, 70 + position as usize);
        head
    }

    fn lengths(table: &ChainTable<'static, 'static>, chain: TakenChain) -> usize {
        let mut buffers = 0;
        table.take_buffers(chain, |_| buffers += 1);
        buffers
    }

    #[test]
    fn chains_use_every_descriptor_and_give_every_one_back() {
        let table = table(8);
        let heads = [3, 1, 4].map(|links| provide(&table, links, 0));
        assert_eq!(table.free(), 0);
        assert!(table.append(Some(buffer(&[1]))).is_none());
        for (head, links) in heads.into_iter().zip([3, 1, 4]).rev() {
            let chain = table.take_used(head.into(), 0, 1, 1).unwrap();
            assert_eq!(lengths(&table, chain), links);
        }
        assert_eq!(table.free(), 8);
    }

    #[test]
    fn only_heads_of_outstanding_chains_are_accepted() {
        let table = table(8);
        let first = provide(&table, 2, 0);
        let second = provide(&table, 2, 1);
        let all = if cfg!(miri) {
            20
        } else {
            u32::from(u16::MAX) + 2
        };
        for id in (0..=all).chain([0xFFFF, 0x1_0000, u32::MAX]) {
            if id != u32::from(first) && id != u32::from(second) {
                assert_eq!(
                    table.take_used(id, 0, 2, 2),
                    Err(Violation::UnknownHead(id))
                );
            }
        }
        assert!(table.take_used(first.into(), 0, 2, 2).is_ok());
        assert_eq!(
            table.take_used(first.into(), 0, 2, 2),
            Err(Violation::UnknownHead(first.into()))
        );
    }

    #[test]
    fn a_chain_that_was_not_published_is_not_accepted() {
        let table = table(4);
        let shown = provide(&table, 1, 0);
        let hidden = provide(&table, 1, 1);
        assert_eq!(
            table.take_used(hidden.into(), 0, 1, 2),
            Err(Violation::UnknownHead(hidden.into()))
        );
        assert!(table.take_used(shown.into(), 0, 1, 2).is_ok());
        assert!(table.take_used(hidden.into(), 0, 2, 2).is_ok());
    }

    #[test]
    fn publication_is_judged_across_the_wrap_of_the_count() {
        let table = table(4);
        let shown = provide(&table, 1, u32::MAX);
        let hidden = provide(&table, 1, 0);
        assert!(table.take_used(hidden.into(), 0, 0, 1).is_err());
        assert!(table.take_used(shown.into(), 0, 0, 1).is_ok());
    }

    #[test]
    fn more_bytes_than_the_chain_can_hold_are_refused_and_the_chain_stays() {
        let table = table(4);
        let head = provide(&table, 1, 0);
        for written in [11, u32::MAX] {
            assert_eq!(
                table.take_used(head.into(), written, 1, 1),
                Err(Violation::Overrun {
                    written,
                    writable: 10
                })
            );
        }
        let chain = table.take_used(head.into(), 10, 1, 1).unwrap();
        assert_eq!((chain.head, chain.context), (head, 70));
    }

    #[test]
    fn a_table_with_outstanding_chains_cannot_be_cleared() {
        let table = table(4);
        provide(&table, 2, 0);
        assert!(!table.clear(2));
        assert_eq!(table.size(), 4);
        let chain = table.take_any(0).unwrap();
        assert_eq!(lengths(&table, chain), 2);
        assert!(table.clear(2));
        assert_eq!((table.size(), table.free()), (2, 2));
    }
}
