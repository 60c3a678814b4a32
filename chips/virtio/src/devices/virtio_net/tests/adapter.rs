// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The interface with a link, back-pressure and batches.

use kernel::hil::ethernet_adapter::{EthernetAdapter, Link};

use super::guest::{Call, Guest};
use super::*;

struct Adapter {
    rig: Rig,
    guest: &'static Guest,
    receive: SplitDevice,
    transmit: SplitDevice,
}

impl Adapter {
    fn new(room: usize) -> Self {
        let (rig, receive, transmit) = Rig::new();
        rig.driver.stop_receive();
        let guest = Guest::of(rig.driver, room);
        rig.driver.start_receive();
        rig.device.writes.take();
        Self {
            rig,
            guest,
            receive,
            transmit,
        }
    }

    fn driver(&self) -> &'static Driver {
        self.rig.driver
    }

    /// Returns frames of these lengths, then interrupts.
    fn arrive(&self, lens: &[usize]) {
        for len in lens {
            let chain = self.receive.pop().expect("a buffer is posted");
            let filled = chain.fill(&with_header(*len));
            self.receive.return_used(chain.head.into(), filled);
        }
        self.rig.interrupt(1);
    }

    fn submit(&self, len: usize, identifier: usize) -> Result<(), ErrorCode> {
        let frame: &'static mut [u8] = leak([identifier as u8; 1600]);
        let submitted = self.driver().submit(frame, len, identifier);
        submitted.map_err(|(code, buffer)| {
            assert_eq!(buffer.len(), 1600);
            code
        })
    }

    fn calls(&self) -> Vec<Call> {
        self.guest.calls.take()
    }

    fn resume(&self, room: usize) {
        self.guest.room.set(room);
        self.driver().resume_receive();
        assert!(self.calls().is_empty(), "not from inside");
        run_deferred_calls();
    }

    fn lose_device(&self) {
        let status = &self.rig.device.status;
        status.set(status.get() | NEEDS_RESET);
        self.rig.interrupt(2);
    }
}

#[test]
fn a_run_of_frames_is_offered_in_order_and_ended_once() {
    let adapter = Adapter::new(9);
    adapter.arrive(&[60, 61, 1514]);
    let offers = [60, 61, 1514].map(Call::Offer);
    let calls = adapter.calls();
    assert_eq!(calls[..3], offers);
    assert_eq!(calls[3..], [Call::OffersDone]);
    assert_eq!(adapter.receive.available_index(), DEPTH as u16 + 3);
}

#[test]
fn a_run_without_a_frame_for_the_client_is_not_announced_to_it() {
    let adapter = Adapter::new(9);
    adapter.arrive(&[3]);
    assert!(adapter.calls().is_empty());
    assert_eq!(adapter.driver().drops().malformed, 1);
}

#[test]
fn held_frames_keep_their_buffers_and_their_order() {
    let adapter = Adapter::new(1);
    adapter.arrive(&[60, 61, 62]);
    use Call::{Offer, OffersDone};
    assert_eq!(adapter.calls(), [Offer(60), Offer(61), OffersDone]);
    let posted = DEPTH as u16 + 1;
    assert_eq!(adapter.receive.available_index(), posted);
    // Those behind a held frame are not offered before it.
    adapter.guest.room.set(1);
    adapter.arrive(&[63]);
    assert!(adapter.calls().is_empty());
    adapter.resume(2);
    assert_eq!(
        adapter.calls(),
        [Offer(61), Offer(62), Offer(63), OffersDone]
    );
    assert_eq!(adapter.receive.available_index(), posted + 2);
    adapter.resume(9);
    assert_eq!(adapter.calls(), [Offer(63), OffersDone]);
    assert_eq!(adapter.receive.available_index(), posted + 3);
    adapter.resume(9);
    assert!(adapter.calls().is_empty(), "nothing is held");
    assert_eq!(adapter.driver().counters().received, 4);
    assert_eq!(adapter.driver().counters().held, 2);
}

