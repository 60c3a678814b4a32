// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The driver as an [`EthernetAdapterDatapath`]: frames one by one.
//!
//! The device is notified from a deferred call, once for all frames that come together, and asked to
//! interrupt when it has sent the last one: those sent earlier are found when the next one is handed
//! in.

use kernel::ErrorCode;
use kernel::hil::ethernet::{EthernetAdapterDatapath, EthernetAdapterDatapathClient};
use kernel::platform::dma_fence::DmaFence;

use super::VirtIONet;
use super::client::Client;
use crate::queues::DrivenQueue;

impl<'a, F: DmaFence, const DEPTH: usize, Q: DrivenQueue<'static> + ?Sized>
    EthernetAdapterDatapath<'a> for VirtIONet<'a, F, DEPTH, Q>
{
    fn set_client(&self, client: &'a dyn EthernetAdapterDatapathClient) {
        self.set_any_client(Client::Datapath(client));
    }

    fn enable_receive(&self) {
        self.receiving.set(true);
    }

    fn disable_receive(&self) {
        self.stop_offers();
    }

    fn transmit_frame(
        &self,
        frame_buffer: &'static mut [u8],
        len: u16,
        transmission_identifier: usize,
    ) -> Result<(), (ErrorCode, &'static mut [u8])> {
        let enqueued = self.enqueue(frame_buffer, len.into(), transmission_identifier);
        match enqueued {
            Ok(()) => self.transmit_queue.publish(),
            // There may be room once the frames that were sent meanwhile are collected.
            Err((ErrorCode::BUSY, _)) => {}
            Err(_) => return enqueued,
        }
        self.flush_later();
        enqueued
    }
}
