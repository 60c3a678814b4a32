// SPDX-License-Identifier: Apache-2.0 OR MIT

use std::boxed::Box;
use std::collections::VecDeque;
use std::vec::Vec;

use super::*;
use crate::features::{EVENT_IDX, RING_PACKED};
use crate::queues::{BufferQueue, DrivenQueue, QueueError, Served, Violation, Virtqueue};
use crate::testing::barriers::{Kind, Probe};
use crate::testing::queue_rig::{Returned, Rig, queue, readable, writable};

/// A queue whose two chains the device has seen, at heads 0 and 2.
fn rig_with_two_chains() -> Rig<4> {
    let rig = Rig::<4>::new();
    for context in [10, 20] {
        let mut chain = [Some(readable(b"ask")), Some(writable(8))];
        rig.queue.provide(&mut chain, context).unwrap();
    }
    rig.publish();
    rig
}

#[test]
fn sizes_are_rounded_down_to_a_power_of_two_that_both_sides_can_do() {
    let queue = queue::<64>(Probe::new());
    for (device, agreed) in [
        (0, 0),
        (1, 1),
        (3, 2),
        (63, 32),
        (64, 64),
        (1024, 64),
        (usize::MAX, 64),
    ] {
        assert_eq!(queue.negotiate_queue_size(device), agreed);
    }
}

#[test]
fn a_size_that_was_not_agreed_on_leaves_the_queue_down() {
    for size in [0, 3, 8, usize::MAX] {
        let queue = queue::<4>(Probe::new());
        queue.initialize(0, size);
        let mut chain = [Some(writable(1))];
        assert_eq!(queue.provide(&mut chain, 0), Err(QueueError::NotReady));
        assert!(chain[0].is_some());
    }
}

#[test]
fn the_device_sees_chains_as_they_were_provided() {
    let rig = rig_with_two_chains();
    for head in [0, 2] {
        let chain = rig.device.pop().unwrap();
        assert_eq!(chain.head, head);
        assert_eq!(chain.buffers[0].read(), b"ask");
        let directions: Vec<_> = chain.buffers.iter().map(|b| (b.writable, b.len)).collect();
        assert_eq!(directions, [(false, 3), (true, 8)]);
    }
    assert_eq!(rig.device.pop(), None);
}

#[test]
fn the_device_sees_nothing_before_it_is_published() {
    let rig = Rig::<4>::new();
    rig.queue.provide(&mut [Some(writable(1))], 0).unwrap();
    assert_eq!((rig.device.available_index(), rig.bell.rung.get()), (0, 0));
    rig.publish();
    assert_eq!((rig.device.available_index(), rig.bell.rung.get()), (1, 1));
}

#[test]
fn a_batch_costs_one_notification_and_nothing_new_costs_none() {
    let rig = Rig::<8>::new();
    for context in 0..5 {
        rig.queue
            .provide(&mut [Some(writable(1))], context)
            .unwrap();
    }
    rig.publish();
    rig.publish();
    assert_eq!(rig.bell.rung.get(), 1);
    assert_eq!(rig.queue.counters().kicks, 1);
}

#[test]
fn a_device_that_wants_no_notification_gets_none() {
    let rig = Rig::<4>::new();
    rig.device.set_flags(1);
    rig.post(1, 0);
    assert_eq!(rig.bell.rung.get(), 0);
    rig.device.set_flags(0xFFFE);
    rig.post(1, 1);
    assert_eq!(rig.bell.rung.get(), 1);
    assert_eq!(rig.queue.counters().kicks_suppressed, 1);
}

#[test]
fn chains_of_several_buffers_come_back_to_a_driver_of_known_type() {
    let rig = rig_with_two_chains();
    let first = rig.device.pop().unwrap();
    let len = first.fill(b"one");
    rig.device.return_used(first.head.into(), len);
    let serve = || rig.queue.serve_for(rig.client, rig.queue);
    assert_eq!(serve(), Served::Something);
    let returned = rig.client.take();
    assert_eq!((returned[0].context, returned.len()), (10, 1));
    assert_eq!(returned[0].written(), [&b""[..], b"one"]);
    assert_eq!((rig.client.runs.get(), rig.queue.free()), (1, 2));
    assert_eq!(serve(), Served::Nothing);
    assert_eq!((rig.client.runs.get(), rig.client.take().len()), (1, 0));
}

