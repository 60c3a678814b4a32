// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A sink for bytes that are not text, or not known to be.

use crate::collections::ring_buffer::RingBuffer;

/// A synchronous sink: bytes are on their way when a call returns.
pub trait IoWrite {
    /// Writes `buf` and returns how many bytes were written.
    fn write(&mut self, buf: &[u8]) -> usize;

    /// Writes what `buf` holds, oldest first, and returns how many bytes were written.
    fn write_ring_buffer(&mut self, buf: &RingBuffer<'_, u8>) -> usize {
        let (front, back) = buf.as_slices();
        [front, back]
            .into_iter()
            .flatten()
            .map(|bytes| self.write(bytes))
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collections::queue::Queue;
    use core::mem::MaybeUninit;
    use std::vec::Vec;

    struct Collect(Vec<u8>);

    impl IoWrite for Collect {
        fn write(&mut self, buf: &[u8]) -> usize {
            self.0.extend_from_slice(buf);
            buf.len()
        }
    }

    #[test]
    fn a_ring_is_written_across_the_end_of_its_storage() {
        let mut storage = [MaybeUninit::uninit(); 4];
        let mut ring = RingBuffer::new(&mut storage);
        for byte in *b"abcdef" {
            ring.push(byte);
        }
        let mut sink = Collect(Vec::new());
        assert_eq!(sink.write_ring_buffer(&ring), 4);
        assert_eq!(sink.0, b"cdef");
    }
}
