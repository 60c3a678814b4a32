// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Reading frames in the buffer that the kernel has, and giving it back empty.

use super::super::*;
use super::frame;
use super::tap_kernel::{Wire, with_tap, with_tap_of};
use proptest::prelude::*;
use std::cell::RefCell;

/// Lets frames arrive as they do between two instructions of an app.
fn deliver() {
    receive_statistics().unwrap();
}

fn exchanges(wire: &RefCell<Wire>) -> usize {
    wire.borrow().receive_buffers().len() - 1
}

#[test]
fn short_frames_need_no_exchange() {
    with_tap_of(true, |mut tap, wire| {
        for number in 0..100 {
            wire.borrow_mut().incoming.push_back(vec![number; 60]);
            tap.receiver.wait();
            assert_eq!(tap.receiver.receive(), Some(&[number; 60][..]));
        }
        assert_eq!(tap.receiver.receive(), None);
        assert_eq!(exchanges(wire), 0);
    });
}

#[test]
fn a_kernel_that_does_not_promise_to_leave_frames_alone_gives_its_buffer_back_first() {
    with_tap_of(false, |mut tap, wire| {
        for number in 0..10 {
            wire.borrow_mut().incoming.push_back(vec![number; 60]);
            tap.receiver.wait();
            assert_eq!(tap.receiver.receive(), Some(&[number; 60][..]));
        }
        assert_eq!(exchanges(wire), 10);
    });
}

#[test]
fn frames_that_come_while_one_is_read_are_read_behind_it() {
    with_tap_of(true, |mut tap, wire| {
        wire.borrow_mut().incoming.push_back(vec![1; 60]);
        tap.receiver.wait();
        assert_eq!(tap.receiver.receive(), Some(&[1; 60][..]));
        // No event tells of this one, for the buffer is not empty yet.
        wire.borrow_mut().incoming.push_back(vec![2; 61]);
        deliver();
        tap.receiver.wait();
        assert_eq!(tap.receiver.receive(), Some(&[2; 61][..]));
        assert_eq!(exchanges(wire), 0);
        // Much is used now, so the next ones come to the other buffer.
        wire.borrow_mut()
            .incoming
            .extend([vec![3; 62], vec![4; 1514]]);
        deliver();
        assert_eq!(tap.receiver.receive(), Some(&[3; 62][..]));
        assert_eq!(tap.receiver.receive(), Some(&[4; 1514][..]));
        assert_eq!(tap.receiver.receive(), None);
        assert_ne!(exchanges(wire), 0);
    });
}

#[test]
fn waiting_leaves_an_empty_buffer_behind() {
    with_tap_of(true, |mut tap, wire| {
        for number in 0..20 {
            wire.borrow_mut().incoming.push_back(vec![number; 100]);
            // The frame before was taken, and nothing has looked for another one.
            tap.receiver.wait_any(&[], None).unwrap();
            assert_eq!(tap.receiver.receive(), Some(&[number; 100][..]));
        }
        assert_eq!(exchanges(wire), 0);
    });
}

#[test]
fn a_frame_without_room_behind_one_that_is_read_comes_next() {
    with_tap_of(true, |mut tap, wire| {
        wire.borrow_mut().incoming.push_back(vec![1; 100]);
        tap.receiver.wait();
        assert_eq!(tap.receiver.peek(), Some(&[1; 100][..]));
        wire.borrow_mut()
            .incoming
            .extend([vec![2; 1514], vec![3; 200]]);
        deliver();
        for expected in [vec![1; 100], vec![2; 1514], vec![3; 200]] {
            tap.receiver.wait();
            assert_eq!(tap.receiver.receive(), Some(&expected[..]));
        }
        assert_eq!(tap.receiver.receive(), None);
    });
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Arrive(usize),
    Deliver,
    Receive,
    Peek,
    Wait,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => prop_oneof![60usize..120, 60usize..1515].prop_map(Step::Arrive),
        2 => Just(Step::Deliver),
        3 => Just(Step::Receive),
        1 => Just(Step::Peek),
        1 => Just(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn frames_come_whole_and_in_order_whenever_they_arrive(
        steps in proptest::collection::vec(any_step(), 1..200),
    ) {
        with_tap(|mut tap, wire| {
            let mut frames = Vec::new();
            let mut taken = 0;
            for step in &steps {
                match step {
                    Step::Arrive(length) => {
                        let mut next = frame(frames.len());
                        next.resize(*length, 7);
                        frames.push(next.clone());
                        wire.borrow_mut().incoming.push_back(next);
                    }
                    Step::Deliver => deliver(),
                    Step::Receive => {
                        if let Some(received) = tap.receiver.receive() {
                            assert_eq!(received, frames[taken]);
                            taken += 1;
                        }
                    }
                    Step::Peek => {
                        if let Some(seen) = tap.receiver.peek() {
                            assert_eq!(seen, frames[taken]);
                        }
                    }
                    Step::Wait if taken < frames.len() => tap.receiver.wait(),
                    Step::Wait => {}
                }
            }
            while taken < frames.len() {
                tap.receiver.wait();
                while let Some(received) = tap.receiver.receive() {
                    assert_eq!(received, frames[taken]);
                    taken += 1;
                }
            }
            assert_eq!(tap.receiver.frames() as usize, frames.len());
            assert_eq!(tap.receiver.malformed(), 0);
        });
    }
}
