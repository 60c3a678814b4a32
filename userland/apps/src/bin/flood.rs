// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Fills queues as fast as it can and never takes anything out: its own with alarms, writes and random
//! bytes, everyone else's with inter-process notifications that nobody asked for.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use tock_app::trespass::calls::{Caller, class};
use tock_app::{ErrorCode, low_level_debug, println};

tock_app::entry!(main, stack = 2048, heap = 256);

const ALARM: usize = 0x0;
const CONSOLE: usize = 0x1;
const RNG: usize = 0x40001;
const IPC: usize = 0x10000;

const NOTIFY_SERVICE: usize = 2;
const NOTIFY_CLIENT: usize = 3;

/// More than the board has.
const PROCESSES: usize = 10;

/// Rounds between two signs of life.
const REPORT: u32 = 200;

fn main() -> Result<(), ErrorCode> {
    println!("flood: rising");
    let mut caller = Caller::new(256)?;
    let (arena, upcall) = (caller.arena().start, caller.upcall());
    for (driver, number) in [(ALARM, 0), (CONSOLE, 1), (RNG, 0)] {
        caller.call(class::SUBSCRIBE, [driver, number, upcall, 0]);
    }
    caller.call(class::ALLOW_READ_WRITE, [RNG, 0, arena, 4]);
    for process in 0..PROCESSES {
        caller.call(
            class::ALLOW_READ_WRITE,
            [IPC, process, arena + 16 * process, 16],
        );
    }
    for round in 0u32.. {
        for (driver, command, argument) in [(ALARM, 5, 0), (CONSOLE, 1, 0), (RNG, 1, 4)] {
            caller.call(class::COMMAND, [driver, command, argument, 0]);
        }
        for process in 0..PROCESSES {
            for command in [NOTIFY_SERVICE, NOTIFY_CLIENT] {
                caller.call(class::COMMAND, [IPC, command, process, 0]);
            }
        }
        if round.is_multiple_of(REPORT) {
            low_level_debug::print(round);
        }
    }
    Ok(())
}
