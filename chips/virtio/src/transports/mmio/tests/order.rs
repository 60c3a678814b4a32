// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Which register was written last when a barrier executes: what the barrier keeps in order.

use super::*;

impl Rig {
    /// Initializes the device and says, for each barrier, what was written to it before.
    fn barriers_of_an_initialization(&self) -> Vec<(Kind, (Writable, u32))> {
        let seen: &'static RefCell<Vec<_>> = leak(RefCell::default());
        let device = self.device;
        self.probe.watch(move |kind| {
            let last = *device.writes.borrow().last().unwrap();
            seen.borrow_mut().push((kind, last));
        });
        self.initialize().unwrap();
        self.probe.watch(|_| ());
        seen.take()
    }
}

#[test]
fn memory_is_ready_before_the_device_may_look_at_it() {
    let rig = Rig::new();
    let seen = rig.barriers_of_an_initialization();
    let high = rig.device.written(Writable::QueueDeviceHigh)[0];
    assert_eq!(
        seen,
        [
            (Kind::RegistersAndMemory, (Writable::Status, 0)),
            // The rings, before the queue is said to be ready.
            (Kind::Doorbell, (Writable::QueueDeviceHigh, high)),
            // What the driver put into them, before the device is started.
            (Kind::Doorbell, (Writable::QueueReady, 1)),
        ]
    );
    assert_eq!(
        rig.device.written(Writable::Status).last(),
        Some(&STARTED),
        "after all of them"
    );
}

#[test]
fn memory_is_ready_before_a_legacy_device_may_look_at_it() {
    let rig = Rig::legacy();
    let seen = rig.barriers_of_an_initialization();
    let align = rig.device.written(Writable::QueueAlign)[0];
    let page = rig.device.written(Writable::QueuePfn)[0];
    assert_eq!(
        seen,
        [
            (Kind::RegistersAndMemory, (Writable::Status, 0)),
            (Kind::Doorbell, (Writable::QueueAlign, align)),
            (Kind::Doorbell, (Writable::QueuePfn, page)),
        ]
    );
}

#[test]
fn buffers_come_back_after_the_status_was_read_and_a_barrier() {
    let rig = Rig::running();
    let mut chain = [Some(writable(4))];
    rig.queue.provide(&mut chain, 7).unwrap();
    rig.queue.publish();
    rig.probe.take_log();
    let (device, client) = (rig.device, rig.client);
    rig.probe.watch(move |kind| {
        if kind == Kind::RegistersAndMemory && device.status.get() == 0 {
            assert_eq!(device.reads.borrow().last(), Some(&Readable::Status));
            assert_eq!(client.contexts(), []);
        }
    });
    rig.device.status.set(STARTED | NEEDS_RESET);
    rig.interrupt(CONFIGURATION);
    assert_eq!(rig.client.contexts(), [7]);
    // That of the interrupt, and that of the reset.
    assert_eq!(rig.probe.take_log(), [Kind::RegistersAndMemory; 2]);
}
