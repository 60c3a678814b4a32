// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What lies where in the memory of one grant in one process.
//!
//! From the lowest address: a header with the counts, the upcalls, the read-only buffers, the
//! read-write buffers, padding, and the driver's value. The header comes first so that subscribe
//! and allow calls find their entry without knowing the driver's type.

use core::alloc::Layout;
use core::cell::Cell;
use core::ptr::{self, NonNull};

use crate::utilities::capability_ptr::CapabilityPtr;
use crate::utilities::machine_register::MachineRegister;

/// How many entries of each kind there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) upcalls: u8,
    pub(super) read_only: u8,
    pub(super) read_write: u8,
}

/// What a process subscribed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SavedUpcall {
    /// Passed to the function as its last argument.
    pub(crate) appdata: MachineRegister,
    /// Null when nothing is subscribed.
    pub(crate) function: CapabilityPtr,
}

/// A buffer that a process shared, as the process gave it and the kernel checked it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SavedBuffer {
    pub(crate) address: *mut u8,
    pub(crate) length: usize,
}

impl SavedBuffer {
    const EMPTY: SavedBuffer = SavedBuffer {
        address: ptr::null_mut(),
        length: 0,
    };
}

// Entries follow each other, and the header, without padding.
const _: () = {
    assert!(size_of::<Header>() == size_of::<usize>());
    assert!(size_of::<SavedUpcall>() == 2 * size_of::<usize>());
    assert!(size_of::<SavedBuffer>() == size_of::<SavedUpcall>());
    assert!(align_of::<Header>() == align_of::<usize>());
    assert!(align_of::<SavedUpcall>() == align_of::<usize>());
    assert!(align_of::<SavedBuffer>() == align_of::<usize>());
};

const ENTRY_SIZE: usize = size_of::<SavedUpcall>();

/// One word, so that the entries behind it are aligned.
#[repr(C)]
struct Header {
    counts: Counts,
    alignment: [usize; 0],
}

/// Size, alignment and inner structure of a grant's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct GrantLayout {
    pub(super) counts: Counts,
    /// Bytes in all.
    pub(super) size: usize,
    /// Alignment of the whole.
    pub(super) align: usize,
    /// Where the driver's value starts.
    pub(super) value_offset: usize,
}

impl GrantLayout {
    /// Plans the memory for entries and a value.
    pub(super) const fn new(counts: Counts, value: Layout) -> Self {
        let entries =
            counts.upcalls as usize + counts.read_only as usize + counts.read_write as usize;
        let align = if value.align() > align_of::<Header>() {
            value.align()
        } else {
            align_of::<Header>()
        };
        let value_offset =
            (size_of::<Header>() + entries * ENTRY_SIZE).next_multiple_of(value.align());
        Self {
            counts,
            size: value_offset + value.size(),
            align,
            value_offset,
        }
    }
}

/// The memory of one grant in one process, without the driver's type.
///
/// Entries are in cells: drivers look at them while the grant is entered.
#[derive(Clone, Copy)]
pub(super) struct GrantMemory {
    start: NonNull<u8>,
}

impl GrantMemory {
    /// Takes memory that [`initialize`](Self::initialize) has been called on.
    ///
    /// # Safety
    ///
    /// `start` is what the process returned for a grant that has been initialized, and the result
    /// is not used after the grant has been left.
    pub(super) unsafe fn new(start: NonNull<u8>) -> Self {
        Self { start }
    }

    /// Writes the header and null entries to fresh memory.
    ///
    /// # Safety
    ///
    /// `start` is aligned for, and valid for writing, all that `layout` asks for, and nothing
    /// refers to that memory.
    pub(super) unsafe fn initialize(start: NonNull<u8>, layout: &GrantLayout) -> Self {
        let counts = layout.counts;
        let memory = Self { start };
        // SAFETY: `GrantLayout::new` has room for the header at the start, aligned as it needs.
        unsafe {
            start.cast::<Header>().write(Header {
                counts,
                alignment: [],
            })
        };
        for index in 0..counts.upcalls.into() {
            // SAFETY: the layout has room for as many upcalls as it counts.
            unsafe { memory.entry(index).write(Cell::new(SavedUpcall::default())) };
        }
        let buffers = usize::from(counts.read_only) + usize::from(counts.read_write);
        for index in 0..buffers {
            let index = usize::from(counts.upcalls) + index;
            // SAFETY: the layout has room for as many buffers as it counts.
            unsafe { memory.entry(index).write(Cell::new(SavedBuffer::EMPTY)) };
        }
        memory
    }

    /// Returns the upcall with this subscribe number.
    #[inline(always)]
    pub(super) fn upcall(&self, number: usize) -> Option<&Cell<SavedUpcall>> {
        let counts = self.counts();
        // SAFETY: entries with an index below the number of upcalls are upcalls.
        (number < counts.upcalls.into()).then(|| unsafe { self.entry(number).as_ref() })
    }

    /// Returns the read-only buffer with this allow number.
    #[inline(always)]
    pub(super) fn read_only(&self, number: usize) -> Option<&Cell<SavedBuffer>> {
        let counts = self.counts();
        if number >= counts.read_only.into() {
            return None;
        }
        let index = usize::from(counts.upcalls) + number;
        // SAFETY: read-only buffers follow the upcalls.
        Some(unsafe { self.entry(index).as_ref() })
    }