#[test]
fn a_client_without_room_costs_the_device_its_buffers_and_nothing_else() {
    let adapter = Adapter::new(0);
    adapter.arrive(&[60; DEPTH]);
    assert!(!adapter.receive.has_available());
    adapter.calls();
    for _ in 0..10 {
        adapter.resume(0);
        assert_eq!(adapter.calls(), [Call::Offer(60), Call::OffersDone]);
    }
    adapter.resume(DEPTH);
    assert_eq!(adapter.calls().len(), DEPTH + 1);
    assert_eq!(adapter.receive.available_index(), 2 * DEPTH as u16);
    assert_eq!(adapter.driver().drops(), Default::default());
}

#[test]
fn flawed_frames_behind_held_ones_are_dropped_at_once() {
    let adapter = Adapter::new(0);
    adapter.arrive(&[60, 3, 61]);
    assert_eq!(adapter.receive.available_index(), DEPTH as u16 + 1);
    adapter.calls();
    adapter.resume(9);
    let calls = [Call::Offer(60), Call::Offer(61), Call::OffersDone];
    assert_eq!(adapter.calls(), calls);
}

#[test]
fn held_frames_are_dropped_when_reception_stops() {
    let adapter = Adapter::new(0);
    adapter.arrive(&[60, 61]);
    adapter.calls();
    adapter.driver().stop_receive();
    assert_eq!(adapter.receive.available_index(), DEPTH as u16 + 2);
    assert_eq!(adapter.driver().drops().unwanted, 2);
    adapter.resume(9);
    assert!(adapter.calls().is_empty());
    adapter.driver().start_receive();
    adapter.arrive(&[62]);
    assert_eq!(adapter.calls(), [Call::Offer(62), Call::OffersDone]);
}

#[test]
fn reception_may_be_stopped_from_inside_an_offer() {
    for room in [0, 9] {
        let adapter = Adapter::new(room);
        adapter.guest.stops.set(Some(adapter.driver()));
        adapter.arrive(&[60, 61]);
        assert_eq!(adapter.calls()[0], Call::Offer(60));
        assert_eq!(adapter.receive.available_index(), DEPTH as u16 + 2);
        assert!(adapter.driver().waiting.is_empty());
    }
}

#[test]
fn held_frames_survive_a_reset_of_the_device() {
    let adapter = Adapter::new(0);
    adapter.arrive(&[60, 61]);
    adapter.calls();
    adapter.lose_device();
    while adapter.rig.transport.poll() {}
    let receive = adapter.rig.device.queue(RECEIVE);
    assert_eq!(receive.available_index(), DEPTH as u16 - 2);
    adapter.calls();
    adapter.resume(9);
    let calls = [Call::Offer(60), Call::Offer(61), Call::OffersDone];
    assert_eq!(adapter.calls(), calls);
    assert_eq!(receive.available_index(), DEPTH as u16);
}

#[test]
fn held_frames_are_offered_while_the_device_is_out_of_service() {
    let adapter = Adapter::new(0);
    adapter.arrive(&[60, 61]);
    adapter.lose_device();
    adapter.calls();
    adapter.resume(9);
    let calls = [Call::Offer(60), Call::Offer(61), Call::OffersDone];
    assert_eq!(adapter.calls(), calls);
    while adapter.rig.transport.poll() {}
    let receive = adapter.rig.device.queue(RECEIVE);
    assert_eq!(receive.available_index(), DEPTH as u16);
}

#[test]
fn a_batch_is_shown_and_announced_once_when_it_is_flushed() {
    let adapter = Adapter::new(0);
    assert_eq!(adapter.driver().transmit_room(), 2);
    for n in 0..2 {
        assert_eq!(adapter.submit(60, n), Ok(()));
    }
    assert_eq!(adapter.driver().transmit_room(), 0);
    assert_eq!(adapter.transmit.available_index(), 0);
    adapter.driver().flush();
    assert_eq!(adapter.transmit.available_index(), 2);
    assert_eq!(adapter.rig.device.notifications(), [1]);
    run_deferred_calls();
    assert_eq!(adapter.rig.device.notifications(), [1]);
}

