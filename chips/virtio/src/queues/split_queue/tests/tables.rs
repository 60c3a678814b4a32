// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Chains in indirect tables.

use std::collections::VecDeque;
use std::vec::Vec;

use crate::features::{EVENT_IDX, INDIRECT_DESC};
use crate::queues::{BufferQueue, QueueError, Violation, Virtqueue};
use crate::testing::queue_rig::{Rig, readable, writable};
use crate::testing::split_device::SplitDevice;

fn provide<const N: usize>(rig: &Rig<N>, context: usize) -> Result<(), QueueError> {
    let mut chain = [Some(readable(b"ask")), Some(writable(4)), Some(writable(4))];
    rig.queue.provide(&mut chain, context)
}

/// Fills a queue of eight: one chain of three descriptors, then five of one, as long as more than half
/// are free.
fn full_rig() -> Rig<8> {
    let rig = Rig::<8>::with_features(INDIRECT_DESC | EVENT_IDX);
    let provided = (0..).take_while(|context| provide(&rig, *context).is_ok());
    assert_eq!(provided.count(), 2 + 2);
    rig
}

#[test]
fn a_half_full_queue_takes_more_chains_with_tables_than_without() {
    let without = Rig::<8>::new();
    let provided = (0..).take_while(|context| provide(&without, *context).is_ok());
    assert_eq!(provided.count(), 2);
    full_rig();
}

#[test]
fn tables_are_left_alone_until_a_quarter_of_the_descriptors_is_left() {
    let rig = Rig::<64>::with_features(INDIRECT_DESC | EVENT_IDX);
    for context in 0.. {
        let free = rig.queue.free();
        let mut chain = [Some(readable(b"ask")), Some(writable(4))];
        let provided = rig.queue.provide(&mut chain, context);
        assert_eq!(provided.is_ok(), free != 0);
        let taken = free - rig.queue.free();
        assert_eq!(
            taken,
            if free > 16 { 2 } else { free.min(1) },
            "{free} free"
        );
        if free == 0 {
            break;
        }
    }
}

#[test]
fn the_device_sees_the_same_chain_in_a_table() {
    let rig = full_rig();
    rig.publish();
    for context in 0..4 {
        let chain = rig.device.pop().unwrap();
        assert_eq!(chain.buffers[0].read(), b"ask");
        let shape: Vec<_> = chain.buffers.iter().map(|b| (b.writable, b.len)).collect();
        assert_eq!(shape, [(false, 3), (true, 4), (true, 4)]);
        let len = chain.fill(b"answer");
        rig.device.return_used(chain.head.into(), len);
        rig.queue.used_interrupt();
        let returned = rig.client.take().remove(0);
        assert_eq!(returned.context, context);
        assert_eq!(returned.written(), [&b""[..], b"answ", b"er"]);
    }
    assert_eq!(rig.queue.free(), 8);
}

#[test]
fn tables_are_not_used_unless_agreed_on_or_for_single_buffers() {
    let rig = full_rig();
    let mut one = [Some(writable(1))];
    assert_eq!(rig.queue.provide(&mut one, 9), Err(QueueError::Full));
    let rig = Rig::<8>::with_features(EVENT_IDX);
    rig.queue
        .set_indirect_tables(crate::testing::leak(core::mem::MaybeUninit::uninit()));
    let provided = (0..).take_while(|context| provide(&rig, *context).is_ok());
    assert_eq!(provided.count(), 2);
}

#[test]
fn a_single_buffer_is_in_the_ring_itself_however_full_that_is() {
    let rig = Rig::<8>::with_features(INDIRECT_DESC | EVENT_IDX);
    (0..2).for_each(|context| provide(&rig, context).unwrap());
    let in_ring = |address: u64| {
        let mut memory = Vec::new();
        rig.device.memory(&mut |byte| memory.push(byte));
        let mut places = memory.windows(size_of::<u64>());
        places.any(|bytes| bytes == address.to_le_bytes())
    };
    rig.post(1, 2);
    provide(&rig, 3).unwrap();
    rig.publish();
    let chains: Vec<_> = core::iter::from_fn(|| rig.device.pop()).collect();
    let found: Vec<_> = chains
        .iter()
        .map(|chain| in_ring(chain.buffers.last().unwrap().address))
        .collect();
    assert_eq!(
        found,
        [true, true, true, false],
        "the last one is in a table"
    );
}

#[test]
fn claims_about_a_chain_in_a_table_are_checked_and_its_buffers_come_back() {
    let rig = full_rig();
    rig.publish();
    rig.device.return_used(7, 9);
    rig.queue.used_interrupt();
    let overrun = Violation::Overrun {
        written: 9,
        writable: 8,
    };
    assert_eq!(rig.queue.violation(), Some(overrun));
    // SAFETY: the device is this test, and it is done.
    unsafe { rig.queue.device_was_reset() };
    let returned = rig.client.take();
    assert_eq!(returned.len(), 4);
    assert!(returned.iter().all(|chain| chain.buffers.len() == 3));
    assert_eq!(rig.queue.free(), 8);
}

#[test]
fn what_a_device_wrote_to_a_table_is_gone_at_the_next_initialization() {
    let rig = full_rig();
    rig.publish();
    let tables = rig.device.tables();
    assert_eq!(tables.len(), 2);
    tables.iter().for_each(|table| table.write(&[0xFF; 3 * 16]));
    rig.device.return_used(u32::MAX, 0);
    rig.queue.used_interrupt();
    // SAFETY: the device is this test, and it is done.
    unsafe { rig.queue.device_was_reset() };
    assert_eq!(rig.client.take().len(), 4);

    rig.queue.initialize(0, 8);
    for table in &tables {
        assert_eq!(table.read(), [0; 3 * 16]);
    }
    // All of an address is new, and so is a header that was in the same table before.
    while provide(&rig, 0).is_ok() {}
    rig.publish();
    let device = SplitDevice::new(rig.queue.physical_addresses(), 8);
    assert_eq!(device.tables(), tables);
    while let Some(chain) = device.pop() {
        assert_eq!(chain.buffers[0].read(), b"ask");
        for buffer in chain.buffers {
            assert!(usize::try_from(buffer.address).is_ok());
        }
    }
}

#[test]
fn chains_in_tables_keep_their_buffers_apart_across_the_wrap() {
    let rig = Rig::<8>::with_features(INDIRECT_DESC | EVENT_IDX);
    let mut at_device = VecDeque::new();
    let rounds = if cfg!(miri) { 10 } else { 30_000 };
    for round in 0..rounds {
        while provide(&rig, round).is_ok() {}
        rig.publish();
        at_device.extend(core::iter::from_fn(|| rig.device.pop()));
        for _ in 0..1 + round % 3 {
            // Not in order.
            at_device.rotate_left(round % 2);
            let chain = at_device.pop_front().unwrap();
            let len = chain.fill(&chain.head.to_le_bytes());
            rig.device.return_used(chain.head.into(), len);
            rig.queue.used_interrupt();
            let returned = rig.client.take().remove(0);
            assert_eq!(returned.written().concat(), chain.head.to_le_bytes());
        }
    }
    assert_eq!(rig.queue.violation(), None);
}
