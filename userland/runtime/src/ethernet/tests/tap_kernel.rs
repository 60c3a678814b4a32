// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The kernel's side of the tap: an older one, or one with all additions.

use crate::error::ErrorCode;
use crate::ethernet::{Buffers, DRIVER, RECEIVE_MINIMUM, Tap, transmit_bytes};
use crate::host::{self, Event, Shared};
use crate::syscall::Return;
use crate::upcall::Upcall;
use core::ops::Range;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

const RECEIVE: usize = RECEIVE_MINIMUM + 200;
const TRANSMIT: usize = transmit_bytes(3);

/// The card's address, first octet lowest.
pub const MAC: u64 = 0x5634_1200_5452;
/// The address that the kernel gives out.
pub const CLAIMED: u64 = 0x0100_0000_0002;

/// What the test and the kernel both look at.
#[derive(Default)]
pub struct Wire {
    /// Frames on their way to the process.
    pub incoming: VecDeque<Vec<u8>>,
    /// Frames the process has sent.
    pub sent: Vec<Vec<u8>>,
    /// What is to be reported about frames.
    report: Option<Event>,
    /// What becomes of frames.
    pub status: u32,
    /// How many frames of a batch are handed over, if not all.
    pub batch_stops_after: Option<usize>,
    /// Each command with its arguments.
    pub calls: Vec<[usize; 3]>,
    /// Whether upcalls of another kind fill the queue at the next chance.
    pub crowded: bool,
    /// The kernel knows the additions.
    pub is_new: bool,
    /// The line is down.
    pub is_down: bool,
    /// Answer to commands that only set something.
    pub refusal: Option<ErrorCode>,
    /// Buffers that were shared to receive into.
    receive_buffers: Vec<Range<usize>>,
    /// Where single frames lay.
    single_places: Vec<usize>,
    /// No frame can be taken at once.
    pub is_full: bool,
}

impl Wire {
    /// Numbers of the commands so far.
    pub fn commands(&self) -> Vec<usize> {
        self.calls.iter().map(|[number, ..]| *number).collect()
    }

    /// Addresses of all buffers that were shared to receive into.
    pub fn receive_buffers(&self) -> Vec<Range<usize>> {
        self.receive_buffers.clone()
    }

    /// Addresses of the single frames so far.
    pub fn single_places(&self) -> Vec<usize> {
        self.single_places.clone()
    }

    fn report(&mut self, number: usize, arguments: [u32; 3]) {
        let before = self.report.replace(Event {
            driver: DRIVER,
            number,
            arguments,
        });
        assert_eq!(before, None, "frames were still in flight");
    }

    fn link_flags(&self) -> u32 {
        1500 | u32::from(!self.is_down) << 16
    }
}

struct TapKernel {
    wire: Rc<RefCell<Wire>>,
    receive: Option<Shared>,
    transmit: [Option<Shared>; 2],
    /// Nothing comes or goes any more that would make the tap try again.
    was_crowded: bool,
    was_down: bool,
}

/// An upcall of another driver.
const OTHER: Event = Event {
    driver: 0,
    number: 0,
    arguments: [0; 3],
};

