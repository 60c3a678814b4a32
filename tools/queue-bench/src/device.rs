// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A device that returns chains in order, and wants each batch to be announced. Its work is not counted.

use std::ptr;

/// Where a split queue is, with its size.
#[derive(Clone, Copy)]
pub struct Device {
    pub available: u64,
    pub used: u64,
    pub size: u16,
}

impl Device {
    /// Returns the next `count` chains, from position `from` on.
    ///
    /// # Safety
    ///
    /// The rings are where `self` says, and nothing refers to them.
    #[inline(never)]
    pub unsafe fn serve(self, from: u16, count: u16) {
        let available = ptr::with_exposed_provenance::<u16>(self.available as usize);
        let used = ptr::with_exposed_provenance_mut::<u16>(self.used as usize);
        for position in (0..count).map(|step| from.wrapping_add(step)) {
            let entry = usize::from(position % self.size);
            // SAFETY: the entries lie inside the rings, for which the caller vouches.
            unsafe {
                let head = available.add(2 + entry).read_volatile();
                let element = used.add(2 + 4 * entry).cast::<u32>();
                element.write_volatile(head.into());
                element.add(1).write_volatile(0);
            }
        }
        let next = from.wrapping_add(count);
        // SAFETY: as above; the event index lies behind the entries.
        unsafe {
            used.add(1).write_volatile(next);
            used.add(2 + 4 * usize::from(self.size))
                .write_volatile(next);
        }
    }
}
