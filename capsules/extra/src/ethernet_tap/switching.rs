// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Which ports a frame goes to, from the card or from a process.
//!
//! Each process that uses the tap is a port. One that claimed an address is private: frames to that
//! address are its own, and frames to the addresses of others are none of its business. One without
//! sees what the card hears. Nothing here touches a process or the card.

#[cfg(feature = "ethernet-adapter")]
use crate::ethernet_filter::GatheredFilter;

/// The longest list of multicast groups of one port.
pub(super) const GROUPS: usize = 8;

/// An Ethernet address as system calls show it: the first octet in bits 0 to 7.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Address(u64);

impl Address {
    pub(super) const BROADCAST: Self = Address(0xFFFF_FFFF_FFFF);
    /// Nobody's.
    pub(super) const NONE: Self = Address(0);

    /// The address in the low 48 bits of `number`.
    pub(super) fn from_low_bits(number: u64) -> Self {
        Address(number & Self::BROADCAST.0)
    }

    pub(super) fn from_octets([a, b, c, d, e, f]: [u8; 6]) -> Self {
        let low = u32::from_le_bytes([a, b, c, d]);
        let high = u32::from(u16::from_le_bytes([e, f]));
        Address(u64::from(high) << 32 | u64::from(low))
    }

    #[cfg(feature = "ethernet-adapter")]
    pub(super) fn octets(self) -> [u8; 6] {
        let [a, b, c, d, e, f, _, _] = self.0.to_le_bytes();
        [a, b, c, d, e, f]
    }

    pub(super) fn last_octet(self) -> u8 {
        (self.0 >> 40) as u8
    }

    pub(super) fn number(self) -> u64 {
        self.0
    }

    /// Whether it names a group, which the broadcast address does too.
    pub(super) fn is_group(self) -> bool {
        self.0 & 1 != 0
    }
}

/// What switching looks at in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Heading {
    pub(super) destination: Address,
    pub(super) ethertype: u16,
}

impl Heading {
    /// Reads the heading of a frame; none if it is shorter than that.
    pub(super) fn of(frame: &[u8]) -> Option<Self> {
        let (&[a, b, c, d, e, f, .., high, low], _) = frame.split_first_chunk::<14>()?;
        Some(Heading {
            destination: Address::from_octets([a, b, c, d, e, f]),
            ethertype: u16::from_be_bytes([high, low]),
        })
    }
}

/// Which frames a port wants, in the bits of command 0x102.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Filter(u8);

impl Filter {
    /// Frames to the port's own claim.
    pub(super) const OWN: Self = Filter(1 << 0);
    pub(super) const BROADCAST: Self = Filter(1 << 1);
    /// Frames to any group.
    pub(super) const MULTICAST: Self = Filter(1 << 2);
    pub(super) const EVERYTHING: Self = Filter(1 << 3);
    /// Of these, only frames of one ethertype.
    pub(super) const ETHERTYPE: Self = Filter(1 << 4);

    /// What a port without a claim wants by default.
    pub(super) const WITHOUT_CLAIM: Self = Self::EVERYTHING;
    /// What a port with a claim wants by default.
    pub(super) const WITH_CLAIM: Self = Filter(Self::OWN.0 | Self::BROADCAST.0 | Self::MULTICAST.0);

    /// Takes the bits of a system call; none if one of them means nothing.
    pub(super) fn from_bits(bits: usize) -> Option<Self> {
        u8::try_from(bits)
            .ok()
            .filter(|bits| bits >> 5 == 0)
            .map(Filter)
    }

    /// Whether any of the other's bits is among these.
    pub(super) fn has(self, other: Filter) -> bool {
        self.0 & other.0 != 0
    }
}

/// A port's place among the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Port {
    pub(super) claim: Option<Address>,
    pub(super) filter: Filter,
    /// The ethertype that the filter names.
    pub(super) ethertype: u16,
    groups: [Address; GROUPS],
    joined: u8,
}

impl Port {
    pub(super) const NEW: Self = Port {
        claim: None,
        filter: Filter::WITHOUT_CLAIM,
        ethertype: 0,
        groups: [Address::NONE; GROUPS],
        joined: 0,
    };

    pub(super) fn groups(&self) -> &[Address] {
        self.groups.get(..self.joined.into()).unwrap_or_default()
    }

    /// Adds a group; false if there is no room for it.
    pub(super) fn join(&mut self, group: Address) -> bool {
        if self.groups().contains(&group) {
            return true;
        }
        let Some(place) = self.groups.get_mut(usize::from(self.joined)) else {
            return false;
        };
        *place = group;
        self.joined = self.joined.wrapping_add(1);
        true
    }

    /// Removes a group; false if it was not joined.
    pub(super) fn leave(&mut self, group: Address) -> bool {
        let Some(at) = self.groups().iter().position(|joined| *joined == group) else {
            return false;
        };
        let last = usize::from(self.joined).wrapping_sub(1);
        self.groups.swap(at, last);
        self.joined = last as u8;
        true
    }

    /// Adds what the card must pass for this port.
    #[cfg(feature = "ethernet-adapter")]
    pub(super) fn add_wants_to(&self, filter: &mut GatheredFilter) {
        if self.filter.has(Filter::EVERYTHING) {
            filter.add_everything();
        }
        if self.filter.has(Filter::MULTICAST) {
            filter.add_all_multicast();
        }
        filter.add_unicast(self.claim.iter().map(|claim| claim.octets()));
        filter.add_multicast(self.groups().iter().map(|group| group.octets()));
    }

