// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Several users of one card within the kernel.

use crate::extended::card::{CARD, Card};
use capsules_extra::ethernet_tap::{DRIVER_NUM, EthernetTapDriver, Extended, MAX_MTU};
use capsules_extra::mux_ethernet::{MuxEthernet, VirtualEthernet};
use core::cell::{Cell, RefCell};
use kernel::ErrorCode;
use kernel::hil::ethernet::{EthernetAdapterDatapath, EthernetAdapterDatapathClient};
use kernel::hil::ethernet_adapter::{
    EthernetAdapter, EthernetAdapterClient, Link, Offer, ReceiveFilter,
};
use kernel::syscall::SyscallDriver;
use kernel::testing::{Host, Memory, forever};

type Mux = MuxEthernet<'static, Card, 4>;
type Share = VirtualEthernet<'static, Card, 4>;

/// A protocol of the kernel.
#[derive(Default)]
struct User {
    got: RefCell<Vec<u8>>,
    holding: Cell<bool>,
    /// Identifiers of returned frames, and whether they were sent.
    back: RefCell<Vec<(usize, bool)>>,
    links: RefCell<Vec<bool>>,
    runs: Cell<usize>,
    announcements: Cell<usize>,
}

impl EthernetAdapterClient for User {
    fn offer(&self, frame: &[u8], _timestamp: Option<u64>) -> Offer {
        if self.holding.get() {
            return Offer::Held;
        }
        self.got.borrow_mut().push(frame[6]);
        Offer::Taken
    }

    fn offers_done(&self) {
        self.runs.set(self.runs.get() + 1);
    }

    fn transmitted(
        &self,
        outcome: Result<(), ErrorCode>,
        frame: &'static mut [u8],
        identifier: usize,
        _timestamp: Option<u64>,
    ) {
        assert_eq!(frame.len(), 100);
        self.back.borrow_mut().push((identifier, outcome.is_ok()));
    }

    fn link_changed(&self, link: Link) {
        self.links.borrow_mut().push(link.up);
    }

    fn announcement_wanted(&self) {
        self.announcements.set(self.announcements.get() + 1);
    }
}

fn frame(to: [u8; 6], mark: u8) -> Vec<u8> {
    let mut frame = vec![mark; 60];
    frame[..6].copy_from_slice(&to);
    frame
}

fn buffer() -> &'static mut [u8] {
    Box::leak(Box::new([0; 100]))
}

const BROADCAST: [u8; 6] = [0xFF; 6];
const GROUP: [u8; 6] = [0x33, 0x33, 0, 0, 0, 1];
const FIRST: [u8; 6] = [0x02, 0, 0, 0, 0, 1];

fn only(unicast: &[[u8; 6]], multicast: &[[u8; 6]]) -> ReceiveFilter<'static> {
    ReceiveFilter {
        promiscuous: false,
        all_multicast: false,
        unicast: unicast.to_vec().leak(),
        multicast: multicast.to_vec().leak(),
    }
}

fn mux() -> (&'static Card, &'static Mux) {
    let card: &'static Card = forever(Card::new());
    let mux: &'static Mux = forever(MuxEthernet::new(card));
    card.set_adapter_client(mux);
    (card, mux)
}

fn share(mux: &'static Mux) -> (&'static Share, &'static User) {
    let share: &'static Share = forever(VirtualEthernet::new(mux));
    let user: &'static User = forever(User::default());
    share.setup();
    share.set_adapter_client(user);
    share.start_receive();
    (share, user)
}

fn bench() -> (&'static Card, [(&'static Share, &'static User); 2]) {
    let (card, mux) = mux();
    (card, [share(mux), share(mux)])
}

#[test]
fn frames_go_to_the_users_whose_filters_they_pass() {
    let (card, [(a, user_a), (b, user_b)]) = bench();
    card.arrive(&frame(FIRST, 1));
    a.set_receive_filter(&only(&[FIRST], &[GROUP])).unwrap();
    b.set_receive_filter(&only(&[], &[])).unwrap();
    for (mark, to) in [
        (2, FIRST),
        (3, GROUP),
        (4, BROADCAST),
        (5, CARD),
        (6, [2; 6]),
    ] {
        card.arrive(&frame(to, mark));
    }
    assert_eq!(*user_a.got.borrow(), [1, 2, 3, 4, 5]);
    assert_eq!(*user_b.got.borrow(), [1, 4, 5]);
    assert_eq!(user_a.runs.get(), 6);
    // The card is asked for what the two want together.
    assert_eq!(card.filter.borrow().unicast, [FIRST]);
    assert_eq!(card.filter.borrow().multicast, [GROUP]);
    assert!(!card.filter.borrow().promiscuous);
    b.set_receive_filter(&ReceiveFilter {
        promiscuous: true,
        ..only(&[], &[])
    })
    .unwrap();
    assert!(card.filter.borrow().promiscuous);
}

