// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What the driver knows about its descriptors: which are free, which form a chain, whose buffers
//! they stand for. All decisions about a device's claims are made on this table, which the device
//! neither reads nor writes.
//!
//! Free descriptors form a list through `next`, and a chain is cut off the front of that list. So
//! taking and returning chains costs the same in a queue of any size.

use core::cell::Cell;
use core::marker::PhantomData;
use core::mem::MaybeUninit;

use super::lent::Lent;
use super::ring::INDIRECT;

/// Where the free list ends: beyond any table.
const NONE: u16 = u16::MAX;

/// Kind of a chain: the number of its buffers.
const BUFFERS: u8 = 7;

/// Kind of a chain: one buffer, which the device writes. The only negative one, which is told fastest.
pub(super) const WRITABLE: u8 = -7_i8 as u8;

/// Kind of a chain: a shared header and a unique buffer, which the device reads. The only other one with
/// its highest bit.
pub(super) const READABLE: u8 = 16 + 2;

const _: () = assert!(WRITABLE & BUFFERS == 1 && READABLE & BUFFERS == 2);

/// What is known about one descriptor: half a cache line, or a whole one where addresses are long.
#[cfg_attr(target_pointer_width = "64", repr(align(64)))]
pub(super) struct ChainSlot<'b> {
    /// The buffer that the descriptor stands for, or the last one that it did.
    pub(super) lent: Lent,
    /// The descriptor after this one in its chain, or in the free list.
    next: Cell<u16>,
    /// In the head of a chain that is in the queue: its kind, else zero.
    kind: Cell<u8>,
    /// In the head of a chain: how many chains were provided before it, modulo 2^32.
    position: Cell<u32>,
    /// In the head of a chain: what the driver gave with it.
    context: Cell<usize>,
    buffer: PhantomData<&'b mut [u8]>,
}

impl ChainSlot<'_> {
    #[inline(always)]
    pub(super) fn next(&self) -> u16 {
        self.next.get()
    }

    /// In the head of a chain that is in the queue: what it consists of.
    #[inline(always)]
    pub(super) fn kind(&self) -> u8 {
        self.kind.get()
    }

    /// In the head of a chain that is in the queue: whether it is one writable buffer.
    #[inline(always)]
    pub(super) fn is_writable(&self) -> bool {
        self.kind.get().cast_signed() < 0
    }

    /// In the head of another chain: whether it is a header and a readable buffer.
    #[inline(always)]
    pub(super) fn is_readable(&self) -> bool {
        self.kind.get() & READABLE & !BUFFERS != 0
    }

    /// In the head of a chain that is in the queue: how many buffers it has.
    #[inline(always)]
    pub(super) fn buffers(&self) -> u16 {
        (self.kind.get() & BUFFERS).into()
    }

    #[inline(always)]
    pub(super) fn set_context(&self, context: usize) {
        self.context.set(context);
    }

    /// Makes this the head of a chain.
    #[inline(always)]
    pub(super) fn put(&self, kind: u8, position: u32) {
        self.position.set(position);
        self.kind.set(kind);
    }

    /// Takes the chain off the table: nobody finds it any more. Its descriptors are not free yet.
    #[inline(always)]
    pub(super) fn take(&self) {
        self.kind.set(0);
    }

    #[inline(always)]
    pub(super) fn context(&self) -> usize {
        self.context.get()
    }

    /// In the head of a chain: whether the buffers are in an indirect table.
    #[inline(always)]
    pub(super) fn is_indirect(&self) -> bool {
        self.lent.flags() & INDIRECT != 0
    }
}

/// The table.
pub(super) struct ChainTable<'a, 'b> {
    /// As many as there is memory for; the first `size` are in use.
    slots: &'a [ChainSlot<'b>],
    /// One less than their number, which is a power of two.
    mask: u16,
    size: Cell<u16>,
    /// The first free descriptor, or `NONE`.
    first_free: Cell<u16>,
    free: Cell<u16>,
}

