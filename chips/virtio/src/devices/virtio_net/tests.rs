// SPDX-License-Identifier: Apache-2.0 OR MIT

use core::cell::RefCell;
use std::vec::Vec;

use kernel::hil::ethernet::{EthernetAdapterDatapath, EthernetAdapterDatapathClient};

use super::*;
use crate::queues::Virtqueue;
use crate::testing::barriers::Probe;
use crate::testing::fence::NoFence;
use crate::testing::mmio_device::{MmioDevice, NEEDS_RESET};
use crate::testing::queue_rig::{TestQueue, queue};
use crate::testing::split_device::{DeviceChain, SplitDevice};
use crate::testing::{leak, run_deferred_calls, with_deferred_calls};
use crate::transports::mmio::VirtIOMMIODevice;
use crate::transports::{POLLS_IN_A_SECOND, Polled, VirtIOInitializationError, VirtIOTransport};

const DEPTH: usize = 4;
const OWN_MAC: [u8; 6] = [2, 0, 0, 0, 0, 9];
const CARD_MAC: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
const RECEIVE: usize = 0;
const TRANSMIT: usize = 1;

type Driver = VirtIONet<'static, NoFence, DEPTH, TestQueue<DEPTH>>;
type Transport = VirtIOMMIODevice<&'static MmioDevice, Probe>;

/// A transmission that ended: outcome, buffer length, frame length and identifier.
type Done = (Result<(), ErrorCode>, usize, u16, usize);

#[derive(Default)]
struct Wire {
    frames: RefCell<Vec<Vec<u8>>>,
    done: RefCell<Vec<Done>>,
    buffers: RefCell<Vec<&'static mut [u8]>>,
    /// Answers each received frame from inside the callback.
    echoes: Cell<Option<&'static Driver>>,
}

impl EthernetAdapterDatapathClient for Wire {
    fn transmit_frame_done(
        &self,
        err: Result<(), ErrorCode>,
        frame_buffer: &'static mut [u8],
        len: u16,
        transmission_identifier: usize,
        timestamp: Option<u64>,
    ) {
        assert_eq!(timestamp, None);
        self.done
            .borrow_mut()
            .push((err, frame_buffer.len(), len, transmission_identifier));
        self.buffers.borrow_mut().push(frame_buffer);
    }

    fn received_frame(&self, frame: &[u8], timestamp: Option<u64>) {
        assert_eq!(timestamp, None);
        self.frames.borrow_mut().push(frame.to_vec());
        if let Some(driver) = self.echoes.get() {
            let copy = frame.to_vec().leak();
            let len = copy.len() as u16;
            assert!(driver.transmit_frame(copy, len, 0).is_ok());
        }
    }
}

struct Rig {
    device: &'static MmioDevice,
    transport: &'static Transport,
    driver: &'static Driver,
    client: &'static Wire,
    receive_queue: &'static TestQueue<DEPTH>,
    transmit_queue: &'static TestQueue<4>,
    queues: &'static [&'static dyn Virtqueue],
}

impl Rig {
    /// Builds everything up to, but without, the initialization.
    fn cold() -> Self {
        Self::with_buffers::<RECEIVE_BUFFER_LEN>()
    }