#[test]
fn what_a_driver_found_by_itself_is_reported_to_the_next_interrupt_once() {
    let rig = rig_with_two_chains();
    let first = rig.device.pop().unwrap();
    rig.device.return_used(first.head.into(), 0);
    rig.queue.reap();
    assert_eq!(rig.queue.serve_expected(), Served::Something);
    assert_eq!(rig.queue.serve_expected(), Served::Nothing);
}

#[test]
fn a_driver_that_found_nothing_or_expects_no_interrupt_has_nothing_to_report() {
    let rig = rig_with_two_chains();
    rig.queue.reap();
    assert_eq!(rig.queue.serve(), Served::Nothing);
    rig.queue.delay_interrupts(0);
    let first = rig.device.pop().unwrap();
    rig.device.return_used(first.head.into(), 0);
    rig.queue.reap();
    assert_eq!(rig.client.contexts().len(), 1);
    assert_eq!(rig.queue.serve(), Served::Nothing);
}

#[test]
fn a_violation_that_a_driver_found_by_itself_is_reported_to_the_next_interrupt() {
    let rig = rig_with_two_chains();
    rig.queue.delay_interrupts(0);
    rig.device.return_used(3, 0);
    assert_eq!(rig.queue.serve_expected(), Served::Nothing);
    rig.queue.reap();
    assert_eq!(rig.queue.serve_expected(), Served::Broken);
    assert_eq!(rig.queue.serve(), Served::Broken);
}

#[test]
fn used_chains_come_back_in_the_devices_order_with_their_context() {
    let rig = rig_with_two_chains();
    let (first, second) = (rig.device.pop().unwrap(), rig.device.pop().unwrap());
    rig.device
        .return_used(second.head.into(), second.fill(b"two"));
    rig.device
        .return_used(first.head.into(), first.fill(b"first"));
    rig.queue.used_interrupt();
    let returned = rig.client.take();
    assert_eq!(returned[0].context, 20);
    assert_eq!(returned[0].written(), [&b""[..], b"two"]);
    assert_eq!((returned[1].context, returned[1].bytes_used), (10, 5));
    assert_eq!(returned[1].written(), [&b""[..], b"first"]);
    assert_eq!((rig.client.runs.get(), rig.queue.free()), (1, 4));
}

#[test]
fn the_used_length_is_split_over_the_writable_buffers() {
    let rig = Rig::<4>::new();
    let mut chain = [
        Some(readable(b"?")),
        Some(writable(4)),
        Some(writable(4)),
        Some(writable(4)),
    ];
    rig.queue.provide(&mut chain, 0).unwrap();
    rig.publish();
    let chain = rig.device.pop().unwrap();
    rig.device.return_used(0, chain.fill(b"abcdef"));
    rig.queue.used_interrupt();
    assert_eq!(
        rig.client.take()[0].written(),
        [&b""[..], b"abcd", b"ef", b""]
    );
}

#[test]
fn only_the_active_window_is_lent() {
    let rig = Rig::<2>::new();
    let bytes: &'static mut [u8] = Box::leak(Box::new([0; 8]));
    let mut window = kernel::utilities::leasable_buffer::SubSliceMut::new(bytes);
    window.slice(2..5);
    let mut chain = [Some(VirtqueueBuffer::DeviceWriteable(window))];
    rig.queue.provide(&mut chain, 0).unwrap();
    rig.publish();
    let chain = rig.device.pop().unwrap();
    assert_eq!(chain.buffers[0].len, 3);
    rig.device.return_used(0, chain.fill(&[7; 8]));
    rig.queue.used_interrupt();
    let mut returned = rig.client.take().remove(0);
    let VirtqueueBuffer::DeviceWriteable(window) = returned.buffers.remove(0).virtqueue_buffer
    else {
        unreachable!("it was writable")
    };
    assert_eq!(window.active_range(), 2..5);
    assert_eq!(window.take(), [0, 0, 7, 7, 7, 0, 0, 0]);
}

