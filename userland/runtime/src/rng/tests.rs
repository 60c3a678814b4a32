// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The generator against a stand-in that gives a few bytes at a time.

use super::*;
use crate::host::{self, Event, Shared};
use crate::syscall::Return;
use std::collections::VecDeque;

/// Gives `portion` bytes of `value` per request, with `status`.
struct Generator {
    portion: usize,
    status: u32,
    value: u8,
    destination: Option<Shared>,
    /// Never answers.
    is_mute: bool,
    alarm: Option<u32>,
}

impl host::Kernel for Generator {
    fn command(
        &mut self,
        driver: usize,
        number: usize,
        [count, dt]: [usize; 2],
        events: &mut VecDeque<Event>,
    ) -> Return {
        if driver == 0 {
            // The alarm: 1 kHz, at zero.
            let value = match number {
                1 => 1000,
                6 => {
                    self.alarm = Some(dt as u32);
                    dt
                }
                _ => 0,
            };
            return Return {
                variant: 129,
                values: [value, 0, 0],
            };
        }
        assert_eq!((driver, number), (DRIVER, COMMAND_GET));
        if self.is_mute {
            return Return {
                variant: 128,
                values: [0; 3],
            };
        }
        let shared = self.destination.unwrap();
        let count = count.min(self.portion).min(shared.length);
        // SAFETY: shared for the length of the request.
        unsafe { core::slice::from_raw_parts_mut(shared.address, count) }.fill(self.value);
        self.value += 1;
        events.push_back(Event {
            driver,
            number: UPCALL_DONE,
            arguments: [self.status, count as u32, 0],
        });
        Return {
            variant: 128,
            values: [0; 3],
        }
    }

    fn allow(
        &mut self,
        _writable: bool,
        _driver: usize,
        _number: usize,
        buffer: Shared,
    ) -> Result<Shared, ErrorCode> {
        Ok(self.destination.replace(buffer).unwrap_or(buffer))
    }

    fn idle(&mut self, events: &mut VecDeque<Event>) {
        let due = self.alarm.take().expect("the process would sleep for good");
        events.push_back(Event {
            driver: 0,
            number: 0,
            arguments: [due, due, 0],
        });
    }
}

fn generator(portion: usize, status: u32) {
    host::install(Generator {
        portion,
        status,
        value: 1,
        destination: None,
        is_mute: false,
        alarm: None,
    });
}

/// As `fill_within`, with the statics of this thread's process as they were at its start.
fn fill_soon(bytes: &mut [u8]) -> Result<(), ErrorCode> {
    crate::alarm::FIRED.disable();
    fill_within(bytes, 100)
}

#[test]
fn a_source_that_answers_in_time_is_no_different_with_a_limit() {
    let _turn = host::take_turn();
    generator(3, 0);
    let mut bytes = [0; 8];
    assert_eq!(fill_soon(&mut bytes), Ok(()));
    assert_eq!(bytes, [1, 1, 1, 2, 2, 2, 3, 3]);
    // The event is left to whoever waits for it without a limit.
    assert_eq!(fill(&mut bytes), Ok(()));
    generator(3, ErrorCode::Fail as u32);
    assert_eq!(fill_soon(&mut bytes), Err(ErrorCode::Fail));
}

#[test]
fn a_mute_source_is_given_up() {
    let _turn = host::take_turn();
    host::install(Generator {
        portion: 8,
        status: 0,
        value: 1,
        destination: None,
        is_mute: true,
        alarm: None,
    });
    assert_eq!(fill_soon(&mut [0; 8]), Err(ErrorCode::Cancel));
}

#[test]
fn a_slow_source_fills_the_buffer_piece_by_piece() {
    generator(3, 0);
    let mut bytes = [0; 8];
    assert_eq!(fill(&mut bytes), Ok(()));
    assert_eq!(bytes, [1, 1, 1, 2, 2, 2, 3, 3]);
}

#[test]
fn an_empty_buffer_needs_no_source() {
    generator(0, 0);
    assert_eq!(fill(&mut []), Ok(()));
}

#[test]
fn failures_are_passed_on() {
    generator(3, ErrorCode::Fail as u32);
    assert_eq!(fill(&mut [0; 8]), Err(ErrorCode::Fail));
}

#[test]
fn a_source_that_gives_nothing_is_a_failure() {
    generator(0, 0);
    assert_eq!(fill(&mut [0; 8]), Err(ErrorCode::Fail));
}
