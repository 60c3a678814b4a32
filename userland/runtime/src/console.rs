// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Console (driver 0x1): bytes to and from the board's serial line.
//!
//! Nothing is translated in either direction, and nothing is echoed. The kernel keeps one write of a
//! process together; use [`println!`](crate::println) to put a whole line into one write.

mod input;

pub use input::{Input, InputMemory, LINE_LIMIT, TYPED};

use crate::alarm;
use crate::error::ErrorCode;
use crate::share;
use crate::syscall;
use crate::upcall::Upcall;
use core::fmt;

const DRIVER: usize = 0x1;

const COMMAND_WRITE: usize = 1;
const COMMAND_READ: usize = 2;
const COMMAND_ABORT: usize = 3;

const ALLOW_WRITE: usize = 1;
const ALLOW_READ: usize = 1;

const UPCALL_WRITTEN: usize = 1;
const UPCALL_READ: usize = 2;

/// Most bytes one read can ask for.
pub const READ_LIMIT: usize = 64;

static READ_DONE: Upcall = Upcall::new(DRIVER, UPCALL_READ);

/// Tells whether the board has a console.
pub fn exists() -> bool {
    syscall::exists(DRIVER)
}

/// Writes all bytes and returns when the last one has gone to the serial line.
///
/// # Errors
///
/// [`ErrorCode::NoDevice`] without a console, [`ErrorCode::NoMemory`] when the process has no room
/// for the driver's state, [`ErrorCode::Fail`] when the kernel stops taking bytes.
pub fn write(bytes: &[u8]) -> Result<(), ErrorCode> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let written = share::read_only(DRIVER, ALLOW_WRITE, rest, || {
            syscall::command(DRIVER, COMMAND_WRITE, rest.len(), 0)?;
            let [count, ..] = syscall::wait_for(DRIVER, UPCALL_WRITTEN);
            Ok(count as usize)
        })??;
        rest = match rest.get(written..) {
            Some(rest) if written > 0 => rest,
            _ => return Err(ErrorCode::Fail),
        };
    }
    Ok(())
}

/// Reads until `buffer` is full, for as long as that takes.
///
/// # Errors
///
/// - [`ErrorCode::Busy`]: another process is reading.
/// - [`ErrorCode::Invalid`]: more than [`READ_LIMIT`] bytes asked for.
/// - [`ErrorCode::Cancel`]: the read was aborted.
pub fn read(buffer: &mut [u8]) -> Result<(), ErrorCode> {
    let length = buffer.len();
    share::read_write(DRIVER, ALLOW_READ, buffer, || {
        syscall::command(DRIVER, COMMAND_READ, length, 0)?;
        let [status, ..] = syscall::wait_for(DRIVER, UPCALL_READ);
        ErrorCode::check_status(status)
    })?
}

/// Writes a question and reads until `answer` is full.
///
/// Reading begins before the question is out, so nothing typed in answer to it is lost.
///
/// # Errors
///
/// As for [`write`] and [`read`].
pub fn ask(question: &[u8], answer: &mut [u8]) -> Result<(), ErrorCode> {
    let length = answer.len();
    share::read_write(DRIVER, ALLOW_READ, answer, || {
        syscall::command(DRIVER, COMMAND_READ, length, 0)?;
        let asked = write(question);
        if asked.is_err() {
            syscall::command(DRIVER, COMMAND_ABORT, 0, 0)?;
        }
        // Exactly one event ends the read, whether by the last byte or by the abort.
        let [status, ..] = syscall::wait_for(DRIVER, UPCALL_READ);
        asked.and(ErrorCode::check_status(status))
    })?
}

/// Reads until `buffer` is full or `timeout_ms` have passed; returns how many bytes came.
///
/// # Errors
///
/// As for [`read`]; running out of time is not an error.
pub fn read_timeout(buffer: &mut [u8], timeout_ms: u32) -> Result<usize, ErrorCode> {
    let length = buffer.len();
    let [status, count, _] = share::read_write(DRIVER, ALLOW_READ, buffer, || {
        READ_DONE.enable()?;
        READ_DONE.take();
        let outcome = syscall::command(DRIVER, COMMAND_READ, length, 0).and_then(|()| {
            let wake = alarm::wait_any(&[&READ_DONE], Some(timeout_ms));
            if wake != Ok(alarm::Wake::Event) {
                // Exactly one upcall ends a read: the abort's, or that of a read that just finished.
                syscall::command(DRIVER, COMMAND_ABORT, 0, 0)?;
            }
            let done = READ_DONE.wait();
            wake.map(|_| done)
        });
        // A plain `read` waits for the event itself and wants no callback.
        READ_DONE.disable();
        outcome
    })??;
    match ErrorCode::check_status(status) {
        Ok(()) | Err(ErrorCode::Cancel) => Ok((count as usize).min(length)),
        Err(error) => Err(error),
    }
}

/// The console as a target of `write!`.
///
/// Each piece of formatted text becomes a write of its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct Console;

impl fmt::Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        write(text.as_bytes()).map_err(|_| fmt::Error)
    }
}

/// Formats text and writes it, in one go up to 160 bytes; used by the printing macros.
///
/// Text for a missing console is dropped.
pub fn print(text: fmt::Arguments) {
    let mut line = crate::LineBuffer::<160, _>::new(|text| {
        let _ = write(text);
    });
    let _ = fmt::Write::write_fmt(&mut line, text);
}

/// Prints formatted text on the console.
#[macro_export]
macro_rules! print {
    ($($text:tt)*) => {
        $crate::console::print(::core::format_args!($($text)*))
    };
}

/// Prints formatted text and a line feed on the console, up to 160 bytes in one write.
#[macro_export]
macro_rules! println {
    () => {
        $crate::print!("\n")
    };
    ($format:literal $($arguments:tt)*) => {
        $crate::print!("{}\n", ::core::format_args!($format $($arguments)*))
    };
}

#[cfg(test)]
mod tests;