#[test]
fn refused_chains_stay_with_the_caller() {
    let rig = Rig::<2>::new();
    let long = core::array::from_fn::<_, 5, _>(|_| Some(writable(1)));
    let refusals: [(Vec<Option<VirtqueueBuffer<'static>>>, QueueError); 6] = [
        (Vec::new(), QueueError::EmptyChain),
        ([None, Some(writable(1))].into(), QueueError::EmptyChain),
        ([Some(writable(0))].into(), QueueError::EmptyBuffer),
        (
            [Some(writable(1)), Some(readable(b"late"))].into(),
            QueueError::ReadableAfterWriteable,
        ),
        (long.into(), QueueError::TooLong),
        (
            [Some(writable(1)), Some(writable(1)), Some(writable(1))].into(),
            QueueError::Full,
        ),
    ];
    for (mut chain, error) in refusals {
        let before = chain.iter().flatten().count();
        assert_eq!(rig.queue.provide(&mut chain, 0), Err(error));
        assert_eq!(chain.iter().flatten().count(), before);
        assert_eq!(rig.queue.free(), 2);
    }
    assert_eq!(rig.queue.counters().full, 1);
}

#[test]
fn a_full_queue_accepts_again_once_a_chain_is_back() {
    let rig = Rig::<1>::new();
    rig.post(1, 1);
    let mut chain = [Some(writable(1))];
    assert_eq!(rig.queue.provide(&mut chain, 2), Err(QueueError::Full));
    rig.device.return_used(0, 0);
    rig.queue.used_interrupt();
    assert_eq!(rig.queue.provide(&mut chain, 2), Ok(()));
}

/// Runs one lie and checks that the queue noticed, stopped and kept what the device has.
fn assert_breaks(lie: impl FnOnce(&Rig<4>), violation: Violation) {
    let rig = rig_with_two_chains();
    lie(&rig);
    rig.queue.used_interrupt();
    assert_eq!(rig.queue.violation(), Some(violation));
    assert_eq!(rig.queue.serve(), Served::Broken);
    assert_eq!(rig.queue.counters().rejected, 1);

    let before = rig.client.contexts().len();
    rig.device.return_used(0, 0);
    rig.queue.used_interrupt();
    assert_eq!(
        rig.client.contexts().len(),
        before,
        "a broken queue is still"
    );
    let mut chain = [Some(writable(1))];
    assert_eq!(rig.queue.provide(&mut chain, 0), Err(QueueError::Broken));

    // SAFETY: the device is this test, and it is done.
    unsafe { rig.queue.device_was_reset() };
    let mut contexts = rig.client.contexts();
    contexts.sort_unstable();
    assert_eq!(contexts, [10, 20], "every chain came back exactly once");
    assert_eq!(rig.queue.free(), 4);
}

#[test]
fn a_head_that_was_never_offered_breaks_the_queue() {
    for head in [1, 3, 4, 5, 0xFFFF, 0x1_0000, 0x1_0002, u32::MAX] {
        assert_breaks(
            |rig| rig.device.return_used(head, 0),
            Violation::UnknownHead(head),
        );
    }
}

#[test]
fn a_head_returned_twice_breaks_the_queue() {
    assert_breaks(
        |rig| {
            rig.device.return_used(2, 0);
            rig.device.return_used(2, 0);
        },
        Violation::UnknownHead(2),
    );
}

#[test]
fn a_length_beyond_the_writable_part_breaks_the_queue() {
    for written in [9, 11, 0x1_0000, u32::MAX] {
        assert_breaks(
            |rig| rig.device.return_used(0, written),
            Violation::Overrun {
                written,
                writable: 8,
            },
        );
    }
}

#[test]
fn an_index_that_jumps_beyond_what_is_outstanding_breaks_the_queue() {
    for index in [3u16, 4, 5, 0x7FFF, 0x8000, 0xFFFF] {
        assert_breaks(
            |rig| rig.device.set_used_index(index),
            Violation::IndexJump {
                advance: index,
                outstanding: 2,
            },
        );
    }
}

#[test]
fn an_index_that_moves_back_breaks_the_queue() {
    let rig = rig_with_two_chains();
    rig.device.return_used(0, 0);
    rig.queue.used_interrupt();
    rig.device.set_used_index(0);
    rig.queue.used_interrupt();
    assert_eq!(
        rig.queue.violation(),
        Some(Violation::IndexJump {
            advance: 0xFFFF,
            outstanding: 1
        })
    );
}

#[test]
fn a_chain_that_was_not_published_cannot_be_returned() {
    let rig = Rig::<4>::new();
    rig.post(1, 1);
    rig.queue.provide(&mut [Some(writable(1))], 2).unwrap();
    rig.device.return_used(1, 0);
    rig.queue.used_interrupt();
    assert_eq!(rig.queue.violation(), Some(Violation::UnknownHead(1)));
    assert_eq!(rig.client.contexts(), []);
}

#[test]
fn a_device_that_scribbles_over_the_drivers_memory_does_not_move_the_driver() {
    for value in [0x00, 0x01, 0xFF] {
        let rig = rig_with_two_chains();
        let chain = rig.device.pop().unwrap();
        rig.device.scribble_driver_parts(value);
        rig.device.return_used(chain.head.into(), 8);
        rig.queue.used_interrupt();
        assert_eq!(rig.client.contexts(), [10]);
        rig.device.return_used(2, 8);
        rig.queue.used_interrupt();
        assert_eq!(rig.client.contexts(), [10, 20]);
        // What is provided next is written in full, over the scribble.
        let mut chain = [Some(readable(b"new")), Some(writable(2))];
        rig.queue.provide(&mut chain, 30).unwrap();
        let head = rig.device.available_entry(2);
        assert_eq!(rig.device.walk(head).buffers[0].read(), b"new");
    }
}

#[test]
fn memory_is_cleared_at_every_initialization() {
    let rig = rig_with_two_chains();
    rig.device.scribble(0xA5);
    // SAFETY: the device is this test, and it is done.
    unsafe { rig.queue.device_was_reset() };
    rig.queue.initialize(0, 4);
    rig.device.memory(&mut |byte| assert_eq!(byte, 0));
    rig.queue.used_interrupt();
    assert_eq!(rig.queue.violation(), None);
    rig.post(1, 5);
    assert_eq!(rig.device.available_entry(0), 0);
    assert_eq!(rig.device.available_index(), 1);
}

#[test]
fn a_queue_that_a_device_may_know_is_not_initialized_again() {
    let rig = rig_with_two_chains();
    let mut chain = [Some(writable(1))];
    for _ in 0..2 {
        assert_eq!(rig.queue.negotiate_queue_size(4), 0);
        rig.queue.initialize(7, 2);
        assert_eq!((rig.queue.size(), rig.device.available_index()), (4, 2));
    }
    // Also when there is nothing in it.
    let empty = Rig::<4>::new();
    assert_eq!(empty.queue.negotiate_queue_size(4), 0);
    empty.post(1, 0);
    empty.queue.initialize(0, 4);
    assert_eq!(empty.device.available_index(), 1);
    // SAFETY: the device is this test, and it is done.
    unsafe { rig.queue.device_was_reset() };
    assert_eq!(rig.queue.provide(&mut chain, 0), Err(QueueError::NotReady));
    assert_eq!(rig.client.contexts().len(), 2);
    assert!(rig.client.take().iter().all(|chain| chain.reclaimed));
    assert_eq!(rig.queue.negotiate_queue_size(4), 4);
    rig.queue.initialize(0, 4);
    assert_eq!(rig.queue.provide(&mut chain, 0), Ok(()));
}

#[test]
fn a_split_queue_is_of_no_use_where_a_packed_one_was_agreed_on() {
    let queue = queue::<4>(Probe::new());
    queue.set_features(RING_PACKED);
    assert_eq!(queue.negotiate_queue_size(4), 0);
    queue.initialize(0, 4);
    assert_eq!(queue.size(), 0);
    queue.set_features(0);
    assert_eq!(queue.negotiate_queue_size(4), 4);
}

#[test]
fn a_smaller_queue_than_there_is_memory_for_works() {
    let rig = Rig::<8>::new();
    // SAFETY: the device is this test, and knows nothing yet.
    unsafe { rig.queue.device_was_reset() };
    rig.queue.initialize(0, 2);
    let device = crate::testing::split_device::SplitDevice::new(rig.queue.physical_addresses(), 2);
    for round in 0..5 {
        rig.post(4, 0);
        rig.post(4, 1);
        let chains = [(); 2].map(|()| device.pop().unwrap());
        // What comes back last goes out first, so the heads change places.
        assert_eq!(usize::from(chains[0].head), round % 2);
        for chain in chains {
            device.return_used(chain.head.into(), chain.fill(b"ok"));
        }
        rig.queue.used_interrupt();
        let written: Vec<_> = rig.client.take().iter().map(Returned::written).collect();
        assert_eq!(written, [[b"ok"], [b"ok"]]);
    }
    assert_eq!(rig.queue.size(), 2);
}

#[test]
fn chains_without_a_client_stay_in_the_queue() {
    let queue = queue::<2>(Probe::new());
    queue.initialize(0, 2);
    queue.provide(&mut [Some(writable(1))], 0).unwrap();
    queue.publish();
    queue.notify();
    let device = crate::testing::split_device::SplitDevice::new(queue.physical_addresses(), 2);
    device.return_used(0, 0);
    queue.delay_interrupts(2);
    queue.used_interrupt();
    assert_eq!(queue.free(), 1);
}

/// Publishes one chain, as `publish` does it.
fn assert_order_of_publication(features: u64, publish: impl Fn(&Rig<4>)) {
    let rig = Rig::<4>::with_features(features);
    let (device, bell) = (rig.device, rig.bell);
    rig.probe.watch(move |kind| match kind {
        Kind::Release => {
            assert_eq!(device.available_index(), 0, "the index comes after");
            let head = device.available_entry(0);
            assert_eq!(
                device.walk(head).buffers[0].len,
                5,
                "the chain comes before"
            );
        }
        Kind::Full => {
            assert_eq!(device.available_index(), 1, "the index comes before");
            assert_eq!(bell.rung.get(), 0, "the notification comes after");
            // Whoever has read these by now misses this.
            device.set_flags(1);
            device.set_available_event(1);
        }
        _ => panic!("{kind:?} has no place here"),
    });
    rig.queue.provide(&mut [Some(writable(5))], 0).unwrap();
    publish(&rig);
    assert_eq!(rig.probe.take_log(), [Kind::Release, Kind::Full]);
    assert_eq!(bell.rung.get(), 0, "the wish is read after the barrier");
}

#[test]
fn publication_follows_the_order_of_the_standard() {
    for features in [0, EVENT_IDX] {
        assert_order_of_publication(features, Rig::publish);
        assert_order_of_publication(features, |rig| rig.queue.announce());
    }
}

#[test]
fn used_entries_are_read_after_the_index_and_an_acquire() {
    let rig = Rig::<4>::new();
    rig.post(8, 33);
    let chain = rig.device.pop().unwrap();
    rig.probe.take_log();
    // The entry and the data become visible only at the barrier.
    rig.device.write_element(0, 0xDEAD, 0xDEAD);
    rig.device.set_used_index(1);
    let device = rig.device;
    rig.probe.watch(move |kind| {
        if kind == Kind::Acquire {
            device.write_element(0, chain.head.into(), chain.fill(b"late"));
        }
    });
    rig.queue.used_interrupt();
    assert_eq!(rig.probe.take_log(), [Kind::Acquire, Kind::Full]);
    assert_eq!(rig.client.take()[0].written(), [b"late"]);
}

#[test]
fn nothing_is_acquired_when_there_is_nothing() {
    let rig = Rig::<4>::new();
    assert_eq!(rig.queue.serve(), Served::Nothing);
    assert_eq!(rig.probe.take_log(), []);
    let counters = rig.queue.counters();
    assert_eq!((counters.scans, counters.empty_scans), (1, 1));
}

mod fences;
mod notifications;
mod single_buffers;
mod tables;

/// A cheap generator: reproducible is enough here.
struct Choice(u64);

impl Choice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}

