// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Streaming process slices: a buffer the kernel appends to, with a header that says how far it got.
//!
//! Layout, version 0: `u16` version, `u16` flags (big endian), `u32` bytes used, then the data. The
//! process prepares the header, shares the buffer, and reads it after taking it back.

/// Bytes of the header.
pub const HEADER_BYTES: usize = 8;

/// Where the count of used bytes lies.
pub(crate) const USED_OFFSET: usize = 4;

const EXCEEDED: u16 = 1 << 0;
const HALT: u16 = 1 << 1;

/// What the kernel does after something did not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterMiss {
    /// Appends nothing more, so the data has no hole.
    Halt,
    /// Appends what still fits.
    Continue,
}

/// Writes the header of an empty slice; a buffer shorter than the header stays as it is.
pub fn prepare(buffer: &mut [u8], after_miss: AfterMiss) {
    let flags = match after_miss {
        AfterMiss::Halt => HALT,
        AfterMiss::Continue => 0,
    };
    let [high, low] = flags.to_be_bytes();
    if let Some(header) = buffer.first_chunk_mut::<HEADER_BYTES>() {
        *header = [0, 0, high, low, 0, 0, 0, 0];
    }
}

/// What the kernel left in a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received<'b> {
    /// The bytes appended.
    pub data: &'b [u8],
    /// Something did not fit.
    pub exceeded: bool,
}

/// Reads a slice that has been taken back.
///
/// A count beyond the buffer is cut to the buffer, so no header leads outside of it.
pub fn read(buffer: &[u8]) -> Received<'_> {
    let Some((header, data)) = buffer.split_first_chunk::<HEADER_BYTES>() else {
        return Received {
            data: &[],
            exceeded: false,
        };
    };
    let [_, _, high, low, used @ ..] = *header;
    let used = (u32::from_ne_bytes(used) as usize).min(data.len());
    Received {
        data: &data[..used],
        exceeded: u16::from_be_bytes([high, low]) & EXCEEDED != 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_prepared_slice_is_empty() {
        for after_miss in [AfterMiss::Halt, AfterMiss::Continue] {
            let mut buffer = [0xA5; 16];
            prepare(&mut buffer, after_miss);
            assert_eq!(
                read(&buffer),
                Received {
                    data: &[],
                    exceeded: false
                }
            );
        }
    }

    #[test]
    fn flags_are_big_endian() {
        let mut buffer = [0; 8];
        prepare(&mut buffer, AfterMiss::Halt);
        assert_eq!(buffer, [0, 0, 0, 2, 0, 0, 0, 0]);
        buffer[3] |= 1;
        assert!(read(&buffer).exceeded);
    }

    #[test]
    fn only_the_used_part_counts() {
        let mut buffer = [7; 12];
        prepare(&mut buffer, AfterMiss::Continue);
        buffer[4..8].copy_from_slice(&3u32.to_ne_bytes());
        assert_eq!(read(&buffer).data, [7, 7, 7]);
    }

    proptest! {
        #[test]
        fn no_header_leads_outside_of_the_buffer(buffer: Vec<u8>) {
            let room = buffer.len().saturating_sub(HEADER_BYTES);
            prop_assert!(read(&buffer).data.len() <= room);
        }
    }
}