#[test]
fn buffers_come_back_from_inside_reclaim_and_make_room() {
    let adapter = Adapter::new(0);
    for n in 0..2 {
        assert_eq!(adapter.submit(60, n), Ok(()));
    }
    adapter.driver().flush();
    assert_eq!(adapter.submit(60, 2), Err(ErrorCode::BUSY));
    adapter.driver().reclaim();
    assert!(adapter.calls().is_empty());
    let chain = adapter.transmit.pop().unwrap();
    adapter.transmit.return_used(chain.head.into(), 0);
    adapter.driver().reclaim();
    assert_eq!(adapter.calls(), [Call::Transmitted(Ok(()), 1600, 0)]);
    assert_eq!(adapter.submit(60, 2), Ok(()));
}

#[test]
fn refused_frames_come_back_with_the_reason() {
    let adapter = Adapter::new(0);
    for len in [0, 13, 1519, 1601, usize::MAX] {
        assert_eq!(adapter.submit(len, 0), Err(ErrorCode::SIZE));
    }
    adapter.rig.device.configuration.borrow_mut()[6] = 0;
    adapter.rig.interrupt(2);
    assert_eq!(adapter.submit(60, 0), Err(ErrorCode::NODEVICE));
    assert_eq!(adapter.driver().transmit_room(), 0);
    adapter.lose_device();
    assert_eq!(adapter.submit(60, 0), Err(ErrorCode::OFF));
    assert!(adapter.driver().link().mtu == 1500);
}

#[test]
fn frames_in_flight_come_back_as_lost_with_a_reset() {
    let adapter = Adapter::new(0);
    assert_eq!(adapter.submit(60, 4), Ok(()));
    adapter.driver().flush();
    // This one the device has not even seen.
    assert_eq!(adapter.submit(60, 5), Ok(()));
    adapter.lose_device();
    let failed = |identifier| Call::Transmitted(Err(ErrorCode::FAIL), 1600, identifier);
    assert_eq!(adapter.calls()[..2], [failed(4), failed(5)]);
    assert_eq!(adapter.driver().drops().lost, 2);
}

#[test]
fn the_client_hears_of_each_change_of_the_link_once() {
    let adapter = Adapter::new(0);
    let up = Link {
        address: CARD_MAC,
        mtu: 1500,
        up: true,
    };
    let down = Link { up: false, ..up };
    assert_eq!(adapter.driver().link(), up);
    for (status, link) in [(0, down), (1, up)] {
        adapter.rig.device.configuration.borrow_mut()[6] = status;
        adapter.rig.interrupt(2);
        assert_eq!(adapter.calls(), [Call::LinkChanged(link)]);
        adapter.rig.interrupt(2);
        assert!(adapter.calls().is_empty());
        assert_eq!(adapter.driver().link(), link);
    }
    adapter.lose_device();
    assert_eq!(adapter.calls(), [Call::LinkChanged(down)]);
    while adapter.rig.transport.poll() {}
    assert_eq!(adapter.calls(), [Call::LinkChanged(up)]);
}

#[test]
fn a_card_that_changes_over_a_reset_is_told() {
    let adapter = Adapter::new(0);
    adapter.lose_device();
    adapter.calls();
    let other = [0x52, 0x54, 0, 9, 9, 9];
    adapter.rig.device.configuration.borrow_mut()[..6].copy_from_slice(&other);
    adapter.rig.device.configuration.borrow_mut()[10..12].copy_from_slice(&900u16.to_le_bytes());
    while adapter.rig.transport.poll() {}
    let link = Link {
        address: other,
        mtu: 900,
        up: true,
    };
    assert_eq!(adapter.calls(), [Call::LinkChanged(link)]);
    assert_eq!(adapter.submit(919, 0), Err(ErrorCode::SIZE));
}

