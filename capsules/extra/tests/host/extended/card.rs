// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A card that keeps frames, takes several, and has a link; its test decides when it does what.

use core::cell::{Cell, RefCell};
use kernel::ErrorCode;
use kernel::hil::ethernet_adapter::{
    AdapterDrops, EthernetAdapter, EthernetAdapterClient, Link, Offer, ReceiveFilter,
};
use kernel::utilities::cells::OptionalCell;
use std::collections::VecDeque;

pub const CARD: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];

struct Sent {
    buffer: &'static mut [u8],
    len: usize,
    identifier: usize,
}

/// What the card was last asked to pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub promiscuous: bool,
    pub all_multicast: bool,
    pub unicast: Vec<[u8; 6]>,
    pub multicast: Vec<[u8; 6]>,
}

pub struct Card {
    client: OptionalCell<&'static dyn EthernetAdapterClient>,
    receiving: Cell<bool>,
    up: Cell<bool>,
    pub mtu: Cell<u16>,
    /// How many frames it takes before they are sent.
    pub depth: Cell<usize>,
    /// How often it still says that it takes none, though it does.
    pub late: Cell<usize>,
    /// The longest frame that it takes.
    pub longest: Cell<usize>,
    in_ring: RefCell<VecDeque<Sent>>,
    /// How many of those in the ring are out, so that their buffers can be reclaimed.
    out: Cell<usize>,
    /// Whether an interrupt is to tell of the next frame that is out.
    asked: Cell<bool>,
    /// What went out on the wire.
    pub wire: RefCell<Vec<Vec<u8>>>,
    pub flushes: Cell<usize>,
    /// Frames that arrived and were not taken yet.
    pub waiting: RefCell<VecDeque<Vec<u8>>>,
    held: Cell<bool>,
    resumed: Cell<bool>,
    pub malformed: Cell<u32>,
    pub filter: RefCell<Filter>,
    /// Answers to the next requests to filter.
    pub filter_busy: Cell<bool>,
}

impl Card {
    pub fn new() -> Self {
        Card {
            client: OptionalCell::empty(),
            receiving: Cell::new(false),
            up: Cell::new(true),
            mtu: Cell::new(1500),
            depth: Cell::new(16),
            late: Cell::new(0),
            longest: Cell::new(1518),
            in_ring: RefCell::default(),
            out: Cell::new(0),
            asked: Cell::new(false),
            wire: RefCell::default(),
            flushes: Cell::new(0),
            waiting: RefCell::default(),
            held: Cell::new(false),
            resumed: Cell::new(false),
            malformed: Cell::new(0),
            filter: RefCell::default(),
            filter_busy: Cell::new(false),
        }
    }

    /// Sends what is in the ring. Buffers stay until they are reclaimed or returned.
    pub fn send(&self) {
        let ring = self.in_ring.borrow();
        for sent in ring.iter().skip(self.out.get()) {
            self.wire
                .borrow_mut()
                .push(sent.buffer[..sent.len].to_vec());
        }
        self.out.set(ring.len());
    }

    /// Sends what is in the ring and returns the buffers, as the card does in bounded time.
    pub fn finish(&self) {
        self.send();
        self.give_back(usize::MAX, Ok(()));
    }

    /// Sends what is in the ring; returns the buffers if they were asked for when none was out.
    pub fn send_and_interrupt(&self) {
        self.send();
        if self.asked.take() {
            self.give_back(usize::MAX, Ok(()));
        }
    }

    /// Loses what is in the ring.
    pub fn reset(&self) {
        self.out.set(self.in_ring.borrow().len());
        self.give_back(usize::MAX, Err(ErrorCode::FAIL));
    }

    /// Sends one frame and returns its buffer; false if there is none.
    pub fn finish_one(&self) -> bool {
        if self.in_ring.borrow().is_empty() {
            return false;
        }
        if self.out.get() == 0 {
            let ring = self.in_ring.borrow();
            let sent = &ring[0];
            self.wire
                .borrow_mut()
                .push(sent.buffer[..sent.len].to_vec());
            self.out.set(1);
        }
        self.give_back(1, Ok(()));
        true
    }