#[test]
fn a_filter_that_the_card_cannot_take_now_leaves_the_old_one() {
    let (card, [(a, user_a), _]) = bench();
    a.set_receive_filter(&only(&[FIRST], &[])).unwrap();
    card.filter_busy.set(true);
    let refused = a.set_receive_filter(&only(&[], &[]));
    assert_eq!(refused, Err(ErrorCode::BUSY));
    card.arrive(&frame(FIRST, 1));
    assert_eq!(*user_a.got.borrow(), [1]);
}

#[test]
fn a_held_frame_is_taken_once_by_each() {
    let (card, [(a, user_a), (_, user_b)]) = bench();
    user_a.holding.set(true);
    card.arrive(&frame(BROADCAST, 1));
    card.arrive(&frame(BROADCAST, 2));
    assert!(card.is_held());
    assert_eq!(*user_b.got.borrow(), [1]);
    a.resume_receive();
    card.run_deferred();
    assert!(card.is_held());
    user_a.holding.set(false);
    a.resume_receive();
    card.run_deferred();
    assert!(!card.is_held());
    assert_eq!(*user_a.got.borrow(), [1, 2]);
    assert_eq!(*user_b.got.borrow(), [1, 2]);
}

#[test]
fn one_that_stops_holds_nothing_up() {
    let (card, [(a, user_a), (b, user_b)]) = bench();
    user_a.holding.set(true);
    card.arrive(&frame(BROADCAST, 1));
    card.arrive(&frame(BROADCAST, 2));
    a.stop_receive();
    card.run_deferred();
    assert_eq!(*user_b.got.borrow(), [1, 2]);
    assert_eq!(*user_a.got.borrow(), []);
    assert!(card.is_receiving());
    b.stop_receive();
    assert!(!card.is_receiving());
    a.start_receive();
    assert!(card.is_receiving());
}

#[test]
fn sent_frames_return_to_their_users_with_their_numbers() {
    let (card, [(a, user_a), (b, user_b)]) = bench();
    a.submit(buffer(), 60, 7).unwrap();
    b.submit(buffer(), 61, 7).unwrap();
    a.submit(buffer(), 62, 8).unwrap();
    a.flush();
    assert_eq!(card.flushes.get(), 1);
    assert!(card.finish_one());
    card.reset();
    assert_eq!(*user_a.back.borrow(), [(7, true), (8, false)]);
    assert_eq!(*user_b.back.borrow(), [(7, false)]);
    assert_eq!((a.drops().lost, b.drops().lost), (1, 1));
}

#[test]
fn each_user_has_its_part_of_the_ring() {
    let (card, [(a, _), (b, user_b)]) = bench();
    assert_eq!(a.transmit_room(), 2);
    a.submit(buffer(), 60, 0).unwrap();
    a.submit(buffer(), 60, 1).unwrap();
    assert_eq!(a.transmit_room(), 0);
    let (code, back) = a.submit(buffer(), 60, 2).unwrap_err();
    assert_eq!((code, back.len()), (ErrorCode::BUSY, 100));
    b.submit(buffer(), 60, 0).unwrap();
    b.submit(buffer(), 60, 1).unwrap();
    card.send();
    b.reclaim();
    assert_eq!(user_b.back.borrow().len(), 2);
    assert_eq!((a.transmit_room(), b.transmit_room()), (2, 2));
}

#[test]
fn nobody_takes_the_part_of_another_in_a_card_that_takes_as_many_frames_as_the_mux() {
    let (card, [(a, _), (b, _)]) = bench();
    card.depth.set(4);
    let sends = |user: &Share| user.submit(buffer(), 60, 0).is_ok();
    assert_eq!([(); 4].map(|()| sends(a)), [true, true, false, false]);
    assert_eq!([(); 4].map(|()| sends(b)), [true, true, false, false]);
    card.finish();
    // In one that takes fewer there is no telling whose they are.
    card.depth.set(2);
    assert!(sends(a) && sends(a));
    assert_eq!((b.transmit_room(), sends(b)), (0, false));
}

