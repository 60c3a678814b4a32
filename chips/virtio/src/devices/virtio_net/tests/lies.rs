// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A device that says anything about its queues, in any order with what clients do.

use kernel::hil::ethernet_adapter::{EthernetAdapter, EthernetAdapterClient, Link, Offer};

use std::vec;

use super::*;

/// A client that has room now and then, and keeps account of its buffers.
struct Client {
    has_room: Cell<bool>,
    offered: Cell<usize>,
    lent: Cell<usize>,
}

impl EthernetAdapterClient for Client {
    fn offer(&self, frame: &[u8], _timestamp: Option<u64>) -> Offer {
        assert!((14..=1518).contains(&frame.len()));
        self.offered.set(self.offered.get() + 1);
        if self.has_room.get() {
            Offer::Taken
        } else {
            Offer::Held
        }
    }

    fn offers_done(&self) {}

    fn transmitted(
        &self,
        outcome: Result<(), ErrorCode>,
        frame: &'static mut [u8],
        identifier: usize,
        _timestamp: Option<u64>,
    ) {
        assert!(matches!(outcome, Ok(()) | Err(ErrorCode::FAIL)));
        assert_eq!(frame.len(), 64);
        assert_eq!(frame[0], identifier as u8, "not the frame that was lent");
        self.lent.set(self.lent.get() - 1);
    }

    fn link_changed(&self, _link: Link) {}
}

#[derive(Clone, Debug)]
enum Step {
    /// The client hands in a frame.
    Submit(u8),
    Flush,
    Reclaim,
    /// The client gets room, or loses it.
    Room(bool),
    StopAndStart,
    /// The device returns a buffer as it should, with a header of these bytes and a frame.
    Honest(bool, [u8; 4], u16),
    /// The device claims that it has used a chain.
    Used(bool, u32, u32),
    /// The device moves the index of a used ring.
    Index(bool, u16),
    /// The device changes its configuration space, and interrupts for these causes.
    Interrupt(u32, usize, u8),
    /// The device fills the driver's part of a queue.
    Scribble(bool, u8),
    Poll,
}

fn step() -> impl proptest::strategy::Strategy<Value = Step> {
    use proptest::prelude::*;
    prop_oneof![
        6 => any::<u8>().prop_map(Step::Submit),
        3 => Just(Step::Flush),
        2 => Just(Step::Reclaim),
        2 => any::<bool>().prop_map(Step::Room),
        1 => Just(Step::StopAndStart),
        8 => (any::<bool>(), prop_oneof![Just([0; 4]), any::<[u8; 4]>()], 0u16..1530)
            .prop_map(|(queue, header, len)| Step::Honest(queue, header, len)),
        1 => (any::<bool>(), 0u32..6, prop_oneof![0u32..2000, any::<u32>()])
            .prop_map(|(queue, id, len)| Step::Used(queue, id, len)),
        1 => (any::<bool>(), any::<u16>()).prop_map(|(queue, by)| Step::Index(queue, by)),
        3 => (0u32..4, 0usize..12, any::<u8>()).prop_map(|(causes, at, value)| {
            Step::Interrupt(causes, at, value)
        }),
        1 => (any::<bool>(), any::<u8>()).prop_map(|(queue, value)| Step::Scribble(queue, value)),
        2 => Just(Step::Poll),
    ]
}

/// The whole arrangement, over resets that move the queues' other halves.
struct Liar {
    rig: Rig,
    client: &'static Client,
    halves: RefCell<Option<[SplitDevice; 2]>>,
    resets: Cell<u32>,
}

