// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Several frames by one command, where the kernel has it.

use super::super::*;
use super::frame;
use super::tap_kernel::{OTHERS, Wire, with_tap, with_tap_of};
use std::cell::RefCell;

const SINGLE: usize = 3;
const BATCH: usize = 0x106;
const AT_ONCE: usize = 0x107;

fn queue(tap: &mut Tap, frame: &[u8]) {
    let queued = tap
        .transmitter
        .queue_with(frame.len(), |bytes| bytes.copy_from_slice(frame));
    assert_eq!(queued, Ok(()));
}

/// Queues `count` frames of 60 bytes and returns them.
fn queue_short(tap: &mut Tap, count: u8) -> Vec<Vec<u8>> {
    let frames: Vec<Vec<u8>> = (0..count).map(|number| vec![number; 60]).collect();
    frames.iter().for_each(|frame| queue(tap, frame));
    frames
}

fn commands(wire: &RefCell<Wire>) -> Vec<usize> {
    wire.borrow().commands()
}

#[test]
fn queued_frames_leave_together_in_order() {
    with_tap_of(true, |mut tap, wire| {
        let frames = queue_short(&mut tap, 8);
        assert_eq!(commands(wire), []);
        assert_eq!(tap.transmitter.flush(), Ok(()));
        assert_eq!(wire.borrow().sent, frames);
        assert_eq!(wire.borrow().calls, [[BATCH, 8 * 62, 0]]);
        let transmitter = &tap.transmitter;
        assert_eq!((transmitter.frames(), transmitter.bytes()), (8, 480));
    });
}

#[test]
fn a_kernel_without_batches_gets_each_frame_at_once() {
    with_tap_of(false, |mut tap, wire| {
        let frames = queue_short(&mut tap, 8);
        assert_eq!(tap.transmitter.flush(), Ok(()));
        assert_eq!(wire.borrow().sent, frames);
        assert_eq!(commands(wire), [SINGLE; 8]);
        assert_eq!(tap.transmitter.frames(), 8);
    });
}

#[test]
fn one_queued_frame_is_handed_over_without_a_report() {
    with_tap_of(true, |mut tap, wire| {
        for number in 0..3 {
            queue(&mut tap, &[number; 60]);
            assert_eq!(tap.transmitter.submit(), Ok(()));
            assert_eq!(wire.borrow().sent.last(), Some(&vec![number; 60]));
        }
        assert_eq!(commands(wire), [AT_ONCE; 3]);
        let transmitter = &tap.transmitter;
        assert_eq!((transmitter.frames(), transmitter.bytes()), (3, 180));
    });
}

#[test]
fn a_frame_for_which_there_is_no_room_waits_as_a_batch() {
    with_tap_of(true, |mut tap, wire| {
        wire.borrow_mut().is_full = true;
        let frames = queue_short(&mut tap, 1);
        assert_eq!(tap.transmitter.flush(), Ok(()));
        assert_eq!(
            (commands(wire), &wire.borrow().sent),
            (vec![AT_ONCE, BATCH], &frames)
        );
        assert_eq!(tap.transmitter.frames(), 1);
    });
}

#[test]
fn a_frame_that_is_refused_for_good_is_not_offered_again() {
    with_tap_of(true, |mut tap, wire| {
        wire.borrow_mut().refusal = Some(ErrorCode::NoDevice);
        queue_short(&mut tap, 1);
        assert_eq!(tap.transmitter.submit(), Err(ErrorCode::NoDevice));
        assert_eq!(tap.transmitter.flush(), Ok(()));
        assert_eq!(commands(wire), [AT_ONCE]);
        assert_eq!((tap.transmitter.frames(), tap.transmitter.failed()), (0, 1));
    });
}

#[test]
fn frames_of_all_sizes_leave_whole_when_the_buffer_is_full() {
    with_tap(|mut tap, wire| {
        let frames: Vec<Vec<u8>> = (0..100).map(frame).collect();
        frames.iter().for_each(|frame| queue(&mut tap, frame));
        assert_eq!(tap.transmitter.flush(), Ok(()));
        assert_eq!(wire.borrow().sent, frames);
        let transmitter = &tap.transmitter;
        assert_eq!((transmitter.frames(), transmitter.failed()), (100, 0));
        let bytes: usize = frames.iter().map(Vec::len).sum();
        assert_eq!(transmitter.bytes(), bytes as u64);
    });
}

#[test]
fn the_size_for_three_frames_sends_three_at_once() {
    with_tap_of(true, |mut tap, wire| {
        for number in 0..3 {
            queue(&mut tap, &[number; 1514]);
        }
        // The third leaves no room for another one, so nobody has to ask.
        assert_eq!(wire.borrow().calls, [[BATCH, 3 * 1516, 0]]);
    });
}

#[test]
fn a_frame_that_is_not_queued_takes_those_before_it_along() {
    with_tap_of(true, |mut tap, wire| {
        let mut frames = queue_short(&mut tap, 2);
        frames.push(frame(3));
        tap.transmitter.transmit(&frames[2]).unwrap();
        assert_eq!(
            (commands(wire), &wire.borrow().sent),
            (vec![BATCH], &frames)
        );
        assert_eq!(tap.transmitter.flush(), Ok(()));
    });
}

