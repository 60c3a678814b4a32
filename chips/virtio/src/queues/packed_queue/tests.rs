// SPDX-License-Identifier: Apache-2.0 OR MIT

use core::cell::Cell;
use std::collections::VecDeque;
use std::vec::Vec;

use crate::features::{EVENT_IDX, INDIRECT_DESC, RING_PACKED};
use crate::queues::split_queue::VirtqueueBuffer;
use crate::queues::{BufferQueue, DrivenQueue, QueueError, Served, Violation, Virtqueue};
use crate::testing::barriers::Kind;
use crate::testing::fence::NoFence;
use crate::testing::leak;
use crate::testing::queue_rig::{PackedRig, readable, writable};
use crate::testing::shared_memory;

/// A queue whose two chains, of two descriptors each, the device has taken.
fn rig_with_two_chains() -> PackedRig<4> {
    let rig = PackedRig::<4>::new(EVENT_IDX);
    for context in [10, 20] {
        let mut chain = [Some(readable(b"ask")), Some(writable(8))];
        rig.queue.provide(&mut chain, context).unwrap();
    }
    rig.publish();
    let ids = core::iter::from_fn(|| rig.device.pop()).map(|chain| chain.head);
    assert_eq!(ids.collect::<Vec<_>>(), [0, 2]);
    rig
}

fn use_one<const N: usize>(rig: &PackedRig<N>) {
    let chain = rig.device.pop().expect("a chain is available");
    rig.device.return_used(chain.head, 0);
}

#[test]
fn a_device_without_the_feature_cannot_have_a_packed_queue() {
    let queue =
        super::PackedVirtqueue::<4, NoFence>::new(leak(core::mem::MaybeUninit::uninit()), NoFence);
    assert_eq!(queue.negotiate_queue_size(4), 0);
    queue.set_features(RING_PACKED);
    assert_eq!(queue.negotiate_queue_size(7), 4);
}

#[test]
fn the_device_sees_chains_as_they_were_provided() {
    let rig = PackedRig::<4>::new(0);
    let mut chain = [Some(readable(b"ask")), Some(writable(8))];
    rig.queue.provide(&mut chain, 0).unwrap();
    rig.queue.provide(&mut [Some(writable(5))], 1).unwrap();
    assert!(rig.device.pop().is_none(), "nothing is published");
    rig.queue.publish();
    let chain = rig.device.pop().unwrap();
    assert_eq!(chain.buffers[0].read(), b"ask");
    let shape: Vec<_> = chain.buffers.iter().map(|b| (b.writable, b.len)).collect();
    assert_eq!(shape, [(false, 3), (true, 8)]);
    assert_eq!(rig.device.pop().unwrap().buffers[0].len, 5);
    assert!(rig.device.pop().is_none());
}

#[test]
fn used_chains_come_back_in_the_devices_order_with_their_context() {
    let rig = rig_with_two_chains();
    rig.device.return_used(2, 3);
    rig.device.return_used(0, 5);
    rig.queue.used_interrupt();
    assert_eq!(rig.client.contexts(), [20, 10]);
    assert_eq!((rig.client.runs.get(), rig.queue.free()), (1, 4));
}

#[test]
fn what_was_found_is_reported_at_once_or_by_the_next_interrupt() {
    let rig = rig_with_two_chains();
    rig.device.return_used(0, 0);
    assert_eq!(rig.queue.serve(), Served::Something);
    assert_eq!(rig.queue.serve(), Served::Nothing);
    rig.device.return_used(2, 0);
    rig.queue.reap();
    assert_eq!(rig.queue.serve(), Served::Something);
    assert_eq!(rig.queue.serve(), Served::Nothing);
}

#[test]
fn a_driver_of_known_type_takes_chains_in_this_layout_too() {
    let rig = rig_with_two_chains();
    rig.device.return_used(2, 0);
    rig.queue.reap_for(rig.client);
    assert_eq!(rig.client.contexts(), [20]);
    rig.device.return_used(0, 0);
    let served = rig.queue.serve_for(rig.client, rig.queue);
    assert_eq!(served, Served::Something);
    assert_eq!(rig.client.contexts(), [20, 10]);
}

