// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The frames in a receive buffer: each behind a 12-byte header, without padding.
//!
//! Header: `u16` flags (bit 0: timestamp valid), `u16` frame length, `u64` timestamp.

/// Bytes in front of each frame.
pub const HEADER_BYTES: usize = 12;

/// Returns the length of the frame whose header starts `data`.
///
/// Returns `None` at the end of the data, and for a chunk that runs past it.
#[inline]
pub fn first_frame(data: &[u8]) -> Option<usize> {
    let [_, _, low, high, ..] = *data.first_chunk::<HEADER_BYTES>()?;
    let length = usize::from(u16::from_ne_bytes([low, high]));
    (length <= data.len() - HEADER_BYTES).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn chunk(frame: &[u8]) -> Vec<u8> {
        let mut chunk = vec![0; HEADER_BYTES];
        chunk[2..4].copy_from_slice(&(frame.len() as u16).to_ne_bytes());
        chunk.extend_from_slice(frame);
        chunk
    }

    fn frames(data: &[u8]) -> Vec<&[u8]> {
        let mut rest = data;
        let mut frames = Vec::new();
        while let Some(length) = first_frame(rest) {
            let (chunk, behind) = rest.split_at(HEADER_BYTES + length);
            frames.push(&chunk[HEADER_BYTES..]);
            rest = behind;
        }
        frames
    }

    #[test]
    fn a_cut_chunk_is_no_frame() {
        let whole = chunk(b"frame");
        for length in 0..whole.len() {
            assert_eq!(first_frame(&whole[..length]), None);
        }
        assert_eq!(first_frame(&whole), Some(5));
    }

    proptest! {
        #[test]
        fn what_the_kernel_appends_is_read_back(
            sent in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..8),
        ) {
            let data: Vec<u8> = sent.iter().flat_map(|frame| chunk(frame)).collect();
            prop_assert_eq!(frames(&data), sent);
        }

        #[test]
        fn any_bytes_end_the_walk_inside_the_data(data: Vec<u8>) {
            let total: usize = frames(&data).iter().map(|frame| frame.len() + HEADER_BYTES).sum();
            prop_assert!(total <= data.len());
        }
    }
}
