// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Memory for a received frame, and what the device has written to it.

use super::header::{HEADER_LEN, HeaderFormat};
use super::pair::Pair;

/// Memory for a header and a frame: in one piece, or with the header in a piece of its own.
pub(super) struct ReceiveBuffer {
    pub(super) header: Option<&'static mut [u8]>,
    pub(super) rest: &'static mut [u8],
}

impl From<Pair> for ReceiveBuffer {
    fn from([header, rest]: Pair) -> Self {
        Self {
            header: Some(header),
            rest,
        }
    }
}

/// A header as far as it was written.
pub(super) struct HeaderBytes {
    bytes: [u8; HEADER_LEN],
    len: usize,
}

impl HeaderBytes {
    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// A buffer with a frame, or with a part of one.
pub(super) struct Received {
    buffer: ReceiveBuffer,
    /// Where the bytes of the frame begin and end, counted over both pieces. No buffer is longer than
    /// that can say.
    start: u32,
    end: u32,
    /// How many buffers the frame takes, this one included; zero in those after the first.
    pub(super) buffers: u16,
}

impl Received {
    /// A buffer with a part of a frame that begins at `start`, where `written` bytes were written.
    pub(super) fn new(buffer: ReceiveBuffer, start: usize, written: usize) -> Self {
        Self {
            buffer,
            start: start as u32,
            end: written as u32,
            buffers: 0,
        }
    }

    /// Whether the buffer was lent in two pieces.
    pub(super) fn is_cut(&self) -> bool {
        self.buffer.header.is_some()
    }

    pub(super) fn len(&self) -> usize {
        self.end.saturating_sub(self.start) as usize
    }

    /// The bytes of the frame if they are in one piece, which they are but for a device that changes
    /// the length of its header.
    pub(super) fn frame(&self) -> Option<&[u8]> {
        let (start, end) = self.place_in_rest()?;
        self.buffer.rest.get(start..end)
    }

    /// As [`frame`](Self::frame), to change them.
    pub(super) fn frame_mut(&mut self) -> Option<&mut [u8]> {
        let (start, end) = self.place_in_rest()?;
        self.buffer.rest.get_mut(start..end)
    }

    fn place_in_rest(&self) -> Option<(usize, usize)> {
        let cut = self.first_piece().len();
        let start = (self.start as usize).checked_sub(cut)?;
        let end = (self.end as usize).checked_sub(cut)?;
        Some((start, end))
    }

    fn first_piece(&self) -> &[u8] {
        self.buffer.header.as_deref().unwrap_or_default()
    }

    /// Copies the bytes of the frame to the start of `place`, and returns how many there are. `None` if
    /// they do not fit.
    pub(super) fn copy_to(&self, place: &mut [u8]) -> Option<usize> {
        self.copy(self.start as usize, self.end as usize, place)
    }

    /// The header at the start of the buffer, wherever it is cut.
    pub(super) fn header(&self, format: HeaderFormat) -> HeaderBytes {
        let mut bytes = [0; HEADER_LEN];
        let written = format.len.min(self.end as usize);
        let len = self.copy(0, written, &mut bytes).unwrap_or(0);
        HeaderBytes { bytes, len }
    }

    /// Copies some bytes, counted over both pieces.
    #[inline(never)]
    fn copy(&self, start: usize, end: usize, place: &mut [u8]) -> Option<usize> {
        let cut = self.first_piece().len();
        let pieces = [
            self.first_piece().get(start.min(cut)..end.min(cut)),
            self.buffer
                .rest
                .get(start.saturating_sub(cut)..end.saturating_sub(cut)),
        ];
        let mut len = 0;
        for piece in pieces.into_iter().flatten() {
            place
                .get_mut(len..)?
                .get_mut(..piece.len())?
                .copy_from_slice(piece);
            len = len.saturating_add(piece.len());
        }
        Some(len)
    }

    pub(super) fn into_buffer(self) -> ReceiveBuffer {
        self.buffer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::VERSION_1;
    use std::vec::Vec;

    /// The bytes 0, 1, 2, ... cut after `cut`.
    fn buffer(cut: usize) -> ReceiveBuffer {
        let bytes: Vec<u8> = (0..20).collect();
        let (header, rest) = bytes.leak().split_at_mut(cut);
        ReceiveBuffer {
            header: (cut != 0).then_some(header),
            rest,
        }
    }

    #[test]
    fn the_bytes_of_a_frame_are_the_same_wherever_its_buffer_is_cut() {
        for cut in [0, 1, 10, 12, 19] {
            for place in [12..20, 10..13, 0..20, 5..5] {
                let expected: Vec<u8> = (place.start as u8..place.end as u8).collect();
                let mut received = Received::new(buffer(cut), place.start, place.end);
                assert_eq!(received.len(), expected.len());
                let mut copy = [0xEE; 21];
                assert_eq!(received.copy_to(&mut copy), Some(expected.len()));
                assert_eq!(copy[..expected.len()], expected);
                assert_eq!(copy[expected.len()], 0xEE);
                if place.start >= cut {
                    assert_eq!(received.frame(), Some(&expected[..]));
                    assert_eq!(received.frame_mut().as_deref(), Some(&expected[..]));
                } else {
                    assert_eq!(received.frame(), None, "it is not in one piece");
                }
            }
        }
    }

    #[test]
    fn a_frame_that_does_not_fit_is_not_copied() {
        for cut in [0, 14] {
            let received = Received::new(buffer(cut), 12, 20);
            assert_eq!(received.copy_to(&mut [0; 7]), None);
            assert_eq!(received.copy_to(&mut [0; 8]), Some(8));
        }
    }

    #[test]
    fn a_buffer_written_less_than_its_header_has_no_frame() {
        let received = Received::new(buffer(0), 12, 5);
        assert_eq!(received.len(), 0);
        assert_eq!(received.frame(), None);
        assert_eq!(received.copy_to(&mut [0; 7]), Some(0));
    }

    #[test]
    fn a_header_is_put_together_as_far_as_it_was_written() {
        let format = HeaderFormat::new(VERSION_1);
        for cut in [0, 10, 12] {
            for written in [0, 5, 11, 12, 20] {
                let received = Received::new(buffer(cut), 12, written);
                let header = received.header(format);
                assert_eq!(header.bytes().len(), written.min(HEADER_LEN));
                assert!(header.bytes().iter().copied().eq(0..written.min(12) as u8));
            }
        }
    }
}
