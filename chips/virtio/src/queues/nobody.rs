// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Stands in for a queue's client and transport until they are named, so that a queue always has some.

use super::Virtqueue;
use super::buffer::VirtqueueReturnBuffer;
use super::client::SplitVirtqueueClient;
use crate::devices::{VirtIODeviceDriver, VirtIODeviceType};
use crate::transports::{VirtIOInitializationError, VirtIOTransport};

/// Does nothing.
pub(super) struct Nobody;

impl<'b> SplitVirtqueueClient<'b> for Nobody {
    fn buffer_chain_ready(
        &self,
        _queue_number: u32,
        _buffer_chain: &mut [Option<VirtqueueReturnBuffer<'b>>],
        _bytes_used: usize,
    ) {
    }
}

impl VirtIOTransport for Nobody {
    fn initialize(
        &self,
        _driver: &'static dyn VirtIODeviceDriver,
        _queues: &'static [&'static dyn Virtqueue],
    ) -> Result<VirtIODeviceType, VirtIOInitializationError> {
        Err(VirtIOInitializationError::NotAVirtIODevice)
    }

    fn queue_notify(&self, _queue_id: u32) {}
}
