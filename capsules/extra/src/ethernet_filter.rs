// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What clients want of an adapter, gathered into one filter.

use kernel::hil::ethernet_adapter::{Address, ReceiveFilter};

/// The most addresses of a kind that are told to an adapter; beyond them it is asked for all frames
/// of the kind.
const MAX_ADDRESSES: usize = 16;

/// Addresses without repetition, as far as there is room.
#[derive(Clone, Copy)]
pub(crate) struct AddressList {
    addresses: [Address; MAX_ADDRESSES],
    len: u8,
    overflown: bool,
}

impl AddressList {
    pub(crate) const EMPTY: Self = AddressList {
        addresses: [[0; 6]; MAX_ADDRESSES],
        len: 0,
        overflown: false,
    };

    fn add(&mut self, address: Address) {
        if self.known().contains(&address) {
            return;
        }
        match self.addresses.get_mut(usize::from(self.len)) {
            Some(place) => {
                *place = address;
                self.len = self.len.wrapping_add(1);
            }
            None => self.overflown = true,
        }
    }

    fn known(&self) -> &[Address] {
        self.addresses.get(..self.len.into()).unwrap_or_default()
    }
}

/// A filter that owns its addresses, and passes at least what was added to it.
#[derive(Clone, Copy)]
pub(crate) struct GatheredFilter {
    everything: bool,
    all_multicast: bool,
    unicast: AddressList,
    multicast: AddressList,
}

impl GatheredFilter {
    /// Passes broadcast frames and those to the adapter's own address.
    pub(crate) const LEAST: Self = GatheredFilter {
        everything: false,
        all_multicast: false,
        unicast: AddressList::EMPTY,
        multicast: AddressList::EMPTY,
    };

    /// Passes all frames.
    pub(crate) const ALL: Self = GatheredFilter {
        everything: true,
        ..Self::LEAST
    };

    /// Passes what `filter` passes, too.
    pub(crate) fn add(&mut self, filter: &ReceiveFilter<'_>) {
        self.everything |= filter.promiscuous;
        self.all_multicast |= filter.all_multicast;
        self.add_unicast(filter.unicast.iter().copied());
        self.add_multicast(filter.multicast.iter().copied());
    }

    pub(crate) fn add_everything(&mut self) {
        self.everything = true;
    }

    pub(crate) fn add_all_multicast(&mut self) {
        self.all_multicast = true;
    }

    pub(crate) fn add_unicast(&mut self, addresses: impl Iterator<Item = Address>) {
        addresses.for_each(|address| self.unicast.add(address));
    }

    pub(crate) fn add_multicast(&mut self, addresses: impl Iterator<Item = Address>) {
        addresses.for_each(|address| self.multicast.add(address));
    }

    /// The filter as an adapter takes it.
    pub(crate) fn as_filter(&self) -> ReceiveFilter<'_> {
        ReceiveFilter {
            promiscuous: self.everything || self.unicast.overflown,
            all_multicast: self.all_multicast || self.multicast.overflown,
            unicast: self.unicast.known(),
            multicast: self.multicast.known(),
        }
    }

    /// Whether frames to `destination` pass, where `own` is the adapter's address.
    pub(crate) fn passes(&self, destination: Address, own: Address) -> bool {
        let ReceiveFilter {
            promiscuous,
            all_multicast,
            unicast,
            multicast,
        } = self.as_filter();
        let [first, ..] = destination;
        promiscuous
            || destination == [0xFF; 6]
            || if first & 1 != 0 {
                all_multicast || multicast.contains(&destination)
            } else {
                destination == own || unicast.contains(&destination)
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    const OWN: Address = [0x52, 0, 0, 0, 0, 1];

    fn unicast(number: u8) -> Address {
        [0x02, 0, 0, 0, 0, number]
    }

    fn group(number: u8) -> Address {
        [0x33, 0x33, 0, 0, 0, number]
    }

    #[test]
    fn what_was_added_passes_and_nothing_else() {
        let mut filter = GatheredFilter::LEAST;
        assert!(filter.passes(OWN, OWN) && filter.passes([0xFF; 6], OWN));
        assert!(!filter.passes(unicast(1), OWN) && !filter.passes(group(1), OWN));
        filter.add(&ReceiveFilter {
            promiscuous: false,
            all_multicast: false,
            unicast: &[unicast(1), unicast(1)],
            multicast: &[group(1)],
        });
        assert_eq!(filter.as_filter().unicast, [unicast(1)]);
        assert!(filter.passes(unicast(1), OWN) && filter.passes(group(1), OWN));
        assert!(!filter.passes(unicast(2), OWN) && !filter.passes(group(2), OWN));
        filter.add_all_multicast();
        assert!(filter.passes(group(2), OWN) && !filter.passes(unicast(2), OWN));
        filter.add_everything();
        assert!(filter.passes(unicast(2), OWN));
        assert!(GatheredFilter::ALL.passes(unicast(2), OWN));
    }

    #[test]
    fn what_one_wants_passes_whoever_comes_after_it() {
        let nothing = GatheredFilter::LEAST;
        for (promiscuous, all_multicast) in [(true, false), (false, true)] {
            let wish = ReceiveFilter {
                promiscuous,
                all_multicast,
                unicast: &[],
                multicast: &[],
            };
            let mut filter = GatheredFilter::LEAST;
            for wish in [nothing.as_filter(), wish, nothing.as_filter()] {
                filter.add(&wish);
            }
            let gathered = filter.as_filter();
            let both = (gathered.promiscuous, gathered.all_multicast);
            assert_eq!(both, (promiscuous, all_multicast));
        }
    }

    #[test]
    fn more_addresses_than_there_is_room_for_pass_all_of_the_kind() {
        let numbers: Vec<u8> = (0..MAX_ADDRESSES as u8).collect();
        let mut filter = GatheredFilter::LEAST;
        filter.add_unicast(numbers.iter().map(|number| unicast(*number)));
        filter.add_multicast(numbers.iter().map(|number| group(*number)));
        assert!(!filter.as_filter().promiscuous && !filter.as_filter().all_multicast);
        filter.add_multicast([group(99)].into_iter());
        assert!(!filter.as_filter().promiscuous && filter.as_filter().all_multicast);
        filter.add_unicast([unicast(99)].into_iter());
        assert!(filter.as_filter().promiscuous);
    }
}
