// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A host of the kernel that answers pings beside another user of the card.

use crate::extended::card::{CARD, Card};
use capsules_extra::mux_ethernet::{MuxEthernet, VirtualEthernet};
use capsules_extra::ping_responder::{BUFFER_LEN, BUFFERS, PingCounts, PingResponder};
use core::cell::{Cell, RefCell};
use kernel::ErrorCode;
use kernel::hil::ethernet_adapter::{EthernetAdapter, EthernetAdapterClient, Link, Offer};
use kernel::testing::forever;

type Share = VirtualEthernet<'static, Card>;
type Responder = PingResponder<'static, Share>;

const OWN: [u8; 4] = [10, 0, 2, 14];
const PEER: [u8; 6] = [2, 0, 0, 0, 0, 9];
const PEER_IP: [u8; 4] = [10, 0, 2, 2];
const BROADCAST: [u8; 6] = [0xFF; 6];

/// Another user of the card, who may refuse to take frames.
#[derive(Default)]
struct Other {
    got: RefCell<usize>,
    holding: Cell<bool>,
    /// The card sends what it has while this one looks at a frame.
    sends: Cell<Option<&'static Card>>,
}

impl EthernetAdapterClient for Other {
    fn offer(&self, _frame: &[u8], _timestamp: Option<u64>) -> Offer {
        if let Some(card) = self.sends.get() {
            card.send();
        }
        if self.holding.get() {
            return Offer::Held;
        }
        *self.got.borrow_mut() += 1;
        Offer::Taken
    }

    fn offers_done(&self) {}

    fn transmitted(
        &self,
        _outcome: Result<(), ErrorCode>,
        _frame: &'static mut [u8],
        _identifier: usize,
        _timestamp: Option<u64>,
    ) {
    }

    fn link_changed(&self, _link: Link) {}
}

struct Bench {
    card: &'static Card,
    responder: &'static Responder,
    other: &'static Other,
    other_share: &'static Share,
}

fn buffers() -> [&'static mut [u8]; BUFFERS] {
    [(); BUFFERS].map(|()| vec![0; BUFFER_LEN].leak())
}

fn bench() -> Bench {
    let card: &'static Card = forever(Card::new());
    let mux: &'static MuxEthernet<'static, Card> = forever(MuxEthernet::new(card));
    card.set_adapter_client(mux);
    let share = || {
        let share: &'static Share = forever(VirtualEthernet::new(mux));
        share.setup();
        share
    };
    let (own, other_share) = (share(), share());
    let other: &'static Other = forever(Other::default());
    other_share.set_adapter_client(other);
    other_share.start_receive();
    let responder: &'static Responder = forever(PingResponder::new(own, OWN, buffers()));
    own.set_adapter_client(responder);
    responder.start();
    Bench {
        card,
        responder,
        other,
        other_share,
    }
}

fn arp_request() -> Vec<u8> {
    let start = [0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1];
    let mut frame = [
        &BROADCAST[..],
        &PEER,
        &start,
        &PEER,
        &PEER_IP,
        &[0; 6],
        &OWN,
    ]
    .concat();
    frame.resize(60, 0);
    frame
}

fn is_answer(frame: &[u8]) -> bool {
    frame[..12] == [PEER, CARD].concat() && frame[20..22] == [0, 2] && frame[28..32] == OWN
}

fn is_announcement(frame: &[u8]) -> bool {
    frame[..12] == [BROADCAST, CARD].concat() && frame[28..32] == OWN && frame[38..42] == OWN
}

#[test]
fn it_announces_itself_when_it_starts_is_asked_or_gets_its_link_back() {
    let Bench { card, .. } = bench();
    assert!(matches!(&card.take_wire()[..], [frame] if is_announcement(frame)));
    card.ask_for_announcement();
    assert!(matches!(&card.take_wire()[..], [frame] if is_announcement(frame)));
    card.set_link(false);
    assert!(card.take_wire().is_empty());
    card.set_link(true);
    assert!(matches!(&card.take_wire()[..], [frame] if is_announcement(frame)));
}

