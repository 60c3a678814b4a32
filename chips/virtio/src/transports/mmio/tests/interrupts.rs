// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What an interrupt is about, and whom it reaches.

use super::*;

#[test]
fn a_used_buffer_interrupt_is_acknowledged_before_the_scan() {
    let rig = Rig::running();
    rig.queue.provide(&mut [Some(writable(4))], 9).unwrap();
    rig.queue.publish();
    rig.queue.notify();
    let queue = rig.device.queue(0);
    let chain = queue.pop().unwrap();
    queue.return_used(chain.head.into(), chain.fill(b"abcd"));
    let (device, client) = (rig.device, rig.client);
    rig.probe.watch(move |kind| {
        if kind == Kind::RegistersAndMemory {
            assert_eq!(device.written(Writable::InterruptAck), [USED]);
            assert!(client.returned.borrow().is_empty());
        }
    });
    rig.device.reads.take();
    rig.interrupt(USED);
    assert_eq!(rig.client.take()[0].written(), [b"abcd"]);
    assert_eq!(rig.device.reads.take(), [Readable::InterruptStatus]);
}

#[test]
fn only_defined_causes_are_acknowledged_and_none_writes_nothing() {
    for (status, acknowledged) in [
        (0, None),
        (0xFFFF_FFFC, None),
        (0xFFFF_FFFF, Some(3)),
        (0x8000_0001, Some(1)),
    ] {
        let rig = Rig::running();
        rig.device.false_interrupt_status.set(Some(status));
        rig.transport.handle_interrupt();
        let expected: Vec<u32> = acknowledged.into_iter().collect();
        assert_eq!(rig.device.written(Writable::InterruptAck), expected);
        let spurious = u32::from(acknowledged.is_none());
        assert_eq!(rig.transport.counters().spurious, spurious);
    }
}

#[test]
fn interrupts_of_a_slot_nobody_initialized_are_tolerated() {
    let rig = Rig::new();
    rig.interrupt(USED | CONFIGURATION);
    assert_eq!(rig.device.interrupt_status.get(), 0);
    rig.transport.handle_interrupt();
    let counters = rig.transport.counters();
    assert_eq!((counters.interrupts, counters.spurious), (2, 1));
    assert!(rig.driver.calls.borrow().is_empty());
}

#[test]
fn a_configuration_change_reaches_the_driver() {
    let rig = Rig::running();
    rig.driver.calls.take();
    rig.device.configuration.borrow_mut()[0] = 0x5A;
    rig.interrupt(CONFIGURATION);
    assert_eq!(rig.driver.calls.take(), ["changed"]);
    assert_eq!(rig.driver.first_configuration_byte.get(), 0x5A);
    let counters = rig.transport.counters();
    assert_eq!((counters.configuration_changes, counters.empty), (1, 0));
}

#[test]
fn used_buffers_alone_are_no_configuration_change() {
    let rig = Rig::running();
    rig.driver.calls.take();
    rig.interrupt(USED);
    assert!(rig.driver.calls.take().is_empty());
    assert_eq!(rig.device.reads.take(), [Readable::InterruptStatus]);
    let counters = rig.transport.counters();
    assert_eq!((counters.configuration_changes, counters.empty), (0, 1));
}

#[test]
fn a_device_out_of_service_is_acknowledged_and_not_listened_to() {
    let rig = Rig::running();
    assert!(rig.transport.halt());
    rig.driver.calls.take();
    rig.interrupt(USED | CONFIGURATION);
    assert_eq!(rig.device.interrupt_status.get(), 0);
    assert!(rig.driver.calls.take().is_empty());
    let counters = rig.transport.counters();
    assert_eq!((counters.configuration_changes, counters.empty), (0, 0));
}

/// A running device with two queues, in each of which it has used a chain; the second may be broken.
fn two_queues_used(second_id: u32) -> (Rig, &'static TestQueue<4>, &'static Collector) {
    let mut rig = Rig::new();
    let second = queue::<4>(Probe::new());
    let client: &'static Collector = leak(Collector::default());
    second.set_client(client);
    second.set_transport(rig.transport);
    rig.queues = leak([rig.queue as &'static dyn Virtqueue, second]);
    rig.initialize().unwrap();
    for (number, queue, id) in [(0, rig.queue, 0), (1, second, second_id)] {
        queue.provide(&mut [Some(writable(4))], number).unwrap();
        queue.publish();
        queue.notify();
        rig.device.queue(number).return_used(id, 4);
    }
    (rig, second, client)
}

#[test]
fn one_interrupt_is_for_all_queues_that_have_something() {
    let (rig, second, client) = two_queues_used(0);
    let scans = || rig.queue.counters().scans + second.counters().scans;
    let before = scans();
    rig.interrupt(USED);
    assert_eq!(
        (rig.client.contexts(), client.contexts()),
        (std::vec![0], std::vec![1])
    );
    assert_eq!(scans() - before, 2, "each queue is looked at once");
    assert_eq!(rig.transport.counters().empty, 0);
}

#[test]
fn a_broken_queue_is_noticed_beside_one_that_works() {
    let (rig, _, client) = two_queues_used(3);
    rig.interrupt(USED);
    assert_eq!(rig.transport.counters().broken, 1);
    assert!(!rig.transport.is_running());
    assert!(!rig.client.take()[0].reclaimed);
    assert!(client.take()[0].reclaimed);
}
