// SPDX-License-Identifier: Apache-2.0 OR MIT

//! One user's share of an adapter.

use super::in_flight::Entry;
use super::{DEFAULT_IN_FLIGHT, MuxEthernet};
use crate::ethernet_filter::GatheredFilter;
use core::cell::{Cell, RefCell};
use kernel::ErrorCode;
use kernel::collections::list::{ListLink, ListNode};
use kernel::hil::ethernet::{EthernetAdapterDatapath, EthernetAdapterDatapathClient};
use kernel::hil::ethernet_adapter::{
    AdapterDrops, Address, EthernetAdapter, EthernetAdapterClient, Link, Offer, ReceiveFilter,
};
use kernel::utilities::cells::OptionalCell;

/// A user, which is the one that was named last.
#[derive(Clone, Copy)]
enum Client<'a> {
    Datapath(&'a dyn EthernetAdapterDatapathClient),
    Adapter(&'a dyn EthernetAdapterClient),
}

/// A share of the adapter of a [`MuxEthernet`], itself an adapter behind either interface.
///
/// It passes all frames until its user sets a filter. Received frames that the user of
/// `kernel::hil::ethernet` does not copy are gone, as ever.
pub struct VirtualEthernet<'a, E: EthernetAdapter<'a>, const IN_FLIGHT: usize = DEFAULT_IN_FLIGHT> {
    mux: &'a MuxEthernet<'a, E, IN_FLIGHT>,
    next: ListLink<'a, Self>,
    client: OptionalCell<Client<'a>>,
    receiving: Cell<bool>,
    filter: RefCell<GatheredFilter>,
    /// Whether it holds the frame that was offered last.
    holds: Cell<bool>,
    in_flight: Cell<usize>,
    lost: Cell<u32>,
}

impl<'a, E: EthernetAdapter<'a>, const IN_FLIGHT: usize> VirtualEthernet<'a, E, IN_FLIGHT> {
    /// Creates a share that takes no part yet.
    pub fn new(mux: &'a MuxEthernet<'a, E, IN_FLIGHT>) -> Self {
        VirtualEthernet {
            mux,
            next: ListLink::empty(),
            client: OptionalCell::empty(),
            receiving: Cell::new(false),
            filter: RefCell::new(GatheredFilter::ALL),
            holds: Cell::new(false),
            in_flight: Cell::new(0),
            lost: Cell::new(0),
        }
    }

    /// Lets it take part. Call it once.
    pub fn setup(&'a self) {
        self.mux.users.push_tail(self);
    }

    /// Whether the frame that is offered is one for this user: a new one, or, if it is offered
    /// `again`, one that the user has not taken yet.
    pub(super) fn awaits(&self, again: bool) -> bool {
        let held = self.holds.replace(false);
        self.receiving.get() && (held || !again)
    }

    pub(super) fn wants(&self, destination: Address, own: Address) -> bool {
        self.with_filter(|filter| filter.passes(destination, own))
    }

    /// Looks at the filter, which nobody changes meanwhile.
    pub(super) fn with_filter<R>(&self, look: impl FnOnce(&GatheredFilter) -> R) -> R {
        match self.filter.try_borrow() {
            Ok(filter) => look(&filter),
            Err(_) => look(&GatheredFilter::ALL),
        }
    }

    pub(super) fn offer(&self, frame: &[u8], timestamp: Option<u64>) -> Offer {
        match self.client.get() {
            Some(Client::Adapter(client)) => {
                let offer = client.offer(frame, timestamp);
                self.holds.set(offer == Offer::Held);
                offer
            }
            Some(Client::Datapath(client)) => {
                client.received_frame(frame, timestamp);
                Offer::Taken
            }
            None => Offer::Taken,
        }
    }

    pub(super) fn offers_done(&self) {
        if let Some(client) = self.adapter_client() {
            client.offers_done();
        }
    }

    pub(super) fn link_changed(&self, link: Link) {
        if let Some(client) = self.adapter_client() {
            client.link_changed(link);
        }
    }

    pub(super) fn announcement_wanted(&self) {
        if let Some(client) = self.adapter_client() {
            client.announcement_wanted();
        }
    }

    fn adapter_client(&self) -> Option<&'a dyn EthernetAdapterClient> {
        match self.client.get() {
            Some(Client::Adapter(client)) => Some(client),
            _ => None,
        }
    }

    pub(super) fn transmitted(
        &self,
        outcome: Result<(), ErrorCode>,
        frame: &'static mut [u8],
        len: usize,
        identifier: usize,
        timestamp: Option<u64>,
    ) {
        self.in_flight.set(self.in_flight.get().saturating_sub(1));
        if outcome.is_err() {
            self.lost.set(self.lost.get().wrapping_add(1));
        }
        match self.client.get() {
            Some(Client::Adapter(client)) => {
                client.transmitted(outcome, frame, identifier, timestamp);
            }
            Some(Client::Datapath(client)) => {
                // This user gave the length in 16 bits.
                client.transmit_frame_done(outcome, frame, len as u16, identifier, timestamp);
            }
            // Nothing is accepted from nobody.
            None => {}
        }
    }

    fn hand_in(
        &self,
        frame: &'static mut [u8],
        len: usize,
        identifier: usize,
    ) -> Result<(), (ErrorCode, &'static mut [u8])> {
        let mux = self.mux;
        // Found in the list, because that lends it for as long as the frame is in flight.
        let Some(user) = mux.users.iter().find(|user| core::ptr::eq(*user, self)) else {
            return Err((ErrorCode::OFF, frame));
        };
        if self.client.is_none() {
            return Err((ErrorCode::OFF, frame));
        }
        if self.in_flight.get() >= mux.part() {
            return Err((ErrorCode::BUSY, frame));
        }
        let entry = Entry {
            user,
            len,
            identifier,
        };
        let Some(number) = mux.in_flight.add(entry) else {
            return Err((ErrorCode::BUSY, frame));
        };
        mux.adapter
            .submit(frame, len, number)
            .inspect(|()| self.in_flight.set(self.in_flight.get().wrapping_add(1)))
            .inspect_err(|_| {
                mux.in_flight.remove(number);
            })
    }

    pub(super) fn is_receiving(&self) -> bool {
        self.receiving.get()
    }

    fn receive(&self, receiving: bool) {
        self.receiving.set(receiving);
        self.mux.follow_users();
    }
}