    /// As [`cold`](Self::cold), with receive buffers of `LEN` bytes.
    fn with_buffers<const LEN: usize>() -> Self {
        with_deferred_calls();
        let device = MmioDevice::new(1);
        device
            .offered
            .set(1 << 32 | features::MAC | features::STATUS | features::MTU);
        device.configuration.borrow_mut()[..6].copy_from_slice(&CARD_MAC);
        device.configuration.borrow_mut()[6] = 1;
        device.configuration.borrow_mut()[10..12].copy_from_slice(&1500u16.to_le_bytes());
        let transport: &'static Transport =
            leak(VirtIOMMIODevice::with_parts(device, Probe::new()));
        let receive_queue = queue::<DEPTH>(Probe::new());
        let transmit_queue = queue::<4>(Probe::new());
        let buffers = core::array::from_fn(|_| leak([0xCC; LEN]));
        let driver: &'static Driver = leak(VirtIONet::new(
            receive_queue,
            transmit_queue,
            buffers,
            OWN_MAC,
        ));
        for queue in [receive_queue, transmit_queue] {
            queue.set_client(driver);
            queue.set_transport(transport);
        }
        driver.register();
        let client: &'static Wire = leak(Wire::default());
        driver.set_client(client);
        let queues = leak([
            receive_queue as &'static dyn Virtqueue,
            transmit_queue as &'static dyn Virtqueue,
        ]);
        Self {
            device,
            transport,
            driver,
            client,
            receive_queue,
            transmit_queue,
            queues,
        }
    }

    fn initialize(&self) {
        self.transport.initialize(self.driver, self.queues).unwrap();
    }

    fn new() -> (Self, SplitDevice, SplitDevice) {
        let rig = Self::cold();
        rig.initialize();
        rig.driver.enable_receive();
        let halves = (rig.device.queue(RECEIVE), rig.device.queue(TRANSMIT));
        (rig, halves.0, halves.1)
    }

    fn interrupt(&self, causes: u32) {
        self.device.raise(causes);
        self.transport.handle_interrupt();
    }

    /// Puts `bytes`, header included, into the next receive buffer.
    fn arrive(&self, half: &SplitDevice, bytes: &[u8]) {
        let chain = half.pop().expect("a buffer is posted");
        half.return_used(chain.head.into(), chain.fill(bytes));
        self.interrupt(1);
    }

    fn send(&self, len: usize, identifier: usize) -> Result<(), (ErrorCode, &'static mut [u8])> {
        let frame: &'static mut [u8] = leak([identifier as u8; 1600]);
        self.driver.transmit_frame(frame, len as u16, identifier)
    }

    fn finish(&self, half: &SplitDevice, chain: &DeviceChain) {
        half.return_used(chain.head.into(), 0);
        self.interrupt(1);
    }
}

/// A header of zeros and a frame of `len` bytes.
fn with_header(len: usize) -> Vec<u8> {
    let mut bytes = std::vec![0; HEADER_LEN];
    bytes.extend((0..len).map(|n| n as u8));
    bytes
}

#[test]
fn header_and_frame_share_one_posted_buffer() {
    let (rig, receive, _) = Rig::new();
    assert_eq!(receive.available_index(), DEPTH as u16);
    let chain = receive.pop().unwrap();
    assert_eq!(chain.buffers.len(), 1);
    assert!(chain.buffers[0].len >= 1526, "5.1.6.3.1");
    assert_eq!(rig.device.notifications(), [0]);
}

#[test]
fn received_frames_reach_the_client_without_the_header() {
    let (rig, receive, _) = Rig::new();
    for len in [14, 60, 1514, 1518] {
        rig.arrive(&receive, &with_header(len));
        assert_eq!(
            rig.client.frames.take(),
            [with_header(len)[HEADER_LEN..].to_vec()]
        );
    }
    assert_eq!(rig.driver.counters().received, 4);
}

#[test]
fn buffers_are_reposted_once_for_each_run() {
    let (rig, receive, _) = Rig::new();
    for _ in 0..3 {
        let chain = receive.pop().unwrap();
        receive.return_used(chain.head.into(), chain.fill(&with_header(60)));
    }
    rig.device.writes.take();
    rig.interrupt(1);
    assert_eq!(rig.client.frames.borrow().len(), 3);
    assert_eq!(receive.available_index(), DEPTH as u16 + 3);
    assert_eq!(rig.device.notifications(), [0]);
}

