// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The configuration space of a network device (VirtIO 1.2, 5.1.4), judged before it is believed.

use crate::transports::configuration::{Configuration, ConfigurationError, Field};

/// The device supplies an MTU.
pub(super) const FEATURE_MTU: u64 = 1 << 3;

/// The device supplies a MAC address.
pub(super) const FEATURE_MAC: u64 = 1 << 5;

/// The device supplies the state of the link.
pub(super) const FEATURE_STATUS: u64 = 1 << 16;

const MAC: Field = Field::with(FEATURE_MAC, 0);
const STATUS: Field = Field::with(FEATURE_STATUS, 6);
const MTU: Field = Field::with(FEATURE_MTU, 10);

const STATUS_LINK_UP: u16 = 1;

/// The smallest MTU that a device may supply (5.1.4.1).
const SMALLEST_MTU: u16 = 68;

/// The MTU of Ethernet, and the largest that the driver's buffers are made for.
pub(super) const ETHERNET_MTU: u16 = 1500;

/// What the device says of itself, as far as it makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NetConfiguration {
    /// `None` if the device supplies none, or one that no card can have.
    pub(super) mac: Option<[u8; 6]>,
    /// True if the device does not tell (5.1.4.2).
    pub(super) link_up: bool,
    /// That of Ethernet if the device does not tell.
    pub(super) mtu: u16,
}

impl NetConfiguration {
    /// Reads the fields that exist with the features in `accepted`, and no others.
    pub(super) fn read(
        space: &Configuration<'_>,
        accepted: u64,
    ) -> Result<Self, ConfigurationError> {
        space.consistently(|space| {
            let mut mac = [0; 6];
            if accepted & FEATURE_MAC != 0 {
                space.read_bytes(MAC, &mut mac)?;
            }
            let mut status = STATUS_LINK_UP;
            if accepted & FEATURE_STATUS != 0 {
                status = space.read_u16(STATUS)?;
            }
            let mut mtu = ETHERNET_MTU;
            if accepted & FEATURE_MTU != 0 {
                mtu = space.read_u16(MTU)?;
            }
            Ok(Self {
                mac: is_card_address(mac).then_some(mac),
                link_up: status & STATUS_LINK_UP != 0,
                mtu: if is_usable_mtu(mtu) {
                    mtu
                } else {
                    ETHERNET_MTU
                },
            })
        })
    }

    /// Whether the MTU on offer is one the driver can live up to; if not, the feature is declined.
    pub(super) fn mtu_is_usable(space: &Configuration<'_>) -> bool {
        space.read_u16(MTU).is_ok_and(is_usable_mtu)
    }
}

/// Whether an address can be that of one card: the first bit on the wire marks a group.
fn is_card_address(mac: [u8; 6]) -> bool {
    let [first, ..] = mac;
    first & 1 == 0 && mac != [0; 6]
}

fn is_usable_mtu(mtu: u16) -> bool {
    (SMALLEST_MTU..=ETHERNET_MTU).contains(&mtu)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::configuration::Bytes;

    const ALL: u64 = FEATURE_MAC | FEATURE_STATUS | FEATURE_MTU;
    const ADDRESS: [u8; 6] = [0x52, 0x54, 0, 1, 2, 3];

    fn space(mac: [u8; 6], status: u16, mtu: u16) -> Bytes {
        let mut bytes = [0xFF; 12];
        bytes[..6].copy_from_slice(&mac);
        bytes[6..8].copy_from_slice(&status.to_le_bytes());
        bytes[10..].copy_from_slice(&mtu.to_le_bytes());
        Bytes::new(&bytes)
    }

    fn read(space: &Bytes, accepted: u64) -> NetConfiguration {
        NetConfiguration::read(&Configuration::new(space, accepted), accepted).unwrap()
    }

    #[test]
    fn accepted_fields_are_read() {
        assert_eq!(
            read(&space(ADDRESS, 0xFFFE, 1400), ALL),
            NetConfiguration {
                mac: Some(ADDRESS),
                link_up: false,
                mtu: 1400
            }
        );
    }

    #[test]
    fn fields_without_their_feature_do_not_exist() {
        assert_eq!(
            read(&space(ADDRESS, 0, 1400), 0),
            NetConfiguration {
                mac: None,
                link_up: true,
                mtu: 1500
            }
        );
    }

    #[test]
    fn group_and_zero_addresses_are_not_believed() {
        for mac in [[0; 6], [0xFF; 6], [1, 0, 0x5E, 0, 0, 1]] {
            assert_eq!(read(&space(mac, 1, 1500), ALL).mac, None);
        }
    }

    #[test]
    fn an_mtu_out_of_range_is_not_believed() {
        for (mtu, usable) in [
            (0, false),
            (67, false),
            (68, true),
            (1500, true),
            (1501, false),
        ] {
            let space = space(ADDRESS, 1, mtu);
            let space = Configuration::new(&space, ALL);
            assert_eq!(NetConfiguration::mtu_is_usable(&space), usable);
            let believed = NetConfiguration::read(&space, ALL).unwrap().mtu;
            assert_eq!(believed, if usable { mtu } else { 1500 });
        }
    }

    #[test]
    fn a_space_too_short_for_the_fields_is_an_error() {
        let short = Bytes::new(&[2; 8]);
        let short = Configuration::new(&short, ALL);
        assert!(NetConfiguration::read(&short, ALL).is_err());
        assert!(!NetConfiguration::mtu_is_usable(&short));
        assert!(NetConfiguration::read(&short, FEATURE_MAC | FEATURE_STATUS).is_ok());
    }
}
