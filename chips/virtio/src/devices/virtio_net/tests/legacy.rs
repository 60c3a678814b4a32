// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Cards with the legacy interface: a shorter header, which may have to be in a buffer of its own.

use kernel::hil::ethernet_adapter::EthernetAdapter;

use super::guest::Guest;
use super::*;
use crate::testing::low_queue::low_queue;

const ANY_LAYOUT: u64 = 1 << 27;

impl Rig {
    /// A legacy card that offers its address, and these features besides.
    fn legacy(features: u64) -> (Self, SplitDevice, SplitDevice) {
        let mut rig = Self::cold();
        rig.device.version.set(1);
        rig.device.offered.set(features::MAC | features);
        rig.queues = leak([
            low_queue(rig.receive_queue, rig.device),
            low_queue(rig.transmit_queue, rig.device),
        ]);
        rig.initialize();
        rig.driver.enable_receive();
        let halves = (rig.device.queue(RECEIVE), rig.device.queue(TRANSMIT));
        (rig, halves.0, halves.1)
    }
}

fn with_short_header(len: usize) -> Vec<u8> {
    with_header(len)[HEADER_LEN - header::LEGACY_HEADER_LEN..].to_vec()
}

#[test]
fn the_header_of_a_legacy_card_has_ten_bytes() {
    for features in [0, ANY_LAYOUT] {
        let (rig, receive, transmit) = Rig::legacy(features);
        assert_eq!(rig.driver.mac(), CARD_MAC);
        for len in [60, 61, 1514] {
            rig.arrive(&receive, &with_short_header(len));
            let frames = rig.client.frames.take();
            assert_eq!(frames, [with_header(len)[HEADER_LEN..].to_vec()]);
        }
        assert!(rig.send(60, 1).is_ok());
        let chain = transmit.pop().unwrap();
        let lens: Vec<_> = chain.buffers.iter().map(|buffer| buffer.len).collect();
        assert_eq!(lens, [10, 60]);
        assert_eq!(chain.buffers[0].read(), [0; 10]);
    }
}

#[test]
fn the_header_comes_in_a_buffer_of_its_own_unless_any_layout_will_do() {
    let (_, receive, _) = Rig::legacy(ANY_LAYOUT);
    assert_eq!(receive.available_index(), DEPTH as u16);
    assert_eq!(receive.pop().unwrap().buffers.len(), 1);

    let (rig, receive, _) = Rig::legacy(0);
    // Two descriptors for each frame, so half as many frames.
    assert_eq!(receive.available_index(), DEPTH as u16 / 2);
    let chain = receive.pop().unwrap();
    let lens: Vec<_> = chain.buffers.iter().map(|buffer| buffer.len).collect();
    assert_eq!(lens, [10, RECEIVE_BUFFER_LEN as u32 - 10]);
    assert!(chain.buffers.iter().all(|buffer| buffer.writable));
    assert_eq!(rig.driver.spare.len(), DEPTH / 2);
    // The first one that found no room is cut by then.
    assert_eq!(rig.driver.spare_headers.len(), 1);
}

#[test]
fn a_header_is_cut_off_once_however_often_the_card_is_reset() {
    let (rig, ..) = Rig::legacy(0);
    for _ in 0..5 {
        rig.device.queue(RECEIVE).return_used(u32::MAX, 0);
        rig.interrupt(1);
        assert_eq!(rig.driver.spare.len(), DEPTH);
        while rig.transport.poll() {}
        let receive = rig.device.queue(RECEIVE);
        while let Some(chain) = receive.pop() {
            let lens: Vec<_> = chain.buffers.iter().map(|buffer| buffer.len).collect();
            assert_eq!(lens, [10, RECEIVE_BUFFER_LEN as u32 - 10]);
        }
    }
}

#[test]
fn runts_are_dropped_wherever_they_end() {
    for features in [0, ANY_LAYOUT] {
        let (rig, receive, _) = Rig::legacy(features);
        let lens = [0, 1, 9, 10, 11, 23];
        for len in lens {
            rig.arrive(&receive, &std::vec![0; len]);
        }
        assert_eq!(rig.driver.counters().dropped_runt, lens.len() as u32);
        rig.arrive(&receive, &std::vec![0; 24]);
        assert_eq!(rig.client.frames.take(), [std::vec![0; 14]]);
    }
}