#[test]
fn runts_are_dropped_and_their_buffers_reposted() {
    let (rig, receive, _) = Rig::new();
    for len in [0, 1, 11, 12, 13, 25] {
        rig.arrive(&receive, &with_header(60)[..len]);
    }
    assert!(rig.client.frames.borrow().is_empty());
    assert_eq!(rig.driver.counters().dropped_runt, 6);
    assert_eq!(receive.available_index(), DEPTH as u16 + 6);
    assert!(rig.transport.is_running());
}

#[test]
fn frames_beyond_the_mtu_are_dropped() {
    let rig = Rig::cold();
    rig.device.configuration.borrow_mut()[10..12].copy_from_slice(&100u16.to_le_bytes());
    rig.initialize();
    rig.driver.enable_receive();
    let receive = rig.device.queue(RECEIVE);
    rig.arrive(&receive, &with_header(118));
    rig.arrive(&receive, &with_header(119));
    assert_eq!(rig.client.frames.borrow().len(), 1);
    assert_eq!(rig.driver.counters().dropped_overlong, 1);
}

#[test]
fn headers_that_use_what_was_not_agreed_on_are_dropped() {
    let (rig, receive, _) = Rig::new();
    for (at, value) in [(0, 1), (0, 0xFF), (1, 1), (1, 0x80)] {
        let mut bytes = with_header(60);
        bytes[at] = value;
        rig.arrive(&receive, &bytes);
    }
    assert!(rig.client.frames.borrow().is_empty());
    assert_eq!(rig.driver.counters().dropped_malformed, 4);
    // What a device need not write, or may set freely, is not looked at.
    let mut bytes = with_header(60);
    bytes[0] = 0xFE;
    bytes[2..HEADER_LEN].fill(0xFF);
    rig.arrive(&receive, &bytes);
    assert_eq!(rig.client.frames.borrow().len(), 1);
}

#[test]
fn a_length_beyond_the_buffer_takes_the_device_out_and_loses_no_buffer() {
    let (rig, receive, _) = Rig::new();
    let chain = receive.pop().unwrap();
    receive.return_used(chain.head.into(), RECEIVE_BUFFER_LEN as u32 + 1);
    rig.interrupt(1);
    assert!(!rig.transport.is_running());
    assert_eq!(rig.driver.spare.len(), DEPTH);
    assert_eq!(rig.receive_queue.counters().rejected, 1);
    assert_eq!(rig.send(60, 1).unwrap_err().0, ErrorCode::OFF);
}

#[test]
fn nobody_is_called_while_reception_is_disabled() {
    let (rig, receive, _) = Rig::new();
    rig.driver.disable_receive();
    rig.arrive(&receive, &with_header(60));
    assert!(rig.client.frames.borrow().is_empty());
    assert_eq!(rig.driver.counters().dropped_unwanted, 1);
    rig.driver.enable_receive();
    rig.arrive(&receive, &with_header(60));
    assert_eq!(rig.client.frames.borrow().len(), 1);
}

#[test]
fn a_frame_is_sent_behind_a_header_of_zeros() {
    let (rig, _, transmit) = Rig::new();
    rig.device.writes.take();
    assert!(rig.send(60, 7).is_ok());
    run_deferred_calls();
    assert_eq!(rig.device.notifications(), [1]);
    let chain = transmit.pop().unwrap();
    assert!(chain.buffers.iter().all(|buffer| !buffer.writable));
    assert_eq!(chain.buffers[0].read(), [0; 12]);
    assert_eq!(chain.buffers[1].read(), [7; 60]);
    assert!(rig.client.done.borrow().is_empty(), "not from inside");
    rig.finish(&transmit, &chain);
    assert_eq!(rig.client.done.take(), [(Ok(()), 1600, 60, 7)]);
}

#[test]
fn transmissions_end_in_the_devices_order_with_their_identifiers() {
    let (rig, _, transmit) = Rig::new();
    assert!(rig.send(60, 1).is_ok());
    assert!(rig.send(70, usize::MAX).is_ok());
    let (first, second) = (transmit.pop().unwrap(), transmit.pop().unwrap());
    rig.finish(&transmit, &second);
    rig.finish(&transmit, &first);
    assert_eq!(
        rig.client.done.take(),
        [(Ok(()), 1600, 70, usize::MAX), (Ok(()), 1600, 60, 1)]
    );
}