#[test]
fn a_chain_in_a_table_takes_one_descriptor() {
    let rig = PackedRig::<4>::new(INDIRECT_DESC);
    let provide = |context| {
        let mut chain = [Some(readable(b"ask")), Some(writable(4)), Some(writable(4))];
        rig.queue.provide(&mut chain, context)
    };
    assert_eq!([provide(1), provide(2)], [Ok(()); 2]);
    assert_eq!(provide(3), Err(QueueError::Full));
    rig.publish();
    for context in [1, 2] {
        let chain = rig.device.pop().unwrap();
        assert_eq!(chain.buffers[0].read(), b"ask");
        let len = chain.fill(b"answer");
        rig.device.return_used(chain.head, len);
        rig.queue.used_interrupt();
        let returned = rig.client.take().remove(0);
        assert_eq!(returned.context, context);
        assert_eq!(returned.written(), [&b""[..], b"answ", b"er"]);
    }
    assert_eq!(rig.queue.free(), 4);
}

#[test]
fn memory_is_cleared_at_every_initialization() {
    let rig = PackedRig::<4>::new(0);
    rig.post(8, 0);
    rig.device.scribble(0xA5);
    rig.device.set_device_event(0xA5A5, 0xA5A5);
    // SAFETY: the device is this test, and it is done.
    unsafe { rig.queue.device_was_reset() };
    rig.queue.initialize(0, 4);
    rig.device.memory(&mut |byte| assert_eq!(byte, 0));
    rig.queue.used_interrupt();
    assert_eq!(rig.queue.violation(), None);
    // The same buffer in the same place.
    let returned = rig.client.take().remove(0).buffers.remove(0);
    let mut chain = [Some(returned.virtqueue_buffer)];
    rig.queue.provide(&mut chain, 0).unwrap();
    rig.publish();
    rig.device.pop().unwrap().fill(b"anew");
    rig.device.claim(0, 4, 1);
    rig.queue.used_interrupt();
    assert_eq!(rig.client.take()[0].written(), [b"anew"]);
}

