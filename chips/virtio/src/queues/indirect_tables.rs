// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Indirect descriptor tables (VirtIO 1.2, 2.7.5.3 and 2.8.7): one for each descriptor of a queue, in
//! memory that is set aside for the whole run.

use core::marker::PhantomData;
use core::mem::MaybeUninit;

use super::lent::{Lent, Loan};
use super::memory::RawDescriptor;
use super::queue_core::MAX_CHAIN;
use super::ring::{INDIRECT, NEXT};
use super::shared;

/// Memory for the tables of a queue of at most `N` descriptors.
///
/// A board sets it aside, uninitialized, and gives it to the queue.
#[repr(C)]
pub struct IndirectMemory<'b, const N: usize> {
    tables: [[RawDescriptor; MAX_CHAIN]; N],
    lent: [[Lent; MAX_CHAIN]; N],
    buffers: PhantomData<&'b mut [u8]>,
}

/// The tables, in memory that the device reads, and what they stand for.
#[derive(Clone, Copy)]
pub(super) struct IndirectTables<'a> {
    first: *mut [RawDescriptor; MAX_CHAIN],
    /// As many as there are tables.
    lent: &'a [[Lent; MAX_CHAIN]],
}

impl<'a> IndirectTables<'a> {
    pub(super) fn new<const N: usize>(memory: &'a mut MaybeUninit<IndirectMemory<'_, N>>) -> Self {
        let memory = memory.as_mut_ptr();
        // SAFETY: the memory is borrowed uniquely for `'a`, and this is its only use. Zeros make all of
        // it valid: what is lent is numbers and pointers that may be null.
        unsafe {
            memory.write_bytes(0, 1);
            Self {
                first: (&raw mut (*memory).tables).cast(),
                lent: &(*memory).lent,
            }
        }
    }

    /// Fills the table of descriptor `slot`, which exists, and returns what that is to say.
    ///
    /// The entries name their successors if `by_index`, else they follow each other.
    pub(super) fn fill(
        &self,
        slot: u16,
        loans: &mut dyn Iterator<Item = Loan>,
        buffers: u16,
        by_index: bool,
    ) -> Loan {
        let lent = self.lent(slot);
        // In bounds, as `lent` has as many entries.
        let table = self
            .first
            .wrapping_add(usize::from(slot))
            .cast::<RawDescriptor>();
        for ((index, place), loan) in (0u16..).zip(lent).zip(loans) {
            place.record(loan, loan.flags);
            let next = index.wrapping_add(1);
            let goes_on = by_index && next != buffers;
            let (third, fourth) = match (by_index, goes_on) {
                (false, _) => (0, place.flags()),
                (true, false) => (place.flags(), 0),
                (true, true) => (place.flags() | NEXT, next),
            };
            let entry = table.wrapping_add(usize::from(index));
            // SAFETY: the entry lies inside the table, since `lent` has no more places, and by the
            // borrow given to `new` nothing but the device accesses it.
            unsafe {
                RawDescriptor::write_address(entry, place.address());
                shared::store(&raw mut (*entry).len, place.len());
                shared::store(&raw mut (*entry).third, third);
                shared::store(&raw mut (*entry).fourth, fourth);
            }
        }
        table.expose_provenance();
        let bytes = u32::from(buffers).wrapping_mul(size_of::<RawDescriptor>() as u32);
        Loan::table(table.cast(), bytes, INDIRECT)
    }

    /// What the table of descriptor `slot` stands for.
    #[inline]
    pub(super) fn lent(&self, slot: u16) -> &'a [Lent] {
        match self.lent.get(usize::from(slot)) {
            Some(lent) => lent,
            None => &[],
        }
    }
}
