// SPDX-License-Identifier: Apache-2.0 OR MIT

//! How many register accesses and interrupts frames cost, with a device that offers EVENT_IDX.

use super::*;
use crate::features::EVENT_IDX;

/// Miri interprets each step.
const ROUNDS: usize = if cfg!(miri) { 3 } else { 100 };

/// A device that notes where it wants to be notified, and interrupts where the driver wants it to.
struct Card {
    rig: Rig,
    receive: SplitDevice,
    transmit: SplitDevice,
    interrupts: Cell<usize>,
}

impl Card {
    fn new() -> Self {
        let rig = Rig::cold();
        rig.device.offered.set(rig.device.offered.get() | EVENT_IDX);
        rig.initialize();
        rig.driver.enable_receive();
        let (receive, transmit) = (rig.device.queue(RECEIVE), rig.device.queue(TRANSMIT));
        Self {
            rig,
            receive,
            transmit,
            interrupts: Cell::new(0),
        }
    }

    /// Returns chains of one queue, with a frame where there is room for one, and interrupts if the
    /// driver asked for it.
    fn give_back(&self, half: &SplitDevice, chains: usize) {
        let before = half.used_index();
        for _ in 0..chains {
            let chain = half.pop().expect("a chain is available");
            half.return_used(chain.head.into(), chain.fill(&with_header(60)));
        }
        let now = half.used_index();
        if now.wrapping_sub(half.used_event()).wrapping_sub(1) < now.wrapping_sub(before) {
            self.interrupts.set(self.interrupts.get() + 1);
            self.rig.interrupt(1);
        }
    }

    /// Sleeps until the next notification.
    fn ask(&self, half: &SplitDevice) {
        half.set_available_event(half.next_available());
    }

    fn take_register_accesses(&self) -> usize {
        self.rig.device.writes.take().len() + self.rig.device.reads.take().len()
    }
}

#[test]
fn a_frame_received_alone_costs_two_accesses_and_one_interrupt() {
    let card = Card::new();
    card.take_register_accesses();
    for _ in 0..ROUNDS {
        card.give_back(&card.receive, 1);
    }
    assert_eq!(card.rig.client.frames.borrow().len(), ROUNDS);
    assert_eq!(card.take_register_accesses(), 2 * ROUNDS);
    assert_eq!(card.interrupts.get(), ROUNDS);
    assert!(card.rig.device.notifications().is_empty());
}

#[test]
fn frames_received_together_share_one_interrupt() {
    let card = Card::new();
    card.take_register_accesses();
    for _ in 0..ROUNDS {
        card.give_back(&card.receive, DEPTH);
    }
    assert_eq!(card.rig.client.frames.borrow().len(), ROUNDS * DEPTH);
    assert_eq!(card.take_register_accesses(), 2 * ROUNDS);
}

#[test]
fn a_burst_of_frames_to_send_costs_one_notification_and_one_interrupt() {
    let card = Card::new();
    for _ in 0..ROUNDS {
        card.ask(&card.transmit);
        card.take_register_accesses();
        (0..2).for_each(|n| assert!(card.rig.send(60, n).is_ok()));
        run_deferred_calls();
        assert_eq!(card.rig.device.notifications(), [1]);
        assert_eq!(card.take_register_accesses(), 1);
        card.give_back(&card.transmit, 1);
        assert_eq!(card.take_register_accesses(), 0, "one is still out");
        card.give_back(&card.transmit, 1);
        assert_eq!(card.take_register_accesses(), 2);
        assert_eq!(card.rig.client.done.take().len(), 2);
    }
    assert_eq!(card.interrupts.get(), ROUNDS);
}

#[test]
fn steady_sending_is_collected_without_interrupts() {
    let card = Card::new();
    card.ask(&card.transmit);
    card.take_register_accesses();
    assert!(card.rig.send(60, 0).is_ok());
    run_deferred_calls();
    for n in 1..=ROUNDS {
        // The device is always one frame behind, so it neither sleeps nor gets to the last one.
        assert!(card.rig.send(60, n).is_ok());
        card.give_back(&card.transmit, 1);
        run_deferred_calls();
    }
    assert_eq!(card.rig.client.done.borrow().len(), ROUNDS);
    assert_eq!(card.interrupts.get(), 0);
    assert_eq!(card.take_register_accesses(), 1);
    // Without further traffic the last one comes back all the same.
    card.give_back(&card.transmit, 1);
    assert_eq!(card.rig.client.done.borrow().len(), ROUNDS + 1);
    assert_eq!(card.interrupts.get(), 1);
}

#[test]
fn a_full_ring_is_cleared_of_what_was_sent_without_an_interrupt() {
    let card = Card::new();
    (0..2).for_each(|n| assert!(card.rig.send(60, n).is_ok()));
    run_deferred_calls();
    card.give_back(&card.transmit, 1);
    assert_eq!(card.rig.send(60, 2).unwrap_err().0, ErrorCode::BUSY);
    run_deferred_calls();
    assert_eq!(card.rig.client.done.borrow().len(), 1);
    assert!(card.rig.send(60, 2).is_ok());
    assert_eq!(card.interrupts.get(), 0);
}
