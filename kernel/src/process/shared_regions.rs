// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The memory of others that a process has been given access to.
//!
//! Access ends with the run of the process that owns the memory. Whoever uses the memory at that
//! moment would fault through no fault of its own, so a process in the midst of its work keeps
//! access until it yields.

use core::cell::Cell;
use core::ops::Range;

use crate::platform::mpu::Region;

/// Regions that one process can have at once; architectures have few to spare.
const MOST: usize = 4;

/// The regions of one process.
pub(super) struct SharedRegions {
    places: [Place; MOST],
    /// Set while a region waits for the process to yield.
    any_ending: Cell<bool>,
}

struct Place {
    region: Cell<Option<Region>>,
    ending: Cell<bool>,
}

impl Place {
    const fn new() -> Place {
        Place {
            region: Cell::new(None),
            ending: Cell::new(false),
        }
    }

    fn clear(&self) {
        self.region.set(None);
        self.ending.set(false);
    }
}

impl SharedRegions {
    pub(super) const fn new() -> SharedRegions {
        SharedRegions {
            places: [const { Place::new() }; MOST],
            any_ending: Cell::new(false),
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.places.iter().all(|place| place.region.get().is_some())
    }

    /// Notes a region; there is room for it.
    pub(super) fn note(&self, region: Region) {
        let free = self
            .places
            .iter()
            .find(|place| place.region.get().is_none());
        if let Some(place) = free {
            place.region.set(Some(region));
            place.ending.set(false);
        }
    }

    /// Forgets a region that is no longer there.
    pub(super) fn forget(&self, region: Region) {
        let known = self.places.iter();
        for place in known.filter(|place| place.region.get() == Some(region)) {
            place.clear();
        }
    }

    /// Forgets all of them.
    pub(super) fn clear(&self) {
        self.places.iter().for_each(Place::clear);
        self.any_ending.set(false);
    }

    /// Marks the regions that begin in `memory` as ending, but for `kept`.
    pub(super) fn end(&self, memory: Range<usize>, kept: Option<Region>) {
        for place in &self.places {
            if let Some(region) = place.region.get()
                && memory.contains(&region.start_address().addr())
                && kept != Some(region)
            {
                place.ending.set(true);
                self.any_ending.set(true);
            }
        }
    }

    /// Tells whether any region is marked.
    #[inline(always)]
    pub(super) fn any_ending(&self) -> bool {
        self.any_ending.get()
    }

    /// Hands the marked regions to `close`, and forgets them.
    pub(super) fn take_ending(&self, mut close: impl FnMut(Region)) {
        self.any_ending.set(false);
        for place in self.places.iter().filter(|place| place.ending.get()) {
            if let Some(region) = place.region.get() {
                close(region);
            }
            place.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::ptr::without_provenance;
    use std::vec::Vec;

    fn region(start: usize) -> Region {
        Region::new(without_provenance(start), 16)
    }

    fn ended(regions: &SharedRegions) -> Vec<usize> {
        let mut ended = Vec::new();
        regions.take_ending(|region| ended.push(region.start_address().addr()));
        ended
    }

    #[test]
    fn regions_end_with_the_memory_they_lie_in() {
        let regions = SharedRegions::new();
        for start in [0x100, 0x180, 0x200] {
            regions.note(region(start));
        }
        regions.end(0x100..0x200, Some(region(0x180)));
        assert!(regions.any_ending());
        assert_eq!(ended(&regions), [0x100]);
        assert!(!regions.any_ending());
        regions.end(0x180..0x201, None);
        assert_eq!(ended(&regions), [0x180, 0x200]);
    }

    #[test]
    fn a_place_is_free_again_once_its_region_is_gone() {
        let regions = SharedRegions::new();
        for start in 1..=MOST {
            assert!(!regions.is_full());
            regions.note(region(start * 0x100));
        }
        assert!(regions.is_full());
        regions.forget(region(0x200));
        assert!(!regions.is_full());
        regions.end(0x100..0x101, None);
        // Given anew in the meantime, and no longer ending.
        regions.forget(region(0x100));
        regions.note(region(0x100));
        assert_eq!(ended(&regions), []);
        regions.clear();
        regions.end(0..usize::MAX, None);
        assert_eq!(ended(&regions), []);
    }
}
