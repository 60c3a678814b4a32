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
}

impl host::Kernel for Generator {
    fn command(
        &mut self,
        driver: usize,
        number: usize,
        [count, _]: [usize; 2],
        events: &mut VecDeque<Event>,
    ) -> Return {
        assert_eq!((driver, number), (DRIVER, COMMAND_GET));
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

    fn idle(&mut self, _events: &mut VecDeque<Event>) {
        panic!("the process would sleep for good");
    }
}

fn generator(portion: usize, status: u32) {
    host::install(Generator {
        portion,
        status,
        value: 1,
        destination: None,
    });
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
