// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Frames that are spread over several receive buffers.

use kernel::hil::ethernet_adapter::EthernetAdapter;

use super::guest::Guest;
use super::*;
use crate::features::ANY_LAYOUT;
use crate::testing::low_queue::low_queue;

/// The length of a buffer. Four of them hold a frame, three do as well.
const LEN: usize = 512;

struct Card {
    rig: Rig,
    guest: &'static Guest,
    receive: Cell<Option<SplitDevice>>,
}

impl Card {
    fn start(rig: Rig, area: usize) -> Self {
        let offered = rig.device.offered.get();
        rig.device.offered.set(offered | features::MRG_RXBUF);
        if area != 0 {
            rig.driver.set_assembly_area(std::vec![0xDD; area].leak());
        }
        let guest = Guest::of(rig.driver, usize::MAX);
        rig.driver.start_receive();
        rig.initialize();
        let receive = Cell::new(Some(rig.device.queue(RECEIVE)));
        Self {
            rig,
            guest,
            receive,
        }
    }

    fn new() -> Self {
        Self::start(Rig::with_buffers::<LEN>(), 1518)
    }

    /// One of a legacy device, which wants headers apart unless the features say otherwise.
    fn legacy(features: u64) -> Self {
        let mut rig = Rig::with_buffers::<LEN>();
        rig.device.version.set(1);
        rig.device.offered.set(features::MAC | features);
        rig.queues = leak([
            low_queue(rig.receive_queue, rig.device),
            low_queue(rig.transmit_queue, rig.device),
        ]);
        Self::start(rig, 1518)
    }

    /// Returns one buffer with these bytes, without an interrupt.
    fn put(&self, bytes: &[u8]) {
        let half = self.receive.take().unwrap();
        let chain = half.pop().expect("a buffer is posted");
        half.return_used(chain.head.into(), chain.fill(bytes));
        self.receive.set(Some(half));
    }

    /// Returns a frame cut into pieces of these lengths, of which the device says they are `claimed`.
    fn put_frame(&self, lens: &[usize], claimed: u16) {
        let mut frame: Vec<u8> = (0..lens.iter().sum()).map(|n: usize| n as u8).collect();
        for (at, len) in lens.iter().enumerate() {
            let rest = frame.split_off(*len);
            let mut bytes = if at == 0 { header(claimed) } else { Vec::new() };
            bytes.extend(&frame);
            self.put(&bytes);
            frame = rest;
        }
    }

    /// As [`put_frame`](Self::put_frame), told truly and with an interrupt.
    fn arrive(&self, lens: &[usize]) {
        self.put_frame(lens, lens.len() as u16);
        self.rig.interrupt(1);
    }

    fn lens(&self) -> Vec<usize> {
        let frames = self.guest.frames.take();
        frames
            .iter()
            .map(|frame| {
                let right = frame.iter().copied().eq((0..frame.len()).map(|n| n as u8));
                assert!(right, "a frame was put together wrongly");
                frame.len()
            })
            .collect()
    }

    fn available(&self) -> usize {
        let half = self.receive.take().unwrap();
        let available = half.available_index().wrapping_sub(half.next_available());
        self.receive.set(Some(half));
        available.into()
    }

    fn resume(&self, room: usize) {
        self.guest.room.set(room);
        self.rig.driver.resume_receive();
        run_deferred_calls();
    }
}

fn header(buffers: u16) -> Vec<u8> {
    let mut header = std::vec![0; HEADER_LEN];
    header[10..].copy_from_slice(&buffers.to_le_bytes());
    header
}

#[test]
fn small_buffers_need_a_device_that_merges_them() {
    let rig = Rig::with_buffers::<LEN>();
    assert!(rig.transport.initialize(rig.driver, rig.queues).is_err());
    let card = Card::new();
    assert_ne!(card.rig.device.accepted.get() & features::MRG_RXBUF, 0);
    assert_eq!(card.rig.driver.mtu(), 1500);
}

#[test]
fn a_frame_is_put_together_from_its_parts() {
    let card = Card::new();
    for lens in [
        &[500, 512, 502][..],
        &[14],
        &[500],
        &[500, 512, 506],
        &[1, 13],
        &[0, 512, 512, 490],
        &[500, 0, 14],
    ] {
        card.arrive(lens);
        assert_eq!(card.lens(), [lens.iter().sum::<usize>()], "{lens:?}");
        assert_eq!(card.available(), DEPTH, "{lens:?}");
    }
    assert_eq!(card.rig.driver.counters().received, 7);
    assert_eq!(card.rig.driver.drops(), Default::default());
}

#[test]
fn parts_may_come_with_interrupts_of_their_own() {
    let card = Card::new();
    let frame: Vec<u8> = (0..60).collect();
    card.put(&[&header(2), &frame[..20]].concat());
    card.rig.interrupt(1);
    assert!(card.lens().is_empty());
    card.put(&frame[20..]);
    card.rig.interrupt(1);
    assert_eq!(card.lens(), [60]);
}