#[test]
fn a_full_ring_is_busy_and_gives_the_buffer_back() {
    let (rig, _, transmit) = Rig::new();
    assert!(rig.send(60, 1).is_ok());
    assert!(rig.send(60, 2).is_ok());
    let (code, buffer) = rig.send(60, 3).unwrap_err();
    assert_eq!((code, buffer.len()), (ErrorCode::BUSY, 1600));
    let chain = transmit.pop().unwrap();
    rig.finish(&transmit, &chain);
    assert!(rig.send(60, 3).is_ok());
    assert_eq!(rig.driver.counters().refused, 1);
}

#[test]
fn lengths_that_are_no_frame_are_refused_with_the_buffer() {
    let (rig, ..) = Rig::new();
    for len in [0, 13, 1519, 1600, 1601, 65_535] {
        let (code, buffer) = rig.send(len, 0).unwrap_err();
        assert_eq!((code, buffer.len()), (ErrorCode::SIZE, 1600));
    }
    let short: &'static mut [u8] = leak([0; 59]);
    let (code, buffer) = rig.driver.transmit_frame(short, 60, 0).unwrap_err();
    assert_eq!((code, buffer.len()), (ErrorCode::SIZE, 59));
    assert_eq!(rig.transmit_queue.free(), 4);
}

#[test]
fn a_driver_without_a_device_is_off() {
    let rig = Rig::cold();
    assert_eq!(rig.send(60, 0).unwrap_err().0, ErrorCode::OFF);
    assert!(!rig.driver.link_is_up());
}

#[test]
fn the_link_is_followed_and_nothing_is_sent_while_it_is_down() {
    let (rig, ..) = Rig::new();
    rig.device.configuration.borrow_mut()[6] = 0;
    rig.interrupt(2);
    assert!(!rig.driver.link_is_up());
    assert_eq!(rig.send(60, 0).unwrap_err().0, ErrorCode::NODEVICE);
    rig.device.configuration.borrow_mut()[6] = 1;
    rig.interrupt(2);
    assert!(rig.send(60, 0).is_ok());
    assert_eq!(rig.driver.counters().link_changes, 2);
}

#[test]
fn a_link_without_status_is_up() {
    let rig = Rig::cold();
    rig.device.offered.set(1 << 32);
    rig.device.configuration.borrow_mut()[6] = 0;
    rig.initialize();
    assert!(rig.driver.link_is_up());
}

#[test]
fn only_features_that_are_used_are_accepted() {
    let rig = Rig::cold();
    rig.device.offered.set(u64::MAX);
    rig.initialize();
    assert_eq!(
        rig.device.accepted.get() & 0x00FF_FFFF,
        features::choose(u64::MAX, false)
    );
    assert_eq!(rig.device.accepted.get() >> 50, 0);
}

#[test]
fn the_cards_address_is_used_if_it_can_be_one() {
    let (rig, ..) = Rig::new();
    assert_eq!(rig.driver.mac(), CARD_MAC);
    for mac in [[0; 6], [0xFF; 6], [0x33, 0x33, 0, 0, 0, 1]] {
        let rig = Rig::cold();
        rig.device.configuration.borrow_mut()[..6].copy_from_slice(&mac);
        rig.initialize();
        assert_eq!(rig.driver.mac(), OWN_MAC);
        assert_eq!(rig.driver.counters().bad_configuration, 1);
    }
}