#[test]
fn what_a_batch_leaves_behind_is_counted() {
    with_tap_of(true, |mut tap, wire| {
        wire.borrow_mut().status = ErrorCode::NoDevice as u32;
        wire.borrow_mut().batch_stops_after = Some(5);
        queue_short(&mut tap, 8);
        assert_eq!(tap.transmitter.flush(), Err(ErrorCode::NoDevice));
        let transmitter = &tap.transmitter;
        assert_eq!((transmitter.frames(), transmitter.failed()), (5, 3));
        assert_eq!(transmitter.bytes(), 300);
    });
}

#[test]
fn an_oversize_frame_leaves_the_queue_alone() {
    with_tap_of(true, |mut tap, wire| {
        let frames = queue_short(&mut tap, 2);
        let refused = tap
            .transmitter
            .queue_with(FRAME_LIMIT + 1, |_| unreachable!());
        assert_eq!(refused, Err::<(), _>(ErrorCode::Size));
        assert_eq!(tap.transmitter.flush(), Ok(()));
        assert_eq!(wire.borrow().sent, frames);
    });
}

#[test]
fn a_report_on_a_batch_that_found_the_queue_full_is_asked_for() {
    with_tap_of(true, |mut tap, wire| {
        OTHERS.disable();
        OTHERS.enable().unwrap();
        wire.borrow_mut().crowded = true;
        queue_short(&mut tap, 2);
        assert_eq!(tap.transmitter.flush(), Ok(()));
        assert_eq!(commands(wire), [BATCH, COMMAND_TRANSMIT_STATISTICS]);
    });
}

#[test]
fn nothing_queued_is_nothing_to_do() {
    with_tap(|mut tap, wire| {
        assert_eq!(tap.transmitter.submit(), Ok(()));
        assert_eq!(tap.transmitter.flush(), Ok(()));
        assert_eq!(commands(wire), []);
    });
}

#[test]
fn forwarded_frames_come_out_changed_and_in_order_whatever_their_length() {
    with_tap(|mut tap, wire| {
        let frames: Vec<Vec<u8>> = (0..100).map(frame).collect();
        wire.borrow_mut().incoming.extend(frames.clone());
        for _ in 0..frames.len() {
            let forwarded = loop {
                match tap.forward(|frame| {
                    frame[0] ^= 0xFF;
                    true
                }) {
                    Some(result) => break result,
                    None => tap.receiver.wait(),
                }
            };
            assert_eq!(forwarded, Ok(()));
        }
        assert_eq!(tap.transmitter.flush(), Ok(()));
        let mut expected = frames;
        expected.iter_mut().for_each(|frame| frame[0] ^= 0xFF);
        assert_eq!(wire.borrow().sent, expected);
        let counts = (tap.transmitter.frames(), tap.transmitter.failed());
        assert_eq!(counts, (100, 0));
    });
}

#[test]
fn a_frame_that_is_alone_is_sent_from_where_it_was_received() {
    with_tap_of(true, |mut tap, wire| {
        for length in [1514, 60, 1000, 60] {
            wire.borrow_mut().incoming.push_back(vec![1; length]);
            tap.receiver.wait();
            assert_eq!(tap.forward(|_| true), Some(Ok(())));
        }
        assert_eq!(tap.transmitter.flush(), Ok(()));
        assert_eq!(commands(wire), [AT_ONCE; 4]);
        let receive = wire.borrow().receive_buffers();
        for place in wire.borrow().single_places() {
            assert!(receive.iter().any(|buffer| buffer.contains(&place)));
        }
    });
}

#[test]
fn a_forwarded_frame_for_which_there_is_no_room_is_kept_until_there_is() {
    with_tap_of(true, |mut tap, wire| {
        let frames: Vec<Vec<u8>> = (0..20).map(frame).collect();
        for (number, frame) in frames.iter().enumerate() {
            wire.borrow_mut().is_full = number % 3 != 0;
            wire.borrow_mut().incoming.push_back(frame.clone());
            tap.receiver.wait();
            assert_eq!(tap.forward(|_| true), Some(Ok(())));
            assert_eq!(tap.transmitter.submit(), Ok(()));
        }
        assert_eq!(tap.transmitter.flush(), Ok(()));
        assert_eq!(wire.borrow().sent, frames);
        let bytes: usize = frames.iter().map(Vec::len).sum();
        let transmitter = &tap.transmitter;
        let counts = (transmitter.frames(), transmitter.bytes());
        assert_eq!(counts, (20, bytes as u64));
    });
}

#[test]
fn long_frames_that_came_together_leave_together() {
    with_tap_of(true, |mut tap, wire| {
        let frames = [vec![1; 700], vec![2; 800]];
        wire.borrow_mut().incoming.extend(frames.clone());
        tap.receiver.wait();
        for _ in 0..2 {
            assert_eq!(tap.forward(|_| true), Some(Ok(())));
        }
        assert_eq!(tap.transmitter.flush(), Ok(()));
        assert_eq!(
            (commands(wire), &wire.borrow().sent[..]),
            (vec![BATCH], &frames[..])
        );
    });
}

#[test]
fn a_frame_that_is_not_to_be_sent_is_taken_all_the_same() {
    with_tap(|mut tap, wire| {
        wire.borrow_mut().incoming.extend([frame(1), frame(2)]);
        tap.receiver.wait();
        assert_eq!(tap.forward(|_| false), Some(Ok(())));
        assert_eq!(tap.receiver.receive(), Some(&frame(2)[..]));
        assert!(wire.borrow().sent.is_empty());
        assert_eq!(tap.forward(|_| unreachable!()), None);
    });
}
