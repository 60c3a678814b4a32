// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Memory that a board shares out while it boots, for what turns out to be there.
//!
//! Static memory is taken whether a device exists or not. A board that has a stretch of RAM to give
//! away, such as the one that processes are placed in, lets drivers take theirs from its start
//! first, and hands on what is left. Nothing comes back.

use core::mem::MaybeUninit;

/// A stretch of RAM that is shared out from its start.
pub struct BootMemory {
    rest: &'static mut [u8],
    taken: usize,
}

impl BootMemory {
    /// Shares out `memory`, whatever it holds.
    pub fn new(memory: &'static mut [u8]) -> BootMemory {
        BootMemory {
            rest: memory,
            taken: 0,
        }
    }

    /// Takes uninitialised memory for a `T`.
    ///
    /// `None` if there is too little left; what is left then stays as it is.
    pub fn place<T>(&mut self) -> Option<&'static mut MaybeUninit<T>> {
        let memory = self.take(align_of::<T>(), size_of::<T>())?;
        // SAFETY: the memory has the size and the alignment of a `T`, holds for the whole run, and
        // this is the only reference to it from now on. Any content will do.
        Some(unsafe { &mut *memory.as_mut_ptr().cast::<MaybeUninit<T>>() })
    }

    /// Takes `N` bytes on a border of whole words. They hold what memory happens to hold, so they
    /// are for someone who writes them before reading them, such as a device.
    ///
    /// `None` if there is too little left; what is left then stays as it is.
    pub fn bytes<const N: usize>(&mut self) -> Option<&'static mut [u8; N]> {
        self.take(align_of::<usize>(), N)?.as_mut_array()
    }

    /// How many bytes were taken so far, with the gaps between them.
    pub fn taken(&self) -> usize {
        self.taken
    }

    /// Ends sharing out and returns what is left, from the next address that is a multiple of
    /// `alignment`.
    pub fn into_rest(mut self, alignment: usize) -> &'static mut [u8] {
        // A border that lies beyond the end leaves nothing.
        match self.take(alignment, 0) {
            Some(_) => self.rest,
            None => &mut [],
        }
    }

    fn take(&mut self, alignment: usize, size: usize) -> Option<&'static mut [u8]> {
        let start = self.rest.as_ptr().addr();
        let gap = start.checked_next_multiple_of(alignment)? - start;
        let used = gap.checked_add(size)?;
        if used > self.rest.len() {
            return None;
        }
        let (taken, rest) = core::mem::take(&mut self.rest).split_at_mut(used);
        self.rest = rest;
        self.taken += used;
        taken.get_mut(gap..)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::boxed::Box;

    /// Memory that starts one byte behind a border of 4096 bytes.
    fn memory(size: usize) -> (&'static mut [u8], usize) {
        #[repr(align(4096))]
        struct Page([u8; 4096]);

        let page = &mut Box::leak(Box::new(Page([0xA5; 4096]))).0;
        let start = page.as_ptr().addr();
        (&mut page[1..1 + size], start)
    }

    #[test]
    fn places_are_aligned_and_apart() {
        let (memory, start) = memory(64);
        let mut boot = BootMemory::new(memory);
        let word = boot.place::<u64>().unwrap();
        let byte = boot.place::<u8>().unwrap();
        let half = boot.place::<u16>().unwrap();
        let places = [
            word.as_ptr().addr(),
            byte.as_ptr().addr(),
            half.as_ptr().addr(),
        ];
        assert_eq!(places.map(|place| place - start), [8, 16, 18]);
        assert_eq!(boot.taken(), 19);
        // All three live at once, next to what is left.
        let rest = boot.into_rest(1);
        rest.fill(1);
        assert_eq!((*word.write(7), *byte.write(8), *half.write(9)), (7, 8, 9));
        assert_eq!((rest.len(), rest.as_ptr().addr() - start), (45, 20));
    }

    #[test]
    fn bytes_hold_what_memory_held() {
        let (memory, _) = memory(64);
        let mut boot = BootMemory::new(memory);
        assert_eq!(boot.bytes::<5>(), Some(&mut [0xA5; 5]));
        assert_eq!(boot.bytes::<0>(), Some(&mut []));
    }

    #[test]
    fn what_does_not_fit_takes_nothing() {
        let (memory, _) = memory(15);
        let mut boot = BootMemory::new(memory);
        assert!(boot.place::<[u64; 2]>().is_none());
        assert!(boot.bytes::<4096>().is_none());
        assert_eq!(boot.taken(), 0);
        assert!(boot.place::<u64>().is_some());
        assert!(boot.bytes::<1>().is_none());
    }

    #[test]
    fn the_rest_starts_on_the_border_asked_for() {
        let (memory, start) = memory(4095);
        let mut boot = BootMemory::new(memory);
        assert!(boot.place::<u8>().is_some());
        let rest = boot.into_rest(1024);
        assert_eq!((rest.as_ptr().addr() - start, rest.len()), (1024, 3072));
    }

    #[test]
    fn no_border_left_means_no_rest() {
        let (memory, _) = memory(64);
        assert!(BootMemory::new(memory).into_rest(4096).is_empty());
    }
}
