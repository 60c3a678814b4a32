// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The tap against a stand-in kernel that appends frames and sends them like the real one.

mod additions;
mod batches;
mod in_place;
mod tap_kernel;

use super::*;
use tap_kernel::{OTHERS, with_tap, with_tap_of};

fn frame(number: usize) -> Vec<u8> {
    let length = 60 + (number * 397) % (1514 - 60);
    (0..length).map(|byte| (byte + number) as u8).collect()
}

#[test]
fn frames_of_all_sizes_arrive_in_order_over_many_exchanges() {
    with_tap(|mut tap, wire| {
        wire.borrow_mut().incoming.extend((0..200).map(frame));
        for number in 0..200 {
            tap.receiver.wait();
            assert_eq!(tap.receiver.receive(), Some(&frame(number)[..]));
        }
        assert_eq!(tap.receiver.receive(), None);
        assert_eq!((tap.receiver.frames(), tap.receiver.malformed()), (200, 0));
    });
}

#[test]
fn a_frame_that_arrives_after_the_last_look_ends_the_wait() {
    with_tap(|mut tap, wire| {
        for number in 0..3 {
            assert_eq!(tap.receiver.receive(), None);
            wire.borrow_mut().incoming.push_back(frame(number));
            // The command delivers the frame and queues the upcall before the wait begins.
            receive_statistics().unwrap();
            tap.receiver.wait();
            assert_eq!(tap.receiver.receive(), Some(&frame(number)[..]));
        }
    });
}

#[test]
fn a_frame_whose_upcall_found_the_queue_full_ends_the_wait() {
    with_tap(|mut tap, wire| {
        OTHERS.disable();
        OTHERS.enable().unwrap();
        wire.borrow_mut().incoming.push_back(frame(1));
        wire.borrow_mut().crowded = true;
        tap.receiver.wait();
        assert_eq!(tap.receiver.receive(), Some(&frame(1)[..]));
    });
}

#[test]
fn a_sent_event_that_found_the_queue_full_is_asked_for() {
    with_tap_of(false, |mut tap, wire| {
        OTHERS.disable();
        OTHERS.enable().unwrap();
        wire.borrow_mut().crowded = true;
        tap.transmitter.transmit(&frame(1)).unwrap();
        assert_eq!(tap.transmitter.flush(), Ok(()));
        let commands = [COMMAND_TRANSMIT, COMMAND_TRANSMIT_STATISTICS];
        assert_eq!(wire.borrow().commands(), commands);
    });
}

#[test]
fn an_exceeded_buffer_makes_the_tap_look_again() {
    with_tap(|mut tap, wire| {
        wire.borrow_mut()
            .incoming
            .extend([vec![1; 1514], vec![2; 1514]]);
        tap.receiver.wait();
        assert_eq!(tap.receiver.receive().map(|frame| frame[0]), Some(1));
        assert_eq!(wire.borrow().commands(), [COMMAND_RECEIVE_STATISTICS]);
        assert_eq!(tap.receiver.receive().map(|frame| frame[0]), Some(2));
    });
}

#[test]
fn a_frame_that_was_looked_at_is_still_there() {
    with_tap(|mut tap, wire| {
        wire.borrow_mut().incoming.extend([frame(1), frame(2)]);
        tap.receiver.wait();
        assert_eq!(tap.receiver.peek(), Some(&frame(1)[..]));
        assert_eq!(tap.receiver.receive(), Some(&frame(1)[..]));
        assert_eq!(tap.receiver.peek(), Some(&frame(2)[..]));
        assert_eq!(tap.receiver.frames(), 1);
    });
}

#[test]
fn looking_at_an_idle_tap_makes_no_system_call() {
    with_tap(|mut tap, wire| {
        assert_eq!(tap.receiver.receive(), None);
        assert!(!tap.receiver.is_ready());
        assert_eq!(wire.borrow().commands(), []);
    });
}

#[test]
fn each_frame_waits_for_the_one_before() {
    with_tap(|mut tap, wire| {
        for number in 0..5 {
            tap.transmitter.transmit(&frame(number)).unwrap();
        }
        assert_eq!(tap.transmitter.frames(), 5);
        assert_eq!(tap.transmitter.flush(), Ok(()));
        assert_eq!(wire.borrow().sent, (0..5).map(frame).collect::<Vec<_>>());
        assert_eq!(tap.transmitter.failed(), 0);
    });
}

#[test]
fn a_sent_event_survives_a_wait_for_something_else() {
    with_tap(|mut tap, wire| {
        for number in 0..3 {
            tap.transmitter.transmit(&frame(number)).unwrap();
            wire.borrow_mut().incoming.push_back(frame(number));
            tap.receiver.wait();
            assert_eq!(tap.receiver.receive(), Some(&frame(number)[..]));
        }
        assert_eq!(tap.transmitter.flush(), Ok(()));
    });
}

#[test]
fn a_frame_that_was_not_handed_over_is_counted() {
    with_tap_of(false, |mut tap, wire| {
        wire.borrow_mut().status = ErrorCode::Fail as u32;
        tap.transmitter.transmit(&frame(1)).unwrap();
        assert_eq!(tap.transmitter.flush(), Err(ErrorCode::Fail));
        assert_eq!((tap.transmitter.frames(), tap.transmitter.failed()), (0, 1));
    });
}

#[test]
fn an_oversize_frame_is_refused_before_it_is_written() {
    with_tap(|mut tap, wire| {
        let written = tap
            .transmitter
            .transmit_with(FRAME_LIMIT + 1, |_| unreachable!());
        assert_eq!(written, Err::<(), _>(ErrorCode::Size));
        assert!(wire.borrow().sent.is_empty());
    });
}