impl Liar {
    fn new() -> Self {
        let (rig, receive, transmit) = Rig::new();
        let client: &'static Client = leak(Client {
            has_room: Cell::new(true),
            offered: Cell::new(0),
            lent: Cell::new(0),
        });
        rig.driver.set_adapter_client(client);
        let resets = Cell::new(rig.transport.counters().resets);
        Self {
            rig,
            client,
            halves: RefCell::new(Some([receive, transmit])),
            resets,
        }
    }

    /// Looks at a queue from the device's side, while there is one.
    fn with_half(&self, transmit: bool, act: impl FnOnce(&SplitDevice)) {
        let resets = self.rig.transport.counters().resets;
        if self.resets.replace(resets) != resets {
            *self.halves.borrow_mut() = None;
        }
        if !self.rig.transport.is_running() {
            return;
        }
        let mut halves = self.halves.borrow_mut();
        let [receive, send] = halves
            .get_or_insert_with(|| [RECEIVE, TRANSMIT].map(|number| self.rig.device.queue(number)));
        act(if transmit { send } else { receive });
    }

    fn take(&self, step: Step) {
        let driver = self.rig.driver;
        match step {
            Step::Submit(identifier) => {
                let frame: &'static mut [u8] = leak([identifier; 64]);
                if driver.submit(frame, 60, identifier.into()).is_ok() {
                    self.client.lent.set(self.client.lent.get() + 1);
                }
            }
            Step::Flush => driver.flush(),
            Step::Reclaim => driver.reclaim(),
            Step::Room(room) => {
                self.client.has_room.set(room);
                driver.resume_receive();
                run_deferred_calls();
            }
            Step::StopAndStart => {
                driver.stop_receive();
                driver.start_receive();
            }
            Step::Honest(transmit, header, len) => self.with_half(transmit, |half| {
                // After a lie the ring may hold anything, and only an honest device can be honest.
                if half.has_available() && self.rig.device.interrupt_status.get() == 0 {
                    let head = half.available_entry(half.next_available());
                    if u32::from(head) < DEPTH as u32 {
                        let chain = half.pop().expect("there is one");
                        let mut bytes = header.to_vec();
                        bytes.resize(len.into(), 0);
                        half.return_used(chain.head.into(), chain.fill(&bytes));
                    }
                }
            }),
            Step::Used(transmit, id, len) => {
                self.with_half(transmit, |half| half.return_used(id, len));
            }
            Step::Index(transmit, by) => self.with_half(transmit, |half| {
                half.set_used_index(half.used_index().wrapping_add(by));
            }),
            Step::Interrupt(causes, at, value) => {
                self.rig.device.configuration.borrow_mut()[at] = value;
                self.rig.interrupt(causes);
            }
            Step::Scribble(transmit, value) => self.with_half(transmit, |half| {
                half.scribble_driver_parts(value);
                // What it destroyed it cannot honour any more.
                self.rig.interrupt(1);
                let status = &self.rig.device.status;
                status.set(status.get() | NEEDS_RESET);
                self.rig.interrupt(2);
            }),
            Step::Poll => {
                self.rig.transport.poll();
            }
        }
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig {
        cases: if cfg!(miri) { 2 } else { 300 },
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn whatever_a_device_says_no_buffer_is_lost_and_traffic_resumes(
        steps in proptest::collection::vec(step(), 1..80),
    ) {
        let liar = Liar::new();
        for step in steps {
            liar.take(step);
        }
        let rig = &liar.rig;
        // From here on the device is honest.
        rig.device.configuration.borrow_mut()[..6].copy_from_slice(&CARD_MAC);
        rig.device.configuration.borrow_mut()[6] = 1;
        rig.device.configuration.borrow_mut()[10..12].copy_from_slice(&1500u16.to_le_bytes());
        rig.device.status.set(rig.device.status.get() | NEEDS_RESET);
        rig.interrupt(2);
        let out_of_service = !rig.transport.is_running();
        proptest::prop_assert!(out_of_service);
        proptest::prop_assert_eq!(liar.client.lent.get(), 0, "frames to send came back");
        let waiting = rig.driver.waiting.len();
        proptest::prop_assert_eq!(rig.driver.spare.len() + waiting, DEPTH);
        while rig.transport.poll() {}
        liar.take(Step::Room(true));
        let receive = rig.device.queue(RECEIVE);
        let before = liar.client.offered.get();
        for _ in 0..2 * DEPTH {
            rig.arrive(&receive, &with_header(60));
        }
        proptest::prop_assert_eq!(liar.client.offered.get(), before + 2 * DEPTH);
        liar.take(Step::Submit(9));
        liar.take(Step::Flush);
        proptest::prop_assert_eq!(liar.client.lent.get(), 1);
        let transmit = rig.device.queue(TRANSMIT);
        let chain = transmit.pop().expect("a frame is there");
        transmit.return_used(chain.head.into(), 0);
        liar.take(Step::Reclaim);
        proptest::prop_assert_eq!(liar.client.lent.get(), 0);
    }
}