impl<'a, E: EthernetAdapter<'a>, const IN_FLIGHT: usize>
    ListNode<'a, VirtualEthernet<'a, E, IN_FLIGHT>> for VirtualEthernet<'a, E, IN_FLIGHT>
{
    fn next(&'a self) -> &'a ListLink<'a, Self> {
        &self.next
    }
}

impl<'a, E: EthernetAdapter<'a>, const IN_FLIGHT: usize> EthernetAdapter<'a>
    for VirtualEthernet<'a, E, IN_FLIGHT>
{
    fn set_adapter_client(&self, client: &'a dyn EthernetAdapterClient) {
        self.client.set(Client::Adapter(client));
    }

    fn link(&self) -> Link {
        self.mux.adapter.link()
    }

    /// What the adapter lost before it knew whose it was, and what this user lost.
    fn drops(&self) -> AdapterDrops {
        AdapterDrops {
            lost: self.lost.get(),
            ..self.mux.adapter.drops()
        }
    }

    fn start_receive(&self) {
        self.receive(true);
    }

    fn stop_receive(&self) {
        self.receive(false);
        if self.holds.replace(false) {
            // It is dropped for this user, and others need not wait.
            self.mux.adapter.resume_receive();
        }
    }

    fn resume_receive(&self) {
        if self.holds.get() {
            self.mux.adapter.resume_receive();
        }
    }

    fn set_receive_filter(&self, filter: &ReceiveFilter<'_>) -> Result<(), ErrorCode> {
        let mut wanted = GatheredFilter::LEAST;
        wanted.add(filter);
        self.mux.tell_filter(self, &wanted)?;
        let mut kept = self.filter.try_borrow_mut().map_err(|_| ErrorCode::BUSY)?;
        *kept = wanted;
        Ok(())
    }

    fn transmit_room(&self) -> usize {
        let own = self.mux.part().saturating_sub(self.in_flight.get());
        own.min(self.mux.adapter.transmit_room())
    }

    fn submit(
        &self,
        frame: &'static mut [u8],
        len: usize,
        identifier: usize,
    ) -> Result<(), (ErrorCode, &'static mut [u8])> {
        self.hand_in(frame, len, identifier)
    }

    fn flush(&self) {
        self.mux.adapter.flush();
    }

    fn reclaim(&self) {
        self.mux.adapter.reclaim();
    }
}

impl<'a, E: EthernetAdapter<'a>, const IN_FLIGHT: usize> EthernetAdapterDatapath<'a>
    for VirtualEthernet<'a, E, IN_FLIGHT>
{
    fn set_client(&self, client: &'a dyn EthernetAdapterDatapathClient) {
        self.client.set(Client::Datapath(client));
    }

    fn enable_receive(&self) {
        self.start_receive();
    }

    fn disable_receive(&self) {
        self.stop_receive();
    }

    fn transmit_frame(
        &self,
        frame_buffer: &'static mut [u8],
        len: u16,
        transmission_identifier: usize,
    ) -> Result<(), (ErrorCode, &'static mut [u8])> {
        self.hand_in(frame_buffer, len.into(), transmission_identifier)?;
        self.mux.adapter.flush();
        Ok(())
    }
}
