// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The control queue: filters, addresses and announcements.

use kernel::hil::ethernet_adapter::{EthernetAdapter, ReceiveFilter};

use super::guest::Guest;
use super::*;

const CONTROL: usize = 2;
const ALL: u64 = features::CTRL_VQ
    | features::CTRL_RX
    | features::GUEST_ANNOUNCE
    | features::CTRL_MAC_ADDR
    | features::STATUS;

struct Card {
    rig: Rig,
    guest: &'static Guest,
    control: Cell<Option<SplitDevice>>,
}

impl Card {
    fn cold(offered: u64) -> Self {
        Self::with_room_for(4, offered)
    }

    /// As [`cold`](Self::cold), at a device whose control queue has `room` descriptors.
    fn with_room_for(room: u32, offered: u64) -> Self {
        let mut rig = Rig::cold();
        rig.device.number_of_queues.set(3);
        rig.device.offered.set(rig.device.offered.get() | offered);
        rig.device.small_queue.set(Some((CONTROL as u32, room)));
        let queue = queue(Probe::new());
        queue.set_client(rig.driver);
        queue.set_transport(rig.transport);
        rig.driver
            .set_control_queue(queue, leak([0xCC; CONTROL_MEMORY_LEN]));
        rig.queues = leak([
            rig.receive_queue as &'static dyn Virtqueue,
            rig.transmit_queue,
            queue,
        ]);
        let guest = Guest::of(rig.driver, usize::MAX);
        Self {
            rig,
            guest,
            control: Cell::new(None),
        }
    }

    fn new(offered: u64) -> Self {
        let card = Self::cold(offered);
        card.rig.initialize();
        card.look();
        card
    }

    /// Finds the control queue where the driver has set it up.
    fn look(&self) {
        self.control.set(Some(self.rig.device.queue(CONTROL)));
    }

    /// Takes the next request, if there is one.
    fn next(&self) -> Option<(Vec<u8>, DeviceChain)> {
        let control = self.control.take().unwrap();
        let chain = control.pop();
        self.control.set(Some(control));
        let chain = chain?;
        assert_eq!(chain.buffers.len(), 2);
        let [request, answer] = [0, 1].map(|at| chain.buffers[at]);
        assert!(!request.writable && answer.writable);
        Some((request.read(), chain))
    }

    /// Answers a request with some bytes.
    fn answer(&self, chain: &DeviceChain, bytes: &[u8]) {
        let control = self.control.take().unwrap();
        control.return_used(chain.head.into(), chain.fill(bytes));
        self.control.set(Some(control));
        self.rig.interrupt(1);
    }

    /// Answers each request that comes with `answer`, and returns them.
    fn requests(&self, answer: u8) -> Vec<Vec<u8>> {
        core::iter::from_fn(|| {
            let (request, chain) = self.next()?;
            assert_eq!(self.next(), None, "one at a time");
            self.answer(&chain, &[answer]);
            Some(request)
        })
        .collect()
    }

    fn filter(&self, promiscuous: bool, unicast: &[[u8; 6]]) -> Result<(), ErrorCode> {
        self.rig.driver.set_receive_filter(&ReceiveFilter {
            promiscuous,
            all_multicast: !promiscuous,
            unicast,
            multicast: &[[1; 6]],
        })
    }

    fn lose_device(&self) {
        let status = &self.rig.device.status;
        status.set(status.get() | NEEDS_RESET);
        self.rig.interrupt(2);
    }

    /// Has the device brought back into service.
    fn recover(&self) {
        while !self.rig.transport.is_running() {
            self.rig.transport.poll();
        }
        self.look();
    }

    fn announce(&self) {
        self.rig.device.configuration.borrow_mut()[6] = 3;
        self.rig.interrupt(2);
    }
}

/// The requests of a filter with no unicast address.
fn filter_requests(promiscuous: u8) -> Vec<Vec<u8>> {
    let table = [1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1, 1, 1];
    std::vec![
        table.to_vec(),
        std::vec![0, 1, 1 - promiscuous],
        std::vec![0, 0, promiscuous],
    ]
}

#[test]
fn a_card_without_a_control_queue_is_told_nothing_and_works() {
    for offered in [
        ALL & !features::CTRL_VQ,
        features::CTRL_VQ,
        features::STATUS,
    ] {
        let card = Card::cold(offered);
        if offered & features::CTRL_VQ == 0 {
            card.rig.device.number_of_queues.set(2);
        }
        card.rig.initialize();
        assert_eq!(card.filter(false, &[]), Err(ErrorCode::NOSUPPORT));
        card.announce();
        assert_eq!(card.guest.announcements.get(), 0);
        assert!(card.rig.transport.is_running());
    }
}

#[test]
fn nothing_is_said_before_there_is_something_to_say() {
    let card = Card::new(ALL);
    assert_eq!(card.next(), None);
    assert!(!card.rig.device.notifications().contains(&2));
}

