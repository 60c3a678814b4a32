// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The header in front of each frame (VirtIO 1.2, 5.1.6), and what a frame may be.

/// The length of the device's header (5.1.6).
pub(super) const HEADER_LEN: usize = 12;

/// Its length with a legacy device, which has no field for merged buffers (5.1.6.1).
pub(super) const LEGACY_HEADER_LEN: usize = 10;

/// The header of each frame to send: nothing is left to the device (5.1.6.2).
pub(super) static TRANSMIT_HEADER: [u8; HEADER_LEN] = [0; HEADER_LEN];

/// Destination, source and type.
pub(super) const ETHERNET_HEADER_LEN: usize = 14;

/// A VLAN tag may come on top of the MTU.
const VLAN_TAG_LEN: usize = 4;

/// What a receive buffer holds besides the payload of a frame.
pub(super) const RECEIVE_OVERHEAD: usize = HEADER_LEN + ETHERNET_HEADER_LEN + VLAN_TAG_LEN;

/// Header flag: the checksum is yet to be filled in. Only with features that are never accepted.
const NEEDS_CSUM: u8 = 1;

/// Why a received buffer holds no frame for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    Runt,
    Overlong,
    Malformed,
}

/// The longest frame with a payload of `mtu` bytes, in bytes.
pub(super) fn longest_frame(mtu: u16) -> usize {
    usize::from(mtu) + ETHERNET_HEADER_LEN + VLAN_TAG_LEN
}

/// Judges the fields of a received header that concern every frame.
///
/// The field for merged buffers is not looked at: a device need not write it.
#[inline]
pub(super) fn check_received(header: &[u8]) -> Result<(), Flaw> {
    match header {
        [flags, gso_type, ..] if flags & NEEDS_CSUM == 0 && *gso_type == 0 => Ok(()),
        _ => Err(Flaw::Malformed),
    }
}