#[test]
fn headers_that_ask_for_what_was_not_agreed_are_refused_in_either_place() {
    for features in [0, ANY_LAYOUT] {
        let (rig, receive, _) = Rig::legacy(features);
        for at in [0, 1] {
            let mut bytes = with_short_header(60);
            bytes[at] = 1;
            rig.arrive(&receive, &bytes);
        }
        assert_eq!(rig.driver.counters().dropped_malformed, 2);
    }
}

#[test]
fn buffers_survive_recovery_in_either_arrangement_and_a_change_between_them() {
    let (rig, ..) = Rig::legacy(ANY_LAYOUT);
    for features in [0, ANY_LAYOUT, 0] {
        rig.device.offered.set(features::MAC | features);
        rig.device.queue(RECEIVE).return_used(u32::MAX, 0);
        rig.interrupt(1);
        assert_eq!(rig.driver.spare.len(), DEPTH);
        while rig.transport.poll() {}
        // Once they are cut, they stay so: any device takes them.
        let receive = rig.device.queue(RECEIVE);
        for _ in 0..10 {
            rig.arrive(&receive, &with_short_header(1514));
        }
        assert_eq!(rig.client.frames.take().len(), 10);
    }
    rig.device.version.set(2);
    rig.device.offered.set(1 << 32 | features::MAC);
    let queues = leak([
        rig.receive_queue as &'static dyn Virtqueue,
        rig.transmit_queue as &'static dyn Virtqueue,
    ]);
    rig.transport.initialize(rig.driver, queues).unwrap();
    rig.arrive(&rig.device.queue(RECEIVE), &with_header(60));
    let frames = rig.client.frames.take();
    assert_eq!(frames, [with_header(60)[HEADER_LEN..].to_vec()]);
}

#[test]
fn the_last_buffer_may_hold_a_frame_in_either_arrangement() {
    for (features, buffers) in [(0, DEPTH / 2), (ANY_LAYOUT, DEPTH)] {
        let (rig, receive, _) = Rig::legacy(features);
        let busy = Guest::of(rig.driver, 0);
        (0..buffers).for_each(|_| rig.arrive(&receive, &with_short_header(60)));
        assert_eq!(rig.driver.counters().dropped_scattered, 0);
        busy.room.set(usize::MAX);
        rig.driver.resume_receive();
        run_deferred_calls();
        assert_eq!(busy.frames.borrow().len(), buffers);
    }
}

/// Whether a card starts with a receive queue of `N` descriptors and these features.
fn starts_with_receive_queue_of<const N: usize>(features: u64) -> bool {
    let rig = Rig::cold();
    rig.device.version.set(1);
    rig.device.offered.set(features::MAC | features);
    let receive_queue = queue::<N>(Probe::new());
    let buffers = core::array::from_fn(|_| leak([0xCC; RECEIVE_BUFFER_LEN]));
    // Queues of two types, which the driver knows as objects.
    let driver: VirtIONet<'static, NoFence, DEPTH> =
        VirtIONet::new(receive_queue, rig.transmit_queue, buffers, OWN_MAC);
    let driver = leak(driver);
    receive_queue.set_client(driver);
    receive_queue.set_transport(rig.transport);
    rig.transmit_queue.set_client(driver);
    driver.register();
    let queues = leak([
        low_queue(receive_queue, rig.device),
        low_queue(rig.transmit_queue, rig.device),
    ]);
    rig.transport.initialize(driver, queues).is_ok()
}

#[test]
fn a_header_apart_takes_room_for_two_in_the_receive_queue() {
    assert!(!starts_with_receive_queue_of::<1>(0));
    assert!(starts_with_receive_queue_of::<2>(0));
    assert!(starts_with_receive_queue_of::<1>(ANY_LAYOUT));
}
