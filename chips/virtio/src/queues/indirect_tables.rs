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
        // SAFETY: the memory is borrowed uniquely for `'a`, and this is its only use. Zeros make what is
        // lent valid: numbers and pointers that may be null. The tables are only ever written here.
        unsafe {
            (&raw mut (*memory).lent).write_bytes(0, 1);
            Self {
                first: (&raw mut (*memory).tables).cast(),
                lent: &(*memory).lent,
            }
        }
    }

    /// Fills all tables with zeros, as they have to be before they are used, and forgets what they said.
    pub(super) fn clear(&self) {
        // SAFETY: there are as many tables as `lent` has rows, and by the borrow given to `new` nothing
        // but a device accesses them; none knows them yet.
        unsafe { self.first.write_bytes(0, self.lent.len()) };
        self.lent.iter().flatten().for_each(Lent::forget);
    }

    /// Makes a loan entry `index` of the table of descriptor `slot`; both exist.
    ///
    /// The entries name their successors if `by_index`, else they follow each other.
    #[inline(always)]
    pub(super) fn set(&self, slot: u16, index: u16, loan: Loan, goes_on: bool, by_index: bool) {
        let Some(lent) = self.lent(slot).get(usize::from(index)) else {
            return;
        };
        let mut about = loan.flags;
        if by_index && goes_on {
            about |= u32::from(NEXT) | u32::from(index.wrapping_add(1)) << 16;
        }
        if lent.record(loan, about) {
            let entry = self.table(slot).wrapping_add(usize::from(index));
            // Side by side, in either order: flags and successor, or nothing and flags.
            let link = if by_index {
                lent.link()
            } else {
                lent.link() << 16
            };
            // SAFETY: the entry lies inside the table, as `lent` has no more places, and by the borrow
            // given to `new` nothing but the device accesses it. Its last two fields are one aligned
            // word.
            unsafe {
                RawDescriptor::write_address(entry, lent.address());
                shared::store(&raw mut (*entry).len, lent.len());
                shared::store((&raw mut (*entry).third).cast::<u32>(), link);
            }
        }
    }

    /// What the descriptor `slot` is to say when its table has `buffers` entries.
    #[inline(always)]
    pub(super) fn loan(&self, slot: u16, buffers: u16) -> Loan {
        let table = self.table(slot);
        table.expose_provenance();
        let bytes = u32::from(buffers).wrapping_mul(size_of::<RawDescriptor>() as u32);
        Loan::table(table.cast(), bytes, INDIRECT)
    }

    /// In bounds, if the slot is.
    #[inline(always)]
    fn table(&self, slot: u16) -> *mut RawDescriptor {
        self.first.wrapping_add(usize::from(slot)).cast()
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