#[test]
fn an_echo_from_inside_the_offers_is_one_batch() {
    let adapter = Adapter::new(9);
    adapter.guest.echoes.set(Some(adapter.driver()));
    adapter.arrive(&[60, 61]);
    assert_eq!(adapter.transmit.available_index(), 2);
    let notified = adapter.rig.device.notifications();
    assert_eq!(notified.iter().filter(|queue| **queue == 1).count(), 1);
    for len in [60, 61] {
        let chain = adapter.transmit.pop().unwrap();
        assert_eq!(chain.buffers[1].read(), &with_header(len)[HEADER_LEN..]);
    }
}

#[test]
fn the_client_that_was_named_last_is_served() {
    let adapter = Adapter::new(9);
    let rig = &adapter.rig;
    rig.driver.set_client(rig.client);
    adapter.arrive(&[60]);
    assert!(adapter.calls().is_empty());
    assert_eq!(rig.client.frames.borrow().len(), 1);
    rig.driver.set_adapter_client(adapter.guest);
    adapter.arrive(&[60]);
    assert_eq!(adapter.calls(), [Call::Offer(60), Call::OffersDone]);
}

#[test]
fn frames_that_were_sent_are_left_alone_by_interrupts_for_others() {
    let adapter = Adapter::new(9);
    assert_eq!(adapter.submit(60, 0), Ok(()));
    adapter.driver().flush();
    let chain = adapter.transmit.pop().unwrap();
    adapter.transmit.return_used(chain.head.into(), 0);
    adapter.arrive(&[60]);
    assert_eq!(adapter.calls(), [Call::Offer(60), Call::OffersDone]);
    assert_eq!(adapter.rig.transmit_queue.counters().scans, 0);
    adapter.driver().reclaim();
    assert_eq!(adapter.calls(), [Call::Transmitted(Ok(()), 1600, 0)]);
}

#[test]
fn a_device_that_interrupts_although_it_was_asked_not_to_has_done_work() {
    let adapter = Adapter::new(9);
    assert_eq!(adapter.submit(60, 0), Ok(()));
    adapter.driver().flush();
    let chain = adapter.transmit.pop().unwrap();
    adapter.transmit.return_used(chain.head.into(), 0);
    adapter.rig.interrupt(1);
    assert_eq!(adapter.calls(), [Call::Transmitted(Ok(()), 1600, 0)]);
    assert_eq!(adapter.rig.transport.counters().empty, 0);
}

#[test]
fn a_client_that_runs_short_of_buffers_gets_the_next_one_by_an_interrupt() {
    let adapter = Adapter::new(9);
    for n in 0..2 {
        assert_eq!(adapter.submit(60, n), Ok(()));
    }
    adapter.driver().flush();
    assert_eq!(adapter.transmit.driver_flags(), 1, "no interrupts");
    adapter.driver().reclaim();
    assert_eq!(adapter.transmit.driver_flags(), 0, "one is waited for");
    let chain = adapter.transmit.pop().unwrap();
    adapter.transmit.return_used(chain.head.into(), 0);
    adapter.rig.interrupt(1);
    assert_eq!(adapter.calls(), [Call::Transmitted(Ok(()), 1600, 0)]);
    assert_eq!(adapter.transmit.driver_flags(), 1);
}

#[test]
fn frames_that_nobody_asks_for_come_back_within_a_second() {
    let adapter = Adapter::new(9);
    for round in 0..3 {
        assert_eq!(adapter.submit(60, round), Ok(()));
        adapter.driver().flush();
        let chain = adapter.transmit.pop().unwrap();
        adapter.transmit.return_used(chain.head.into(), 0);
        assert!(!adapter.rig.transport.poll(), "nothing is left to wait for");
        let sent = Call::Transmitted(Ok(()), 1600, round);
        assert_eq!(adapter.calls(), [sent]);
    }
    assert_eq!(adapter.rig.transport.counters().found_late, 0);
}

