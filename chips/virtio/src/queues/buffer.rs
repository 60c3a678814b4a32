// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Buffers on their way into a queue and out of it.

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
