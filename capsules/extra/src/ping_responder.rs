// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A host within the kernel that answers ARP questions and pings, whatever becomes of processes.
//!
//! An operator sees by it that a board is alive when none of its apps is. It has an address of its own
//! behind the card's hardware address, and shares the card with the tap through a
//! [`MuxEthernet`](crate::mux_ethernet::MuxEthernet):
//!
//! ```text
//! let responder = static_init!(
//!     PingResponder<'static, Share>,
//!     PingResponder::new(share, [10, 0, 2, 14], buffers),
//! );
//! share.set_adapter_client(responder);
//! responder.start();
//! ```
//!
//! It is no IP stack: no fragments, no options, no path to other networks but the way back. It answers as
//! many questions at a time as it has buffers; the rest are counted, and asked again by whoever asks.

mod answers;

use answers::Host;
use core::cell::Cell;
use kernel::ErrorCode;
use kernel::hil::ethernet_adapter::{
    EthernetAdapter, EthernetAdapterClient, Link, Offer, ReceiveFilter,
};
use kernel::utilities::cells::TakeCell;

/// How many answers can be on their way at a time.
pub const BUFFERS: usize = 4;

/// The length of a buffer for any answer; shorter ones do for short pings.
pub const BUFFER_LEN: usize = 1514;

/// What a responder passes: broadcast frames, and those to the card.
const FILTER: ReceiveFilter<'static> = ReceiveFilter {
    promiscuous: false,
    all_multicast: false,
    unicast: &[],
    multicast: &[],
};

/// What a responder has done. Counts since the start; they wrap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PingCounts {
    /// Frames sent: answers and announcements.
    pub sent: u32,
    /// Frames not looked at for want of a buffer, and answers that the adapter refused.
    pub missed: u32,
}

/// The host; the only client of its adapter.
pub struct PingResponder<'a, E: EthernetAdapter<'a>> {
    adapter: &'a E,
    address: [u8; 4],
    buffers: [TakeCell<'static, [u8]>; BUFFERS],
    /// Whether the adapter knows what this host wants.
    filtered: Cell<bool>,
    counts: Cell<PingCounts>,
}

impl<'a, E: EthernetAdapter<'a>> PingResponder<'a, E> {
    /// Creates a host with an IPv4 address that nobody else on the network has.
    pub fn new(
        adapter: &'a E,
        address: [u8; 4],
        buffers: [&'static mut [u8]; BUFFERS],
    ) -> PingResponder<'a, E> {
        PingResponder {
            adapter,
            address,
            buffers: buffers.map(TakeCell::new),
            filtered: Cell::new(false),
            counts: Cell::new(PingCounts::default()),
        }
    }

    /// Starts to answer, and tells the network so.
    pub fn start(&self) {
        self.tell_filter();
        self.adapter.start_receive();
        self.announce();
    }

    /// What it has done so far.
    pub fn counts(&self) -> PingCounts {
        self.counts.get()
    }

    fn host(&self) -> Host {
        Host {
            mac: self.adapter.link().address,
            ip: self.address,
        }
    }

    /// Until it is told, the adapter passes more than is wanted.
    fn tell_filter(&self) {
        if !self.filtered.get() {
            let told = self.adapter.set_receive_filter(&FILTER);
            self.filtered.set(told != Err(ErrorCode::BUSY));
        }
    }

    fn announce(&self) {
        self.send_with(|host, frame| host.announcement(frame));
    }

    /// Sends what `write` leaves in a buffer, if anything.
    fn send_with(&self, write: impl FnOnce(&Host, &mut [u8]) -> Option<usize>) {
        let free = self.take_buffer().or_else(|| {
            // Questions may follow each other so closely that a run of offers does not end.
            self.adapter.reclaim();
            self.take_buffer()
        });
        let mut counts = self.counts.get();
        match free {
            Some((number, buffer)) => match write(&self.host(), buffer) {
                Some(len) => match self.adapter.submit(buffer, len, number) {
                    Ok(()) => {
                        self.adapter.flush();
                        counts.sent = counts.sent.wrapping_add(1);
                    }
                    Err((_, buffer)) => {
                        self.put_back(number, buffer);
                        counts.missed = counts.missed.wrapping_add(1);
                    }
                },
                None => self.put_back(number, buffer),
            },
            None => counts.missed = counts.missed.wrapping_add(1),
        }
        self.counts.set(counts);
    }

    fn take_buffer(&self) -> Option<(usize, &'static mut [u8])> {
        let mut places = self.buffers.iter().enumerate();
        places.find_map(|(number, place)| Some((number, place.take()?)))
    }

    fn put_back(&self, number: usize, buffer: &'static mut [u8]) {
        if let Some(place) = self.buffers.get(number) {
            place.replace(buffer);
        }
    }
}

impl<'a, E: EthernetAdapter<'a>> EthernetAdapterClient for PingResponder<'a, E> {
    fn offer(&self, frame: &[u8], _timestamp: Option<u64>) -> Offer {
        self.send_with(|host, answer| host.answer(frame, answer));
        Offer::Taken
    }

    fn offers_done(&self) {
        self.tell_filter();
        if self.buffers.iter().any(|place| place.is_none()) {
            self.adapter.reclaim();
        }
    }

    fn transmitted(
        &self,
        _outcome: Result<(), ErrorCode>,
        frame: &'static mut [u8],
        identifier: usize,
        _timestamp: Option<u64>,
    ) {
        self.put_back(identifier, frame);
    }

    fn link_changed(&self, link: Link) {
        if link.up {
            self.announce();
        }
    }

    fn announcement_wanted(&self) {
        self.announce();
    }
}
