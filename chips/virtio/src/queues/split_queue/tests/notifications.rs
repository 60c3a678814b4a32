// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Which notifications are sent and asked for. That none is lost is for `interleavings` to show.

use core::cell::Cell;
use core::mem::MaybeUninit;
use std::vec::Vec;

use crate::features::EVENT_IDX;
use crate::queues::{BufferQueue, DrivenQueue, Served, Violation, Virtqueue};
use crate::testing::barriers::{Kind, Probe};
use crate::testing::fence::NoFence;
use crate::testing::leak;
use crate::testing::queue_rig::{Bell, Collector, EitherQueue, Rig, writable};
use crate::testing::shared_memory;
use crate::testing::split_device::SplitDevice;

/// Returns the oldest chain that the device has not returned.
fn use_one<const N: usize>(rig: &Rig<N>) {
    let chain = rig.device.pop().expect("a chain is available");
    rig.device.return_used(chain.head.into(), 0);
}

#[test]
fn the_device_is_notified_when_the_index_passes_its_event() {
    let rig = Rig::<8>::with_features(EVENT_IDX);
    rig.device.set_flags(1);
    let mut rung = Vec::new();
    for (event, batch) in [(0, 1), (0, 1), (3, 1), (3, 2), (0, 2)] {
        rig.device.set_available_event(event);
        for _ in 0..batch {
            rig.queue.provide(&mut [Some(writable(1))], 0).unwrap();
        }
        rig.publish();
        rung.push(rig.bell.rung.take());
    }
    // The flag counts for nothing; 0 -> 1, 1 -> 2, 2 -> 3, 3 -> 5, 5 -> 7.
    assert_eq!(rung, [1, 0, 0, 1, 0]);
}

#[test]
fn several_publications_cost_one_test_of_what_the_device_wants() {
    let rig = Rig::<8>::with_features(EVENT_IDX);
    for _ in 0..3 {
        rig.queue.provide(&mut [Some(writable(1))], 0).unwrap();
        rig.queue.publish();
    }
    rig.device.set_available_event(1);
    rig.queue.notify();
    rig.queue.notify();
    assert_eq!(rig.bell.rung.get(), 1);
    let counters = rig.queue.counters();
    assert_eq!((counters.kicks, counters.kicks_suppressed), (1, 0));
}

#[test]
fn announcing_nothing_new_costs_nothing() {
    let rig = Rig::<4>::with_features(EVENT_IDX);
    rig.post(1, 0);
    rig.probe.take_log();
    let before = rig.queue.counters();
    rig.queue.announce();
    assert_eq!(rig.probe.take_log(), []);
    assert_eq!(rig.queue.counters(), before);
}

#[test]
fn a_broken_queue_announces_nothing() {
    let rig = Rig::<4>::with_features(EVENT_IDX);
    rig.post(1, 0);
    rig.queue.provide(&mut [Some(writable(1))], 1).unwrap();
    rig.device.return_used(u32::MAX, 0);
    rig.queue.used_interrupt();
    assert!(rig.queue.violation().is_some());
    rig.device.set_available_event(1);
    rig.bell.rung.take();
    rig.queue.announce();
    assert_eq!((rig.device.available_index(), rig.bell.rung.get()), (1, 0));
}

#[test]
fn a_split_queue_that_could_be_packed_notifies_and_asks_as_any_other() {
    let memory = leak(MaybeUninit::uninit());
    let queue: &'static EitherQueue<4> =
        leak(EitherQueue::with_barriers(memory, NoFence, Probe::new()));
    let (client, bell): (&'static Collector, &'static Bell) =
        (leak(Collector::default()), leak(Bell::default()));
    queue.set_client(client);
    queue.set_transport(bell);
    queue.set_features(EVENT_IDX);
    queue.initialize(0, 4);
    let device = SplitDevice::new(queue.physical_addresses(), 4);
    let mut rung = Vec::new();
    for (position, event) in [0, 0, 2].into_iter().enumerate() {
        device.set_available_event(event);
        queue.provide(&mut [Some(writable(1))], position).unwrap();
        queue.announce();
        rung.push(bell.rung.take());
        let chain = device.pop().unwrap();
        device.return_used(chain.head.into(), 0);
        queue.used_interrupt();
        assert_eq!(usize::from(device.used_event()), position + 1);
    }
    assert_eq!(rung, [1, 0, 1]);
    assert_eq!(client.contexts(), [0, 1, 2]);
}

