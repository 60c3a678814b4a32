// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Whose the frames are that the adapter has.

use super::VirtualEthernet;
use core::cell::Cell;
use kernel::hil::ethernet_adapter::EthernetAdapter;

/// A frame that the adapter has.
pub(super) struct Entry<'a, E: EthernetAdapter<'a>, const N: usize> {
    pub(super) user: &'a VirtualEthernet<'a, E, N>,
    pub(super) len: usize,
    /// The user's own number for it.
    pub(super) identifier: usize,
}

impl<'a, E: EthernetAdapter<'a>, const N: usize> Clone for Entry<'a, E, N> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<'a, E: EthernetAdapter<'a>, const N: usize> Copy for Entry<'a, E, N> {}

/// Up to `N` frames, each with a number while it is in flight.
pub(super) struct InFlight<'a, E: EthernetAdapter<'a>, const N: usize> {
    entries: [Cell<Option<Entry<'a, E, N>>>; N],
}

impl<'a, E: EthernetAdapter<'a>, const N: usize> InFlight<'a, E, N> {
    pub(super) fn new() -> Self {
        const { assert!(N > 0) };
        InFlight {
            entries: [const { Cell::new(None) }; N],
        }
    }

    /// Notes a frame and returns its number; none if there is no room.
    pub(super) fn add(&self, frame: Entry<'a, E, N>) -> Option<usize> {
        let is_free = |entry: &Cell<Option<Entry<'a, E, N>>>| entry.get().is_none();
        let number = self.entries.iter().position(is_free)?;
        self.entries.get(number)?.set(Some(frame));
        Some(number)
    }

    pub(super) fn remove(&self, number: usize) -> Option<Entry<'a, E, N>> {
        self.entries.get(number)?.take()
    }
}
