// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Random chains in random order, until the indices have wrapped.

use queue_model::{Device, Driver, Random, SharedMemory};
use virtio::features::{EVENT_IDX, INDIRECT_DESC};

/// All tests together make four times as many.
const ROUNDS: usize = 50_000;

/// Lets both sides act in random order for all rounds, then lets the device return what is left.
///
/// The device looks at the queue only when it was notified, and the driver only when it was interrupted,
/// so a lost notification leaves a chain behind.
fn run<const SIZE: usize>(features: u64, delay: bool) {
    let mut random = Random::new(SIZE as u64 ^ features);
    let mut memory = SharedMemory::map(1 << 20);
    let driver = Driver::<SIZE>::new(&mut memory, features);
    let queue = driver.queue();
    let size = u16::try_from(SIZE).expect("a small queue");
    let by_index = features & EVENT_IDX != 0;
    let mut device = Device::new(memory.guest(), queue.physical_addresses(), size, by_index);
    let mut interrupts = 0;
    let mut notifications = 0;
    let mut provided = 0;
    for _ in 0..ROUNDS {
        for _ in 0..random.below(5) {
            provided += usize::from(driver.provide(&mut random));
        }
        if delay {
            queue.delay_interrupts([1, 2, 8, u16::MAX][random.below(4)]);
        }
        if driver.publish() {
            notifications += 1;
            device.take_available();
        }
        for _ in 0..random.below(5).min(device.held()) {
            device.return_one(&mut random);
        }
        if device.interrupts() {
            interrupts += 1;
            queue.used_interrupt();
        }
    }
    // Everything that the device holds is returned, and everything it was not told of is lost.
    while driver.outstanding() > 0 {
        if driver.publish() {
            device.take_available();
        }
        let held = device.held();
        assert!(held > 0, "{} chains were lost", driver.outstanding());
        for _ in 0..held {
            device.return_one(&mut random);
        }
        if device.interrupts() {
            queue.used_interrupt();
        }
    }
    assert_eq!(queue.violation(), None);
    assert_eq!(driver.returned(), provided);
    assert_eq!(queue.free(), SIZE, "every descriptor is free again");
    assert!(provided > 65_536, "the indices wrap: {provided} chains");
    println!("{provided} chains, {notifications} notifications, {interrupts} interrupts");
}

#[test]
fn flags_alone_lose_nothing() {
    run::<8>(0, false);
}

#[test]
fn event_indices_lose_nothing() {
    run::<16>(EVENT_IDX, false);
}

#[test]
fn indirect_tables_are_read_as_they_are_meant() {
    run::<16>(INDIRECT_DESC, false);
}

#[test]
fn delayed_interrupts_come_for_the_last_chain_at_the_latest() {
    run::<64>(EVENT_IDX | INDIRECT_DESC, true);
}