#[test]
fn events_are_right_across_the_wrap_of_the_indices() {
    let rig = Rig::<4>::with_features(EVENT_IDX);
    let rounds = if cfg!(miri) { 10 } else { 70_000 };
    for round in 0..rounds {
        let index = round as u16;
        // Wanted at every other chain.
        rig.device.set_available_event(index & !1);
        rig.post(1, 0);
        assert_eq!(rig.bell.rung.take(), usize::from(index & 1 == 0), "{round}");
        assert_eq!(rig.device.used_event(), index);
        use_one(&rig);
        rig.queue.used_interrupt();
    }
    assert_eq!(rig.queue.violation(), None);
}

#[test]
fn the_next_used_chain_is_asked_for_after_each_scan() {
    let rig = Rig::<4>::with_features(EVENT_IDX);
    (0..4).for_each(|context| rig.post(1, context));
    assert_eq!(rig.device.used_event(), 0);
    for used in 1..4 {
        use_one(&rig);
        rig.queue.used_interrupt();
        assert_eq!(rig.device.used_event(), used);
    }
    // With nothing outstanding there is nothing to ask for, until there is again.
    use_one(&rig);
    rig.queue.used_interrupt();
    rig.post(1, 4);
    assert_eq!(rig.device.used_event(), 4);
}

#[test]
fn chains_used_while_the_wish_is_written_are_found_by_the_same_scan() {
    let rig = Rig::<4>::with_features(EVENT_IDX);
    (0..3).for_each(|context| rig.post(1, context));
    let device = rig.device;
    let late = Cell::new(2);
    rig.probe.watch(move |kind| {
        if kind == Kind::Full && late.get() > 0 {
            late.set(late.get() - 1);
            let chain = device.pop().unwrap();
            device.return_used(chain.head.into(), 0);
        }
    });
    use_one(&rig);
    rig.queue.used_interrupt();
    assert_eq!(rig.client.contexts(), [0, 1, 2]);
    assert_eq!(rig.client.runs.get(), 1);
}

#[test]
fn a_delayed_interrupt_is_asked_for_at_the_last_outstanding_chain() {
    let rig = Rig::<8>::with_features(EVENT_IDX);
    rig.queue.delay_interrupts(u16::MAX);
    for published in 1..=5u16 {
        rig.post(1, 0);
        assert_eq!(rig.device.used_event(), published - 1);
    }
    use_one(&rig);
    use_one(&rig);
    rig.queue.reap();
    assert_eq!(rig.client.contexts().len(), 2);
    assert_eq!(rig.device.used_event(), 4);
    rig.post(1, 0);
    assert_eq!(rig.device.used_event(), 5);
}

#[test]
fn a_delay_counts_from_what_was_taken_and_ends_at_what_is_there() {
    let rig = Rig::<8>::with_features(EVENT_IDX);
    rig.queue.delay_interrupts(3);
    rig.post(1, 0);
    assert_eq!(rig.device.used_event(), 0, "one chain is all there is");
    rig.post(1, 0);
    assert_eq!(rig.device.used_event(), 1);
    (0..4).for_each(|_| rig.post(1, 0));
    assert_eq!(rig.device.used_event(), 2, "three chains are enough");
    use_one(&rig);
    rig.queue.reap();
    assert_eq!(rig.device.used_event(), 3);
}

#[test]
fn a_shorter_delay_holds_at_once_and_finds_what_it_missed() {
    let rig = Rig::<4>::with_features(EVENT_IDX);
    rig.queue.delay_interrupts(u16::MAX);
    (0..3).for_each(|context| rig.post(1, context));
    use_one(&rig);
    rig.queue.delay_interrupts(1);
    assert_eq!(rig.client.contexts(), [0]);
    assert_eq!(rig.device.used_event(), 1);
}

#[test]
fn a_device_is_reminded_once_of_what_it_has_and_of_nothing_else() {
    let rig = Rig::<4>::with_features(EVENT_IDX);
    // Somewhere else, so that it is told of nothing.
    rig.device.set_available_event(100);
    rig.post(1, 0);
    use_one(&rig);
    rig.queue.used_interrupt();
    rig.queue.remind();
    assert_eq!(rig.bell.rung.get(), 0, "nothing is outstanding");
    rig.post(1, 1);
    assert_eq!(rig.bell.rung.get(), 0);
    rig.queue.remind();
    rig.queue.remind();
    assert_eq!(rig.bell.rung.get(), 1);
    rig.post(1, 2);
    rig.device.return_used(u32::MAX, 0);
    rig.queue.used_interrupt();
    rig.queue.remind();
    assert_eq!(rig.bell.rung.get(), 1, "the queue is broken");
}

