// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Tests: a kernel with an alarm and an Ethernet tap, and no entropy device.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::ops::Range;
use std::rc::Rc;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tock_app::ErrorCode;
use tock_app::host::{self, Event, Kernel, Shared};
use tock_app::syscall::Return;

const ALARM: usize = 0;
const TAP: usize = 0x30007;
const LINK_MTU: u32 = 1400;
/// Of the alarm's counter: a tick is a millisecond.
const FREQUENCY: usize = 1000;

/// The card's address and the one that the tap gives out, first octet lowest.
const CARD: u64 = 0x5634_1200_5452;
const CLAIMED: u64 = 0x0100_0000_0002;

/// What the test and the kernel both look at.
#[derive(Default)]
pub struct Board {
    /// Frames on their way to the process.
    pub incoming: VecDeque<Vec<u8>>,
    /// Frames that left together.
    pub sent: Vec<Vec<Vec<u8>>>,
    /// The kernel knows the tap's additions.
    pub is_new: bool,
    /// Changes of the link to tell of.
    pub link_changes: VecDeque<bool>,
    /// The alarm's counter.
    pub now: u32,
    due: Option<u32>,
    receive: Option<Shared>,
    transmit: [Option<Shared>; 2],
    /// Where buffers were shared to receive into.
    pub receive_buffers: Vec<Range<usize>>,
}

impl Board {
    /// Where frames to send are read from.
    pub fn transmit_buffer(&self) -> Range<usize> {
        let shared = self.transmit[1].unwrap();
        let start = shared.address.addr();
        start..start + shared.length
    }

    fn deliver(&mut self, events: &mut VecDeque<Event>) {
        let Some(shared) = self.receive else { return };
        // SAFETY: shared by the process, which does not touch it while a system call runs.
        let buffer = unsafe { core::slice::from_raw_parts_mut(shared.address, shared.length) };
        let (header, data) = buffer.split_at_mut(8);
        while let Some(frame) = self.incoming.front() {
            let used = u32::from_ne_bytes(header[4..8].try_into().unwrap()) as usize;
            let end = used + 12 + frame.len();
            if end > data.len() {
                return;
            }
            data[used..used + 12].fill(0);
            data[used + 2..used + 4].copy_from_slice(&(frame.len() as u16).to_ne_bytes());
            data[used + 12..end].copy_from_slice(frame);
            header[4..8].copy_from_slice(&(end as u32).to_ne_bytes());
            self.incoming.pop_front();
            if used == 0 {
                events.push_back(event(TAP, 0, [0; 3]));
            }
        }
    }

    fn shared(&self, number: usize, length: usize) -> Vec<u8> {
        let shared = self.transmit[number].unwrap();
        assert!(length <= shared.length);
        // SAFETY: as in `deliver`.
        unsafe { core::slice::from_raw_parts(shared.address, length) }.to_vec()
    }

    fn tap(&mut self, number: usize, first: usize, events: &mut VecDeque<Event>) -> Return {
        let halves = |mac: u64| [mac as u32 as usize, (mac >> 32) as usize];
        match number {
            1 => success(132, [0; 3]),
            2 => success(130, [0; 3]),
            3 => {
                let frame = self.shared(0, first);
                self.sent.push(vec![frame]);
                events.push_back(event(TAP, 1, [0, first as u32, 0]));
                success(128, [0; 3])
            }
            0x100 if self.is_new => {
                let [low, high] = halves(CARD);
                success(133, [LINK_MTU as usize | 1 << 16, low, high])
            }
            0x101 if self.is_new => {
                let [low, high] = halves(CLAIMED);
                success(131, [low, high, 0])
            }
            0x106 if self.is_new => {
                let batch = self.shared(1, first);
                let (mut rest, mut frames) = (&batch[..], Vec::new());
                while let Some((length, data)) = rest.split_first_chunk() {
                    let (frame, more) = data.split_at(u16::from_ne_bytes(*length).into());
                    frames.push(frame.to_vec());
                    rest = more;
                }
                let count = frames.len() as u32;
                self.sent.push(frames);
                events.push_back(event(TAP, 3, [0, count, first as u32]));
                success(128, [0; 3])
            }
            _ => failure(ErrorCode::NoSupport),
        }
    }

    fn alarm(&mut self, number: usize, [reference, dt]: [usize; 2]) -> Return {
        let value = match number {
            1 => FREQUENCY,
            2 => self.now as usize,
            6 => {
                let due = (reference as u32).wrapping_add(dt as u32);
                self.due = Some(due);
                due as usize
            }
            _ => {
                self.due = None;
                return success(128, [0; 3]);
            }
        };
        success(129, [value, 0, 0])
    }
}

struct StandIn(Rc<RefCell<Board>>);

fn event(driver: usize, number: usize, arguments: [u32; 3]) -> Event {
    Event {
        driver,
        number,
        arguments,
    }
}

fn success(variant: usize, values: [usize; 3]) -> Return {
    Return { variant, values }
}

fn failure(error: ErrorCode) -> Return {
    success(0, [error as usize, 0, 0])
}

impl Kernel for StandIn {
    fn command(
        &mut self,
        driver: usize,
        number: usize,
        arguments: [usize; 2],
        events: &mut VecDeque<Event>,
    ) -> Return {
        let mut board = self.0.borrow_mut();
        match driver {
            ALARM => board.alarm(number, arguments),
            TAP => board.tap(number, arguments[0], events),
            _ => failure(ErrorCode::NoDevice),
        }
    }

    fn allow(
        &mut self,
        writable: bool,
        driver: usize,
        number: usize,
        buffer: Shared,
    ) -> Result<Shared, ErrorCode> {
        let mut board = self.0.borrow_mut();
        let start = buffer.address.addr();
        let slot = match (driver, writable, number) {
            (TAP, true, 0) => {
                board.receive_buffers.push(start..start + buffer.length);
                &mut board.receive
            }
            (TAP, false, 0) => &mut board.transmit[0],
            (TAP, false, 1) if board.is_new => &mut board.transmit[1],
            (TAP, ..) => return Err(ErrorCode::Invalid),
            _ => return Err(ErrorCode::NoDevice),
        };
        let nothing = Shared {
            address: core::ptr::null_mut(),
            length: 0,
        };
        Ok(slot.replace(buffer).unwrap_or(nothing))
    }

    fn idle(&mut self, events: &mut VecDeque<Event>) {
        let mut board = self.0.borrow_mut();
        if let Some(is_up) = board.link_changes.pop_front() {
            events.push_back(event(TAP, 2, [LINK_MTU | u32::from(is_up) << 16, 0, 0]));
        }
        board.deliver(events);
        if events.is_empty() {
            let due = board.due.take().expect("the process would sleep for good");
            board.now = due;
            events.push_back(event(ALARM, 0, [due, due, 0]));
        }
    }
}

/// Installs a fresh board; the guard keeps other tests from the statics that all threads share.
pub fn board(is_new: bool) -> (Rc<RefCell<Board>>, MutexGuard<'static, ()>) {
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    host::reset_events();
    let board = Rc::new(RefCell::new(Board {
        is_new,
        ..Board::default()
    }));
    host::install(StandIn(board.clone()));
    (board, turn)
}
