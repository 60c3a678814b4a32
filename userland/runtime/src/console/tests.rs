// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The console against a stand-in that takes and gives bytes in portions.

use super::*;
use crate::host::{self, Event, Shared};
use crate::syscall::Return;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

/// What the test and the console both look at.
#[derive(Default)]
pub struct Line {
    written: Vec<Vec<u8>>,
    /// Most bytes one write takes; zero for a console that takes nothing.
    portion: usize,
    /// What is typed and not read yet.
    pub input: Vec<u8>,
    reading: Option<usize>,
    alarm: Option<u32>,
    aborts: usize,
}

struct LineKernel {
    line: Rc<RefCell<Line>>,
    output: Option<Shared>,
    input: Option<Shared>,
}

fn event(driver: usize, number: usize, arguments: [u32; 3]) -> Event {
    Event {
        driver,
        number,
        arguments,
    }
}

impl host::Kernel for LineKernel {
    fn command(
        &mut self,
        driver: usize,
        number: usize,
        [first, second]: [usize; 2],
        events: &mut VecDeque<Event>,
    ) -> Return {
        let mut line = self.line.borrow_mut();
        let (variant, value) = match (driver, number) {
            (DRIVER, COMMAND_WRITE) => {
                let count = first.min(line.portion);
                // SAFETY: shared for the length of the write.
                let bytes =
                    unsafe { core::slice::from_raw_parts(self.output.unwrap().address, count) };
                line.written.push(bytes.to_vec());
                events.push_back(event(DRIVER, UPCALL_WRITTEN, [count as u32, 0, 0]));
                (128, 0)
            }
            (DRIVER, COMMAND_READ) if first > READ_LIMIT => (0, 6),
            (DRIVER, COMMAND_READ) => {
                line.reading = Some(first);
                (128, 0)
            }
            (DRIVER, COMMAND_ABORT) => {
                line.aborts += 1;
                if line.reading.take().is_some() {
                    let available = line.input.len();
                    self.copy_input(&line.input);
                    line.input.clear();
                    events.push_back(event(DRIVER, UPCALL_READ, [8, available as u32, 0]));
                }
                (128, 0)
            }
            // The alarm: 1 kHz, at zero.
            (0, 1) => (129, 1000),
            (0, 2) => (129, 0),
            (0, 3) => (128, 0),
            (0, 6) => {
                line.alarm = Some(second as u32);
                (129, second)
            }
            _ => (0, 10),
        };
        Return {
            variant,
            values: [value, 0, 0],
        }
    }

    fn allow(
        &mut self,
        writable: bool,
        _driver: usize,
        _number: usize,
        buffer: Shared,
    ) -> Result<Shared, ErrorCode> {
        let slot = if writable {
            &mut self.input
        } else {
            &mut self.output
        };
        Ok(slot.replace(buffer).unwrap_or(buffer))
    }

    fn idle(&mut self, events: &mut VecDeque<Event>) {
        let mut line = self.line.borrow_mut();
        match line.reading {
            Some(length) if line.input.len() >= length => {
                self.copy_input(&line.input[..length]);
                line.input.drain(..length);
                line.reading = None;
                events.push_back(event(DRIVER, UPCALL_READ, [0, length as u32, 0]));
            }
            _ => {
                let due = line.alarm.take().expect("the process would sleep for good");
                events.push_back(event(0, 0, [due, due, 0]));
            }
        }
    }
}

impl LineKernel {
    fn copy_input(&self, bytes: &[u8]) {
        let shared = self.input.unwrap();
        assert!(bytes.len() <= shared.length);
        // SAFETY: shared for the length of the read.
        unsafe { core::slice::from_raw_parts_mut(shared.address, bytes.len()) }
            .copy_from_slice(bytes);
    }
}

/// Runs a test on a line.
pub fn with_line<R>(portion: usize, input: &[u8], test: impl FnOnce(&RefCell<Line>) -> R) -> R {
    let _turn = host::take_turn();
    READ_DONE.disable();
    alarm::FIRED.disable();
    let line = Rc::new(RefCell::new(Line {
        portion,
        input: input.to_vec(),
        ..Line::default()
    }));
    host::install(LineKernel {
        line: line.clone(),
        output: None,
        input: None,
    });
    test(&line)
}

#[test]
fn a_line_is_one_write() {
    with_line(1000, b"", |line| {
        crate::println!("{} and {}", 1, "two");
        assert_eq!(line.borrow().written, [b"1 and two\n".to_vec()]);
    });
}

#[test]
fn what_one_write_leaves_goes_out_with_the_next() {
    with_line(4, b"", |line| {
        write(b"abcdefghij").unwrap();
        assert_eq!(line.borrow().written.concat(), b"abcdefghij");
    });
}

#[test]
fn a_console_that_takes_nothing_ends_the_write() {
    with_line(0, b"", |_| assert_eq!(write(b"abc"), Err(ErrorCode::Fail)));
}

#[test]
fn without_a_console_printing_does_nothing() {
    std::thread::spawn(|| {
        assert_eq!(write(b"abc"), Err(ErrorCode::NoDevice));
        crate::println!("lost");
    })
    .join()
    .unwrap();
}

#[test]
fn a_read_fills_the_buffer() {
    with_line(0, b"hello", |_| {
        let mut buffer = [0; 5];
        assert_eq!(read(&mut buffer), Ok(()));
        assert_eq!(&buffer, b"hello");
        assert_eq!(read(&mut [0; READ_LIMIT + 1]), Err(ErrorCode::Invalid));
    });
}

#[test]
fn a_read_that_runs_out_of_time_returns_what_came() {
    with_line(0, b"hel", |line| {
        let mut buffer = [0; 5];
        assert_eq!(read_timeout(&mut buffer, 10), Ok(3));
        assert_eq!(&buffer, b"hel\0\0");
        assert_eq!(line.borrow().aborts, 1);
    });
}

#[test]
fn a_read_in_time_is_not_aborted() {
    with_line(0, b"hello", |line| {
        let mut buffer = [0; 5];
        assert_eq!(read_timeout(&mut buffer, 10), Ok(5));
        assert_eq!(line.borrow().aborts, 0);
    });
}