/// Sends chains through a ring, returned in random order, and follows each buffer by its address.
fn soak<const N: usize>(chains: usize) {
    let rig = Rig::<N>::new();
    let mut choice = Choice(N as u64);
    let mut at_driver: Vec<VirtqueueBuffer<'static>> = (0..N).map(|_| writable(4)).collect();
    let mut at_device = VecDeque::new();
    let mut provided = 0;
    let mut expected = std::collections::BTreeMap::new();
    while provided < chains || at_driver.len() < N {
        for _ in 0..choice.below(N + 1) {
            let links = 1 + choice.below(3.min(N));
            if provided >= chains || at_driver.len() < links {
                break;
            }
            let mut chain: Vec<_> = at_driver.drain(..links).map(Some).collect();
            rig.queue.provide(&mut chain, provided).unwrap();
            provided += 1;
        }
        rig.publish();
        while let Some(chain) = rig.device.pop() {
            at_device.push_back(chain);
        }
        for _ in 0..choice.below(at_device.len() + 1) {
            let chain = at_device.remove(choice.below(at_device.len())).unwrap();
            let stamp = (choice.below(1 << 16) as u32).to_le_bytes();
            let len = chain.fill(&stamp);
            rig.device.return_used(chain.head.into(), len);
            let addresses: Vec<_> = chain.buffers.iter().map(|b| b.address).collect();
            expected.insert(addresses, stamp);
        }
        rig.queue.used_interrupt();
        for returned in rig.client.take() {
            let written = returned.written().concat();
            let addresses: Vec<_> = returned
                .buffers
                .iter()
                .map(|buffer| match &buffer.virtqueue_buffer {
                    VirtqueueBuffer::DeviceWriteable(buffer) => buffer.as_ptr().addr() as u64,
                    VirtqueueBuffer::DeviceReadable(_) => unreachable!("none was provided"),
                })
                .collect();
            let stamp = expected
                .remove(&addresses)
                .expect("the device had these buffers");
            assert_eq!(written, stamp);
            at_driver.extend(returned.buffers.into_iter().map(|b| b.virtqueue_buffer));
        }
        let with_device: usize = at_device.iter().map(|chain| chain.buffers.len()).sum();
        assert_eq!(
            at_driver.len() + with_device,
            N,
            "each buffer has one owner"
        );
        assert_eq!(rig.queue.free(), at_driver.len());
    }
    assert_eq!(rig.queue.violation(), None);
    assert_eq!(rig.queue.counters().used as usize, chains);
    assert_eq!(rig.device.used_index(), chains as u16);
}

