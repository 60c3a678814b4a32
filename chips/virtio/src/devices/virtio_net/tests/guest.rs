// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A client of the driver as an adapter, that does what its test wants.

use kernel::hil::ethernet_adapter::{EthernetAdapter, EthernetAdapterClient, Link, Offer};

use super::*;

/// What the client was called for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// A frame of this length was offered.
    Offer(usize),
    OffersDone,
    Transmitted(Result<(), ErrorCode>, usize, usize),
    LinkChanged(Link),
}

/// A client with room for some frames.
#[derive(Default)]
pub struct Guest {
    pub calls: RefCell<Vec<Call>>,
    pub room: Cell<usize>,
    /// The frames that it took.
    pub frames: RefCell<Vec<Vec<u8>>>,
    /// Stops reception at the next offer, from inside it.
    pub stops: Cell<Option<&'static Driver>>,
    /// And starts it again.
    pub starts: Cell<bool>,
    /// Answers each frame that it takes.
    pub echoes: Cell<Option<&'static Driver>>,
    /// How often it was asked for an announcement.
    pub announcements: Cell<usize>,
}

impl Guest {
    /// Becomes the client of a driver.
    pub fn of(driver: &'static Driver, room: usize) -> &'static Self {
        let guest: &'static Guest = leak(Guest::default());
        guest.room.set(room);
        driver.set_adapter_client(guest);
        guest
    }
}

impl EthernetAdapterClient for Guest {
    fn offer(&self, frame: &[u8], timestamp: Option<u64>) -> Offer {
        assert_eq!(timestamp, None);
        self.calls.borrow_mut().push(Call::Offer(frame.len()));
        if let Some(driver) = self.stops.take() {
            driver.stop_receive();
            if self.starts.get() {
                driver.start_receive();
            }
        }
        let Some(room) = self.room.get().checked_sub(1) else {
            return Offer::Held;
        };
        self.room.set(room);
        self.frames.borrow_mut().push(frame.to_vec());
        if let Some(driver) = self.echoes.get() {
            let copy = frame.to_vec().leak();
            let len = copy.len();
            assert!(driver.submit(copy, len, 0).is_ok());
        }
        Offer::Taken
    }

    fn offers_done(&self) {
        self.calls.borrow_mut().push(Call::OffersDone);
        if let Some(driver) = self.echoes.get() {
            driver.flush();
        }
    }

    fn transmitted(
        &self,
        outcome: Result<(), ErrorCode>,
        frame: &'static mut [u8],
        identifier: usize,
        timestamp: Option<u64>,
    ) {
        assert_eq!(timestamp, None);
        let call = Call::Transmitted(outcome, frame.len(), identifier);
        self.calls.borrow_mut().push(call);
    }

    fn link_changed(&self, link: Link) {
        self.calls.borrow_mut().push(Call::LinkChanged(link));
    }

    fn announcement_wanted(&self) {
        self.announcements.update(|count| count + 1);
    }
}
