// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Fills its queue with one driver's upcalls, has another driver finish something meanwhile, and waits
//! for that only when the queue is empty again.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use tock_app::alarm::Clock;
use tock_app::{ErrorCode, println, share, syscall};

tock_app::entry!(main, stack = 2048);

const CONSOLE: usize = 0x1;
const WRITE: usize = 1;
const WRITTEN: usize = 1;

const RNG: usize = 0x40001;
const GET: usize = 1;
const DONE: usize = 0;

/// Places in the queue of a process.
const QUEUE: usize = 10;

/// More than the port needs for a few bytes.
const WRITE_US: u64 = 20_000;

/// Queues `QUEUE` upcalls of a request for nothing, runs `busy`, and takes the upcalls out again.
fn with_full_queue<R>(
    [driver, command, upcall]: [usize; 3],
    busy: impl FnOnce() -> Result<R, ErrorCode>,
) -> Result<R, ErrorCode> {
    for _ in 0..QUEUE {
        syscall::command(driver, command, 0, 0)?;
    }
    let result = busy()?;
    for _ in 0..QUEUE {
        syscall::wait_for(driver, upcall);
    }
    Ok(result)
}

fn main() -> Result<(), ErrorCode> {
    let mut bytes = [0; 8];
    let random = share::read_write(RNG, 0, &mut bytes, || {
        with_full_queue([CONSOLE, WRITE, WRITTEN], || {
            syscall::command(RNG, GET, 8, 0)
        })?;
        Ok::<_, ErrorCode>(syscall::wait_for(RNG, DONE))
    })??;
    println!("late: random {random:?}");

    let mut clock = Clock::start()?;
    let written = share::read_only(CONSOLE, 1, b"text\n", || {
        with_full_queue([RNG, GET, DONE], || {
            syscall::command(CONSOLE, WRITE, 5, 0)?;
            // Without a yield, so that the end of the write finds the queue full.
            let begin = clock.micros();
            while clock.micros() - begin < WRITE_US {}
            Ok(())
        })?;
        Ok::<_, ErrorCode>(syscall::wait_for(CONSOLE, WRITTEN))
    })??;
    println!("late: written {written:?}");
    Ok(())
}