#[test]
fn a_violation_that_reclaim_finds_takes_the_device_out_at_the_next_interrupt() {
    for causes in [0, 1] {
        let adapter = Adapter::new(9);
        assert_eq!(adapter.submit(60, 7), Ok(()));
        adapter.driver().flush();
        adapter.transmit.return_used(99, 0);
        adapter.driver().reclaim();
        assert_eq!(adapter.submit(60, 8), Err(ErrorCode::FAIL));
        if causes == 1 {
            adapter.arrive(&[60]);
        } else {
            adapter.rig.transport.poll();
        }
        let calls = adapter.calls();
        let lost = Call::Transmitted(Err(ErrorCode::FAIL), 1600, 7);
        assert!(calls.contains(&lost), "{calls:?}");
        assert!(!adapter.rig.transport.is_running() || causes == 0);
        while adapter.rig.transport.poll() {}
        assert_eq!(adapter.rig.transport.counters().recoveries, 1);
        assert_eq!(adapter.submit(60, 8), Ok(()));
    }
}

#[test]
fn a_batch_that_is_never_sent_comes_back_as_lost_after_a_second() {
    let adapter = Adapter::new(9);
    for n in 0..2 {
        assert_eq!(adapter.submit(60, n), Ok(()));
        adapter.driver().flush();
    }
    for _ in 0..POLLS_IN_A_SECOND {
        assert!(adapter.rig.transport.poll());
        assert!(adapter.calls().is_empty());
    }
    adapter.rig.transport.poll();
    let lost = |n| Call::Transmitted(Err(ErrorCode::FAIL), 1600, n);
    assert_eq!(adapter.calls()[..2], [lost(0), lost(1)]);
    assert_eq!(adapter.rig.transport.counters().stalled, 1);
    assert_eq!(adapter.driver().drops().lost, 2);
    while adapter.rig.transport.poll() {}
    assert_eq!(adapter.submit(60, 2), Ok(()));
}

#[test]
fn a_device_that_sleeps_on_frames_it_was_not_told_of_is_reminded() {
    let adapter = Adapter::new(9);
    let notified = || adapter.rig.device.writes.take().len();
    for by_poll in [false, true] {
        adapter.transmit.set_flags(1);
        assert_eq!(adapter.submit(60, 0), Ok(()));
        adapter.driver().flush();
        assert_eq!(notified(), 0, "it did not want to know");
        if by_poll {
            adapter.rig.transport.poll();
        } else {
            adapter.driver().reclaim();
        }
        assert_eq!(adapter.rig.device.notifications(), [1]);
        adapter.driver().reclaim();
        adapter.rig.transport.poll();
        assert_eq!(notified(), 1, "once is enough");
        let chain = adapter.transmit.pop().unwrap();
        adapter.transmit.return_used(chain.head.into(), 0);
        adapter.driver().reclaim();
        notified();
        adapter.rig.transport.poll();
        assert_eq!(notified(), 0, "nothing is left to be reminded of");
    }
}

#[test]
fn a_lie_that_the_driver_finds_by_itself_has_the_card_brought_back() {
    let adapter = Adapter::new(9);
    // Of a frame that never was, and without an interrupt.
    adapter.transmit.return_used(0, 0);
    adapter.driver().reclaim();
    assert_eq!(adapter.submit(60, 1), Err(ErrorCode::FAIL));
    while adapter.rig.transport.poll() {}
    assert_eq!(adapter.rig.transport.counters().broken, 1);
    assert_eq!(adapter.submit(60, 2), Ok(()));
}

#[test]
fn frames_come_back_within_a_second_of_another_initialization_too() {
    let adapter = Adapter::new(9);
    for identifier in 0..3 {
        assert_eq!(adapter.submit(60, identifier), Ok(()));
        adapter.driver().flush();
        adapter.calls();
        adapter.rig.initialize();
        let lost = Call::Transmitted(Err(ErrorCode::FAIL), 1600, identifier);
        assert_eq!(adapter.calls().first(), Some(&lost));
        adapter.rig.transport.poll();
    }
    let transmit = adapter.rig.device.queue(TRANSMIT);
    assert_eq!(adapter.submit(60, 7), Ok(()));
    adapter.driver().flush();
    let chain = transmit.pop().unwrap();
    transmit.return_used(chain.head.into(), 0);
    adapter.calls();
    adapter.rig.transport.poll();
    let sent = Call::Transmitted(Ok(()), 1600, 7);
    assert_eq!(adapter.calls(), [sent]);
}