    /// Returns the read-write buffer with this allow number.
    #[inline(always)]
    pub(super) fn read_write(&self, number: usize) -> Option<&Cell<SavedBuffer>> {
        let counts = self.counts();
        if number >= counts.read_write.into() {
            return None;
        }
        let index = usize::from(counts.upcalls) + usize::from(counts.read_only) + number;
        // SAFETY: read-write buffers follow the read-only ones.
        Some(unsafe { self.entry(index).as_ref() })
    }

    #[inline(always)]
    fn counts(&self) -> &Counts {
        // SAFETY: `initialize` has put a header at the start, and it is never written again.
        unsafe { &self.start.cast::<Header>().as_ref().counts }
    }

    /// Returns the place of an entry, counted over all kinds.
    ///
    /// # Safety
    ///
    /// `index` is less than the sum of the counts that the memory was laid out for, and the entry
    /// is of type `T`.
    #[inline(always)]
    unsafe fn entry<T>(&self, index: usize) -> NonNull<Cell<T>> {
        // SAFETY: header and entries lie one behind the other within one block of memory.
        unsafe {
            self.start
                .byte_add(size_of::<Header>() + index * ENTRY_SIZE)
                .cast()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn layout_for<T>(upcalls: u8, read_only: u8, read_write: u8) -> GrantLayout {
        let counts = Counts {
            upcalls,
            read_only,
            read_write,
        };
        GrantLayout::new(counts, Layout::new::<T>())
    }

    fn upcall(number: usize) -> SavedUpcall {
        SavedUpcall {
            appdata: number.into(),
            function: (number + 1).into(),
        }
    }

    fn buffer(length: usize) -> SavedBuffer {
        SavedBuffer {
            address: ptr::null_mut(),
            length,
        }
    }

    /// Fills every entry and a value, and finds all of them as they were left.
    fn fill_and_check<T: Copy + PartialEq + core::fmt::Debug>(layout: GrantLayout, value: T) {
        let Counts {
            upcalls,
            read_only,
            read_write,
        } = layout.counts;
        let words = (layout.size + layout.align).div_ceil(size_of::<usize>());
        let mut block: Vec<usize> = std::vec![usize::MAX; words];
        let bytes: *mut u8 = block.as_mut_ptr().cast();
        let start = NonNull::new(bytes.wrapping_add(bytes.align_offset(layout.align))).unwrap();
        // SAFETY: the block has room for the layout behind the aligned start, and nobody uses it.
        let memory = unsafe { GrantMemory::initialize(start, &layout) };
        // SAFETY: the value lies where the layout says, within the block.
        let place = unsafe { start.byte_add(layout.value_offset).cast::<T>() };
        assert!(place.is_aligned());
        // SAFETY: as above.
        unsafe { place.write(value) };

        for number in 0..upcalls.into() {
            let old = memory.upcall(number).unwrap().replace(upcall(number));
            assert_eq!(old, SavedUpcall::default());
        }
        for number in 0..read_only.into() {
            let old = memory.read_only(number).unwrap().replace(buffer(number));
            assert_eq!(old, SavedBuffer::EMPTY);
        }
        for number in 0..read_write.into() {
            let new = buffer(1000 + number);
            let old = memory.read_write(number).unwrap().replace(new);
            assert_eq!(old, SavedBuffer::EMPTY);
        }

        assert!(memory.upcall(upcalls.into()).is_none());
        assert!(memory.read_only(read_only.into()).is_none());
        assert!(memory.read_write(read_write.into()).is_none());
        assert!(memory.upcall(usize::MAX).is_none());
        for number in 0..upcalls.into() {
            assert_eq!(memory.upcall(number).unwrap().get(), upcall(number));
        }
        for number in 0..read_only.into() {
            assert_eq!(memory.read_only(number).unwrap().get(), buffer(number));
        }
        for number in 0..read_write.into() {
            let found = memory.read_write(number).unwrap().get();
            assert_eq!(found, buffer(1000 + number));
        }
        // SAFETY: a value has been written there.
        assert_eq!(unsafe { place.read() }, value);
    }

    #[test]
    fn entries_and_values_of_any_kind_do_not_overlap() {
        #[derive(Clone, Copy, Debug, PartialEq)]
        #[repr(align(32))]
        struct Wide(u8);

        for (upcalls, read_only, read_write) in
            [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (3, 2, 4)]
        {
            fill_and_check(layout_for::<()>(upcalls, read_only, read_write), ());
            fill_and_check(layout_for::<u8>(upcalls, read_only, read_write), 7);
            fill_and_check(layout_for::<u64>(upcalls, read_only, read_write), 7);
            fill_and_check(layout_for::<Wide>(upcalls, read_only, read_write), Wide(7));
        }
    }

    #[test]
    fn the_largest_counts_fit_the_header() {
        fill_and_check(layout_for::<u32>(u8::MAX, u8::MAX, u8::MAX), 7);
    }

    #[test]
    fn a_grant_takes_what_its_parts_take() {
        let word = size_of::<usize>();
        assert_eq!(layout_for::<()>(0, 0, 0).size, word);
        assert_eq!(layout_for::<u8>(1, 1, 1).size, word + 3 * 2 * word + 1);
        assert_eq!(layout_for::<u8>(1, 1, 1).align, word);
    }
}