#[test]
fn an_mtu_the_buffers_cannot_hold_is_declined() {
    for (mtu, accepted, used) in [
        (9000u16, false, 1500),
        (67, false, 1500),
        (1400, true, 1400),
    ] {
        let rig = Rig::cold();
        rig.device.configuration.borrow_mut()[10..12].copy_from_slice(&mtu.to_le_bytes());
        rig.initialize();
        assert_eq!(rig.device.accepted.get() & features::MTU != 0, accepted);
        assert_eq!(rig.driver.mtu(), used);
        let longest = usize::from(used) + 18;
        assert!(rig.send(longest, 0).is_ok());
        assert_eq!(rig.send(longest + 1, 0).unwrap_err().0, ErrorCode::SIZE);
    }
}

#[test]
fn a_configuration_that_never_rests_fails_the_device() {
    let rig = Rig::cold();
    rig.device.restless.set(true);
    assert!(rig.transport.initialize(rig.driver, rig.queues).is_err());
    assert_eq!(rig.driver.counters().bad_configuration, 1);
}

#[test]
fn a_configuration_that_stops_resting_leaves_the_link_as_it_was() {
    let (rig, ..) = Rig::new();
    rig.device.restless.set(true);
    rig.device.configuration.borrow_mut()[6] = 0;
    rig.interrupt(2);
    assert!(rig.driver.link_is_up());
}

#[test]
fn frames_may_be_sent_from_inside_the_receive_callback() {
    let (rig, receive, transmit) = Rig::new();
    rig.client.echoes.set(Some(rig.driver));
    rig.arrive(&receive, &with_header(100));
    let chain = transmit.pop().unwrap();
    assert_eq!(chain.buffers[1].read(), &with_header(100)[HEADER_LEN..]);
    rig.finish(&transmit, &chain);
    assert_eq!(rig.client.done.borrow().len(), 1);
}

#[test]
fn frames_in_flight_come_back_as_failed_when_the_device_is_reset() {
    let (rig, ..) = Rig::new();
    assert!(rig.send(60, 1).is_ok());
    assert!(rig.send(61, 2).is_ok());
    rig.device.status.set(rig.device.status.get() | NEEDS_RESET);
    rig.interrupt(2);
    let mut done = rig.client.done.take();
    done.sort_by_key(|done| done.3);
    let failed = Err(ErrorCode::FAIL);
    assert_eq!(done, [(failed, 1600, 60, 1), (failed, 1600, 61, 2)]);
    assert_eq!(rig.driver.counters().lost, 2);
    assert_eq!(rig.send(60, 3).unwrap_err().0, ErrorCode::OFF);
    rig.initialize();
    assert_eq!(rig.device.queue(RECEIVE).available_index(), DEPTH as u16);
    assert!(rig.send(60, 3).is_ok());
}

#[test]
fn a_frame_that_is_never_sent_comes_back_after_a_second_and_traffic_resumes() {
    let (rig, _, transmit) = Rig::new();
    assert!(rig.send(60, 1).is_ok());
    run_deferred_calls();
    assert!(rig.send(60, 2).is_ok());
    run_deferred_calls();
    // The second is sent, the first one is not.
    transmit.pop().unwrap();
    let second = transmit.pop().unwrap();
    rig.finish(&transmit, &second);
    assert_eq!(rig.client.done.take(), [(Ok(()), 1600, 60, 2)]);
    for _ in 0..POLLS_IN_A_SECOND {
        assert!(rig.transport.poll());
        assert!(rig.client.done.borrow().is_empty());
    }
    assert!(rig.transport.poll());
    let lost = (Err(ErrorCode::FAIL), 1600, 60, 1);
    assert_eq!(rig.client.done.take(), [lost]);
    assert_eq!(rig.transport.counters().stalled, 1);
    while rig.transport.poll() {}
    assert_eq!(rig.transport.counters().recoveries, 1);
    let (receive, transmit) = (rig.device.queue(RECEIVE), rig.device.queue(TRANSMIT));
    assert_eq!(receive.available_index(), DEPTH as u16);
    assert!(rig.send(60, 3).is_ok());
    run_deferred_calls();
    let third = transmit.pop().unwrap();
    rig.finish(&transmit, &third);
    assert_eq!(rig.client.done.take(), [(Ok(()), 1600, 60, 3)]);
    rig.arrive(&receive, &with_header(60));
    assert_eq!(rig.client.frames.borrow().len(), 1);
    while rig.transport.poll() {}
    assert_eq!(rig.transport.counters().stalled, 1);
}

