// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Indirect descriptor tables (VirtIO 1.2, 2.7.5.3 and 2.8.7): one for each descriptor of a queue, in
//! memory that is set aside for the whole run.

use core::cell::Cell;
use core::mem::MaybeUninit;

use super::buffer::LentBuffer;
use super::memory::RawDescriptor;
use super::queue_core::MAX_CHAIN;
use super::ring::{NEXT, WRITE};
use super::shared;

/// The buffers that a table stands for.
type Lent<'b> = [Cell<Option<LentBuffer<'b>>>; MAX_CHAIN];

/// Memory for the tables of a queue of at most `N` descriptors.
///
/// A board sets it aside, uninitialized, and gives it to the queue.
#[repr(C)]
pub struct IndirectMemory<'b, const N: usize> {
    tables: [[RawDescriptor; MAX_CHAIN]; N],
    lent: [MaybeUninit<Lent<'b>>; N],
}

/// The tables, in memory that the device reads, and what they stand for.
pub(super) struct IndirectTables<'a, 'b> {
    first: *mut [RawDescriptor; MAX_CHAIN],
    /// As many as there are tables.
    lent: &'a [Lent<'b>],
}

impl Clone for IndirectTables<'_, '_> {
    fn clone(&self) -> Self {
        *self
    }
}

impl Copy for IndirectTables<'_, '_> {}

impl<'a, 'b> IndirectTables<'a, 'b> {
    pub(super) fn new<const N: usize>(memory: &'a mut MaybeUninit<IndirectMemory<'b, N>>) -> Self {
        let memory = memory.as_mut_ptr();
        // SAFETY: the memory is borrowed uniquely for `'a`, and this is its only use. The tables are
        // zeroed before a pointer to them is kept, the places of the buffers are `MaybeUninit`,
        // hence valid as they are, and are all written before they are taken to be initialized.
        unsafe {
            let first = &raw mut (*memory).tables;
            first.write_bytes(0, 1);
            let lent = &mut (*memory).lent;
            // One by one: a whole table of them would be put together on the stack and copied.
            let places = lent.as_mut_ptr().cast::<Cell<Option<LentBuffer<'b>>>>();
            for index in 0..N * MAX_CHAIN {
                places.add(index).write(Cell::new(None));
            }
            Self {
                first: first.cast(),
                lent: core::slice::from_raw_parts(lent.as_ptr().cast(), N),
            }
        }
    }

    /// Fills the table of descriptor `slot` and returns its address and its length in bytes.
    ///
    /// The entries name their successors if `by_index`, else they follow each other. `None` if there
    /// is no such table.
    pub(super) fn fill(
        &self,
        slot: u16,
        buffers: impl Iterator<Item = (LentBuffer<'b>, u32, bool)>,
        links: u16,
        by_index: bool,
    ) -> Option<(u64, u32)> {
        let lent = self.lent.get(usize::from(slot))?;
        // In bounds, as `lent` has as many entries.
        let table = self
            .first
            .wrapping_add(usize::from(slot))
            .cast::<RawDescriptor>();
        for ((index, place), (buffer, len, writable)) in (0u16..).zip(lent).zip(buffers) {
            let next = index.wrapping_add(1);
            let direction = if writable { WRITE } else { 0 };
            let goes_on = by_index && next != links;
            let address = buffer.address() as u64;
            place.set(Some(buffer));
            let entry = table.wrapping_add(usize::from(index));
            // SAFETY: the entry lies inside the table, since `lent` has no more places, and by the
            // borrow given to `new` nothing but the device accesses it.
            unsafe {
                RawDescriptor::write_address(entry, address);
                shared::store(&raw mut (*entry).len, len);
                if by_index {
                    let flags = if goes_on { direction | NEXT } else { direction };
                    shared::store(&raw mut (*entry).third, flags);
                    shared::store(&raw mut (*entry).fourth, if goes_on { next } else { 0 });
                } else {
                    shared::store(&raw mut (*entry).third, 0);
                    shared::store(&raw mut (*entry).fourth, direction);
                }
            }
        }
        let bytes = u32::from(links).wrapping_mul(size_of::<RawDescriptor>() as u32);
        Some((table.expose_provenance() as u64, bytes))
    }

    /// Takes the buffers that the table of `slot` stands for, in order.
    pub(super) fn take(&self, slot: u16, each: impl FnMut(LentBuffer<'b>)) {
        if let Some(lent) = self.lent.get(usize::from(slot)) {
            lent.iter().map_while(Cell::take).for_each(each);
        }
    }
}
