// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Which address the interface uses: the one DHCP gives, or a fixed one while there is none.

use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{Ipv4Address, Ipv4Cidr};

/// The address to use when DHCP does not give one in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fallback {
    /// Address and length of the network's prefix.
    pub address: Ipv4Cidr,
    /// Router to all other networks.
    pub router: Option<Ipv4Address>,
    /// Who knows the addresses of names.
    pub name_server: Option<Ipv4Address>,
    /// How long DHCP may take; with zero it is not asked at all.
    pub after: Duration,
}

impl Fallback {
    /// What QEMU's user network gives its first guest, after three seconds.
    pub const QEMU_USER: Self = Self {
        address: Ipv4Cidr::new(Ipv4Address::new(10, 0, 2, 15), 24),
        router: Some(Ipv4Address::new(10, 0, 2, 2)),
        name_server: Some(Ipv4Address::new(10, 0, 2, 3)),
        after: Duration::from_secs(3),
    };

    /// The same with another host number, for apps beside the one that has the first.
    pub const fn host(self, number: u8) -> Self {
        let [a, b, c, _] = self.address.address().octets();
        Self {
            address: Ipv4Cidr::new(Ipv4Address::new(a, b, c, number), self.address.prefix_len()),
            ..self
        }
    }

    /// The same, without a try at DHCP.
    pub const fn fixed(self) -> Self {
        Self {
            after: Duration::ZERO,
            ..self
        }
    }

    /// Tells whether DHCP is to be asked.
    pub(crate) fn leaves_time_for_dhcp(&self) -> bool {
        self.after != Duration::ZERO
    }
}

/// A new address for the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressChange {
    /// Address and length of the network's prefix; `None` if the interface has lost its address.
    pub address: Option<Ipv4Cidr>,
    /// Router to all other networks.
    pub router: Option<Ipv4Address>,
    /// Who knows the addresses of names.
    pub name_server: Option<Ipv4Address>,
}

impl AddressChange {
    const LOST: Self = Self {
        address: None,
        router: None,
        name_server: None,
    };
}

/// How long an address is used at least that DHCP has yet to confirm on a link that was away: three of its
/// questions.
const CONFIRMATION: Duration = Duration::from_secs(30);

/// Decides between DHCP and the fallback.
pub struct AddressPolicy {
    fallback: Fallback,
    current: AddressChange,
    /// When the fallback takes over; `None` while an address is in use that needs no confirmation.
    due: Option<Instant>,
}

impl AddressPolicy {
    /// Starts without an address.
    pub fn new(fallback: Fallback, now: Instant) -> Self {
        Self {
            fallback,
            current: AddressChange::LOST,
            due: Some(now + fallback.after),
        }
    }

    /// Notes the address that DHCP gave; tells if it is another than before.
    pub fn leased(
        &mut self,
        address: Ipv4Cidr,
        router: Option<Ipv4Address>,
        name_server: Option<Ipv4Address>,
    ) -> Option<AddressChange> {
        self.due = None;
        self.change_to(AddressChange {
            address: Some(address),
            router,
            name_server,
        })
    }

    /// Notes that DHCP has no lease. The fallback gets its turn after its time, unless that of an address
    /// to be confirmed is running.
    pub fn lost(&mut self, now: Instant) -> Option<AddressChange> {
        if self.due.is_some() {
            return None;
        }
        self.due = Some(now + self.fallback.after);
        self.change_to(AddressChange::LOST)
    }

    /// Notes that DHCP is asked anew, as the link was away and may lead to another network. The address
    /// stays in use meanwhile, so that connections outlast a loose cable (RFC 2131, 3.7).
    pub fn doubt(&mut self, now: Instant) {
        let time = match self.current.address {
            Some(_) => self.fallback.after.max(CONFIRMATION),
            None => self.fallback.after,
        };
        self.due = Some(now + time);
    }

    fn change_to(&mut self, change: AddressChange) -> Option<AddressChange> {
        let before = core::mem::replace(&mut self.current, change);
        (before != change).then_some(change)
    }

    /// Returns the fallback once its time has come, unless that is in use already.
    pub fn poll(&mut self, now: Instant) -> Option<AddressChange> {
        self.due.take_if(|due| now >= *due)?;
        let Fallback {
            address,
            router,
            name_server,
            ..
        } = self.fallback;
        self.change_to(AddressChange {
            address: Some(address),
            router,
            name_server,
        })
    }