#[test]
fn refused_frames_take_no_room() {
    let (card, [(a, user_a), _]) = bench();
    card.set_link(false);
    for _ in 0..10 {
        let (code, _) = a.submit(buffer(), 60, 0).unwrap_err();
        assert_eq!(code, ErrorCode::NODEVICE);
    }
    card.set_link(true);
    assert_eq!(a.transmit_room(), 2);
    let (code, _) = a.submit(buffer(), 13, 0).unwrap_err();
    assert_eq!(code, ErrorCode::SIZE);
    assert_eq!(*user_a.back.borrow(), []);
}

#[test]
fn a_share_without_a_user_sends_nothing_and_holds_nothing_up() {
    let (card, mux) = mux();
    let nobody: &'static Share = forever(VirtualEthernet::new(mux));
    let (code, _) = nobody.submit(buffer(), 60, 0).unwrap_err();
    assert_eq!(code, ErrorCode::OFF);
    nobody.setup();
    nobody.start_receive();
    let (code, _) = nobody.submit(buffer(), 60, 0).unwrap_err();
    assert_eq!(code, ErrorCode::OFF);
    card.arrive(&frame(BROADCAST, 1));
    assert!(!card.is_held());
}

#[test]
fn all_hear_of_the_link() {
    let (card, [(a, user_a), (_, user_b)]) = bench();
    card.set_link(false);
    card.ask_for_announcement();
    assert_eq!(a.link().address, CARD);
    for user in [user_a, user_b] {
        assert_eq!(*user.links.borrow(), [false]);
        assert_eq!(user.announcements.get(), 1);
    }
}

/// A user behind the interface without a link.
#[derive(Default)]
struct PlainUser {
    got: RefCell<Vec<u8>>,
    done: RefCell<Vec<(u16, usize)>>,
}

impl EthernetAdapterDatapathClient for PlainUser {
    fn transmit_frame_done(
        &self,
        err: Result<(), ErrorCode>,
        _frame_buffer: &'static mut [u8],
        len: u16,
        transmission_identifier: usize,
        _timestamp: Option<u64>,
    ) {
        assert_eq!(err, Ok(()));
        self.done.borrow_mut().push((len, transmission_identifier));
    }

    fn received_frame(&self, frame: &[u8], _timestamp: Option<u64>) {
        self.got.borrow_mut().push(frame[6]);
    }
}

#[test]
fn a_share_is_an_adapter_without_a_link_too() {
    let (card, mux) = mux();
    let plain: &'static Share = forever(VirtualEthernet::new(mux));
    let user: &'static PlainUser = forever(PlainUser::default());
    plain.setup();
    plain.set_client(user);
    plain.enable_receive();
    card.arrive(&frame(BROADCAST, 1));
    plain.transmit_frame(buffer(), 60, usize::MAX).unwrap();
    assert_eq!(card.flushes.get(), 1);
    card.finish();
    assert_eq!(*user.done.borrow(), [(60, usize::MAX)]);
    plain.disable_receive();
    assert_eq!(*user.got.borrow(), [1]);
    assert!(!card.is_receiving());
}

#[test]
fn the_tap_shares_a_card_with_the_kernel() {
    let (card, mux) = mux();
    let (_, protocol) = share(mux);
    let own: &'static Share = forever(VirtualEthernet::new(mux));
    own.setup();
    let host = Host::<1>::new();
    let buffers: [&'static mut [u8]; 2] =
        core::array::from_fn(|_| &mut Box::leak(Box::new([0; MAX_MTU]))[..]);
    let tap: &'static EthernetTapDriver<'static, Share, Extended> = forever(
        EthernetTapDriver::with_pool(own, host.grant(DRIVER_NUM), buffers),
    );
    own.set_adapter_client(tap);
    tap.initialize();
    let [app] = host.processes;
    let slice = Memory::zeroed(1000);
    app.allow_rw((tap, DRIVER_NUM), 0, slice);
    app.allow_ro((tap, DRIVER_NUM), 0, Memory::of(&frame(GROUP, 2)));
    card.arrive(&frame(BROADCAST, 1));
    assert_eq!(slice.bytes()[8 + 12 + 6], 1);
    assert_eq!(*protocol.got.borrow(), [1]);
    for _ in 0..5 {
        assert!(tap.command(3, 60, 0, app.id()).is_success());
        card.send();
    }
    card.finish();
    assert_eq!(card.wire.borrow().len(), 5);
}