    fn give_back(&self, at_most: usize, outcome: Result<(), ErrorCode>) {
        for _ in 0..at_most.min(self.out.get()) {
            let Some(sent) = self.in_ring.borrow_mut().pop_front() else {
                return;
            };
            self.out.set(self.out.get() - 1);
            self.client
                .map(|client| client.transmitted(outcome, sent.buffer, sent.identifier, None));
        }
    }

    pub fn in_flight(&self) -> usize {
        self.in_ring.borrow().len()
    }

    /// Takes what went out on the wire.
    pub fn take_wire(&self) -> Vec<Vec<u8>> {
        self.finish();
        self.wire.take()
    }

    /// Brings a frame to the card, which offers it unless others wait.
    pub fn arrive(&self, frame: &[u8]) {
        assert!(self.receiving.get());
        self.waiting.borrow_mut().push_back(frame.to_vec());
        if !self.held.get() {
            self.offer_all();
        }
    }

    /// Runs the deferred call, if one is due.
    pub fn run_deferred(&self) {
        if self.resumed.replace(false) && self.held.replace(false) {
            self.offer_all();
        }
    }

    fn offer_all(&self) {
        let client = self.client.get().unwrap();
        loop {
            let Some(frame) = self.waiting.borrow_mut().pop_front() else {
                break;
            };
            if client.offer(&frame, None) == Offer::Held {
                self.waiting.borrow_mut().push_front(frame);
                self.held.set(true);
                break;
            }
        }
        client.offers_done();
    }

    pub fn is_receiving(&self) -> bool {
        self.receiving.get()
    }

    pub fn is_held(&self) -> bool {
        self.held.get()
    }

    pub fn set_link(&self, up: bool) {
        self.up.set(up);
        let link = self.link();
        self.client.map(|client| client.link_changed(link));
    }

    pub fn ask_for_announcement(&self) {
        self.client.map(|client| client.announcement_wanted());
    }
}

impl EthernetAdapter<'static> for Card {
    fn set_adapter_client(&self, client: &'static dyn EthernetAdapterClient) {
        self.client.set(client);
    }

    fn link(&self) -> Link {
        Link {
            address: CARD,
            mtu: self.mtu.get(),
            up: self.up.get(),
        }
    }

    fn drops(&self) -> AdapterDrops {
        AdapterDrops {
            malformed: self.malformed.get(),
            ..AdapterDrops::default()
        }
    }

    fn start_receive(&self) {
        self.receiving.set(true);
    }

    fn stop_receive(&self) {
        self.receiving.set(false);
    }

    fn resume_receive(&self) {
        self.resumed.set(self.held.get());
    }

    fn set_receive_filter(&self, filter: &ReceiveFilter<'_>) -> Result<(), ErrorCode> {
        if self.filter_busy.get() {
            return Err(ErrorCode::BUSY);
        }
        *self.filter.borrow_mut() = Filter {
            promiscuous: filter.promiscuous,
            all_multicast: filter.all_multicast,
            unicast: filter.unicast.to_vec(),
            multicast: filter.multicast.to_vec(),
        };
        Ok(())
    }

    fn transmit_room(&self) -> usize {
        if let Some(late) = self.late.get().checked_sub(1) {
            self.late.set(late);
            0
        } else if self.up.get() {
            self.depth.get().saturating_sub(self.in_flight())
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
        if !self.up.get() {
            return Err((ErrorCode::NODEVICE, frame));
        }
        let longest = self.longest.get().min(usize::from(self.mtu.get()) + 18);
        if len < 14 || len > frame.len() || len > longest {
            return Err((ErrorCode::SIZE, frame));
        }
        if self.in_flight() >= self.depth.get() {
            return Err((ErrorCode::BUSY, frame));
        }
        self.in_ring.borrow_mut().push_back(Sent {
            buffer: frame,
            len,
            identifier,
        });
        Ok(())
    }

    fn flush(&self) {
        self.flushes.set(self.flushes.get() + 1);
    }

    fn reclaim(&self) {
        self.asked.set(self.out.get() == 0 && self.in_flight() > 0);
        self.give_back(usize::MAX, Ok(()));
    }
}
