// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Both drivers with devices that obey: more traffic than the 16-bit indices of a queue count.

use device_model::{Entropy, Identity, Network};
use virtio::queues::BufferQueue;

const EVENT_IDX: u64 = 1 << 29;
const INDIRECT_DESC: u64 = 1 << 28;
const WRAPS: u32 = 65_536;

/// A device without some of its features.
fn without(features: u64, mut identity: Identity) -> Identity {
    identity.offered &= !features;
    identity
}

#[test]
fn random_bytes_keep_their_order_while_the_indices_wrap() {
    for declined in [0, EVENT_IDX] {
        let rig = Entropy::new();
        rig.machine
            .registers
            .become_(without(declined, Entropy::identity()));
        rig.machine.initialize().unwrap();
        rig.check_service();
        rig.allow_gap();
        for round in 0..WRAPS / 2 {
            rig.ask(round as usize % 150);
            rig.machine.run();
            rig.serve(1 + round as usize % 61);
            if round % 1024 == 0 {
                rig.check_order();
            }
        }
        rig.check_order();
        assert!(rig.used() > WRAPS / 4, "{} chains", rig.used());
        rig.check_service();
    }
}

#[test]
fn frames_arrive_as_they_were_sent_while_the_indices_wrap() {
    for declined in [0, EVENT_IDX, INDIRECT_DESC, EVENT_IDX | INDIRECT_DESC] {
        let rig = Network::new();
        rig.machine
            .registers
            .become_(without(declined, Network::identity()));
        rig.machine.initialize().unwrap();
        rig.receive(true);
        for round in 0..WRAPS + 1_000 {
            let number = round as u8;
            let len = 60 + usize::from(number) % 7 * 200;
            let bytes = device_model::frame(number, len);
            assert!(rig.deliver(&bytes), "a buffer for frame {round}");
            assert_eq!(rig.take_received(), [bytes]);
            assert!(rig.send(60));
            rig.machine.run();
            assert_eq!(rig.transmit().len(), 1, "frame {round}");
        }
        assert!(rig.receive_queue.counters().used > WRAPS);
        assert!(rig.transmit_queue.counters().used > WRAPS);
        rig.check_service();
    }
}

#[test]
fn a_device_that_needs_a_reset_comes_back_and_loses_nothing() {
    let rig = Network::new();
    rig.machine.initialize().unwrap();
    for _ in 0..20 {
        rig.send(60);
        rig.machine.registers.set_status(device_model::NEEDS_RESET);
        rig.machine.run();
        assert!(!rig.machine.transport.is_running());
        rig.machine.pass_time();
        rig.machine.pass_time();
        assert!(rig.machine.transport.is_running());
        rig.check_service();
    }
    assert!(rig.machine.transport.counters().recoveries >= 20);
}
