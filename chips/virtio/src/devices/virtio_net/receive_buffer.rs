// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A buffer for one received frame, in the pieces that the device wants.

use core::ops::Range;

use kernel::utilities::leasable_buffer::SubSliceMut;

use super::header::{ETHERNET_HEADER_LEN, Flaw, check_received};
use crate::queues::split_queue::{VirtqueueBuffer, VirtqueueReturnBuffer};

/// Memory for a header and a frame: in one piece, or with the header in a piece of its own.
pub(super) struct ReceiveBuffer {
    pub(super) header: Option<&'static mut [u8]>,
    pub(super) rest: &'static mut [u8],
}

impl ReceiveBuffer {
    /// Puts a buffer together again from the pieces that were lent.
    pub(super) fn from_chain(
        chain: impl Iterator<Item = VirtqueueBuffer<'static>>,
    ) -> Option<Self> {
        let mut pieces = chain.filter_map(|buffer| match buffer {
            VirtqueueBuffer::DeviceWriteable(window) => Some(window.take()),
            VirtqueueBuffer::DeviceReadable(_) => None,
        });
        let first = pieces.next()?;
        Some(match pieces.next() {
            None => Self {
                header: None,
                rest: first,
            },
            Some(rest) => Self {
                header: Some(first),
                rest,
            },
        })
    }

    /// As [`from_chain`](Self::from_chain), from what a queue returns.
    pub(super) fn from_returned(
        chain: &mut [Option<VirtqueueReturnBuffer<'static>>],
    ) -> Option<Self> {
        let buffers = chain.iter_mut().filter_map(Option::take);
        Self::from_chain(buffers.map(|returned| returned.virtqueue_buffer))
    }

    /// The pieces to lend, in order.
    pub(super) fn into_chain(self) -> [Option<VirtqueueBuffer<'static>>; 2] {
        let writable = |buffer| Some(VirtqueueBuffer::DeviceWriteable(SubSliceMut::new(buffer)));
        match self.header {
            None => [writable(self.rest), None],
            Some(header) => [writable(header), writable(self.rest)],
        }
    }

    /// Finds the frame, of at most `longest` bytes, if the device says it has written the first `used`
    /// bytes. The result lies within `rest`.
    #[inline]
    pub(super) fn find_frame(
        &self,
        used: usize,
        header_len: usize,
        longest: usize,
    ) -> Result<Range<usize>, Flaw> {
        let frame_len = used.checked_sub(header_len).ok_or(Flaw::Runt)?;
        let (header, start) = match &self.header {
            None => (&*self.rest, header_len),
            // Its own buffer may have been cut for a device with a shorter header.
            Some(header) => (&**header, header_len.saturating_sub(header.len())),
        };
        if frame_len < ETHERNET_HEADER_LEN {
            return Err(Flaw::Runt);
        }
        check_received(header)?;
        if frame_len > longest {
            return Err(Flaw::Overlong);
        }
        Ok(start..start.saturating_add(frame_len))
    }
}