    /// Returns when [`poll`](Self::poll) has to be called at the latest.
    pub fn due(&self) -> Option<Instant> {
        self.due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Ipv4Cidr = Ipv4Cidr::new(Ipv4Address::new(192, 168, 1, 7), 24);
    const LEASED: AddressChange = AddressChange {
        address: Some(LEASE),
        router: None,
        name_server: None,
    };
    const FALLBACK: Fallback = Fallback::QEMU_USER;

    fn at(millis: i64) -> Instant {
        Instant::from_millis(millis)
    }

    #[test]
    fn the_fallback_comes_once_and_in_time() {
        let mut policy = AddressPolicy::new(FALLBACK, at(1000));
        assert_eq!(policy.due(), Some(at(4000)));
        assert_eq!(policy.poll(at(3999)), None);
        let change = policy.poll(at(4000)).unwrap();
        assert_eq!(
            (change.address, change.router),
            (Some(FALLBACK.address), FALLBACK.router)
        );
        assert_eq!(policy.poll(at(9000)), None);
        assert_eq!(policy.due(), None);
    }

    #[test]
    fn a_fixed_address_is_there_at_once() {
        let fixed = FALLBACK.host(40).fixed();
        assert!(FALLBACK.leaves_time_for_dhcp() && !fixed.leaves_time_for_dhcp());
        let change = AddressPolicy::new(fixed, at(5)).poll(at(5)).unwrap();
        let address = Ipv4Cidr::new(Ipv4Address::new(10, 0, 2, 40), 24);
        assert_eq!(change.address, Some(address));
    }

    #[test]
    fn a_lease_keeps_the_fallback_away() {
        let mut policy = AddressPolicy::new(FALLBACK, at(0));
        assert_eq!(policy.leased(LEASE, None, None), Some(LEASED));
        assert_eq!(policy.poll(at(60_000)), None);
    }

    #[test]
    fn a_late_lease_replaces_the_fallback() {
        let mut policy = AddressPolicy::new(FALLBACK, at(0));
        policy.poll(at(3000)).unwrap();
        assert_eq!(policy.leased(LEASE, None, None), Some(LEASED));
        assert_eq!(policy.poll(at(60_000)), None);
    }

    #[test]
    fn after_a_lost_lease_the_fallback_waits_anew() {
        let mut policy = AddressPolicy::new(FALLBACK, at(0));
        policy.leased(LEASE, None, None);
        assert_eq!(policy.lost(at(10_000)), Some(AddressChange::LOST));
        assert_eq!(policy.poll(at(12_999)), None);
        assert_eq!(
            policy.poll(at(13_000)).unwrap().address,
            Some(FALLBACK.address)
        );
    }
    #[test]
    fn a_doubtful_address_stays_until_dhcp_speaks_or_its_time_is_over() {
        let mut policy = AddressPolicy::new(FALLBACK, at(0));
        policy.leased(LEASE, None, None);
        policy.doubt(at(1000));
        assert_eq!(policy.lost(at(1000)), None);
        assert_eq!(policy.poll(at(30_999)), None);
        // The same again is no news, and ends the doubt.
        assert_eq!(policy.leased(LEASE, None, None), None);
        assert_eq!(policy.poll(at(60_000)), None);
        policy.doubt(at(60_000));
        let other = Ipv4Cidr::new(Ipv4Address::new(10, 9, 9, 9), 8);
        let change = policy.leased(other, None, None).unwrap();
        assert_eq!(change.address, Some(other));
        policy.doubt(at(100_000));
        let change = policy.poll(at(130_000)).unwrap();
        assert_eq!(change.address, Some(FALLBACK.address));
        // The fallback is doubtful too, but there is nothing to replace it.
        policy.doubt(at(200_000));
        assert_eq!(policy.poll(at(230_000)), None);
        assert_eq!(policy.due(), None);
    }

    #[test]
    fn without_an_address_a_link_that_is_back_leaves_dhcp_its_time() {
        let mut policy = AddressPolicy::new(FALLBACK, at(0));
        policy.doubt(at(2000));
        assert_eq!(policy.poll(at(4999)), None);
        assert!(policy.poll(at(5000)).is_some());
    }
}
