// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The driver as an [`EthernetAdapter`]: with a link, back-pressure, and frames in batches.

use kernel::ErrorCode;
use kernel::hil::ethernet_adapter::{
    AdapterDrops, EthernetAdapter, EthernetAdapterClient, Link, ReceiveFilter,
};
use kernel::platform::dma_fence::DmaFence;

use super::VirtIONet;
use super::client::Client;
use crate::queues::DrivenQueue;

impl<F: DmaFence, const DEPTH: usize, Q: DrivenQueue<'static> + ?Sized> VirtIONet<'_, F, DEPTH, Q> {
    fn current_link(&self) -> Link {
        Link {
            address: self.mac(),
            mtu: self.mtu(),
            up: self.link_is_up(),
        }
    }

    /// Tells the client of the link, if it is not what it was when the client last heard of it.
    pub(super) fn tell_link(&self) {
        let link = self.current_link();
        if let Some(Client::Adapter(client)) = self.client.get()
            && self.told_link.replace(Some(link)) != Some(link)
        {
            client.link_changed(link);
        }
    }
}

impl<'a, F: DmaFence, const DEPTH: usize, Q: DrivenQueue<'static> + ?Sized> EthernetAdapter<'a>
    for VirtIONet<'a, F, DEPTH, Q>
{
    fn set_adapter_client(&self, client: &'a dyn EthernetAdapterClient) {
        self.told_link.set(Some(self.current_link()));
        self.set_any_client(Client::Adapter(client));
    }

    fn link(&self) -> Link {
        self.current_link()
    }

    fn drops(&self) -> AdapterDrops {
        let counters = self.counters();
        AdapterDrops {
            malformed: counters
                .dropped_runt
                .wrapping_add(counters.dropped_overlong)
                .wrapping_add(counters.dropped_malformed)
                .wrapping_add(counters.dropped_scattered),
            unwanted: counters.dropped_unwanted,
            lost: counters.lost,
        }
    }

    fn start_receive(&self) {
        self.receiving.set(true);
    }

    fn stop_receive(&self) {
        self.stop_offers();
    }

    fn resume_receive(&self) {
        self.offer_waiting_later();
    }

    fn set_receive_filter(&self, filter: &ReceiveFilter<'_>) -> Result<(), ErrorCode> {
        if !self.control.can_filter() {
            return Err(ErrorCode::NOSUPPORT);
        }
        self.control.set_filter(filter);
        Ok(())
    }

    fn transmit_room(&self) -> usize {
        if self.link_is_up() {
            self.transmit_queue.free() / 2
        } else {
            0
        }
    }

    fn submit(
        &self,
        frame: &'static mut [u8],
        len: usize,
        identifier: usize,
    ) -> Result<(), (ErrorCode, &'static mut [u8])> {
        self.enqueue(frame, len, identifier)
    }

    fn flush(&self) {
        self.send_enqueued();
    }

    fn reclaim(&self) {
        let queue = self.transmit_queue;
        let free = queue.free();
        queue.reap_for(self);
        if queue.free() == free && free != queue.size() {
            // None was out: the next one is announced by an interrupt.
            if !self.awaited.replace(true) {
                queue.remind();
                queue.delay_interrupts(1);
            }
        }
    }
}