#[test]
fn both_users_get_the_frames_and_the_host_answers_its_own() {
    let bench = bench();
    bench.card.take_wire();
    for round in 1..=50 {
        bench.card.arrive(&arp_request());
        assert!(matches!(&bench.card.take_wire()[..], [frame] if is_answer(frame)));
        assert_eq!(*bench.other.got.borrow(), round);
    }
    let counts = PingCounts {
        sent: 51,
        missed: 0,
    };
    assert_eq!(bench.responder.counts(), counts);
}

#[test]
fn questions_beyond_its_buffers_are_counted_and_later_ones_answered() {
    let bench = bench();
    bench.card.take_wire();
    for _ in 0..BUFFERS + 3 {
        bench.card.arrive(&arp_request());
    }
    assert_eq!(bench.responder.counts().missed, 3);
    let wire = bench.card.take_wire();
    assert_eq!(wire.len(), BUFFERS);
    assert!(wire.iter().all(|frame| is_answer(frame)));
    bench.card.arrive(&arp_request());
    assert!(matches!(&bench.card.take_wire()[..], [frame] if is_answer(frame)));
}

#[test]
fn a_refused_answer_leaves_its_buffer_for_the_next() {
    let bench = bench();
    bench.card.take_wire();
    bench.card.set_link(false);
    for _ in 0..BUFFERS * 2 {
        bench.card.arrive(&arp_request());
    }
    assert_eq!(bench.responder.counts().missed, BUFFERS as u32 * 2);
    bench.card.set_link(true);
    bench.card.arrive(&arp_request());
    let wire = bench.card.take_wire();
    assert!(matches!(&wire[..], [first, second] if is_announcement(first) && is_answer(second)));
}

#[test]
fn buffers_are_asked_for_when_nobody_returns_them() {
    let bench = bench();
    bench.card.take_wire();
    for _ in 0..BUFFERS * 4 {
        bench.card.arrive(&arp_request());
        // Out, but not given back before the next run of offers asks for it.
        bench.card.send_and_interrupt();
    }
    assert_eq!(bench.responder.counts().missed, 0);
    assert_eq!(bench.card.take_wire().len(), BUFFERS * 4);
}

#[test]
fn a_run_of_offers_that_does_not_end_is_answered_as_frames_get_out() {
    let bench = bench();
    bench.card.take_wire();
    bench.other.sends.set(Some(bench.card));
    let mut waiting = bench.card.waiting.borrow_mut();
    waiting.extend(vec![arp_request(); BUFFERS * 4]);
    drop(waiting);
    bench.card.arrive(&arp_request());
    assert_eq!(bench.responder.counts().missed, 0);
    assert_eq!(bench.card.take_wire().len(), BUFFERS * 4 + 1);
}

#[test]
fn a_filter_that_the_card_cannot_take_yet_is_told_again() {
    let card: &'static Card = forever(Card::new());
    card.filter_busy.set(true);
    let responder: &'static PingResponder<'static, Card> =
        forever(PingResponder::new(card, OWN, buffers()));
    card.set_adapter_client(responder);
    card.filter.borrow_mut().promiscuous = true;
    responder.start();
    card.arrive(&arp_request());
    assert!(card.filter.borrow().promiscuous);
    card.filter_busy.set(false);
    card.arrive(&arp_request());
    assert!(!card.filter.borrow().promiscuous);
}

#[test]
fn a_user_without_room_holds_its_answers_up_only_as_long_as_it_holds() {
    let bench = bench();
    bench.card.take_wire();
    bench.other.holding.set(true);
    bench.card.arrive(&arp_request());
    // The frame was offered to both, and is answered once.
    assert_eq!(bench.card.take_wire().len(), 1);
    bench.card.arrive(&arp_request());
    assert!(bench.card.take_wire().is_empty());
    bench.other.holding.set(false);
    bench.other_share.resume_receive();
    bench.card.run_deferred();
    assert_eq!(bench.card.take_wire().len(), 1);
    assert_eq!(*bench.other.got.borrow(), 2);
}
