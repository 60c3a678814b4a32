// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Devices with the legacy interface (VirtIO 1.2, 4.2.4), driven by the same drivers.

use super::*;
use crate::queues::RING_ALIGN;
use crate::testing::low_queue::low_queue;
use crate::transports::Polled;

const STARTED_LEGACY: u32 = 1 | 2 | 4;

impl Rig {
    pub(super) fn legacy() -> Self {
        let mut rig = Self::new();
        rig.device.version.set(1);
        rig.device.offered.set(0x39BF_8064);
        rig.queues = leak([low_queue(rig.queue, rig.device)]);
        rig
    }
}

#[test]
fn a_legacy_device_is_initialized_in_its_own_order() {
    let rig = Rig::legacy();
    assert_eq!(rig.transport.query(), Ok(VirtIODeviceType::BlockDevice));
    assert_eq!(rig.initialize(), Ok(VirtIODeviceType::BlockDevice));
    assert_eq!(
        rig.device.written(Writable::Status),
        [0, 1, 1 | 2, STARTED_LEGACY]
    );
    assert!(rig.transport.is_running());
    let order: Vec<_> = rig.device.writes.borrow().iter().map(|w| w.0).collect();
    let at = |register| order.iter().position(|r| *r == register).unwrap();
    assert!(at(Writable::GuestPageSize) < at(Writable::QueueSel));
    assert!(at(Writable::QueueSel) < at(Writable::QueueNum));
    assert!(at(Writable::QueueNum) < at(Writable::QueuePfn));
    assert!(at(Writable::QueueAlign) < at(Writable::QueuePfn));
}

#[test]
fn registers_of_the_other_layout_are_not_touched() {
    let modern = [
        Writable::QueueReady,
        Writable::QueueDescLow,
        Writable::QueueDescHigh,
        Writable::QueueDriverLow,
        Writable::QueueDriverHigh,
        Writable::QueueDeviceLow,
        Writable::QueueDeviceHigh,
    ];
    let legacy = [
        Writable::GuestPageSize,
        Writable::QueueAlign,
        Writable::QueuePfn,
    ];
    let rig = Rig::legacy();
    rig.initialize().unwrap();
    for register in modern {
        assert_eq!(rig.device.written(register), []);
    }
    for register in [Readable::ConfigGeneration, Readable::QueueReady] {
        assert!(!rig.device.reads.borrow().contains(&register));
    }
    let rig = Rig::new();
    rig.initialize().unwrap();
    for register in legacy {
        assert_eq!(rig.device.written(register), []);
    }
    assert!(!rig.device.reads.borrow().contains(&Readable::QueuePfn));
}

#[test]
fn only_the_low_word_of_features_is_negotiated() {
    let rig = Rig::legacy();
    rig.device.offered.set(u64::MAX);
    rig.driver.wants.set(Some(1));
    rig.initialize().unwrap();
    assert_eq!(rig.driver.offered.get(), 0x00FF_FFFF);
    let accepted = 1 | 1 << 27 | 1 << 28 | 1 << 29;
    assert_eq!(rig.device.accepted.get(), accepted);
    assert_eq!(rig.driver.agreed.get(), accepted);
    assert_eq!(rig.queue.accepted_features(), accepted);
    assert_eq!(rig.device.written(Writable::DriverFeaturesSel), [0]);
}

#[test]
fn the_device_finds_each_ring_where_the_layout_of_a_block_puts_it() {
    for (max, size) in [(1, 1), (2, 2), (3, 2), (4, 4), (1024, 4)] {
        let rig = Rig::legacy();
        rig.device.queue_num_max.set(max);
        rig.initialize().unwrap();
        assert_eq!(rig.device.written(Writable::QueueNum), [size]);
        assert_eq!(
            rig.device.written(Writable::QueueAlign),
            [RING_ALIGN as u32]
        );
        let queue = rig.device.queue(0);
        for round in 0..10 {
            rig.queue.provide(&mut [Some(writable(4))], round).unwrap();
            rig.queue.publish();
            rig.queue.notify();
            let chain = queue.pop().unwrap();
            queue.return_used(chain.head.into(), chain.fill(b"abcd"));
            rig.interrupt(USED);
            let returned = rig.client.take();
            assert_eq!(returned[0].written(), [b"abcd"]);
            assert_eq!(returned[0].context, round);
        }
    }
}

#[test]
fn a_queue_that_is_not_laid_out_for_it_fails_a_legacy_device() {
    let mut rig = Rig::legacy();
    // Beyond the pages that the register can name.
    if cfg!(target_pointer_width = "64")
        && rig.queue.physical_addresses().descriptor_area >> 38 != 0
    {
        rig.queues = leak([rig.queue as &'static dyn Virtqueue]);
        rig.assert_fails(Error::VirtqueueNotAvailable(0));
    }
    let rig = Rig::legacy();
    rig.device.queues_in_use.set(true);
    rig.assert_fails(Error::VirtqueueNotAvailable(0));
}

#[test]
fn a_legacy_device_is_brought_back_like_any_other() {
    let rig = Rig::legacy();
    rig.initialize().unwrap();
    rig.driver.posts.set(1);
    rig.device.queue(0).return_used(u32::MAX, 0);
    rig.interrupt(USED);
    assert_eq!(rig.device.status.get(), 0);
    while rig.transport.poll() {}
    assert_eq!(rig.device.status.get(), STARTED_LEGACY);
    assert_eq!(rig.device.queue(0).available_index(), 1);
}

#[test]
fn a_device_may_change_its_layout_between_two_lives() {
    let mut rig = Rig::new();
    rig.initialize().unwrap();
    for version in [1, 2, 1, 3] {
        rig.device.version.set(version);
        rig.device.offered.set(1 << 32);
        rig.queues = leak([low_queue(rig.queue, rig.device)]);
        assert_eq!(rig.initialize().is_ok(), version < 3);
        rig.queues = leak([rig.queue as &'static dyn Virtqueue]);
    }
}