#[test]
fn a_card_that_receives_nothing_is_not_stalled() {
    let (rig, ..) = Rig::new();
    for _ in 0..10 {
        assert!(!rig.transport.poll());
    }
    assert_eq!(rig.transport.counters().stalled, 0);
}

#[test]
fn a_device_that_breaks_the_rules_of_one_queue_loses_no_buffer_of_either() {
    let (rig, receive, _) = Rig::new();
    for round in 0..10 {
        assert!(rig.send(60, round).is_ok());
        run_deferred_calls();
        let receive = if round == 0 {
            &receive
        } else {
            &rig.device.queue(RECEIVE)
        };
        receive.return_used(u32::MAX, 0);
        rig.interrupt(1);
        let lost = (Err(ErrorCode::FAIL), 1600, 60, round);
        assert_eq!(rig.client.done.take(), [lost]);
        while rig.transport.poll() {}
        assert_eq!(rig.device.queue(RECEIVE).available_index(), DEPTH as u16);
        assert_eq!(rig.device.queue(TRANSMIT).available_index(), 0);
    }
    assert_eq!(rig.driver.counters().lost, 10);
    assert_eq!(rig.transport.counters().recoveries, 10);
}

#[test]
fn a_small_receive_ring_keeps_the_other_buffers_in_hand() {
    let rig = Rig::cold();
    rig.device.queue_num_max.set(2);
    rig.initialize();
    rig.driver.enable_receive();
    assert_eq!(rig.driver.spare.len(), DEPTH - 2);
    let receive = rig.device.queue(RECEIVE);
    for _ in 0..10 {
        rig.arrive(&receive, &with_header(60));
    }
    assert_eq!(rig.client.frames.borrow().len(), 10);
    assert_eq!(rig.driver.spare.len(), DEPTH - 2);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig {
        cases: if cfg!(miri) { 2 } else { 100 },
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn any_received_bytes_are_delivered_or_counted(
        arrivals in proptest::collection::vec(
            (proptest::collection::vec(proptest::prelude::any::<u8>(), 0..40), 0usize..1540),
            1..20,
        ),
    ) {
        let (rig, receive, _) = Rig::new();
        let total = arrivals.len();
        for (header, len) in arrivals {
            let mut bytes = header;
            bytes.resize(len.min(RECEIVE_BUFFER_LEN), 0x77);
            rig.arrive(&receive, &bytes);
        }
        let counters = rig.driver.counters();
        let accounted = counters.received
            + counters.dropped_runt
            + counters.dropped_malformed
            + counters.dropped_overlong;
        proptest::prop_assert_eq!(accounted as usize, total);
        proptest::prop_assert_eq!(rig.client.frames.borrow().len(), counters.received as usize);
        proptest::prop_assert!(rig.transport.is_running());
    }
}

mod adapter;
mod checksums;
mod control;
mod cost;
mod guest;
mod legacy;
mod lies;
mod merged;
mod mtu;

#[test]
fn a_card_without_room_for_a_frame_and_its_header_is_refused() {
    for (room, accepted) in [(1, false), (2, true), (3, true)] {
        let rig = Rig::cold();
        rig.device.queue_num_max.set(room);
        let initialized = rig.transport.initialize(rig.driver, rig.queues);
        assert_eq!(initialized.is_ok(), accepted);
        assert_eq!(rig.send(60, 1).is_ok(), accepted);
        if !accepted {
            let error = VirtIOInitializationError::DriverPreInitializationError;
            assert_eq!(initialized, Err(error(ErrorCode::NOSUPPORT)));
        }
    }
}