#[test]
fn a_frame_that_becomes_too_long_is_dropped_whole() {
    for (lens, area) in [
        (&[500, 512, 507][..], 1518),
        (&[500, 512, 512, 512], 1518),
        (&[500, 101], 600),
        (&[500, 100], 0),
        (&[300, 100], 0),
    ] {
        let card = Card::start(Rig::with_buffers::<LEN>(), area);
        card.arrive(lens);
        assert!(card.lens().is_empty());
        assert_eq!(card.rig.driver.counters().dropped_overlong, 1);
        assert_eq!(card.available(), DEPTH);
        // What follows is taken for what it is.
        card.arrive(&[60]);
        assert_eq!(card.lens(), [60]);
    }
}

#[test]
fn a_frame_that_ends_too_short_is_dropped_whole() {
    let card = Card::new();
    card.arrive(&[6, 7]);
    card.arrive(&[0, 0, 13]);
    card.arrive(&[60]);
    assert_eq!(card.lens(), [60]);
    assert_eq!(card.rig.driver.counters().dropped_runt, 2);
    assert_eq!(card.available(), DEPTH);
}

#[test]
fn numbers_of_buffers_that_the_device_never_had_are_refused() {
    let card = Card::new();
    for claimed in [0, DEPTH as u16 + 1, 256, u16::MAX] {
        card.put_frame(&[60], claimed);
        card.rig.interrupt(1);
    }
    assert!(card.lens().is_empty());
    assert_eq!(card.rig.driver.counters().dropped_scattered, 4);
    card.arrive(&[60]);
    assert_eq!(card.lens(), [60]);
}

#[test]
fn a_frame_that_takes_all_buffers_is_put_together() {
    let card = Card::new();
    card.arrive(&[100, 100, 100, 100]);
    assert_eq!(card.lens(), [400]);
}

#[test]
fn frames_in_parts_wait_for_the_client_in_order() {
    let card = Card::new();
    card.guest.room.set(0);
    card.arrive(&[60, 60]);
    card.arrive(&[70]);
    assert_eq!(card.available(), DEPTH - 3);
    card.resume(1);
    assert_eq!(card.lens(), [120]);
    card.put(&[&header(2)[..], &[0; 20]].concat());
    card.rig.interrupt(1);
    card.resume(9);
    assert_eq!(card.lens(), [70]);
    assert_eq!(card.available(), DEPTH - 1, "one waits for its other part");
    let rest: Vec<u8> = (20..80).collect();
    card.put(&rest);
    card.rig.interrupt(1);
    assert_eq!(card.guest.frames.take()[0].len(), 80);
    assert_eq!(card.available(), DEPTH);
}

#[test]
fn a_frame_that_is_coming_in_while_reception_stops_is_dropped_whole() {
    let card = Card::new();
    card.put(&[&header(3)[..], &[0; 20]].concat());
    card.rig.interrupt(1);
    card.rig.driver.stop_receive();
    card.rig.driver.start_receive();
    card.put(&[1; 100]);
    card.put(&[2; 100]);
    card.arrive(&[60]);
    assert_eq!(card.lens(), [60]);
    assert_eq!(card.rig.driver.counters().dropped_unwanted, 1);
    assert_eq!(card.available(), DEPTH);
}

#[test]
fn reception_may_be_stopped_from_inside_the_offer_of_a_frame_in_parts() {
    for room in [0, 1] {
        let card = Card::new();
        card.guest.room.set(room);
        card.guest.stops.set(Some(card.rig.driver));
        card.arrive(&[60, 60]);
        assert_eq!(card.available(), DEPTH);
        card.rig.driver.start_receive();
        card.guest.room.set(9);
        card.arrive(&[30, 30]);
        assert_eq!(card.lens().last(), Some(&60));
    }
}

#[test]
fn unwanted_frames_in_parts_count_once() {
    let card = Card::new();
    card.rig.driver.stop_receive();
    card.arrive(&[100, 100, 100]);
    card.rig.driver.start_receive();
    card.arrive(&[60]);
    assert_eq!(card.lens(), [60]);
    assert_eq!(card.rig.driver.counters().dropped_unwanted, 1);
}

#[test]
fn a_reset_in_the_middle_of_a_frame_drops_it_and_keeps_its_buffers() {
    let card = Card::new();
    card.guest.room.set(0);
    card.arrive(&[90]);
    card.put(&[&header(3)[..], &[0; 20]].concat());
    card.put(&[1; 100]);
    card.rig.interrupt(1);
    let status = &card.rig.device.status;
    status.set(status.get() | NEEDS_RESET);
    card.rig.interrupt(2);
    while card.rig.transport.poll() {}
    card.receive.set(Some(card.rig.device.queue(RECEIVE)));
    assert_eq!(card.available(), DEPTH - 1);
    card.resume(9);
    assert_eq!(card.lens(), [90]);
    card.arrive(&[60, 60]);
    assert_eq!(card.lens(), [120]);
    assert_eq!(card.available(), DEPTH);
}

