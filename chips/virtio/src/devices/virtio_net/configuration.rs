// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The configuration space of a network device (VirtIO 1.2, 5.1.4), judged before it is believed.

use super::features;
use crate::transports::configuration::{Configuration, ConfigurationError, Field};

const MAC: Field = Field::with(features::MAC, 0);
const STATUS: Field = Field::with(features::STATUS, 6);
const MTU: Field = Field::with(features::MTU, 10);

const STATUS_LINK_UP: u16 = 1;

/// Only with GUEST_ANNOUNCE.
const STATUS_ANNOUNCE: u16 = 2;

/// The smallest MTU that a device may supply (5.1.4.1).
const SMALLEST_MTU: u16 = 68;

/// The MTU of Ethernet.
pub(super) const ETHERNET_MTU: u16 = 1500;

/// What the device says of itself, as far as it makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NetConfiguration {
    /// `None` if the device supplies none, or one that no card can have.
    pub(super) mac: Option<[u8; 6]>,
    pub(super) status: NetStatus,
    /// `None` if the device supplies none, or one that the driver cannot live up to.
    pub(super) mtu: Option<u16>,
}

/// What may change while the device is in service (5.1.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NetStatus {
    /// True if the device does not tell (5.1.4.2).
    pub(super) link_up: bool,
    /// Whether the device waits for an announcement, and for word that it was made.
    pub(super) announce: bool,
}

impl NetConfiguration {
    /// Reads the fields that exist with the features in use, and no others.
    ///
    /// `largest_mtu` is what the buffers of the driver can hold.
    pub(super) fn read(
        space: &Configuration<'_>,
        largest_mtu: u16,
    ) -> Result<Self, ConfigurationError> {
        let (mac, status, mtu) = space.consistently(|space| {
            let mut mac = [0; 6];
            if space.has(features::MAC) {
                space.read_bytes(MAC, &mut mac)?;
            }
            let mut status = STATUS_LINK_UP;
            if space.has(features::STATUS) {
                status = space.read_u16(STATUS)?;
            }
            let mut mtu = 0;
            if space.has(features::MTU) {
                mtu = space.read_u16(MTU)?;
            }
            Ok((mac, status, mtu))
        })?;
        Ok(Self {
            mac: is_card_address(mac).then_some(mac),
            status: NetStatus {
                link_up: status & STATUS_LINK_UP != 0,
                announce: status & STATUS_ANNOUNCE != 0 && space.has(features::GUEST_ANNOUNCE),
            },
            mtu: is_usable_mtu(mtu, largest_mtu).then_some(mtu),
        })
    }

    /// Whether the MTU on offer is one the driver can live up to; if not, the feature is declined.
    pub(super) fn mtu_is_usable(space: &Configuration<'_>, largest_mtu: u16) -> bool {
        space
            .read_u16(MTU)
            .is_ok_and(|mtu| is_usable_mtu(mtu, largest_mtu))
    }
}

/// Whether an address can be that of one card: the first bit on the wire marks a group.
fn is_card_address(mac: [u8; 6]) -> bool {
    let [first, ..] = mac;
    first & 1 == 0 && mac != [0; 6]
}

fn is_usable_mtu(mtu: u16, largest_mtu: u16) -> bool {
    (SMALLEST_MTU..=largest_mtu).contains(&mtu)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::configuration::Bytes;

    const ALL: u64 = features::MAC | features::STATUS | features::MTU | features::GUEST_ANNOUNCE;
    const ADDRESS: [u8; 6] = [0x52, 0x54, 0, 1, 2, 3];

    fn space(mac: [u8; 6], status: u16, mtu: u16) -> Bytes {
        let mut bytes = [0xFF; 12];
        bytes[..6].copy_from_slice(&mac);
        bytes[6..8].copy_from_slice(&status.to_le_bytes());
        bytes[10..].copy_from_slice(&mtu.to_le_bytes());
        Bytes::new(&bytes)
    }

    fn read(space: &Bytes, accepted: u64) -> NetConfiguration {
        NetConfiguration::read(&Configuration::new(space, accepted), 1500).unwrap()
    }

    #[test]
    fn accepted_fields_are_read() {
        assert_eq!(
            read(&space(ADDRESS, 0xFFFE, 1400), ALL),
            NetConfiguration {
                mac: Some(ADDRESS),
                status: NetStatus {
                    link_up: false,
                    announce: true,
                },
                mtu: Some(1400),
            }
        );
    }

    #[test]
    fn fields_without_their_feature_do_not_exist() {
        assert_eq!(
            read(&space(ADDRESS, 0, 1400), 0),
            NetConfiguration {
                mac: None,
                status: NetStatus {
                    link_up: true,
                    announce: false,
                },
                mtu: None,
            }
        );
    }

    #[test]
    fn announcements_are_asked_for_only_if_that_was_agreed_on() {
        for (status, asked) in [(1, false), (2, true), (3, true), (0xFFFD, false)] {
            let space = space(ADDRESS, status, 1500);
            assert_eq!(read(&space, ALL).status.announce, asked);
            assert!(
                !read(&space, ALL & !features::GUEST_ANNOUNCE)
                    .status
                    .announce
            );
        }
    }

    #[test]
    fn group_and_zero_addresses_are_not_believed() {
        for mac in [[0; 6], [0xFF; 6], [1, 0, 0x5E, 0, 0, 1]] {
            assert_eq!(read(&space(mac, 1, 1500), ALL).mac, None);
        }
    }

    #[test]
    fn an_mtu_that_is_too_small_or_larger_than_the_buffers_is_not_believed() {
        for largest in [1000, 1500, 9000] {
            for (mtu, usable) in [
                (0, false),
                (67, false),
                (68, true),
                (largest, true),
                (largest + 1, false),
                (u16::MAX, false),
            ] {
                let space = space(ADDRESS, 1, mtu);
                let space = Configuration::new(&space, ALL);
                assert_eq!(NetConfiguration::mtu_is_usable(&space, largest), usable);
                let believed = NetConfiguration::read(&space, largest).unwrap().mtu;
                assert_eq!(believed, usable.then_some(mtu));
            }
        }
    }

    #[test]
    fn a_space_too_short_for_the_fields_is_an_error() {
        let short = Bytes::new(&[2; 8]);
        let short = Configuration::new(&short, ALL);
        assert!(NetConfiguration::read(&short, 1500).is_err());
        assert!(!NetConfiguration::mtu_is_usable(&short, 1500));
        let present = features::MAC | features::STATUS;
        let short = Bytes::new(&[2; 8]);
        let short = Configuration::new(&short, present);
        assert!(NetConfiguration::read(&short, 1500).is_ok());
    }
}