#[test]
fn a_filter_reaches_the_device_addresses_first() {
    let card = Card::new(ALL);
    for promiscuous in [false, true] {
        assert_eq!(card.filter(promiscuous, &[]), Ok(()));
        assert_eq!(card.requests(0), filter_requests(promiscuous.into()));
    }
    let counters = card.rig.driver.counters();
    assert_eq!(counters.control_requests, 6);
    assert_eq!(counters.control_refused + counters.control_garbled, 0);
}

#[test]
fn the_longest_filter_fits_a_request() {
    let card = Card::new(ALL);
    let unicast: [[u8; 6]; 15] = core::array::from_fn(|n| [2, 0, 0, 0, 0, n as u8]);
    assert_eq!(card.filter(false, &unicast), Ok(()));
    let expected = [
        &[1, 0, 15, 0, 0, 0][..],
        unicast.as_flattened(),
        &[1, 0, 0, 0, 1, 1, 1, 1, 1, 1],
    ];
    assert_eq!(card.requests(0)[0], expected.concat());
}

#[test]
fn a_control_queue_without_room_for_an_answer_is_refused_if_it_would_be_used() {
    for (card, accepted) in [
        (Card::with_room_for(1, ALL), false),
        (Card::with_room_for(2, ALL), true),
        (Card::with_room_for(1, ALL & !features::CTRL_VQ), true),
    ] {
        let initialized = card
            .rig
            .transport
            .initialize(card.rig.driver, card.rig.queues);
        assert_eq!(initialized.is_ok(), accepted);
    }
}

#[test]
fn a_newer_filter_replaces_one_that_is_on_its_way() {
    // What the device says about the old one does not matter then.
    for answer in [0, 1] {
        let card = Card::new(ALL);
        assert_eq!(card.filter(true, &[[2; 6]]), Ok(()));
        let (first, chain) = card.next().unwrap();
        assert_eq!(first[..6], [1, 0, 1, 0, 0, 0]);
        for n in 0..20 {
            assert_eq!(card.filter(n % 2 == 0, &[[4; 6]]), Ok(()));
        }
        assert_eq!(card.filter(false, &[]), Ok(()));
        card.answer(&chain, &[answer]);
        assert_eq!(card.requests(0), filter_requests(0));
    }
}

#[test]
fn a_filter_outlasts_resets() {
    let card = Card::new(ALL);
    assert_eq!(card.filter(true, &[]), Ok(()));
    for _ in 0..3 {
        card.lose_device();
        card.recover();
        card.look();
        assert_eq!(card.requests(0), filter_requests(1));
    }
    card.lose_device();
    assert_eq!(
        card.filter(false, &[]),
        Ok(()),
        "while it is out of service"
    );
    card.recover();
    card.look();
    assert_eq!(card.requests(0), filter_requests(0));
}

#[test]
fn a_device_that_refuses_a_filter_has_to_pass_everything() {
    for answer in [1, 2, 0xA5, 0xFF] {
        let card = Card::new(ALL);
        assert_eq!(card.filter(false, &[]), Ok(()));
        let requests = card.requests(answer);
        assert_eq!(requests[..2], filter_requests(0)[..2]);
        assert_eq!(requests[2..], [[0, 0, 1]], "and not again");
        let counters = card.rig.driver.counters();
        let refused = if answer == 1 { 3 } else { 0 };
        assert_eq!(counters.control_refused, refused);
        assert_eq!(counters.control_garbled, 3 - refused);
        assert!(card.rig.transport.is_running());
        // The next one may be better.
        assert_eq!(card.filter(false, &[]), Ok(()));
        assert_eq!(card.requests(0), filter_requests(0));
    }
}

#[test]
fn an_answer_that_was_not_written_is_none() {
    let card = Card::new(ALL);
    assert_eq!(card.filter(true, &[]), Ok(()));
    for _ in 0..2 {
        let (_, chain) = card.next().unwrap();
        // The byte says OK, but the device does not say that it wrote it.
        chain.fill(&[0]);
        card.answer(&chain, &[]);
    }
    assert_eq!(card.rig.driver.counters().control_garbled, 2);
}

#[test]
fn a_request_that_is_never_answered_has_the_device_reset_and_told_again() {
    let card = Card::new(ALL);
    assert_eq!(card.filter(true, &[]), Ok(()));
    assert!(card.next().is_some());
    for _ in 0..POLLS_IN_A_SECOND {
        assert!(card.rig.transport.poll());
    }
    assert!(card.rig.transport.poll());
    assert_eq!(card.rig.transport.counters().stalled, 1);
    card.recover();
    assert_eq!(card.requests(0), filter_requests(1));
    assert_eq!(card.rig.transport.counters().recoveries, 1);
}

