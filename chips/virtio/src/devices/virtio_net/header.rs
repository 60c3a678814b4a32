// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The header in front of each frame (VirtIO 1.2, 5.1.6), and what a frame may be.

use super::features::{GUEST_CSUM, MRG_RXBUF};
use crate::features::VERSION_1;

/// The length of the device's header (5.1.6).
pub(super) const HEADER_LEN: usize = 12;

/// Its length with a legacy device that does not merge buffers, and leaves out the field for that
/// (5.1.6.1).
pub(super) const LEGACY_HEADER_LEN: usize = 10;

/// The header of each frame to send: nothing is left to the device (5.1.6.2).
pub(super) static TRANSMIT_HEADER: [u8; HEADER_LEN] = [0; HEADER_LEN];

/// Destination, source and type.
pub(super) const ETHERNET_HEADER_LEN: usize = 14;

/// A VLAN tag may come on top of the MTU.
const VLAN_TAG_LEN: usize = 4;

/// What a frame has besides its payload.
pub(super) const FRAME_OVERHEAD: usize = ETHERNET_HEADER_LEN + VLAN_TAG_LEN;

/// Header flag: the checksum is yet to be filled in.
const NEEDS_CSUM: u8 = 1;

/// Why a received buffer holds no frame for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    Runt,
    Overlong,
    Malformed,
    Scattered,
    Unwanted,
}

/// Where a checksum is to be filled in, in bytes from the start of the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PartialChecksum {
    /// Where the bytes begin that it covers.
    pub(super) start: usize,
    /// Where it goes, from there.
    pub(super) offset: usize,
}

/// Which form the header has, by the features agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HeaderFormat {
    pub(super) len: usize,
    merged_buffers: bool,
    checksums: bool,
}

impl HeaderFormat {
    pub(super) fn new(features: u64) -> Self {
        let merged_buffers = features & MRG_RXBUF != 0;
        Self {
            len: if merged_buffers || features & VERSION_1 != 0 {
                HEADER_LEN
            } else {
                LEGACY_HEADER_LEN
            },
            merged_buffers,
            checksums: features & GUEST_CSUM != 0,
        }
    }

    /// Whether a header asks for nothing, and the frame lies in one buffer.
    #[inline]
    pub(super) fn is_plain(self, header: &[u8]) -> bool {
        let [flags, gso_type, .., low, high] = header else {
            return false;
        };
        // Without merged buffers a device need not write the last field.
        let one_buffer = !self.merged_buffers || (*low, *high) == (1, 0);
        flags & NEEDS_CSUM == 0 && *gso_type == 0 && one_buffer
    }

    /// How many buffers the frame takes, of which the first one has the header. `None` if the header is
    /// cut short.
    pub(super) fn buffers(self, header: &[u8]) -> Option<u16> {
        if self.merged_buffers {
            half(header, 10)
        } else {
            (header.len() == self.len).then_some(1)
        }
    }

    /// The checksum that is left open. Only what was agreed on may be asked for.
    #[inline(never)]
    pub(super) fn checksum(self, header: &[u8]) -> Result<Option<PartialChecksum>, Flaw> {
        let (Some(start), Some(offset), [flags, gso_type, ..]) =
            (half(header, 6), half(header, 8), header)
        else {
            return Err(Flaw::Runt);
        };
        let is_open = flags & NEEDS_CSUM != 0;
        if *gso_type != 0 || is_open && !self.checksums {
            return Err(Flaw::Malformed);
        }
        Ok(is_open.then_some(PartialChecksum {
            start: start.into(),
            offset: offset.into(),
        }))
    }
}

fn half(header: &[u8], at: usize) -> Option<u16> {
    let bytes = header.get(at..)?.first_chunk()?;
    Some(u16::from_le_bytes(*bytes))
}

/// The longest frame with a payload of `mtu` bytes, in bytes.
pub(super) fn longest_frame(mtu: u16) -> usize {
    usize::from(mtu) + FRAME_OVERHEAD
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: [u8; 12] = [0, 0, 9, 9, 9, 9, 34, 0, 16, 0, 1, 0];

    fn with(at: usize, value: u8) -> [u8; 12] {
        let mut header = PLAIN;
        header[at] = value;
        header
    }

    #[test]
    fn the_length_depends_on_the_version_and_on_merged_buffers() {
        for (features, len) in [
            (0, 10),
            (GUEST_CSUM, 10),
            (MRG_RXBUF, 12),
            (VERSION_1, 12),
            (VERSION_1 | MRG_RXBUF, 12),
        ] {
            assert_eq!(HeaderFormat::new(features).len, len);
        }
    }

    #[test]
    fn hints_and_unknown_flags_are_not_looked_at() {
        let format = HeaderFormat::new(VERSION_1);
        for header in [PLAIN, with(0, 0xFE), with(2, 0xFF), with(5, 1), with(10, 0)] {
            assert!(format.is_plain(&header));
            assert_eq!(format.checksum(&header), Ok(None));
            assert_eq!(format.buffers(&header), Some(1));
        }
    }

    #[test]
    fn segments_are_never_agreed_on() {
        let format = HeaderFormat::new(u64::MAX);
        for gso_type in [1, 3, 4, 5, 0x80, 0xFF] {
            let header = with(1, gso_type);
            assert!(!format.is_plain(&header));
            assert_eq!(format.checksum(&header), Err(Flaw::Malformed));
        }
    }

    #[test]
    fn a_checksum_may_be_left_open_only_if_that_was_agreed_on() {
        let header = with(0, NEEDS_CSUM);
        for features in [VERSION_1, VERSION_1 | MRG_RXBUF] {
            let format = HeaderFormat::new(features);
            assert!(!format.is_plain(&header));
            assert_eq!(format.checksum(&header), Err(Flaw::Malformed));
        }
        let format = HeaderFormat::new(VERSION_1 | GUEST_CSUM);
        assert!(!format.is_plain(&header));
        let checksum = PartialChecksum {
            start: 34,
            offset: 16,
        };
        assert_eq!(format.checksum(&header), Ok(Some(checksum)));
    }

    #[test]
    fn the_number_of_buffers_is_read_with_merged_buffers_only() {
        let merged = HeaderFormat::new(VERSION_1 | MRG_RXBUF);
        let single = HeaderFormat::new(VERSION_1);
        for (at, value, buffers) in [(10, 0, 0), (10, 2, 2), (11, 1, 257)] {
            let header = with(at, value);
            assert!(!merged.is_plain(&header));
            assert_eq!(merged.buffers(&header), Some(buffers));
            assert!(single.is_plain(&header));
            assert_eq!(single.buffers(&header), Some(1));
        }
        assert!(merged.is_plain(&PLAIN));
    }

    #[test]
    fn a_header_that_is_cut_short_says_nothing() {
        for features in [VERSION_1, VERSION_1 | MRG_RXBUF | GUEST_CSUM] {
            let format = HeaderFormat::new(features);
            for len in 0..HEADER_LEN {
                assert_eq!(format.buffers(&PLAIN[..len]), None);
            }
            for len in 0..10 {
                assert_eq!(format.checksum(&PLAIN[..len]), Err(Flaw::Runt));
            }
        }
    }
}