impl<'a, 'b> ChainTable<'a, 'b> {
    /// Makes a table of slots in `memory`, at least one and at most 32 768, none of them in use yet.
    pub(super) fn new<const N: usize>(memory: &'a mut [MaybeUninit<ChainSlot<'b>>; N]) -> Self {
        const { assert!(N.is_power_of_two() && N <= 32_768) };
        let start: *mut ChainSlot<'b> = memory.as_mut_ptr().cast();
        // SAFETY: a `MaybeUninit` has the layout of what it holds, and a slot is all numbers and a
        // pointer that may be null, so zeros make it valid. The unique borrow of the memory is consumed
        // for this shared one of the same lifetime.
        let slots = unsafe {
            start.write_bytes(0, N);
            core::slice::from_raw_parts(start, N)
        };
        Self {
            slots,
            mask: (N - 1) as u16,
            size: Cell::new(0),
            first_free: Cell::new(0),
            free: Cell::new(0),
        }
    }

    /// Makes the first `size` descriptors free and the rest unusable, and forgets what was written to
    /// them.
    ///
    /// Returns false, and changes nothing, while a descriptor stands for a buffer.
    pub(super) fn clear(&self, size: u16) -> bool {
        if !self.is_empty() {
            return false;
        }
        for (index, slot) in (1..).zip(self.slots.iter().take(usize::from(size))) {
            slot.next.set(if index == size { NONE } else { index });
            slot.lent.forget();
        }
        self.size.set(size);
        self.free.set(size);
        self.first_free.set(0);
        true
    }

    /// Whether no descriptor stands for a buffer.
    pub(super) fn is_empty(&self) -> bool {
        self.free.get() == self.size.get()
    }

    pub(super) fn size(&self) -> u16 {
        self.size.get()
    }

    #[inline(always)]
    pub(super) fn free(&self) -> u16 {
        self.free.get()
    }

    /// The head that the next chain will have, if a descriptor is free.
    #[inline(always)]
    pub(super) fn first_free(&self) -> u16 {
        self.first_free.get()
    }

    /// Its slot, if a descriptor is free.
    #[inline(always)]
    pub(super) fn first_free_slot(&self) -> Option<&'a ChainSlot<'b>> {
        self.slots.get(usize::from(self.first_free.get()))
    }

    /// The slot of a descriptor; an index beyond the table wraps around.
    #[inline(always)]
    pub(super) fn slot(&self, index: u16) -> &'a ChainSlot<'b> {
        // SAFETY: the mask is one less than the number of slots, a power of two.
        unsafe { self.slots.get_unchecked(usize::from(index & self.mask)) }
    }

    /// Takes the first `links` descriptors off the free list, of which the caller has seen that they
    /// are there, so that it begins with `next`.
    #[inline(always)]
    pub(super) fn remove_free(&self, next: u16, links: u16) {
        self.first_free.set(next);
        self.free.set(self.free.get().wrapping_sub(links));
    }

    /// Finds the slot of the chain that the device says it has used. It is such a chain if its kind is
    /// not zero, as it is beyond the descriptors in use.
    ///
    /// `published` is how many chains have been shown to the device, modulo 2^32: a chain that was
    /// provided and not yet published is not the device's to return.
    #[inline(always)]
    pub(super) fn used(&self, id: u32, published: u32, provided: u32) -> Option<&'a ChainSlot<'b>> {
        // Lossless where pointers have at least 32 bits.
        let slot = self.slots.get(id as usize)?;
        let unpublished = provided.wrapping_sub(published);
        let known = unpublished == 0 || slot.position.get().wrapping_sub(published) >= unpublished;
        known.then_some(slot)
    }

    /// Finds a chain from head `from` on, whatever the device knows of it.
    pub(super) fn any(&self, from: u16) -> Option<u16> {
        (from..self.size.get()).find(|&head| self.slot(head).kind() != 0)
    }

    /// Frees the descriptors of a chain from `head` to `last`.
    #[inline(always)]
    pub(super) fn release(&self, head: u16, last: &ChainSlot<'b>, links: u16) {
        last.next.set(self.first_free.replace(head));
        self.free.set(self.free.get().wrapping_add(links));
    }

    /// Whether one of the first `count` chains, modulo 2^32, is still on the table.
    pub(super) fn holds_any_of_first(&self, count: u32) -> bool {
        self.slots.iter().any(|slot| {
            let age = count.wrapping_sub(slot.position.get());
            slot.kind() != 0 && age != 0 && age <= u32::MAX / 2
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::boxed::Box;
    use std::vec::Vec;

    fn table<const N: usize>() -> ChainTable<'static, 'static> {
        let memory = Box::leak(Box::new([const { MaybeUninit::uninit() }; N]));
        let table = ChainTable::new(memory);
        assert!(table.clear(N as u16));
        table
    }

    /// Provides a chain of `links` buffers.
    fn provide(table: &ChainTable<'static, 'static>, links: u16, position: u32) -> u16 {
        let head = table.first_free();
        let next = (0..links).fold(head, |index, _| table.slot(index).next());
        table.remove_free(next, links);
        table.slot(head).put(links as u8, position);
        table
            .slot(head)
            .set_context(70_usize.wrapping_add(position as usize));
        head
    }

    /// Takes a chain off the table and frees its descriptors.
    fn free(table: &ChainTable<'static, 'static>, head: u16) -> u16 {
        let mut slot = table.slot(head);
        let links = slot.buffers();
        slot.take();
        for _ in 1..links {
            slot = table.slot(slot.next());
        }
        table.release(head, slot, links);
        links
    }

    fn context(
        table: &ChainTable<'static, 'static>,
        id: u32,
        published: u32,
        provided: u32,
    ) -> Option<usize> {
        let slot = table.used(id, published, provided)?;
        (slot.kind() != 0).then(|| slot.context())
    }

    #[test]
    fn chains_use_every_descriptor_and_give_every_one_back() {
        let table = table::<8>();
        let heads = [3, 1, 4].map(|links| provide(&table, links, 0));
        assert_eq!(table.free(), 0);
        for (head, links) in heads.into_iter().zip([3, 1, 4]).rev() {
            assert_eq!(free(&table, head), links);
        }
        assert_eq!(table.free(), 8);
        let mut places = [false; 8];
        for _ in 0..8 {
            let head = provide(&table, 1, 1);
            assert!(!std::mem::replace(&mut places[usize::from(head)], true));
        }
        assert_eq!(table.free(), 0);
    }

    #[test]
    fn the_free_list_ends_with_the_descriptors_in_use() {
        let table = table::<8>();
        for size in [1, 4, 8] {
            assert!(table.clear(size));
            let heads: Vec<u16> = (0..size).map(|at| provide(&table, 1, at.into())).collect();
            assert_eq!(heads, (0..size).collect::<Vec<_>>());
            assert!(table.first_free_slot().is_none());
            heads.into_iter().for_each(|head| _ = free(&table, head));
            assert!(table.first_free_slot().is_some());
        }
    }

    #[test]
    fn a_chain_that_comes_back_is_the_next_one_to_go_out() {
        let table = table::<8>();
        let heads = [2, 2].map(|links| provide(&table, links, 0));
        free(&table, heads[0]);
        assert_eq!(provide(&table, 2, 1), heads[0]);
    }

    #[test]
    fn only_heads_of_outstanding_chains_are_accepted() {
        let table = table::<8>();
        let first = provide(&table, 2, 0);
        let second = provide(&table, 2, 1);
        let all = if cfg!(miri) {
            20
        } else {
            u32::from(u16::MAX) + 2
        };
        for id in (0..=all).chain([0xFFFF, 0x1_0000, u32::MAX]) {
            if id != u32::from(first) && id != u32::from(second) {
                assert_eq!(context(&table, id, 2, 2), None);
            }
        }
        assert_eq!(context(&table, first.into(), 2, 2), Some(70));
        free(&table, first);
        assert_eq!(context(&table, first.into(), 2, 2), None);
    }

    #[test]
    fn a_chain_that_was_not_published_is_not_accepted() {
        let table = table::<4>();
        let shown = provide(&table, 1, 0);
        let hidden = provide(&table, 1, 1);
        assert_eq!(context(&table, hidden.into(), 1, 2), None);
        assert_eq!(context(&table, shown.into(), 1, 2), Some(70));
        assert_eq!(context(&table, hidden.into(), 2, 2), Some(71));
    }

    #[test]
    fn publication_is_judged_across_the_wrap_of_the_count() {
        let table = table::<4>();
        let shown = provide(&table, 1, u32::MAX);
        table.slot(shown).take();
        table.slot(shown).put(1, u32::MAX);
        let hidden = provide(&table, 1, 0);
        assert!(context(&table, hidden.into(), 0, 1).is_none());
        assert!(context(&table, shown.into(), 0, 1).is_some());
    }

    #[test]
    fn a_chain_is_among_the_first_for_half_of_all_counts_after_it() {
        for position in [0, 5, u32::MAX] {
            let table = table::<4>();
            let head = provide(&table, 2, position);
            let holds = |later: u32| table.holds_any_of_first(position.wrapping_add(later));
            for later in [1, 2, 1000, 0x7FFF_FFFF] {
                assert!(holds(later), "{later} after {position}");
            }
            for later in [0, 0x8000_0000, u32::MAX] {
                assert!(!holds(later), "{later} after {position}");
            }
            free(&table, head);
            assert!(!holds(1));
        }
    }

    #[test]
    fn a_table_with_outstanding_chains_cannot_be_cleared() {
        let table = table::<4>();
        provide(&table, 2, 0);
        assert!(!table.clear(2));
        assert_eq!(table.size(), 4);
        let head = table.any(0).unwrap();
        assert_eq!(free(&table, head), 2);
        assert!(table.clear(2));
        assert_eq!((table.size(), table.free()), (2, 2));
    }
}
