// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The tap over an adapter that takes one frame to send at a time.

use super::path::Datapath;
use super::pool::BufferPool;
use super::{EthernetTapDriver, EthernetTapGrant, MAX_MTU};
use kernel::ErrorCode;
use kernel::hil::ethernet::{EthernetAdapterDatapath, EthernetAdapterDatapathClient};

impl<'a, E: EthernetAdapterDatapath<'a>> EthernetTapDriver<'a, E> {
    /// Creates the driver, which must be the client of `adapter`.
    ///
    /// `tx_buffer` holds one frame on its way out; [`MAX_MTU`] bytes serve every frame.
    pub fn new(adapter: &'a E, grant: EthernetTapGrant, tx_buffer: &'static mut [u8]) -> Self {
        Self::with_path(adapter, grant, BufferPool::new([tx_buffer], MAX_MTU))
    }
}

impl<'a, E: EthernetAdapterDatapath<'a>, const N: usize> EthernetAdapterDatapathClient
    for EthernetTapDriver<'a, E, Datapath, N>
{
    fn transmit_frame_done(
        &self,
        err: Result<(), ErrorCode>,
        frame_buffer: &'static mut [u8],
        _len: u16,
        transmission_identifier: usize,
        timestamp: Option<u64>,
    ) {
        self.transmission_over(err, transmission_identifier, timestamp);
        self.buffer_is_back(frame_buffer);
    }

    fn received_frame(&self, frame: &[u8], timestamp: Option<u64>) {
        // Never held, since this adapter keeps nothing.
        self.frame_from_card(frame, timestamp);
    }
}
