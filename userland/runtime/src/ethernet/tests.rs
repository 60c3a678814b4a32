// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The tap against a stand-in kernel that appends frames and sends them like the real one.

use super::*;
use crate::host::{self, Event, Shared};
use crate::syscall::Return;
use crate::upcall::Upcall;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

const RECEIVE: usize = RECEIVE_MINIMUM + 200;

/// What the test and the kernel both look at.
#[derive(Default)]
struct Wire {
    /// Frames on their way to the process.
    incoming: VecDeque<Vec<u8>>,
    /// Frames the process has sent.
    sent: Vec<Vec<u8>>,
    /// The process has taken notice of the frame before.
    busy: bool,
    status: u32,
    commands: Vec<usize>,
    /// Whether upcalls of another kind fill the queue at the next chance.
    crowded: bool,
}

struct TapKernel {
    wire: Rc<RefCell<Wire>>,
    receive: Option<Shared>,
    transmit: Option<Shared>,
    /// Nothing comes or goes any more that would make the tap try again.
    was_crowded: bool,
}

impl TapKernel {
    /// Appends frames to the shared slice; the first one in it schedules the upcall.
    fn deliver(&mut self, events: &mut VecDeque<Event>) {
        let Some(shared) = self.receive else { return };
        // SAFETY: shared by the process, which does not touch it while a system call runs.
        let buffer = unsafe { core::slice::from_raw_parts_mut(shared.address, shared.length) };
        let (header, data) = buffer.split_at_mut(8);
        let mut wire = self.wire.borrow_mut();
        while let Some(frame) = wire.incoming.front() {
            let used = u32::from_ne_bytes(header[4..8].try_into().unwrap()) as usize;
            let end = used + 12 + frame.len();
            if end > data.len() {
                header[3] |= 1;
                return;
            }
            data[used..used + 12].fill(0);
            data[used + 2..used + 4].copy_from_slice(&(frame.len() as u16).to_ne_bytes());
            data[used + 12..end].copy_from_slice(frame);
            header[4..8].copy_from_slice(&(end as u32).to_ne_bytes());
            wire.incoming.pop_front();
            if used == 0 {
                events.push_back(Event {
                    driver: DRIVER,
                    number: 0,
                    arguments: [0; 3],
                });
            }
        }
    }
}

/// An upcall of another driver.
const OTHER: Event = Event {
    driver: 0,
    number: 0,
    arguments: [0; 3],
};

/// Subscribed to by whoever wants to be woken by [`OTHER`].
static OTHERS: Upcall = Upcall::new(OTHER.driver, OTHER.number);

impl TapKernel {
    fn report_sent(&self, events: &mut VecDeque<Event>) {
        let mut wire = self.wire.borrow_mut();
        if core::mem::take(&mut wire.busy) {
            let arguments = [wire.status, 0, 0];
            events.push_back(Event {
                driver: DRIVER,
                number: 1,
                arguments,
            });
        }
    }
}

impl host::Kernel for TapKernel {
    fn command(
        &mut self,
        driver: usize,
        number: usize,
        [length, _]: [usize; 2],
        events: &mut VecDeque<Event>,
    ) -> Return {
        assert_eq!(driver, DRIVER);
        self.wire.borrow_mut().commands.push(number);
        match number {
            1 => {
                self.deliver(events);
                Return {
                    variant: 132,
                    values: [1, 2, 3],
                }
            }
            3 => {
                let mut wire = self.wire.borrow_mut();
                assert!(
                    !core::mem::replace(&mut wire.busy, true),
                    "a frame was still in flight"
                );
                let shared = self.transmit.unwrap();
                // SAFETY: as in `deliver`.
                let frame = unsafe { core::slice::from_raw_parts(shared.address, length) };
                wire.sent.push(frame.to_vec());
                Return {
                    variant: 128,
                    values: [0; 3],
                }
            }
            2 => {
                self.report_sent(events);
                Return {
                    variant: 130,
                    values: [1, 2, 0],
                }
            }
            0x100 => Return {
                variant: 133,
                values: [0x1_05DC, 0x1200_5452, 0x5634],
            },
            _ => Return {
                variant: 0,
                values: [10, 0, 0],
            },
        }
    }

    fn allow(
        &mut self,
        writable: bool,
        driver: usize,
        number: usize,
        buffer: Shared,
    ) -> Result<Shared, ErrorCode> {
        assert_eq!((driver, number), (DRIVER, 0));
        let slot = if writable {
            &mut self.receive
        } else {
            &mut self.transmit
        };
        let nothing = Shared {
            address: core::ptr::null_mut(),
            length: 0,
        };
        Ok(slot.replace(buffer).unwrap_or(nothing))
    }

    fn idle(&mut self, events: &mut VecDeque<Event>) {
        if core::mem::take(&mut self.wire.borrow_mut().crowded) {
            // A frame comes, and neither its upcall nor that of a sent one finds room.
            self.was_crowded = true;
            self.deliver(&mut VecDeque::new());
            events.extend([OTHER; 10]);
            return;
        }
        self.deliver(events);
        if !self.was_crowded {
            self.report_sent(events);
        }
        assert!(!events.is_empty(), "the process would sleep for good");
    }
}

/// Runs a test on a fresh tap.
fn with_tap(test: impl FnOnce(Tap, &RefCell<Wire>)) {
    let _turn = host::take_turn();
    RECEIVED.disable();
    transmitter::SENT.disable();
    let wire = Rc::new(RefCell::new(Wire::default()));
    host::install(TapKernel {
        wire: wire.clone(),
        receive: None,
        transmit: None,
        was_crowded: false,
    });
    let tap = Tap::open(Box::leak(Box::new(Buffers::<RECEIVE>::new()))).unwrap();
    test(tap, &wire);
}

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
    with_tap(|mut tap, wire| {
        OTHERS.disable();
        OTHERS.enable().unwrap();
        wire.borrow_mut().crowded = true;
        tap.transmitter.transmit(&frame(1)).unwrap();
        assert_eq!(tap.transmitter.flush(), Ok(()));
        let commands = [COMMAND_TRANSMIT, COMMAND_TRANSMIT_STATISTICS];
        assert_eq!(wire.borrow().commands, commands);
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
        assert_eq!(wire.borrow().commands, [COMMAND_RECEIVE_STATISTICS]);
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
        assert_eq!(wire.borrow().commands, []);
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
    with_tap(|mut tap, wire| {
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

#[test]
fn the_link_command_is_taken_apart() {
    with_tap(|_, _| {
        let mac = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];
        assert_eq!(
            link(),
            Ok(Link {
                mtu: 1500,
                is_up: true,
                mac
            })
        );
    });
}