/// Far across the wrap of the 16-bit indices, except under Miri, where it would take hours.
const CHAINS: usize = if cfg!(miri) { 300 } else { 200_000 };

#[test]
fn every_buffer_has_one_owner_in_a_ring_of_1() {
    soak::<1>(CHAINS);
}

#[test]
fn every_buffer_has_one_owner_in_a_ring_of_2() {
    soak::<2>(CHAINS);
}

#[test]
fn every_buffer_has_one_owner_in_a_ring_of_4() {
    soak::<4>(CHAINS);
}

#[test]
fn every_buffer_has_one_owner_in_a_ring_of_8() {
    soak::<8>(CHAINS);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig {
        cases: if cfg!(miri) { 4 } else { 256 },
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn no_words_in_the_used_ring_make_the_queue_panic_or_lose_a_chain(
        words in proptest::collection::vec(
            (proptest::prelude::any::<u16>(), 0u32..8, 0u32..16, proptest::prelude::any::<bool>()),
            1..20,
        ),
    ) {
        let rig = Rig::<4>::new();
        let mut provided = 0;
        for (index, id, len, honest_index) in words {
            while rig.queue.provide(&mut [Some(writable(8))], provided).is_ok() {
                provided += 1;
            }
            rig.publish();
            rig.device.write_element(rig.device.used_index(), id, len);
            let next = rig.device.used_index().wrapping_add(1);
            rig.device.set_used_index(if honest_index { next } else { index });
            rig.queue.used_interrupt();
        }
        // SAFETY: the device is this test, and it is done.
        unsafe { rig.queue.device_was_reset() };
        let mut contexts = rig.client.contexts();
        contexts.sort_unstable();
        proptest::prop_assert_eq!(contexts, (0..provided).collect::<Vec<_>>());
        proptest::prop_assert_eq!(rig.queue.free(), 4);
    }
}