#[test]
fn a_longer_delay_holds_from_the_next_publication_on() {
    let rig = Rig::<4>::with_features(EVENT_IDX);
    (0..2).for_each(|context| rig.post(1, context));
    rig.queue.delay_interrupts(u16::MAX);
    assert_eq!(rig.device.used_event(), 0);
    rig.post(1, 2);
    assert_eq!(rig.device.used_event(), 2);
}

#[test]
fn a_queue_that_waits_for_no_interrupt_gets_none_until_it_does() {
    for features in [0, EVENT_IDX] {
        let rig = Rig::<4>::with_features(features);
        let wanted = |before: u16| {
            let now = rig.device.used_index();
            let event = rig.device.used_event();
            match features {
                0 => rig.device.driver_flags() & 1 == 0,
                _ => now.wrapping_sub(event).wrapping_sub(1) < now.wrapping_sub(before),
            }
        };
        (0..3).for_each(|context| rig.post(1, context));
        rig.queue.delay_interrupts(0);
        for _ in 0..10 {
            let before = rig.device.used_index();
            use_one(&rig);
            use_one(&rig);
            assert!(!wanted(before));
            rig.queue.reap();
            rig.post(1, 0);
            rig.post(1, 0);
            assert!(!wanted(before));
        }
        use_one(&rig);
        let taken = rig.client.contexts().len();
        rig.queue.delay_interrupts(1);
        assert_eq!(rig.client.contexts().len(), taken + 1, "found at once");
        let before = rig.device.used_index();
        use_one(&rig);
        assert!(wanted(before));
    }
}

#[test]
fn a_queue_without_interrupts_stays_so_when_it_is_initialized_again() {
    let rig = Rig::<4>::with_features(EVENT_IDX);
    rig.queue.delay_interrupts(0);
    rig.queue.initialize(0, 4);
    rig.post(1, 0);
    assert_eq!(rig.device.used_event(), u16::MAX);
}

#[test]
fn without_events_the_driver_is_quiet_by_flag_during_a_scan() {
    let rig = Rig::<4>::new();
    rig.post(1, 0);
    let device = rig.device;
    let seen = crate::testing::leak(Cell::new(0));
    rig.probe.watch(|kind| {
        if kind == Kind::Acquire {
            seen.set(device.driver_flags());
        }
    });
    use_one(&rig);
    rig.queue.used_interrupt();
    assert_eq!((seen.get(), rig.device.driver_flags()), (1, 0));
}

#[test]
fn a_run_shows_nothing_that_was_not_published() {
    for features in [0, EVENT_IDX] {
        let rig = Rig::<4>::with_features(features);
        rig.post(1, 0);
        let mut next = [Some(writable(1))];
        rig.queue.provide(&mut next, 1).unwrap();
        use_one(&rig);
        rig.queue.used_interrupt();
        assert_eq!(rig.client.contexts(), [0]);
        assert!(!rig.device.has_available());
        rig.publish();
        assert!(rig.device.has_available());
    }
}

#[test]
fn a_driver_of_known_type_finds_by_itself_what_any_other_does() {
    for (features, delay) in [
        (0, 1),
        (0, 0),
        (EVENT_IDX, 1),
        (EVENT_IDX, 0),
        (EVENT_IDX, 9),
    ] {
        let rig = Rig::<4>::with_features(features);
        rig.queue.delay_interrupts(delay);
        rig.queue.reap_for(rig.client);
        assert_eq!(rig.queue.serve(), Served::Nothing);
        let serve = || rig.queue.serve_for(rig.client, rig.queue);
        assert_eq!((serve(), rig.queue.violation()), (Served::Nothing, None));
        (0..2).for_each(|context| rig.post(1, context));
        (0..2).for_each(|_| use_one(&rig));
        rig.queue.reap_for(rig.client);
        assert_eq!(rig.client.contexts(), [0, 1]);
        let due = if delay == 0 {
            Served::Nothing
        } else {
            Served::Something
        };
        assert_eq!(rig.queue.serve(), due);
        rig.post(1, 2);
        rig.device.set_used_index(4);
        rig.queue.reap_for(rig.client);
        let jump = Violation::IndexJump {
            advance: 2,
            outstanding: 1,
        };
        assert_eq!(rig.queue.violation(), Some(jump));
        assert_eq!(rig.queue.serve(), Served::Broken);
    }
}

