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
    /// Unicast addresses, then multicast addresses.
    addresses: Cell<[[u8; 6]; MAX_ADDRESSES]>,
    unicast: Cell<usize>,
    multicast: Cell<usize>,
}

/// Copies addresses to the first places, which are taken away.
#[cfg(feature = "ethernet-adapter")]
fn copy_to(places: &mut &mut [[u8; 6]], addresses: &[[u8; 6]]) {
    if let Some(first) = places.split_off_mut(..addresses.len()) {
        first.copy_from_slice(addresses);
    }
}

impl StoredFilter {
    pub(super) const fn new() -> Self {
        Self {
            promiscuous: Cell::new(false),
            all_multicast: Cell::new(false),
            addresses: Cell::new([[0; 6]; MAX_ADDRESSES]),
            unicast: Cell::new(0),
            multicast: Cell::new(0),
        }
    }

    /// Remembers a filter, or a wider one if there is not enough room.
    #[cfg(feature = "ethernet-adapter")]
    pub(super) fn store(&self, filter: &kernel::hil::ethernet_adapter::ReceiveFilter<'_>) {
        let mut addresses = self.addresses.get();
        let unicast_fits = filter.unicast.len() <= addresses.len();
        let unicast = if unicast_fits { filter.unicast } else { &[] };
        let mut places = &mut addresses[..];
        copy_to(&mut places, unicast);
        let multicast_fits = filter.multicast.len() <= places.len();
        let multicast = if multicast_fits {
            filter.multicast
        } else {
            &[]
        };
        copy_to(&mut places, multicast);
        self.addresses.set(addresses);
        self.unicast.set(unicast.len());
        self.multicast.set(multicast.len());
        self.promiscuous.set(filter.promiscuous || !unicast_fits);
        self.all_multicast
            .set(filter.all_multicast || !multicast_fits);
    }

    /// Writes the addresses as the device reads them, and returns how many bytes that takes.
    pub(super) fn write_table(&self, place: &mut [u8]) -> Option<usize> {
        let addresses = self.addresses.get();
        let addresses = addresses.iter();
        let (unicast, multicast) = (self.unicast.get(), self.multicast.get());
        let mut len = 0;
        let mut put = |bytes: &[u8]| {
            let end = bytes.len().checked_add(len)?;
            place.get_mut(len..end)?.copy_from_slice(bytes);
            len = end;
            Some(())
        };
        put(&(unicast as u32).to_le_bytes())?;
        for address in addresses.clone().take(unicast) {
            put(address)?;
        }
        put(&(multicast as u32).to_le_bytes())?;
        for address in addresses.skip(unicast).take(multicast) {
            put(address)?;
        }
        Some(len)
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

    fn store(unicast: usize, multicast: usize) -> (StoredFilter, Vec<u8>) {
        let filter = StoredFilter::new();
        filter.store(&ReceiveFilter {
            promiscuous: false,
            all_multicast: false,
            unicast: &addresses(2, unicast),
            multicast: &addresses(1, multicast),
        });
        let mut place = [0xEE; MAX_TABLE_LEN];
        let len = filter.write_table(&mut place).unwrap();
        (filter, place[..len].to_vec())
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
        let mut place = [0; MAX_TABLE_LEN];
        assert_eq!(filter.write_table(&mut place), Some(14));
        assert_eq!(place[..14], table(0, 1));
        assert!(!filter.promiscuous.get() && !filter.all_multicast.get());
    }

    #[test]
    fn a_place_that_is_too_short_is_not_overrun() {
        let (filter, written) = store(2, 1);
        for len in 0..written.len() {
            assert_eq!(filter.write_table(&mut std::vec![0; len]), None);
        }
    }
}