/// Subscribed to by whoever wants to be woken by [`OTHER`].
pub static OTHERS: Upcall = Upcall::new(OTHER.driver, OTHER.number);

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

    fn report_sent(&self, events: &mut VecDeque<Event>) {
        events.extend(self.wire.borrow_mut().report.take());
    }

    /// Bytes of what the process shares for reading.
    fn shared(&self, number: usize, start: usize, length: usize) -> Option<&[u8]> {
        let shared = self.transmit[number]?;
        let room = shared.length.checked_sub(start)?;
        // SAFETY: as in `deliver`.
        (length <= room).then(|| unsafe {
            core::slice::from_raw_parts(shared.address.wrapping_add(start), length)
        })
    }

    fn transmit(&self, length: usize) -> Return {
        let Some(frame) = self.shared(0, 0, length) else {
            return failure(ErrorCode::Size);
        };
        let mut wire = self.wire.borrow_mut();
        let status = wire.status;
        wire.single_places.push(frame.as_ptr().addr());
        wire.report(1, [status, length as u32, 0]);
        wire.sent.push(frame.to_vec());
        success(128, [0; 3])
    }

    fn transmit_at_once(&self, length: usize, start: usize) -> Return {
        let Some(frame) = self.shared(1, start, length) else {
            return failure(ErrorCode::Size);
        };
        let mut wire = self.wire.borrow_mut();
        if wire.is_full || wire.report.is_some() {
            return failure(ErrorCode::Busy);
        }
        if let Some(error) = wire.refusal {
            return failure(error);
        }
        wire.single_places.push(frame.as_ptr().addr());
        wire.sent.push(frame.to_vec());
        success(128, [0; 3])
    }

    fn transmit_batch(&self, length: usize) -> Return {
        let Some(mut rest) = self.shared(1, 0, length) else {
            return failure(ErrorCode::Size);
        };
        let mut frames = Vec::new();
        while let Some((length, data)) = rest.split_first_chunk() {
            let length = usize::from(u16::from_ne_bytes(*length));
            let Some((frame, more)) = data.split_at_checked(length) else {
                return failure(ErrorCode::Invalid);
            };
            frames.push(frame.to_vec());
            rest = more;
        }
        let mut wire = self.wire.borrow_mut();
        frames.truncate(wire.batch_stops_after.unwrap_or(frames.len()));
        let bytes: usize = frames.iter().map(|frame| 2 + frame.len()).sum();
        let status = wire.status;
        wire.report(3, [status, frames.len() as u32, bytes as u32]);
        wire.sent.extend(frames);
        success(128, [0; 3])
    }

    fn addition(&self, number: usize, arguments: [usize; 2]) -> Return {
        let halves = |mac: u64| [mac as u32 as usize, (mac >> 32) as usize];
        let wire = self.wire.borrow();
        match (number, arguments) {
            (0x100, _) => {
                let [low, high] = halves(MAC);
                success(133, [wire.link_flags() as usize, low, high])
            }
            (0x101, [claim @ 0..=1, _]) => {
                let [low, high] = halves(if claim == 1 { CLAIMED } else { 0 });
                success(131, [low, high, 0])
            }
            (0x102..=0x104, _) => match wire.refusal {
                Some(error) => failure(error),
                None => success(128, [0; 3]),
            },
            (0x105, [0, _]) => success(132, [1, 2, 3]),
            (0x105, [1, _]) => success(132, [4, 5, 6]),
            (0x106, [length, _]) => {
                drop(wire);
                self.transmit_batch(length)
            }
            (0x107, [length, start]) => {
                drop(wire);
                self.transmit_at_once(length, start)
            }
            (0x101..=0x106, _) => failure(ErrorCode::Invalid),
            _ => failure(ErrorCode::NoSupport),
        }
    }
}

fn success(variant: usize, values: [usize; 3]) -> Return {
    Return { variant, values }
}

fn failure(error: ErrorCode) -> Return {
    Return {
        variant: 0,
        values: [error as usize, 0, 0],
    }
}

impl host::Kernel for TapKernel {
    fn command(
        &mut self,
        driver: usize,
        number: usize,
        arguments: [usize; 2],
        events: &mut VecDeque<Event>,
    ) -> Return {
        assert_eq!(driver, DRIVER);
        let [first, second] = arguments;
        self.wire.borrow_mut().calls.push([number, first, second]);
        let is_new = self.wire.borrow().is_new;
        match number {
            1 => {
                self.deliver(events);
                success(132, [1, 2, 3])
            }
            2 => {
                self.report_sent(events);
                success(130, [1, 2, 0])
            }
            3 => self.transmit(first),
            _ if is_new => self.addition(number, arguments),
            _ => failure(ErrorCode::NoSupport),
        }
    }

    fn allow(
        &mut self,
        writable: bool,
        driver: usize,
        number: usize,
        buffer: Shared,
    ) -> Result<Shared, ErrorCode> {
        assert_eq!(driver, DRIVER);
        let slot = match (writable, number) {
            (true, 0) => {
                let start = buffer.address.addr();
                let mut wire = self.wire.borrow_mut();
                wire.receive_buffers.push(start..start + buffer.length);
                &mut self.receive
            }
            (false, 0) => &mut self.transmit[0],
            (false, 1) if self.wire.borrow().is_new => &mut self.transmit[1],
            _ => return Err(ErrorCode::Invalid),
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
        let (is_down, flags) = {
            let wire = self.wire.borrow();
            (wire.is_down, wire.link_flags())
        };
        if core::mem::replace(&mut self.was_down, is_down) != is_down {
            events.push_back(Event {
                driver: DRIVER,
                number: 2,
                arguments: [flags, 0, 0],
            });
        }
        assert!(!events.is_empty(), "the process would sleep for good");
    }
}

/// Runs a test on a fresh tap of a kernel that is new or old.
pub fn with_tap_of(is_new: bool, test: impl FnOnce(Tap, &RefCell<Wire>)) {
    let _turn = host::take_turn();
    host::reset_events();
    let wire = Rc::new(RefCell::new(Wire {
        is_new,
        ..Wire::default()
    }));
    host::install(TapKernel {
        wire: wire.clone(),
        receive: None,
        transmit: [None; 2],
        was_crowded: false,
        was_down: false,
    });
    let tap = Tap::open(Box::leak(Box::new(Buffers::<RECEIVE, TRANSMIT>::new()))).unwrap();
    test(tap, &wire);
}

/// Runs a test on both kernels.
pub fn with_tap(test: impl Fn(Tap, &RefCell<Wire>)) {
    for is_new in [false, true] {
        with_tap_of(is_new, &test);
    }
}