#[test]
fn a_jump_of_the_index_is_found_for_a_driver_of_known_type() {
    let rig = Rig::<4>::with_features(EVENT_IDX);
    rig.post(1, 0);
    rig.device.set_used_index(2);
    let served = rig.queue.serve_for(rig.client, rig.queue);
    assert_eq!(served, Served::Broken);
    assert_eq!(rig.queue.counters().rejected, 1);
}

#[test]
fn a_broken_queue_asks_for_nothing_sooner() {
    let rig = Rig::<4>::with_features(EVENT_IDX);
    rig.queue.delay_interrupts(u16::MAX);
    (0..2).for_each(|context| rig.post(1, context));
    rig.device.return_used(u32::MAX, 0);
    rig.queue.used_interrupt();
    assert!(rig.queue.violation().is_some());
    let event = rig.device.used_event();
    rig.queue.delay_interrupts(1);
    assert_eq!(rig.device.used_event(), event);
}

#[test]
fn what_is_published_from_inside_a_run_is_shown_at_its_end() {
    let rig = Rig::<4>::with_features(EVENT_IDX);
    (0..2).for_each(|context| rig.post(1, context));
    rig.bell.rung.take();
    rig.device.set_available_event(2);
    let (queue, device) = (rig.queue, rig.device);
    rig.client.reposts.set(Some(queue));
    use_one(&rig);
    use_one(&rig);
    rig.probe.watch(move |kind| {
        if kind == Kind::Full {
            assert_ne!(device.available_index(), 3, "one by one");
        }
    });
    rig.queue.used_interrupt();
    assert_eq!((rig.device.available_index(), rig.bell.rung.get()), (4, 1));
}

/// Ring accesses of one received frame, from the interrupt to the buffer's return to the device.
fn touches_for_each_chain<const N: usize>(batch: usize) -> usize {
    let rig = Rig::<N>::with_features(EVENT_IDX);
    rig.client.reposts.set(Some(rig.queue));
    let mut touches = 0;
    (0..N).for_each(|_| rig.post(1526, 0));
    for _ in 0..10 {
        (0..batch).for_each(|_| use_one(&rig));
        shared_memory::take_touches();
        rig.queue.used_interrupt();
        touches = shared_memory::take_touches();
    }
    touches.div_ceil(batch)
}

#[test]
fn a_received_frame_costs_few_ring_accesses_at_any_queue_size() {
    assert_eq!(
        touches_for_each_chain::<4>(1),
        touches_for_each_chain::<256>(1)
    );
    assert!(touches_for_each_chain::<16>(1) <= 8);
    assert!(touches_for_each_chain::<16>(8) <= 8);
}

/// Has a chain used at the moment when the device is asked for an earlier interrupt than before.
fn assert_order_of_a_shorter_delay(features: u64, before: u16) {
    let rig = Rig::<4>::with_features(features);
    let (queue, device) = (rig.queue, rig.device);
    queue.delay_interrupts(before);
    for context in 0..3 {
        rig.post(1, context);
    }
    if features & EVENT_IDX != 0 {
        assert_ne!(device.used_event(), 0);
    }
    rig.probe.take_log();
    let used = Cell::new(false);
    rig.probe.watch(move |kind| {
        if !used.replace(true) {
            assert_eq!(kind, Kind::Full);
            assert_eq!(device.used_event(), 0, "the wish comes before");
            assert_eq!(device.driver_flags(), 0, "the wish comes before");
            // Whoever has looked by now misses this.
            device.return_used(0, 0);
        }
    });
    queue.delay_interrupts(1);
    // And after the scan the same again.
    let log = rig.probe.take_log();
    assert_eq!(log, [Kind::Full, Kind::Acquire, Kind::Full]);
    assert_eq!(rig.client.contexts(), [0], "the look comes after");
}

#[test]
fn a_shorter_delay_is_said_before_the_look_at_what_was_used() {
    assert_order_of_a_shorter_delay(0, 0);
    assert_order_of_a_shorter_delay(EVENT_IDX, 0);
    assert_order_of_a_shorter_delay(EVENT_IDX, 3);
}
