// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What VirtIO 1.2 asks of a driver's queues and no other test is about.

use core::cell::Cell;

#[cfg(all(not(miri), target_pointer_width = "64"))]
use kernel::utilities::leasable_buffer::SubSliceMutImmut;

use super::packed_queue::PackedVirtqueue;
#[cfg(all(not(miri), target_pointer_width = "64"))]
use super::split_queue::VirtqueueBuffer;
use super::{BufferQueue, QueueError, Virtqueue};
use crate::features::{EVENT_IDX, INDIRECT_DESC, RING_PACKED};
use crate::testing::barriers::Probe;
use crate::testing::fence::NoFence;
use crate::testing::leak;
use crate::testing::queue_rig::{PackedRig, Rig, queue, writable};

/// Enough for the 16-bit indices to wrap; Miri looks at memory alone.
const ROUNDS: u32 = if cfg!(miri) { 40 } else { 70_000 };

#[test]
fn the_parts_of_a_queue_are_aligned_in_each_layout_and_size() {
    for size in [1, 2, 4, 8, 16] {
        let split = queue::<16>(Probe::new());
        split.set_features(0);
        split.initialize(0, size);
        let parts = split.physical_addresses();
        assert_eq!(parts.descriptor_area % 16, 0);
        assert_eq!(parts.driver_area % 2, 0);
        assert_eq!(parts.device_area % 4, 0);

        let packed = PackedRig::<16>::new(0).queue;
        packed.set_features(RING_PACKED);
        packed.initialize(0, size);
        let parts = packed.physical_addresses();
        assert_eq!(parts.descriptor_area % 16, 0);
        assert_eq!(parts.driver_area % 4, 0);
        assert_eq!(parts.device_area % 4, 0);
    }
}

#[test]
fn a_queue_offers_what_its_layouts_can_use() {
    let split = EVENT_IDX | INDIRECT_DESC;
    assert_eq!(queue::<4>(Probe::new()).features(), split);
    let either = PackedRig::<4>::new(0).queue;
    assert_eq!(either.features(), split | RING_PACKED);
    let memory = leak(core::mem::MaybeUninit::uninit());
    let packed = PackedVirtqueue::<4, NoFence>::new(memory, NoFence);
    assert_eq!(packed.features(), split | RING_PACKED);
}

/// Posts, uses and collects chains in several ways, and calls `look` at each barrier and in between.
fn busy(features: u64, look: impl Fn(&Rig<4>) + Copy + 'static) {
    let rig: &'static Rig<4> = leak(Rig::with_features(features));
    rig.probe.watch(move |_| look(rig));
    for round in 0..12 {
        rig.queue.delay_interrupts(1 + round % 3);
        rig.post(4, round.into());
        rig.post(4, round.into());
        look(rig);
        for _ in 0..2 {
            let chain = rig.device.pop().unwrap();
            rig.device.return_used(chain.head.into(), 4);
        }
        rig.queue.used_interrupt();
        look(rig);
    }
}

#[test]
fn the_drivers_flags_stay_zero_where_there_are_event_indices() {
    busy(EVENT_IDX, |rig| assert_eq!(rig.device.driver_flags(), 0));
}

#[test]
fn the_drivers_flags_are_zero_or_one_where_there_are_none() {
    busy(0, |rig| assert!(rig.device.driver_flags() <= 1));
}

#[test]
fn the_event_index_is_ignored_where_none_was_agreed_on() {
    let rig = Rig::<4>::new();
    // As if the device wanted to hear of a chain that is far away.
    rig.device.set_available_event(0x7FFF);
    rig.post(4, 0);
    assert_eq!(rig.bell.rung.get(), 1);
    rig.device.set_flags(1);
    rig.device.set_available_event(1);
    rig.post(4, 1);
    assert_eq!(rig.bell.rung.get(), 1);
}

#[test]
fn the_devices_flags_are_ignored_where_there_are_event_indices() {
    let rig = Rig::<4>::with_features(EVENT_IDX);
    rig.device.set_flags(1);
    rig.device.set_available_event(0);
    rig.post(4, 0);
    assert_eq!(rig.bell.rung.get(), 1);
    rig.device.set_flags(0);
    rig.device.set_available_event(7);
    rig.post(4, 1);
    assert_eq!(rig.bell.rung.get(), 1);
}

