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

/// Decides between DHCP and the fallback.
pub struct AddressPolicy {
    fallback: Fallback,
    /// When the fallback takes over; `None` while an address is in use.
    due: Option<Instant>,
}

impl AddressPolicy {
    /// Starts without an address.
    pub fn new(fallback: Fallback, now: Instant) -> Self {
        Self {
            fallback,
            due: Some(now + fallback.after),
        }
    }

    /// Notes the address that DHCP gave.
    pub fn leased(
        &mut self,
        address: Ipv4Cidr,
        router: Option<Ipv4Address>,
        name_server: Option<Ipv4Address>,
    ) -> AddressChange {
        self.due = None;
        AddressChange {
            address: Some(address),
            router,
            name_server,
        }
    }

    /// Notes that the lease is gone. The fallback gets its turn after its time.
    pub fn lost(&mut self, now: Instant) -> AddressChange {
        self.due = Some(now + self.fallback.after);
        AddressChange::LOST
    }

    /// Returns the fallback once its time has come.
    pub fn poll(&mut self, now: Instant) -> Option<AddressChange> {
        self.due.take_if(|due| now >= *due)?;
        let Fallback {
            address,
            router,
            name_server,
            ..
        } = self.fallback;
        Some(AddressChange {
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
        assert_eq!(policy.leased(LEASE, None, None).address, Some(LEASE));
        assert_eq!(policy.poll(at(60_000)), None);
    }

    #[test]
    fn a_late_lease_replaces_the_fallback() {
        let mut policy = AddressPolicy::new(FALLBACK, at(0));
        policy.poll(at(3000)).unwrap();
        assert_eq!(policy.leased(LEASE, None, None).address, Some(LEASE));
        assert_eq!(policy.poll(at(60_000)), None);
    }

    #[test]
    fn after_a_lost_lease_the_fallback_waits_anew() {
        let mut policy = AddressPolicy::new(FALLBACK, at(0));
        policy.leased(LEASE, None, None);
        assert_eq!(policy.lost(at(10_000)).address, None);
        assert_eq!(policy.poll(at(12_999)), None);
        assert_eq!(
            policy.poll(at(13_000)).unwrap().address,
            Some(FALLBACK.address)
        );
    }
}