    /// Whether the port gets all that the card takes in.
    pub(super) fn is_open(&self) -> bool {
        self.claim.is_none() && self.filter == Filter::EVERYTHING
    }

    /// Whether the filter lets a frame pass. `others` finds out whether another port has claimed its
    /// destination, which most filters need not know.
    fn wants(&self, heading: Heading, others: impl FnOnce() -> bool) -> bool {
        let Heading {
            destination,
            ethertype,
        } = heading;
        if self.filter.has(Filter::ETHERTYPE) && ethertype != self.ethertype {
            return false;
        }
        if self.filter.has(Filter::EVERYTHING) {
            return self.claim.is_none() || !others();
        }
        if destination == Address::BROADCAST {
            self.filter.has(Filter::BROADCAST)
        } else if destination.is_group() {
            self.filter.has(Filter::MULTICAST) || self.groups().contains(&destination)
        } else {
            self.filter.has(Filter::OWN) && self.claim == Some(destination)
        }
    }
}

/// How many ports there can be: a set of them has a bit for each.
pub(super) const MOST_PORTS: usize = 32;

/// A set of ports, by their numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ports(u32);

impl Ports {
    pub(super) const NONE: Self = Ports(0);

    pub(super) fn only(number: usize) -> Self {
        Ports(1u32.checked_shl(number as u32).unwrap_or(0))
    }

    pub(super) fn insert(&mut self, number: usize) {
        self.0 |= Self::only(number).0;
    }

    pub(super) fn remove(&mut self, other: Ports) {
        self.0 &= !other.0;
    }

    pub(super) fn contains(self, number: usize) -> bool {
        self.meets(Self::only(number))
    }

    pub(super) fn meets(self, other: Ports) -> bool {
        self.0 & other.0 != 0
    }

    pub(super) fn union(self, other: Ports) -> Self {
        Ports(self.0 | other.0)
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl Iterator for Ports {
    type Item = usize;

    /// Takes the lowest number out of the set.
    fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let lowest = self.0.trailing_zeros();
        self.0 &= self.0.wrapping_sub(1);
        Some(lowest as usize)
    }
}

/// Where a frame comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Card,
    Port(usize),
}

/// Where a frame goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Route {
    /// Ports that get it.
    pub(super) to: Ports,
    /// Ports that would, but for their filters or the claims of others.
    pub(super) filtered: Ports,
    pub(super) wire: bool,
}

impl Route {
    pub(super) const NOWHERE: Self = Route {
        to: Ports::NONE,
        filtered: Ports::NONE,
        wire: false,
    };

    /// Adds a port, if the frame passes its filter.
    fn deliver(&mut self, number: usize, wanted: bool) {
        if wanted {
            self.to.insert(number);
        } else {
            self.filtered.insert(number);
        }
    }
}

/// Decides where a frame goes.
///
/// - From the card, it goes to the ports that want it.
/// - From a port to an address that a port has claimed, it stays on the board.
/// - From a port to `card`, the card's own address, it stays on the board if there is another port
///   without a claim, since that is the address such a port uses.
/// - From a port to a group, it goes to the other ports that want it and out on the wire; and to
///   any other address, out on the wire.
/// - To the port it came from it never goes.
pub(super) fn route<'p>(
    origin: Origin,
    heading: Heading,
    card: Option<Address>,
    ports: impl Iterator<Item = (usize, &'p Port)> + Clone,
) -> Route {
    let destination = heading.destination;
    let claimant = || {
        ports
            .clone()
            .find(|(_, port)| port.claim == Some(destination))
            .map(|(number, _)| number)
    };
    let mut route = Route::NOWHERE;
    let from = match origin {
        Origin::Card => {
            for (number, port) in ports.clone() {
                let others = || claimant().is_some_and(|owner| owner != number);
                route.deliver(number, port.wants(heading, others));
            }
            return route;
        }
        Origin::Port(from) => from,
    };
    let others = ports.clone().filter(|(number, _)| *number != from);
    route.wire = true;
    if destination.is_group() {
        others.for_each(|(number, port)| route.deliver(number, port.wants(heading, || false)));
    } else if let Some(owner) = claimant() {
        route.wire = false;
        for (number, port) in others.filter(|(number, _)| *number == owner) {
            route.deliver(number, port.wants(heading, || false));
        }
    } else if card == Some(destination) {
        for (number, port) in others.filter(|(_, port)| port.claim.is_none()) {
            route.wire = false;
            route.deliver(number, port.wants(heading, || false));
        }
    }
    route
}

/// Makes the address of a claim, which depends on who claims and on the card.
///
/// It is locally administered, and the first from there on that is not `taken`. There is one, unless more
/// are taken than other ports and the card have.
pub(super) fn address_for(
    who: u32,
    card: Option<Address>,
    taken: impl Fn(Address) -> bool,
) -> Option<Address> {
    // Boards with the same processes share a network, so their cards tell them apart.
    let [a, b, c, d, e, f, _, _] = card.map_or(0, Address::number).to_le_bytes();
    let board = a ^ b ^ c ^ d ^ e ^ f;
    let mut who = who;
    for _ in 0..=MOST_PORTS {
        let [g, h, i, j] = who.to_be_bytes();
        let address = Address::from_octets([0x02, board, g, h, i, j]);
        if !taken(address) {
            return Some(address);
        }
        who = who.wrapping_add(1);
    }
    None
}

#[cfg(test)]
#[path = "switching_tests.rs"]
mod tests;
