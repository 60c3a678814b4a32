// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Which frames the client wants, in the form in which the device is told (VirtIO 1.2, 5.1.6.5.1 and
//! 5.1.6.5.2).

use core::cell::Cell;

/// How many addresses the driver remembers. A client that wants more gets all frames of the kind.
pub(super) const MAX_ADDRESSES: usize = 16;

/// The longest table: two counts and all addresses.
pub(super) const MAX_TABLE_LEN: usize = 2 * size_of::<u32>() + 6 * MAX_ADDRESSES;

/// The filter.
pub(super) struct StoredFilter {
    pub(super) promiscuous: Cell<bool>,
    pub(super) all_multicast: Cell<bool>,
    /// Unicast addresses, then multicast addresses, as the device reads them.
    table: Cell<[u8; MAX_TABLE_LEN]>,
    table_len: Cell<usize>,
}

impl StoredFilter {
    pub(super) const fn new() -> Self {
        Self {
            promiscuous: Cell::new(false),
            all_multicast: Cell::new(false),
            table: Cell::new([0; MAX_TABLE_LEN]),
            table_len: Cell::new(0),
        }
    }

    /// Remembers a filter, or a wider one if there is not enough room.
    #[cfg(feature = "ethernet-adapter")]
    pub(super) fn store(&self, filter: &kernel::hil::ethernet_adapter::ReceiveFilter<'_>) {
        self.promiscuous.set(filter.promiscuous);
        self.all_multicast.set(filter.all_multicast);
        let mut table = [0; MAX_TABLE_LEN];
        let mut rest = &mut table[..];
        let mut room = MAX_ADDRESSES;
        let kinds = [
            (filter.unicast, &self.promiscuous),
            (filter.multicast, &self.all_multicast),
        ];
        for (mut addresses, all) in kinds {
            match room.checked_sub(addresses.len()) {
                Some(left) => room = left,
                None => {
                    addresses = &[];
                    all.set(true);
                }
            }
            let count = (addresses.len() as u32).to_le_bytes();
            for bytes in [&count, addresses.as_flattened()] {
                if let Some(place) = rest.split_off_mut(..bytes.len()) {
                    place.copy_from_slice(bytes);
                }
            }
        }
        self.table_len.set(MAX_TABLE_LEN.saturating_sub(rest.len()));
        self.table.set(table);
    }

    /// The addresses, and how many bytes they take.
    pub(super) fn table(&self) -> ([u8; MAX_TABLE_LEN], usize) {
        (self.table.get(), self.table_len.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::hil::ethernet_adapter::ReceiveFilter;
    use std::vec::Vec;

    fn addresses(first: u8, count: usize) -> Vec<[u8; 6]> {
        (0..count).map(|n| [first, 0, 0, 0, 0, n as u8]).collect()
    }

    fn written(filter: &StoredFilter) -> Vec<u8> {
        let (table, len) = filter.table();
        table[..len].to_vec()
    }

    fn store(unicast: usize, multicast: usize) -> (StoredFilter, Vec<u8>) {
        let filter = StoredFilter::new();
        filter.store(&ReceiveFilter {
            promiscuous: false,
            all_multicast: false,
            unicast: &addresses(2, unicast),
            multicast: &addresses(1, multicast),
        });
        let written = written(&filter);
        (filter, written)
    }

    fn table(unicast: usize, multicast: usize) -> Vec<u8> {
        let mut table = (unicast as u32).to_le_bytes().to_vec();
        table.extend(addresses(2, unicast).concat());
        table.extend((multicast as u32).to_le_bytes());
        table.extend(addresses(1, multicast).concat());
        table
    }

    #[test]
    fn a_table_is_counts_and_addresses() {
        for (unicast, multicast) in [(0, 0), (1, 0), (0, 1), (3, 2), (16, 0), (0, 16), (7, 9)] {
            let (filter, written) = store(unicast, multicast);
            assert_eq!(written, table(unicast, multicast));
            assert!(!filter.promiscuous.get() && !filter.all_multicast.get());
        }
    }

    #[test]
    fn more_addresses_than_there_is_room_for_make_the_filter_wider() {
        let (filter, written) = store(10, 7);
        assert_eq!(written, table(10, 0));
        assert!(!filter.promiscuous.get() && filter.all_multicast.get());
        let (filter, written) = store(17, 3);
        assert_eq!(written, table(0, 3));
        assert!(filter.promiscuous.get() && !filter.all_multicast.get());
    }

    #[test]
    fn a_filter_replaces_the_one_before() {
        let (filter, _) = store(17, 17);
        filter.store(&ReceiveFilter {
            promiscuous: false,
            all_multicast: false,
            unicast: &[],
            multicast: &addresses(1, 1),
        });
        assert_eq!(written(&filter), table(0, 1));
        assert!(!filter.promiscuous.get() && !filter.all_multicast.get());
    }
}
