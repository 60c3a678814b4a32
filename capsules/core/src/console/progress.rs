// SPDX-License-Identifier: Apache-2.0 OR MIT

//! How far a write is.

use kernel::processbuffer::ReadableProcessSlice;

/// A write that goes to the port chunk by chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Progress {
    position: usize,
    length: usize,
    last_chunk: usize,
}

impl Progress {
    /// A write of `length` bytes of which none was sent.
    pub(super) fn of(length: usize) -> Self {
        Progress {
            position: 0,
            length,
            last_chunk: 0,
        }
    }

    /// Bytes handed to the port so far.
    pub(super) fn position(&self) -> usize {
        self.position
    }

    /// Bytes of the chunk copied last.
    pub(super) fn last_chunk(&self) -> usize {
        self.last_chunk
    }

    /// Copies the next chunk of `text` to the start of `buffer` and moves on behind it.
    ///
    /// Returns its length, zero at the end. The process may have shared a shorter buffer since
    /// the last chunk: then the write ends where that one does.
    pub(super) fn copy_chunk(&mut self, text: &ReadableProcessSlice, buffer: &mut [u8]) -> usize {
        let end = self.length.min(text.len());
        let count = end.saturating_sub(self.position).min(buffer.len());
        let source = text.get(self.position..self.position.saturating_add(count));
        let copied = source
            .zip(buffer.get_mut(..count))
            .and_then(|(from, to)| from.copy_to_slice_or_err(to).ok());
        if copied.is_none() {
            return 0;
        }
        self.position = self.position.saturating_add(count);
        self.last_chunk = count;
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(progress: &mut Progress, text: &[u8], room: usize) -> std::vec::Vec<u8> {
        let mut buffer = std::vec![0xEE; room];
        let count = progress.copy_chunk(text.into(), &mut buffer);
        assert!(buffer[count..].iter().all(|byte| *byte == 0xEE));
        buffer.truncate(count);
        buffer
    }

    #[test]
    fn chunks_join_to_the_text() {
        let text: std::vec::Vec<u8> = (0..150).collect();
        let mut progress = Progress::of(text.len());
        let mut joined = std::vec::Vec::new();
        for expected in [64, 64, 22, 0, 0] {
            let part = chunk(&mut progress, &text, 64);
            assert_eq!(part.len(), expected);
            joined.extend(part);
        }
        assert_eq!(joined, text);
        assert_eq!(progress.position(), 150);
    }

    #[test]
    fn a_write_ends_at_its_length_though_the_buffer_is_longer() {
        let mut progress = Progress::of(3);
        assert_eq!(chunk(&mut progress, b"abcdef", 64), b"abc");
        assert_eq!(chunk(&mut progress, b"abcdef", 64), b"");
    }

    #[test]
    fn a_buffer_that_shrinks_below_the_position_ends_the_write() {
        let mut progress = Progress::of(10);
        assert_eq!(chunk(&mut progress, b"0123456789", 4), b"0123");
        assert_eq!(chunk(&mut progress, b"ab", 4), b"");
        assert_eq!(chunk(&mut progress, b"", 4), b"");
        assert_eq!(progress.position(), 4);
    }

    #[test]
    fn a_swapped_buffer_supplies_the_rest() {
        let mut progress = Progress::of(6);
        assert_eq!(chunk(&mut progress, b"aaaaaa", 4), b"aaaa");
        assert_eq!(chunk(&mut progress, b"bbbbbb", 4), b"bb");
    }

    #[test]
    fn an_empty_transmit_buffer_copies_nothing() {
        assert_eq!(chunk(&mut Progress::of(5), b"hello", 0), b"");
    }
}
