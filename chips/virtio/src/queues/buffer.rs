// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Buffers on their way into a queue, out of it, and while the device has them.

use kernel::platform::dma_fence::DmaFence;
use kernel::utilities::dma_slice::{DmaSubSliceMut, DmaSubSliceMutImmut};
use kernel::utilities::leasable_buffer::{SubSliceMut, SubSliceMutImmut};

/// A buffer for the device, of which it sees the active window.
#[derive(Debug)]
pub enum VirtqueueBuffer<'b> {
    /// The device reads it.
    DeviceReadable(SubSliceMutImmut<'b, u8>),
    /// The device writes it.
    DeviceWriteable(SubSliceMut<'b, u8>),
}

impl VirtqueueBuffer<'_> {
    /// Counts the bytes that the device sees.
    pub fn len(&self) -> usize {
        match self {
            Self::DeviceReadable(buffer) => buffer.len(),
            Self::DeviceWriteable(buffer) => buffer.len(),
        }
    }

    /// Tells whether the device sees no byte at all; no queue takes such a buffer.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A buffer that came back.
#[derive(Debug)]
pub struct VirtqueueReturnBuffer<'b> {
    /// The buffer, with its active window as it was.
    pub virtqueue_buffer: VirtqueueBuffer<'b>,
    /// How many bytes, from the start of the active window, the device says it has written.
    ///
    /// At most the length of the window; zero if the device only reads the buffer.
    pub device_len: usize,
}

/// A buffer while the device has it.
pub(super) enum LentBuffer<'b> {
    Readable(DmaSubSliceMutImmut<'b, u8>),
    Writeable(DmaSubSliceMut<'b, u8>),
}

impl LentBuffer<'static> {
    /// Lends a buffer. Only `'static` ones, since nothing ends the lending if a queue is forgotten.
    pub(super) fn lend(buffer: VirtqueueBuffer<'static>, fence: impl DmaFence) -> Self {
        match buffer {
            VirtqueueBuffer::DeviceReadable(buffer) => {
                Self::Readable(DmaSubSliceMutImmut::new(buffer, fence))
            }
            VirtqueueBuffer::DeviceWriteable(buffer) => {
                Self::Writeable(DmaSubSliceMut::new_static(buffer, fence))
            }
        }
    }
}

impl<'b> LentBuffer<'b> {
    pub(super) fn address(&self) -> usize {
        match self {
            Self::Readable(held) => held.ptr_addr(),
            Self::Writeable(held) => held.ptr_addr(),
        }
    }

    /// Takes the buffer back. `unaccounted` is what is left of the bytes the device says it wrote to
    /// this chain; this buffer's share is deducted.
    ///
    /// # Safety
    ///
    /// The device has finished with the buffer.
    pub(super) unsafe fn take(
        self,
        fence: impl DmaFence,
        unaccounted: &mut usize,
    ) -> VirtqueueReturnBuffer<'b> {
        match self {
            Self::Readable(held) => VirtqueueReturnBuffer {
                virtqueue_buffer: VirtqueueBuffer::DeviceReadable(held.take()),
                device_len: 0,
            },
            Self::Writeable(held) => {
                // The device fills the writable buffers of a chain in order (2.7.4.2).
                let device_len = held.len().min(*unaccounted);
                *unaccounted -= device_len;
                VirtqueueReturnBuffer {
                    // SAFETY: passed on to the caller.
                    virtqueue_buffer: VirtqueueBuffer::DeviceWriteable(unsafe { held.take(fence) }),
                    device_len,
                }
            }
        }
    }
}
