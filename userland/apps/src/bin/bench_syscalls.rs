// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Runs each kind of system call many times for `tools/bench`.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use tock_app::syscall::{command, command_u32, wait_for};
use tock_app::upcall::{self, Upcall};
use tock_app::{ErrorCode, memory, share};
use tock_bench::{done, window};

tock_app::entry!(main, stack = 2048);

const ALARM: usize = 0x0;
const CONSOLE: usize = 0x1;
/// No driver has this number.
const ABSENT: usize = 0xDEAD_BEEF;

/// Rounds of what returns at once.
const MANY: u32 = 4096;
/// Rounds of what waits for a device.
const SOME: u32 = 512;

/// A time the alarm cannot have passed before the app waits for it.
const SLEEP_TICKS: usize = 100;

/// Subscriptions for the upcall of a finished read. Each displaces the one before; none subscribes
/// twice.
static READ_DONE: [Upcall; SUBSCRIPTIONS as usize + 1] =
    [const { Upcall::new(CONSOLE, 2) }; SUBSCRIPTIONS as usize + 1];
const SUBSCRIPTIONS: u32 = 127;

fn main() -> Result<(), ErrorCode> {
    window("command-0", MANY, 1, || command(CONSOLE, 0, 0, 0))?;
    window("command-absent", MANY, 1, || {
        match command(ABSENT, 0, 0, 0) {
            Err(ErrorCode::NoDevice) => Ok(()),
            _ => Err(ErrorCode::Fail),
        }
    })?;
    window("yield-no-wait", MANY, 1, || {
        upcall::poll();
        Ok(())
    })?;
    window("memop-2", MANY, 2, || memory::ram().map(drop))?;
    window("sbrk-0", MANY, 1, || memory::app_break().map(drop))?;
    let mut buffer = [b'.'; 64];
    window("allow-ro", MANY, 2, || {
        share::read_only(CONSOLE, 1, &buffer, || ())
    })?;
    window("allow-rw", MANY, 2, || {
        share::read_write(CONSOLE, 1, &mut buffer, || ())
    })?;
    let mut subscriptions = READ_DONE.iter();
    window("subscribe", SUBSCRIPTIONS, 1, || {
        subscriptions.next().ok_or(ErrorCode::Fail)?.enable()
    })?;
    window("upcall", MANY, 1, || write(0))?;
    window("alarm-due", MANY, 1, || alarm(0))?;
    window("alarm-sleep", SOME, 1, || alarm(SLEEP_TICKS))?;
    // The kernel has to make room for itself where the app executes, and give it back.
    share::read_only(CONSOLE, 1, b"\n", || {
        window("console-flash-1", SOME, 1, || write(1))
    })??;
    // Shared anew for each window, at whose end the console takes the place of the buffer.
    for (name, length) in [("console-1", 1), ("console-64", 64)] {
        share::read_only(CONSOLE, 1, &buffer, || {
            window(name, SOME, 1, || write(length))
        })??;
    }
    done();
    Ok(())
}

/// Writes bytes of the buffer shared before and waits until they are out.
fn write(length: usize) -> Result<(), ErrorCode> {
    command(CONSOLE, 1, length, 0)?;
    let [written, ..] = wait_for(CONSOLE, 1);
    if written as usize == length {
        Ok(())
    } else {
        Err(ErrorCode::Size)
    }
}

/// Sets the alarm and waits for it.
fn alarm(ticks: usize) -> Result<(), ErrorCode> {
    command_u32(ALARM, 5, ticks, 0)?;
    wait_for(ALARM, 0);
    Ok(())
}
