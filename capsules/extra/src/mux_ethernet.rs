// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Several users of one Ethernet adapter within the kernel.
//!
//! Each user has a [`VirtualEthernet`], which is an adapter like the one behind it: a protocol of the
//! kernel beside the tap, say. Frames that arrive go to the users whose filters they pass. Users do
//! not hear each other: what one sends goes out and nowhere else.
//!
//! A frame that one user holds keeps those behind it from all users, so hold frames for a short time
//! only. A tap can be told to hold none.
//!
//! ```text
//! let mux = static_init!(MuxEthernet<'static, Card>, MuxEthernet::new(card));
//! card.set_adapter_client(mux);
//! let share = static_init!(VirtualEthernet<'static, Card>, VirtualEthernet::new(mux));
//! share.setup();
//! share.set_adapter_client(client);
//! share.start_receive();
//! ```

mod in_flight;
mod virtual_ethernet;

pub use virtual_ethernet::VirtualEthernet;

use crate::ethernet_filter::GatheredFilter;
use core::cell::Cell;
use in_flight::InFlight;
use kernel::ErrorCode;
use kernel::collections::list::List;
use kernel::hil::ethernet_adapter::{EthernetAdapter, EthernetAdapterClient, Link, Offer};

/// How many frames a mux hands to its adapter before they are out, unless the board says otherwise.
pub const DEFAULT_IN_FLIGHT: usize = 16;

/// The owner of an adapter.
///
/// `IN_FLIGHT` must be no more than the frames that the adapter takes at a time. Then each user has an
/// equal part of them to itself, and none keeps others from sending.
pub struct MuxEthernet<'a, E: EthernetAdapter<'a>, const IN_FLIGHT: usize = DEFAULT_IN_FLIGHT> {
    adapter: &'a E,
    users: List<'a, VirtualEthernet<'a, E, IN_FLIGHT>>,
    in_flight: InFlight<'a, E, IN_FLIGHT>,
    /// Whether a frame was held, so that the one that is offered next is that one.
    held: Cell<bool>,
    receiving: Cell<bool>,
}

impl<'a, E: EthernetAdapter<'a>, const IN_FLIGHT: usize> MuxEthernet<'a, E, IN_FLIGHT> {
    /// Creates the owner of `adapter`, which must have it as its client.
    pub fn new(adapter: &'a E) -> Self {
        MuxEthernet {
            adapter,
            users: List::new(),
            in_flight: InFlight::new(),
            held: Cell::new(false),
            receiving: Cell::new(false),
        }
    }

    /// Starts or stops the adapter, as users start and stop.
    fn follow_users(&self) {
        let receiving = self.users.iter().any(|user| user.is_receiving());
        if self.receiving.replace(receiving) == receiving {
            return;
        }
        if receiving {
            self.adapter.start_receive();
        } else {
            self.held.set(false);
            self.adapter.stop_receive();
        }
    }

    /// How many frames each user can have in flight.
    fn part(&self) -> usize {
        let users = self.users.iter().count().max(1);
        (IN_FLIGHT / users).max(1)
    }

    /// Tells the adapter what all users want, with `changed` wanting `instead`.
    fn tell_filter(
        &self,
        changed: &VirtualEthernet<'a, E, IN_FLIGHT>,
        instead: &GatheredFilter,
    ) -> Result<(), ErrorCode> {
        let mut all = GatheredFilter::LEAST;
        for user in self.users.iter() {
            if core::ptr::eq(user, changed) {
                all.add(&instead.as_filter());
            } else {
                user.with_filter(|filter| all.add(&filter.as_filter()));
            }
        }
        match self.adapter.set_receive_filter(&all.as_filter()) {
            // It passes everything, and what users do not want is kept from them here.
            Err(ErrorCode::NOSUPPORT) => Ok(()),
            told => told,
        }
    }
}

impl<'a, E: EthernetAdapter<'a>, const IN_FLIGHT: usize> EthernetAdapterClient
    for MuxEthernet<'a, E, IN_FLIGHT>
{
    fn offer(&self, frame: &[u8], timestamp: Option<u64>) -> Offer {
        let again = self.held.replace(false);
        let own = self.adapter.link().address;
        let destination = frame.first_chunk::<6>();
        for user in self.users.iter() {
            let wants = user.awaits(again)
                && destination.is_none_or(|destination| user.wants(*destination, own));
            if wants && user.offer(frame, timestamp) == Offer::Held {
                self.held.set(true);
            }
        }
        if self.held.get() {
            Offer::Held
        } else {
            Offer::Taken
        }
    }

    fn offers_done(&self) {
        self.users.iter().for_each(|user| user.offers_done());
    }

    fn transmitted(
        &self,
        outcome: Result<(), ErrorCode>,
        frame: &'static mut [u8],
        identifier: usize,
        timestamp: Option<u64>,
    ) {
        // The adapter returns each frame once, so there is somebody to give it to.
        if let Some(sent) = self.in_flight.remove(identifier) {
            sent.user
                .transmitted(outcome, frame, sent.len, sent.identifier, timestamp);
        }
    }

    fn link_changed(&self, link: Link) {
        self.users.iter().for_each(|user| user.link_changed(link));
    }

    fn announcement_wanted(&self) {
        self.users
            .iter()
            .for_each(|user| user.announcement_wanted());
    }
}
