// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The tap over an adapter that tells its link, keeps frames that are not accepted, and takes
//! several to send.

use super::members::Members;
use super::path::{LinkState, Path};
use super::pool::BufferPool;
use super::retry::Retry;
use super::switching::Address;
use super::{EthernetTapDriver, EthernetTapGrant, MAX_MTU};
use crate::ethernet_filter::GatheredFilter;
use kernel::ErrorCode;
use kernel::hil::ethernet_adapter::{EthernetAdapter, EthernetAdapterClient, Link, Offer};

/// The way to use an adapter behind the interface `EthernetAdapter`.
pub enum Extended {}

impl From<Link> for LinkState {
    fn from(link: Link) -> Self {
        LinkState {
            address: Address::from_octets(link.address),
            mtu: link.mtu,
            up: link.up,
        }
    }
}

impl<'a, E: EthernetAdapter<'a>> Path<'a, E> for Extended {
    const DEEP: bool = true;

    fn start(adapter: &E) {
        adapter.start_receive();
    }

    fn has_room(adapter: &E) -> bool {
        // Without a link there may be no room, but the frame is refused and need not wait.
        adapter.transmit_room() > 0 || !adapter.link().up
    }

    #[inline]
    fn submit(
        adapter: &E,
        frame: &'static mut [u8],
        len: u16,
        identifier: usize,
    ) -> Result<(), (ErrorCode, &'static mut [u8])> {
        adapter.submit(frame, len.into(), identifier)
    }

    #[inline]
    fn flush(adapter: &E) {
        adapter.flush();
    }

    fn reclaim(adapter: &E) {
        adapter.reclaim();
    }

    fn resume(adapter: &E) {
        adapter.resume_receive();
    }

    fn link(adapter: &E) -> Option<LinkState> {
        Some(adapter.link().into())
    }

    fn malformed(adapter: &E) -> u32 {
        adapter.drops().malformed
    }

    fn want<const N: usize>(adapter: &E, members: &Members<N>) -> bool {
        let gathered = members.with_ports(|ports| {
            let mut all = GatheredFilter::LEAST;
            ports.for_each(|port| port.add_wants_to(&mut all));
            all
        });
        let wanted = gathered.unwrap_or(GatheredFilter::ALL);
        let told = adapter.set_receive_filter(&wanted.as_filter());
        // An adapter without a filter passes everything, and the tap looks at each frame anyway.
        told != Err(ErrorCode::BUSY)
    }
}

impl<'a, E: EthernetAdapter<'a>, const N: usize> EthernetTapDriver<'a, E, Extended, N> {
    /// Creates the driver, which must be the client of `adapter`.
    ///
    /// `buffers` are as many as there can be frames on their way out at a time, up to
    /// [`MAX_TRANSMIT_BUFFERS`](super::MAX_TRANSMIT_BUFFERS). [`MAX_MTU`] bytes in each serve every
    /// frame; what they hold does not matter.
    ///
    /// Without [`set_retry`](Self::set_retry), frames for full slices are dropped and not held, and
    /// the frames of a batch that stay on the board go to their processes all at once.
    pub fn with_pool<const BUFFERS: usize>(
        adapter: &'a E,
        grant: EthernetTapGrant,
        buffers: [&'static mut [u8]; BUFFERS],
    ) -> Self {
        Self::with_path(adapter, grant, BufferPool::new(buffers, MAX_MTU))
    }

    /// Names the timer by which held frames are looked at again, and buffers asked for while
    /// processes wait for them.
    ///
    /// Its client must be this driver.
    pub fn set_retry(&self, retry: &'a dyn Retry) {
        self.hold.set_retry(retry);
    }

    /// Has frames for full slices dropped and not held, for an adapter whose other users would have
    /// to wait too. Call it after [`set_retry`](Self::set_retry).
    pub fn drop_when_full(&self) {
        self.hold.allowed.set(false);
    }
}

impl<'a, E: EthernetAdapter<'a>, const N: usize> EthernetAdapterClient
    for EthernetTapDriver<'a, E, Extended, N>
{
    fn offer(&self, frame: &[u8], timestamp: Option<u64>) -> Offer {
        if self.frame_from_card(frame, timestamp) {
            Offer::Taken
        } else {
            Offer::Held
        }
    }

    fn offers_done(&self) {}

    fn transmitted(
        &self,
        outcome: Result<(), ErrorCode>,
        frame: &'static mut [u8],
        identifier: usize,
        timestamp: Option<u64>,
    ) {
        self.transmission_over(outcome, identifier, timestamp);
        self.buffer_is_back(frame);
    }

    fn link_changed(&self, link: Link) {
        self.link_is_now(link.into());
    }

    fn announcement_wanted(&self) {
        // Addresses are the processes' own, so they are told as if the link had come up.
        self.link_is_now(self.adapter.link().into());
    }
}