#[test]
fn the_available_index_goes_up_one_by_one_and_never_back() {
    let rig = Rig::<4>::with_features(EVENT_IDX);
    let last: &'static Cell<u16> = leak(Cell::new(0));
    let device = rig.device;
    rig.probe.watch(move |_| {
        let (before, now) = (last.get(), device.available_index());
        assert!(now.wrapping_sub(before) <= 1, "from {before} to {now}");
        last.set(now);
    });
    for round in 0..ROUNDS {
        rig.post(1, 0);
        assert_eq!(rig.device.available_index(), (round + 1) as u16);
        let chain = rig.device.pop().unwrap();
        rig.device.return_used(chain.head.into(), 0);
        rig.queue.used_interrupt();
        drop(rig.client.take());
    }
}

#[test]
fn a_chain_is_not_longer_than_the_queue_even_in_a_table() {
    fn refused(queue: &dyn BufferQueue<'static>, buffers: usize) -> bool {
        let mut chain = [0; 4].map(|_| Some(writable(1)));
        chain[buffers..].fill_with(|| None);
        queue.provide(&mut chain, 0) == Err(QueueError::Full)
    }
    fn check<const N: usize>() {
        for features in [0, INDIRECT_DESC] {
            let (split, packed) = (
                Rig::<N>::with_features(features),
                PackedRig::<N>::new(features),
            );
            for buffers in N + 1..=4 {
                assert!(refused(split.queue, buffers) && refused(packed.queue, buffers));
            }
            // Not either when less of it is free.
            split.post(1, 0);
            packed.post(1, 0);
            for buffers in N + 1..=4 {
                assert!(refused(split.queue, buffers) && refused(packed.queue, buffers));
            }
        }
    }
    check::<1>();
    check::<2>();
}

#[cfg(all(not(miri), target_pointer_width = "64"))]
#[test]
fn a_chain_of_more_bytes_than_can_be_counted_is_refused() {
    // Nobody writes to these pages, so there are none.
    let zeros: &'static [u8] = std::vec![0; 1 << 30].leak();
    let piece = |len: usize| {
        Some(VirtqueueBuffer::DeviceReadable(SubSliceMutImmut::from(
            &zeros[..len],
        )))
    };
    for features in [0, INDIRECT_DESC] {
        let rig = Rig::<4>::with_features(features);
        let mut chain = [1 << 30; 4].map(piece);
        assert_eq!(rig.queue.provide(&mut chain, 0), Err(QueueError::TooLong));
        assert!(chain.iter().all(Option::is_some));
        let mut chain = [1 << 30, 1 << 30, 1 << 30, (1 << 30) - 1].map(piece);
        assert_eq!(rig.queue.provide(&mut chain, 0), Ok(()));
    }
}

#[test]
fn a_packed_driver_names_places_only_where_that_was_agreed_on() {
    for (features, allowed) in [(0, &[0, 1][..]), (EVENT_IDX, &[2][..])] {
        let rig: &'static PackedRig<4> = leak(PackedRig::new(features));
        let look = move || {
            let (_, flags) = rig.device.driver_event();
            assert!(allowed.contains(&flags), "{flags} with {features:#x}");
        };
        rig.probe.watch(move |_| look());
        for round in 0..12 {
            rig.queue.delay_interrupts(1 + round % 3);
            rig.post(4, round.into());
            look();
            let chain = rig.device.pop().unwrap();
            rig.device.return_used(chain.head, 4);
            rig.queue.used_interrupt();
            look();
        }
    }
}

#[test]
fn notifications_without_anything_used_change_nothing() {
    let rig = Rig::<4>::new();
    rig.post(4, 7);
    let packed = PackedRig::<4>::new(0);
    packed.post(4, 7);
    for _ in 0..10 {
        rig.queue.used_interrupt();
        packed.queue.used_interrupt();
    }
    for (client, queue) in [
        (rig.client, rig.queue as &dyn BufferQueue<'_>),
        (packed.client, packed.queue),
    ] {
        assert!(client.contexts().is_empty());
        assert_eq!(queue.free(), 3);
    }
    assert_eq!(rig.queue.violation(), None);
}
