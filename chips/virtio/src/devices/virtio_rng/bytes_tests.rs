// SPDX-License-Identifier: Apache-2.0 OR MIT

use core::cell::RefCell;
use std::vec::Vec;

use super::*;
use crate::devices::virtio_rng::tests::{DEPTH, Driver, LEN, Rig};
use crate::features::EVENT_IDX;
use crate::queues::BufferQueue;
use crate::testing::mmio_device::NEEDS_RESET;
use crate::testing::{leak, run_deferred_calls};
use crate::transports::{POLLS_IN_A_SECOND, Polled};
use core::cell::Cell;

/// A client that draws and asks as it is told to when it is called.
#[derive(Default)]
struct Waiter {
    calls: RefCell<Vec<Result<(), ErrorCode>>>,
    draws: Cell<Option<(&'static Driver, usize)>>,
    asks_again: Cell<bool>,
    got: RefCell<Vec<u8>>,
}

impl RandomBytesClient for Waiter {
    fn bytes_available(&self, outcome: Result<(), ErrorCode>) {
        self.calls.borrow_mut().push(outcome);
        if let Some((driver, count)) = self.draws.get() {
            self.got.borrow_mut().extend(draw(driver, count));
            if self.asks_again.get() {
                assert_eq!(driver.request_bytes(), Ok(()));
            }
        }
    }
}

fn draw(driver: &Driver, count: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let drawn = driver.draw(count, &mut |piece| {
        assert!(!piece.is_empty());
        bytes.extend_from_slice(piece);
    });
    assert_eq!(drawn, bytes.len());
    assert!(drawn <= count);
    bytes
}

fn rig(features: u64) -> (Rig, &'static Waiter) {
    let rig = Rig::new_with(features);
    let waiter: &'static Waiter = leak(Waiter::default());
    rig.driver.set_bytes_client(waiter);
    (rig, waiter)
}

fn counting(from: usize, to: usize) -> Vec<u8> {
    (from..=to).map(|n| n as u8).collect()
}

#[test]
fn draws_of_any_length_keep_every_byte_in_order() {
    let (rig, waiter) = rig(0);
    let mut got = Vec::new();
    for (len, count) in [
        (8, 3),
        (5, 1),
        (1, 9),
        (8, 0),
        (7, 2),
        (3, 40),
        (6, 1),
        (2, 1),
    ] {
        rig.deliver(len);
        got.extend(draw(rig.driver, count));
    }
    got.extend(draw(rig.driver, usize::MAX));
    assert_eq!(got, counting(1, 40));
    assert_eq!(draw(rig.driver, 1), []);
    assert_eq!(waiter.calls.take(), [], "nobody asked");
}

#[test]
fn bytes_in_stock_cost_no_register_access_and_no_call() {
    let (rig, waiter) = rig(EVENT_IDX);
    (0..DEPTH).for_each(|_| rig.deliver(LEN));
    rig.device.writes.take();
    rig.device.reads.take();
    // All but the byte that would empty the second buffer.
    for _ in 0..2 * LEN - 1 {
        assert_eq!(draw(rig.driver, 1).len(), 1);
    }
    assert_eq!(rig.device.writes.take(), []);
    assert!(rig.device.reads.take().is_empty());
    run_deferred_calls();
    assert_eq!(waiter.calls.take(), []);
}

#[test]
fn a_draw_that_the_stock_satisfies_looks_at_no_queue() {
    let (rig, _) = rig(0);
    rig.deliver(5);
    rig.deliver(3);
    let looks = |rig: &Rig| (rig.queue.counters().scans, rig.queue.counters().empty_scans);
    let before = looks(&rig);
    // The first draw empties a buffer, which is to be posted again.
    assert_eq!(draw(rig.driver, 5).len(), 5);
    assert_eq!(looks(&rig), before);
    assert_eq!(draw(rig.driver, 4).len(), 3);
    assert_ne!(looks(&rig), before, "one that it does not satisfy");
}

#[test]
fn emptied_buffers_go_back_in_batches_with_one_notification() {
    let (rig, _) = rig(EVENT_IDX);
    (0..DEPTH).for_each(|_| rig.deliver(LEN));
    rig.half.set_available_event(rig.half.next_available());
    rig.device.writes.take();
    draw(rig.driver, LEN);
    assert_eq!(rig.half.available_index(), DEPTH as u16);
    draw(rig.driver, 2 * LEN);
    assert_eq!(rig.half.available_index(), DEPTH as u16 + 3);
    assert_eq!(rig.device.notifications(), [0]);
    for _ in 0..3 {
        let chain = rig.half.pop().unwrap();
        assert_eq!(chain.buffers[0].read(), [0; LEN], "erased");
    }
}

#[test]
fn a_draw_collects_what_came_before_its_interrupt() {
    let (rig, _) = rig(0);
    let chain = rig.half.pop().unwrap();
    rig.half.return_used(chain.head.into(), chain.fill(&[7; 5]));
    assert_eq!(draw(rig.driver, 9), [7; 5]);
    rig.interrupt();
    assert_eq!(draw(rig.driver, 9), []);
}

#[test]
fn a_request_is_answered_once_when_bytes_arrive() {
    let (rig, waiter) = rig(0);
    assert_eq!(rig.driver.request_bytes(), Ok(()));
    assert_eq!(rig.driver.request_bytes(), Ok(()));
    run_deferred_calls();
    assert_eq!(waiter.calls.take(), []);
    // One byte, which is no word.
    rig.deliver(1);
    rig.deliver(8);
    run_deferred_calls();
    assert_eq!(waiter.calls.take(), [Ok(())]);
    assert_eq!(draw(rig.driver, 100), counting(1, 9));
}

#[test]
fn a_request_with_bytes_in_stock_is_answered_by_deferred_call() {
    let (rig, waiter) = rig(0);
    rig.deliver(3);
    assert_eq!(rig.driver.request_bytes(), Ok(()));
    assert_eq!(waiter.calls.take(), []);
    run_deferred_calls();
    assert_eq!(waiter.calls.take(), [Ok(())]);
}

#[test]
fn a_client_may_draw_and_ask_again_when_it_is_called() {
    let (rig, waiter) = rig(0);
    waiter.draws.set(Some((rig.driver, 5)));
    waiter.asks_again.set(true);
    assert_eq!(rig.driver.request_bytes(), Ok(()));
    for _ in 0..20 {
        rig.deliver(8);
        run_deferred_calls();
    }
    assert_eq!(waiter.got.take(), counting(1, 160));
    assert_eq!(rig.queue.counters().rejected, 0);
}

#[test]
fn a_client_that_draws_while_another_call_is_due_is_not_called_from_inside() {
    let (rig, waiter) = rig(0);
    assert_eq!(rig.driver.request_bytes(), Ok(()));
    let chain = rig.half.pop().unwrap();
    rig.half.return_used(chain.head.into(), chain.fill(&[7; 5]));
    assert_eq!(draw(rig.driver, 9), []);
    assert_eq!(waiter.calls.take(), []);
    run_deferred_calls();
    assert_eq!(waiter.calls.take(), [Ok(())]);
    assert_eq!(draw(rig.driver, 9), [7; 5]);
}

#[test]
fn a_withdrawn_request_brings_no_call_and_loses_nothing() {
    let (rig, waiter) = rig(0);
    assert_eq!(rig.driver.request_bytes(), Ok(()));
    assert_eq!(rig.driver.cancel_request(), Ok(()));
    rig.deliver(6);
    run_deferred_calls();
    assert_eq!(waiter.calls.take(), []);
    assert_eq!(draw(rig.driver, 9), counting(1, 6));
    assert_eq!(rig.driver.cancel_request(), Ok(()));
}

#[test]
fn an_empty_completion_is_an_error_to_a_waiting_client() {
    let (rig, waiter) = rig(0);
    assert_eq!(rig.driver.request_bytes(), Ok(()));
    rig.deliver(0);
    assert_eq!(waiter.calls.take(), [Err(ErrorCode::FAIL)]);
    assert_eq!(rig.driver.request_bytes(), Ok(()));
    rig.deliver(2);
    assert_eq!(waiter.calls.take(), [Ok(())]);
    assert_eq!(draw(rig.driver, 9), counting(1, 2));
}

#[test]
fn an_empty_completion_before_a_request_is_no_error_to_it() {
    let (rig, waiter) = rig(0);
    rig.deliver(0);
    for _ in 0..3 {
        rig.deliver(8);
    }
    assert_eq!(draw(rig.driver, 24), counting(1, 24));
    assert_eq!(rig.driver.request_bytes(), Ok(()));
    run_deferred_calls();
    assert_eq!(waiter.calls.take(), []);
    rig.deliver(8);
    assert_eq!(waiter.calls.take(), [Ok(())]);
    assert_eq!(draw(rig.driver, 8), counting(25, 32));
}

#[test]
fn a_failed_device_gives_what_it_gave_before_and_then_errors() {
    let (rig, waiter) = rig(0);
    rig.deliver(8);
    assert_eq!(draw(rig.driver, 3), counting(1, 3));
    rig.device.status.set(rig.device.status.get() | NEEDS_RESET);
    rig.device.raise(2);
    rig.transport.handle_interrupt();
    assert_eq!(draw(rig.driver, 100), counting(4, 8));
    assert_eq!(draw(rig.driver, 1), []);
    assert_eq!(rig.driver.request_bytes(), Err(ErrorCode::FAIL));
    run_deferred_calls();
    assert_eq!(waiter.calls.take(), []);
}

#[test]
fn a_client_that_is_never_served_is_told_after_a_second() {
    let (rig, waiter) = rig(0);
    assert_eq!(rig.driver.request_bytes(), Ok(()));
    for _ in 0..=POLLS_IN_A_SECOND {
        assert!(waiter.calls.borrow().is_empty());
        assert!(rig.transport.poll());
    }
    assert_eq!(waiter.calls.take(), [Err(ErrorCode::FAIL)]);
}