#[test]
fn a_card_that_never_answers_is_told_nothing_any_more_and_works() {
    // One answer, and the patience is as long as at first.
    for (answered, stalls) in [(None, 3), (Some(1), 4), (Some(2), 5)] {
        let card = Card::new(ALL);
        assert_eq!(card.filter(true, &[]), Ok(()));
        for round in 0..stalls {
            card.look();
            let (_, chain) = card.next().expect("it is told again");
            if Some(round) == answered {
                card.answer(&chain, &[0]);
                assert!(card.next().is_some());
            }
            while card.rig.transport.counters().stalled == round {
                card.rig.transport.poll();
            }
            while !card.rig.transport.is_running() {
                card.rig.transport.poll();
            }
        }
        assert_eq!(card.rig.device.accepted.get() & features::CTRL_VQ, 0);
        assert_eq!(card.filter(false, &[]), Err(ErrorCode::NOSUPPORT));
        for _ in 0..2 * POLLS_IN_A_SECOND {
            card.rig.transport.poll();
        }
        assert_eq!(card.rig.transport.counters().stalled, stalls);
        assert!(card.rig.transport.is_running());
    }
}

#[test]
fn a_card_without_an_address_is_told_the_drivers() {
    let card = Card::cold(ALL);
    card.rig.device.configuration.borrow_mut()[..6].fill(0);
    card.rig.initialize();
    card.look();
    let mut request = std::vec![1, 1];
    request.extend(OWN_MAC);
    assert_eq!(card.requests(0), [request]);
    // Unless it does not listen.
    let card = Card::cold(ALL & !features::CTRL_MAC_ADDR);
    card.rig.device.configuration.borrow_mut()[..6].fill(0);
    card.rig.initialize();
    card.look();
    assert_eq!(card.requests(0), [[0; 0]; 0]);
}

#[test]
fn the_client_is_asked_for_an_announcement_and_the_device_told() {
    let card = Card::new(ALL);
    card.announce();
    assert_eq!(card.guest.announcements.get(), 1);
    // The bit stays until the device has read the answer.
    card.announce();
    assert_eq!(card.guest.announcements.get(), 1);
    assert_eq!(card.requests(0), [[3, 0]]);
    assert!(card.rig.driver.link_is_up());
    card.announce();
    assert_eq!(card.guest.announcements.get(), 2);
    assert_eq!(card.rig.driver.counters().announcements, 2);
}

#[test]
fn an_announcement_that_was_wanted_at_the_start_is_made() {
    let card = Card::cold(ALL);
    card.rig.device.configuration.borrow_mut()[6] = 3;
    card.rig.initialize();
    card.look();
    assert_eq!(card.guest.announcements.get(), 1);
    assert_eq!(card.requests(0), [[3, 0]]);
}

#[test]
fn a_card_without_filters_still_takes_announcements() {
    let card = Card::new(ALL & !features::CTRL_RX);
    assert_eq!(card.filter(false, &[]), Err(ErrorCode::NOSUPPORT));
    card.announce();
    assert_eq!(card.requests(0), [[3, 0]]);
}

#[test]
fn an_answer_does_not_end_the_wait_for_a_buffer() {
    let card = Card::new(ALL);
    let transmit = card.rig.device.queue(TRANSMIT);
    let frame: &'static mut [u8] = leak([7; 60]);
    assert!(card.rig.driver.submit(frame, 60, 1).is_ok());
    card.rig.driver.flush();
    assert_eq!(transmit.driver_flags(), 1, "no interrupts");
    card.rig.driver.reclaim();
    assert_eq!(transmit.driver_flags(), 0, "one is waited for");
    assert_eq!(card.filter(true, &[]), Ok(()));
    assert_eq!(card.requests(0), filter_requests(1));
    assert_eq!(transmit.driver_flags(), 0, "still");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig {
        cases: if cfg!(miri) { 2 } else { 100 },
        failure_persistence: None,
        ..Default::default()
    })]

    /// Whatever the device answers, and whenever it is lost: once it is honest, it knows the filter.
    #[test]
    fn the_last_filter_wins(
        steps in proptest::collection::vec((0u8..6, proptest::prelude::any::<u8>()), 1..40),
    ) {
        let card = Card::new(ALL);
        for (step, value) in steps {
            match step {
                0 | 1 => {
                    proptest::prop_assert!(card.filter(value & 1 == 0, &[[value & 0xFE; 6]]).is_ok());
                }
                2 => {
                    if let Some((_, chain)) = card.next() {
                        card.answer(&chain, &[value]);
                    }
                }
                3 => {
                    if let Some((_, chain)) = card.next() {
                        card.answer(&chain, &[]);
                    }
                }
                4 => card.announce(),
                _ => {
                    card.lose_device();
                    card.recover();
                }
            }
        }
        card.requests(0);
        proptest::prop_assert!(card.filter(false, &[]).is_ok());
        proptest::prop_assert_eq!(card.requests(0), filter_requests(0));
    }
}
