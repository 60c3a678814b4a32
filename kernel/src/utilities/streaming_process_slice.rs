// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A process buffer that a driver appends to while the process swaps full buffers for empty ones.
//!
//! The buffer starts with a header of 8 bytes, which the process prepares and both sides update:
//!
//! | offset | size | content |
//! |---|---|---|
//! | 0 | 2 | version, which is 0, in the machine's byte order |
//! | 2 | 2 | flags, most significant byte first: bit 0 *exceeded*, bit 1 *halt* |
//! | 4 | 4 | how many bytes of data there are, in the machine's byte order |
//!
//! The data follows. *Exceeded* is set by the driver when a chunk did not fit. The process sets
//! *halt* to receive nothing more after such a miss, rather than a stream with holes.
//!
//! The process can write anything to the header at any time, so each append reads it anew and
//! trusts nothing in it.

use crate::ErrorCode;
use crate::processbuffer::WriteableProcessSlice;

const VERSION: usize = 0;
const FLAGS: usize = 2;
const OFFSET: usize = 4;
const HEADER_SIZE: usize = 8;

const FLAG_EXCEEDED: u16 = 1 << 0;
const FLAG_HALT: u16 = 1 << 1;

/// A process buffer with a header for appending.
pub struct StreamingProcessSlice<'a> {
    buffer: &'a WriteableProcessSlice,
}

/// What the header said when it was read, as far as the buffer agrees.
struct Header {
    flags: u16,
    /// Bytes in use, which may be more than there are.
    offset: u32,
}

impl<'a> StreamingProcessSlice<'a> {
    /// Takes a buffer. Its header is looked at by each append.
    pub fn new(buffer: &'a WriteableProcessSlice) -> Self {
        Self { buffer }
    }

    /// Appends `chunk`, all of it or nothing.
    ///
    /// Returns whether the buffer was empty before, and how many bytes of data it has now. The
    /// former tells the first chunk in a buffer, for which the process wants an upcall.
    ///
    /// # Errors
    ///
    /// - [`ErrorCode::SIZE`]: the buffer has no room for a header, or the chunk does not fit. In
    ///   the latter case the miss has been noted in the header.
    /// - [`ErrorCode::INVAL`]: the header has another version or unknown flags.
    /// - [`ErrorCode::BUSY`]: there was a miss, and the process asked to halt then.
    /// - [`ErrorCode::FAIL`]: the header's offset is too large to be counted on.
    pub fn append_chunk(&self, chunk: &[u8]) -> Result<(bool, u32), ErrorCode> {
        let header = self.header()?;
        let end = end_of(header.offset, chunk.len())?;
        let place = self.free(&header).and_then(|free| free.get(..chunk.len()));
        let Some(place) = place else {
            return self.miss(&header);
        };
        place.copy_from_slice_or_err(chunk)?;
        self.advance(&header, end)
    }

    /// Appends all bytes of an iterator, or nothing.
    ///
    /// A chunk made of parts needs no copy in one piece this way; but bytes go one by one, so
    /// prefer [`append_chunk`](Self::append_chunk) for long ones. When the chunk turns out to be
    /// too long, the bytes that did fit are left behind the data.
    ///
    /// # Errors
    ///
    /// As for [`append_chunk`](Self::append_chunk).
    pub fn append_chunk_from_iter<I>(&self, iter: I) -> Result<(bool, u32), ErrorCode>
    where
        I: Iterator<Item = u8>,
    {
        let header = self.header()?;
        let (at_least, _) = iter.size_hint();
        end_of(header.offset, at_least)?;
        let Some(free) = self.free(&header).filter(|free| at_least <= free.len()) else {
            return self.miss(&header);
        };
        let mut written = 0;
        for byte in iter {
            let Some(place) = free.get(written) else {
                return self.miss(&header);
            };
            place.set(byte);
            written += 1;
        }
        self.advance(&header, end_of(header.offset, written)?)
    }

    /// Reads and checks the header.
    fn header(&self) -> Result<Header, ErrorCode> {
        let version = u16::from_ne_bytes(self.read(VERSION)?);
        let flags = u16::from_be_bytes(self.read(FLAGS)?);
        let offset = u32::from_ne_bytes(self.read(OFFSET)?);
        if version != 0 || flags & !(FLAG_EXCEEDED | FLAG_HALT) != 0 {
            Err(ErrorCode::INVAL)
        } else if flags == FLAG_EXCEEDED | FLAG_HALT {
            Err(ErrorCode::BUSY)
        } else {
            Ok(Header { flags, offset })
        }
    }

    /// Returns the part of the buffer behind the data, `None` if the data would reach past it.
    fn free(&self, header: &Header) -> Option<&'a WriteableProcessSlice> {
        let offset = usize::try_from(header.offset).ok()?;
        self.buffer.get(HEADER_SIZE..)?.get(offset..)
    }

    /// Notes that the data now reaches up to `end`.
    fn advance(&self, header: &Header, end: u32) -> Result<(bool, u32), ErrorCode> {
        self.write(OFFSET, end.to_ne_bytes())?;
        Ok((header.offset == 0, end))
    }

    /// Notes that a chunk did not fit.
    #[cold]
    fn miss(&self, header: &Header) -> Result<(bool, u32), ErrorCode> {
        self.write(FLAGS, (header.flags | FLAG_EXCEEDED).to_be_bytes())?;
        Err(ErrorCode::SIZE)
    }

    /// Reads a field of the header.
    fn read<const N: usize>(&self, at: usize) -> Result<[u8; N], ErrorCode> {
        // A header is there as a whole or not at all.
        let header = self.buffer.get(..HEADER_SIZE).ok_or(ErrorCode::SIZE)?;
        let mut bytes = [0; N];
        for (byte, cell) in bytes.iter_mut().zip(header.iter().skip(at)) {
            *byte = cell.get();
        }
        Ok(bytes)
    }

    /// Writes a field of the header.
    fn write<const N: usize>(&self, at: usize, bytes: [u8; N]) -> Result<(), ErrorCode> {
        let header = self.buffer.get(..HEADER_SIZE).ok_or(ErrorCode::SIZE)?;
        for (byte, cell) in bytes.iter().zip(header.iter().skip(at)) {
            cell.set(*byte);
        }
        Ok(())
    }
}

/// Adds up an offset and a length.
fn end_of(offset: u32, length: usize) -> Result<u32, ErrorCode> {
    u32::try_from(length)
        .ok()
        .and_then(|length| offset.checked_add(length))
        .ok_or(ErrorCode::FAIL)
}

#[cfg(test)]
#[path = "streaming_process_slice_tests.rs"]
mod tests;
