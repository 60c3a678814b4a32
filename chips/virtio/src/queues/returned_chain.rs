// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A chain on its way back to the driver.

use super::buffer::{VirtqueueBuffer, VirtqueueReturnBuffer};
use kernel::utilities::leasable_buffer::SubSliceMutImmut;

/// A chain that came back from the device, while the driver looks at it.
///
/// The driver takes the buffers out, in order, or looks at them in place and lends the whole chain
/// again. Buffers that it does neither with are lost.
pub struct ReturnedChain<'q, 'b> {
    pub(super) buffers: &'q mut [Option<VirtqueueReturnBuffer<'b>>],
    pub(super) context: usize,
    pub(super) written: usize,
    pub(super) used: bool,
}

impl<'b> ReturnedChain<'_, 'b> {
    /// What the driver gave with the chain.
    pub fn context(&self) -> usize {
        self.context
    }

    /// How many bytes the device says it has written, from the start of the writable part: never more
    /// than fit, but whether they were written is the device's word.
    pub fn written(&self) -> usize {
        self.written
    }

    /// Whether the device has used the chain. If not, it was reset before it did, and the queue accepts
    /// nothing now.
    pub fn is_used(&self) -> bool {
        self.used
    }

    /// Takes the next buffer of the chain.
    pub fn next_buffer(&mut self) -> Option<VirtqueueReturnBuffer<'b>> {
        self.buffers.iter_mut().find_map(Option::take)
    }

    /// Takes the next buffer that was lent uniquely, with the length of the window that the device saw;
    /// shared ones before it are passed over.
    pub fn next_unique(&mut self) -> Option<(&'b mut [u8], usize)> {
        loop {
            match self.next_buffer()?.virtqueue_buffer {
                VirtqueueBuffer::DeviceWriteable(window)
                | VirtqueueBuffer::DeviceReadable(SubSliceMutImmut::Mutable(window)) => {
                    let len = window.len();
                    return Some((window.take(), len));
                }
                VirtqueueBuffer::DeviceReadable(SubSliceMutImmut::Immutable(_)) => {}
            }
        }
    }

    /// The bytes that the device says it has written to the buffer with this index in the chain, as long
    /// as no buffer has been taken.
    pub fn bytes(&self, index: usize) -> Option<&[u8]> {
        let returned = self.buffers.get(index)?.as_ref()?;
        match &returned.virtqueue_buffer {
            VirtqueueBuffer::DeviceWriteable(window) => {
                window.as_slice().get(..returned.device_len)
            }
            VirtqueueBuffer::DeviceReadable(_) => None,
        }
    }

    /// Lends the chain to the device again as it was, with the same context, once the client's method
    /// returns. It is to be published like any other.
    ///
    /// Returns false if that is not possible, because the device was reset or a buffer was taken: then
    /// the driver takes the buffers.
    pub fn lend_again(&mut self) -> bool {
        false
    }
}
