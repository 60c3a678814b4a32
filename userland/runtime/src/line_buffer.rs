// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Collecting formatted text so that a line reaches the console in one write.
//!
//! The kernel keeps the writes of processes apart, but a line in several writes can be cut in two by
//! another process.

use core::fmt;

/// Text on its way to `sink`, `SIZE` bytes at a time.
///
/// Text longer than `SIZE` is passed on in pieces; nothing is lost. What is still in the buffer goes
/// out with [`flush`](Self::flush), or when the buffer is dropped.
pub struct LineBuffer<const SIZE: usize, F: FnMut(&[u8])> {
    bytes: [u8; SIZE],
    used: usize,
    sink: F,
}

impl<const SIZE: usize, F: FnMut(&[u8])> LineBuffer<SIZE, F> {
    /// Makes an empty buffer in front of `sink`.
    pub fn new(sink: F) -> Self {
        const { assert!(SIZE > 0) };
        Self {
            bytes: [0; SIZE],
            used: 0,
            sink,
        }
    }

    /// Hands everything collected to the sink.
    pub fn flush(&mut self) {
        if let Some(text) = self.bytes.get(..self.used).filter(|text| !text.is_empty()) {
            (self.sink)(text);
        }
        self.used = 0;
    }
}

impl<const SIZE: usize, F: FnMut(&[u8])> fmt::Write for LineBuffer<SIZE, F> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            let room = self.bytes.get_mut(self.used..).unwrap_or_default();
            let count = room.len().min(rest.len());
            let (head, tail) = rest.split_at(count);
            room[..count].copy_from_slice(head);
            self.used += count;
            rest = tail;
            if self.used == SIZE {
                self.flush();
            }
        }
        Ok(())
    }
}

impl<const SIZE: usize, F: FnMut(&[u8])> Drop for LineBuffer<SIZE, F> {
    fn drop(&mut self) {
        self.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::LineBuffer;
    use core::fmt::Write;

    #[test]
    fn a_short_line_is_one_write() {
        let mut writes = Vec::new();
        let mut line = LineBuffer::<16, _>::new(|text| writes.push(text.to_vec()));
        write!(line, "{}-{:?}", 12, None::<u8>).unwrap();
        drop(line);
        assert_eq!(writes, [b"12-None".to_vec()]);
    }

    #[test]
    fn long_text_is_cut_but_complete() {
        let mut writes = Vec::new();
        let mut line = LineBuffer::<4, _>::new(|text| writes.push(text.to_vec()));
        line.write_str("abcdefghij").unwrap();
        drop(line);
        assert_eq!(writes, [b"abcd".to_vec(), b"efgh".to_vec(), b"ij".to_vec()]);
    }

    #[test]
    fn nothing_written_means_no_write() {
        let mut writes = 0;
        drop(LineBuffer::<4, _>::new(|_| writes += 1));
        assert_eq!(writes, 0);
    }
}