/// Runs one lie and checks that the queue noticed, stopped and kept what the device has.
fn assert_breaks(lie: impl FnOnce(&PackedRig<4>), violation: Violation) {
    let rig = rig_with_two_chains();
    lie(&rig);
    rig.queue.used_interrupt();
    assert_eq!(rig.queue.violation(), Some(violation));
    assert_eq!(rig.queue.counters().rejected, 1);
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
fn an_identifier_that_was_never_given_out_breaks_the_queue() {
    for id in [1, 3, 4, 0x7FFF, 0xFFFF] {
        assert_breaks(
            |rig| rig.device.claim(id, 0, 2),
            Violation::UnknownHead(id.into()),
        );
    }
}

#[test]
fn an_identifier_returned_twice_breaks_the_queue() {
    assert_breaks(
        |rig| {
            rig.device.claim(2, 0, 2);
            rig.device.claim(2, 0, 2);
        },
        Violation::UnknownHead(2),
    );
}

#[test]
fn a_length_beyond_the_writable_part_breaks_the_queue() {
    for written in [9, u32::MAX] {
        assert_breaks(
            |rig| rig.device.claim(0, written, 2),
            Violation::Overrun {
                written,
                writable: 8,
            },
        );
    }
}

/// Without `WRITE` in a used descriptor the length there means nothing (2.8.4), and a device may leave the
/// one that it found.
#[test]
fn a_length_beside_a_chain_that_was_only_read_is_ignored() {
    static HEADER: [u8; 3] = *b"hdr";
    let rig = PackedRig::<4>::new(EVENT_IDX);
    let frame = std::vec![0; 6].leak();
    let provided = rig.queue.provide_readable(&HEADER, frame, 4, 1);
    assert!(provided.is_ok());
    rig.queue.provide(&mut [Some(readable(b"ask"))], 2).unwrap();
    rig.publish();
    for _ in 0..2 {
        let chain = rig.device.pop().unwrap();
        let left = chain.buffers[0].len;
        rig.device.return_used(chain.head, left);
    }
    rig.queue.used_interrupt();
    assert_eq!(rig.queue.violation(), None);
    let back = rig.client.take();
    let back: Vec<_> = back.iter().map(|it| (it.context, it.bytes_used)).collect();
    assert_eq!(back, [(1, 0), (2, 0)]);
    assert_eq!(rig.queue.free(), 4);
}

#[test]
fn a_length_said_to_be_written_to_a_chain_that_was_only_read_breaks_the_queue() {
    static HEADER: [u8; 3] = *b"hdr";
    for frame in [true, false] {
        let rig = PackedRig::<4>::new(EVENT_IDX);
        if frame {
            let buffer = std::vec![0; 6].leak();
            assert!(rig.queue.provide_readable(&HEADER, buffer, 4, 1).is_ok());
        } else {
            let mut chain = [Some(readable(b"ask")), Some(readable(b"more"))];
            rig.queue.provide(&mut chain, 1).unwrap();
        }
        rig.publish();
        rig.device.claim_written(0, 1, 2);
        rig.queue.used_interrupt();
        let violation = Violation::Overrun {
            written: 1,
            writable: 0,
        };
        assert_eq!(rig.queue.violation(), Some(violation));
    }
}

#[test]
fn a_used_descriptor_with_nothing_outstanding_breaks_the_queue() {
    let rig = PackedRig::<4>::new(EVENT_IDX);
    rig.device.claim(0, 0, 1);
    rig.queue.used_interrupt();
    let jump = Violation::IndexJump {
        advance: 1,
        outstanding: 0,
    };
    assert_eq!(rig.queue.violation(), Some(jump));
}

#[test]
fn a_ring_that_says_used_everywhere_ends_the_scan() {
    let rig = rig_with_two_chains();
    for _ in 0..4 {
        rig.device.claim(0, 0, 1);
    }
    rig.queue.used_interrupt();
    assert_eq!(rig.queue.violation(), Some(Violation::UnknownHead(0)));
    assert_eq!(rig.client.contexts(), [10]);
}

#[test]
fn a_device_that_scribbles_over_the_ring_does_not_move_the_driver() {
    for value in [0x00, 0x01, 0x7F] {
        let rig = rig_with_two_chains();
        rig.device.scribble(value);
        rig.device.return_used(0, 8);
        rig.queue.used_interrupt();
        assert_eq!(rig.client.contexts(), [10]);
        rig.device.return_used(2, 8);
        rig.queue.used_interrupt();
        assert_eq!(rig.client.contexts(), [10, 20]);
    }
}

#[test]
fn memory_is_cleared_and_the_layout_may_change_at_every_initialization() {
    let rig = rig_with_two_chains();
    rig.device.scribble(0xA5);
    // SAFETY: the device is this test, and it is done.
    unsafe { rig.queue.device_was_reset() };
    rig.client.take();
    rig.queue.set_features(0);
    rig.queue.initialize(0, 4);
    let split = crate::testing::split_device::SplitDevice::new(rig.queue.physical_addresses(), 4);
    rig.post(4, 1);
    let chain = split.pop().unwrap();
    split.return_used(chain.head.into(), chain.fill(b"ok"));
    rig.queue.used_interrupt();
    assert_eq!(rig.client.take()[0].written(), [b"ok"]);
}

#[test]
fn flags_are_written_after_everything_else_and_the_wish_is_read_after_them() {
    let rig = PackedRig::<4>::new(EVENT_IDX);
    let (device, bell) = (rig.device, rig.bell);
    rig.probe.watch(move |kind| match kind {
        Kind::Release => assert!(!device.has_available(), "the flags come after"),
        Kind::Full => {
            assert!(device.has_available(), "the flags come before");
            assert_eq!(bell.rung.get(), 0, "the notification comes after");
            // Whoever has read the wish by now misses this.
            device.set_device_event(0, 1);
        }
        _ => panic!("{kind:?} has no place here"),
    });
    let mut chain = [Some(readable(b"ask")), Some(writable(8))];
    rig.queue.provide(&mut chain, 0).unwrap();
    rig.publish();
    assert_eq!(rig.probe.take_log(), [Kind::Release, Kind::Full]);
    assert_eq!(bell.rung.get(), 0, "the wish is read after the barrier");
}

#[test]
fn the_device_is_notified_as_it_asks() {
    let rig = PackedRig::<4>::new(EVENT_IDX);
    // Any, none, the descriptor that comes next, the one that came before, and a value of no meaning.
    for (flags, behind, rung) in [(0, 0, 1), (1, 0, 0), (2, 0, 1), (2, 1, 1), (3, 0, 1)] {
        for _ in 0..6 {
            let place = rig.device.next_available.get();
            let word = if behind == 0 {
                place.word()
            } else if place.index == 0 {
                3 | if place.wrap { 0 } else { 0x8000 }
            } else {
                place.word() - 1
            };
            rig.device.set_device_event(word, flags);
            rig.post(1, 0);
            assert_eq!(rig.bell.rung.take(), rung, "{flags} {behind}");
            use_one(&rig);
            rig.queue.used_interrupt();
        }
    }
}

#[test]
fn used_chains_are_asked_for_by_place_and_wrap_counter() {
    let rig = PackedRig::<4>::new(EVENT_IDX);
    for _ in 0..11 {
        rig.post(1, 0);
        let next = rig.device.next_used.get();
        assert_eq!(rig.device.driver_event(), (next.word(), 2));
        use_one(&rig);
        rig.queue.used_interrupt();
    }
    rig.queue.delay_interrupts(u16::MAX);
    for _ in 0..3 {
        rig.post(1, 0);
        rig.post(1, 0);
        use_one(&rig);
        let last = rig.device.next_used.get();
        assert_eq!(rig.device.driver_event(), (last.word(), 2));
        use_one(&rig);
        rig.queue.used_interrupt();
        assert_eq!(rig.queue.free(), 4, "both are taken");
    }
}

#[test]
fn a_queue_that_waits_for_no_interrupt_says_so_until_it_does() {
    for features in [0, EVENT_IDX] {
        let rig = PackedRig::<4>::new(features);
        let armed = if features == 0 { 0 } else { 2 };
        rig.post(1, 0);
        rig.queue.delay_interrupts(0);
        for _ in 0..5 {
            assert_eq!(rig.device.driver_event().1, 1);
            use_one(&rig);
            rig.queue.reap();
            rig.post(1, 0);
        }
        rig.queue.delay_interrupts(1);
        assert_eq!(rig.device.driver_event().1, armed);
        rig.queue.delay_interrupts(0);
        rig.queue.delay_interrupts(u16::MAX);
        assert_eq!(rig.device.driver_event().1, armed, "the place is the same");
    }
}

#[test]
fn without_events_the_driver_is_quiet_by_flag_during_a_scan() {
    let rig = PackedRig::<4>::new(0);
    rig.post(1, 0);
    let device = rig.device;
    let seen = leak(Cell::new(9));
    rig.probe.watch(|kind| {
        if kind == Kind::Acquire {
            seen.set(device.driver_event().1);
        }
    });
    use_one(&rig);
    rig.queue.used_interrupt();
    assert_eq!((seen.get(), rig.device.driver_event().1), (1, 0));
}

#[test]
fn a_received_frame_costs_few_ring_accesses() {
    for (batch, most) in [(1, 10), (8, 8)] {
        let rig = PackedRig::<16>::new(EVENT_IDX);
        rig.client.reposts.set(Some(rig.queue));
        (0..16).for_each(|_| rig.post(1526, 0));
        for _ in 0..10 {
            (0..batch).for_each(|_| use_one(&rig));
            shared_memory::take_touches();
            rig.queue.used_interrupt();
            let touches = shared_memory::take_touches();
            assert!(touches.div_ceil(batch) <= most, "{touches} for {batch}");
        }
    }
}

/// Sends chains of one to three buffers through a ring, returned out of order, and follows each
/// buffer by its address.
fn soak<const N: usize>(chains: usize, features: u64) {
    let rig = PackedRig::<N>::new(features);
    let mut at_driver: Vec<VirtqueueBuffer<'static>> = (0..N).map(|_| writable(4)).collect();
    let mut at_device = VecDeque::new();
    let mut provided = 0;
    let mut number = 0x2545_F491_4F6C_DD1Du64;
    let mut below = |bound: usize| {
        number ^= number << 13;
        number ^= number >> 7;
        number ^= number << 17;
        (number >> 33) as usize % bound
    };
    while provided < chains || at_driver.len() < N {
        for _ in 0..below(N + 1) {
            let links = 1 + below(3.min(N));
            if provided >= chains || at_driver.len() < links {
                break;
            }
            let mut chain: Vec<_> = at_driver.drain(..links).map(Some).collect();
            rig.queue.provide(&mut chain, provided).unwrap();
            provided += 1;
        }
        rig.publish();
        at_device.extend(core::iter::from_fn(|| rig.device.pop()));
        for _ in 0..below(at_device.len() + 1) {
            let chain = at_device.remove(below(at_device.len())).unwrap();
            let len = chain.fill(&chain.head.to_le_bytes());
            rig.device.return_used(chain.head, len);
        }
        rig.queue.used_interrupt();
        for returned in rig.client.take() {
            assert_eq!(returned.bytes_used, 2);
            at_driver.extend(returned.buffers.into_iter().map(|b| b.virtqueue_buffer));
        }
        let with_device: usize = at_device.iter().map(|chain| chain.buffers.len()).sum();
        assert_eq!(
            at_driver.len() + with_device,
            N,
            "each buffer has one owner"
        );
    }
    assert_eq!(rig.queue.violation(), None);
    assert_eq!(rig.queue.counters().used as usize, chains);
    assert_eq!(rig.queue.free(), N);
}

/// Far across the wrap of 16 bits, except under Miri, where it would take hours.
const CHAINS: usize = if cfg!(miri) { 40 } else { 100_000 };

#[test]
fn every_buffer_has_one_owner_in_a_ring_of_1() {
    soak::<1>(CHAINS, EVENT_IDX);
}

#[test]
fn every_buffer_has_one_owner_in_a_ring_of_2() {
    soak::<2>(CHAINS, 0);
}

#[test]
fn every_buffer_has_one_owner_in_a_ring_of_4() {
    soak::<4>(CHAINS, EVENT_IDX);
}

#[test]
fn every_buffer_has_one_owner_in_a_ring_of_8_with_tables() {
    soak::<8>(CHAINS, EVENT_IDX | INDIRECT_DESC);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig {
        cases: if cfg!(miri) { 4 } else { 256 },
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn no_words_in_the_ring_make_the_queue_panic_or_lose_a_chain(
        claims in proptest::collection::vec(
            (0u16..8, 0u32..16, 0u16..5, proptest::prelude::any::<u16>(), 0u16..4),
            1..20,
        ),
    ) {
        let rig = PackedRig::<4>::new(EVENT_IDX);
        let mut provided = 0;
        for (id, len, count, event, flags) in claims {
            rig.device.set_device_event(event, flags);
            while rig.queue.provide(&mut [Some(writable(8))], provided).is_ok() {
                provided += 1;
            }
            rig.publish();
            rig.device.claim(id, len, count);
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