#[test]
fn giants_show_although_no_buffer_holds_them() {
    let card = Card::start(Rig::cold(), 0);
    card.arrive(&[1520, 600]);
    assert_eq!(card.rig.driver.counters().dropped_overlong, 1);
    card.arrive(&[1514]);
    assert_eq!(card.lens(), [1514]);
}

#[test]
fn a_legacy_device_merges_buffers_with_headers_apart_and_without() {
    for features in [0, ANY_LAYOUT] {
        let card = Card::legacy(features);
        let buffers = if features == 0 { DEPTH / 2 } else { DEPTH };
        assert_eq!(card.available(), buffers);
        for lens in [&[60][..], &[500, 512], &[20, 1, 512 - 21]] {
            if lens.len() <= buffers {
                card.arrive(lens);
                assert_eq!(card.lens(), [lens.iter().sum::<usize>()]);
            }
        }
        assert_eq!(card.available(), buffers);
    }
}

#[test]
fn a_legacy_device_has_had_half_as_many_buffers_with_headers_apart() {
    let card = Card::legacy(0);
    let buffers = card.available();
    assert_eq!(buffers, DEPTH / 2);
    for claimed in [0, buffers as u16 + 1, DEPTH as u16, DEPTH as u16 + 1, 256] {
        card.put_frame(&[60], claimed);
        card.rig.interrupt(1);
    }
    assert!(card.lens().is_empty());
    assert_eq!(card.rig.driver.counters().dropped_scattered, 5);
    card.arrive(&[60, 60]);
    assert_eq!(card.lens(), [120]);
    assert_eq!(card.available(), buffers);
}

#[test]
fn a_frame_refused_by_a_client_that_also_drops_it_holds_up_no_other() {
    let card = Card::new();
    card.guest.room.set(0);
    card.guest.stops.set(Some(card.rig.driver));
    card.guest.starts.set(true);
    card.arrive(&[400, 300]);
    assert_eq!(card.available(), DEPTH);
    card.resume(usize::MAX);
    for lens in [&[400, 300][..], &[60], &[500, 20]] {
        card.arrive(lens);
        assert_eq!(card.lens(), [lens.iter().sum::<usize>()]);
    }
}

#[test]
fn a_frame_that_another_initialization_cut_short_takes_no_other_with_it() {
    let card = Card::new();
    card.put_frame(&[500], 3);
    card.rig.interrupt(1);
    card.rig.initialize();
    card.receive.set(Some(card.rig.device.queue(RECEIVE)));
    assert_eq!(card.available(), DEPTH);
    card.arrive(&[60]);
    assert_eq!(card.lens(), [60]);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig {
        cases: if cfg!(miri) { 2 } else { 200 },
        failure_persistence: None,
        ..Default::default()
    })]

    /// A device that claims anything: no buffer is lost, every frame is accounted for, and an honest one
    /// gets through once what was announced has come.
    #[test]
    fn no_claim_about_parts_loses_a_buffer(
        steps in proptest::collection::vec((0u16..7, 0usize..513, 0usize..3), 1..60),
    ) {
        let card = Card::new();
        for (claimed, len, room) in steps {
            card.guest.room.set(room);
            if card.available() > 0 {
                let mut bytes = header(claimed);
                bytes.resize(len, 7);
                card.put(&bytes);
                card.rig.interrupt(1);
            }
            if room == 2 {
                card.resume(9);
            }
        }
        card.resume(usize::MAX);
        // Whatever frame is under way ends, or has become too long, after so many full parts.
        for _ in 0..DEPTH {
            card.put(&[0; LEN]);
            card.rig.interrupt(1);
        }
        proptest::prop_assert_eq!(card.available(), DEPTH);
        card.guest.frames.take();
        card.arrive(&[40, 40]);
        proptest::prop_assert_eq!(card.lens(), [80]);
        proptest::prop_assert!(card.rig.transport.is_running());
    }
}

#[test]
fn a_part_that_looks_like_a_frame_of_its_own_is_a_part() {
    let card = Card::new();
    let inner = [header(1), std::vec![7; 60]].concat();
    let outer = std::vec![9; LEN - HEADER_LEN];
    card.put(&[header(3), outer.clone()].concat());
    card.put(&inner);
    card.put(&inner);
    card.rig.interrupt(1);
    assert_eq!(
        card.guest.frames.take(),
        [[outer, inner.clone(), inner].concat()]
    );
    // Also if the frame was dropped for what it asked in its header.
    let mut flawed = header(3);
    flawed[0] = 1;
    card.put(&[flawed, std::vec![9; LEN - HEADER_LEN]].concat());
    card.put(&[header(1), std::vec![7; 60]].concat());
    card.put(&[header(1), std::vec![7; 60]].concat());
    card.rig.interrupt(1);
    assert_eq!(card.guest.frames.take().len(), 0);
    assert_eq!(card.rig.driver.counters().dropped_malformed, 1);
}
