// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Lines that are typed while the app does something else.
//!
//! A read ends when all its bytes have come, or by an abort. One byte at a time would lose those that
//! come while the app is not reading; so reads are long, and the app ends them now and then to look.

use super::{ALLOW_READ, COMMAND_ABORT, COMMAND_READ, DRIVER, READ_DONE, READ_LIMIT};
use crate::error::ErrorCode;
use crate::raw;
use crate::syscall::{self, SUCCESS_2_U32};
use crate::upcall::Upcall;
use core::ops::Range;
use core::ptr::NonNull;

/// Longest line; what is typed beyond is dropped.
pub const LINE_LIMIT: usize = 80;

/// Pending when a read has ended: call [`Input::take_line`].
pub static TYPED: &Upcall = &READ_DONE;

/// The memory of an [`Input`]; keep it in a [`Singleton`](crate::Singleton).
pub struct InputMemory {
    typed: [u8; READ_LIMIT],
    line: [u8; LINE_LIMIT],
}

impl Default for InputMemory {
    fn default() -> Self {
        Self::new()
    }
}

impl InputMemory {
    /// Makes empty memory.
    pub const fn new() -> Self {
        Self {
            typed: [0; READ_LIMIT],
            line: [0; LINE_LIMIT],
        }
    }
}

/// Collects lines from the console.
///
/// The functions that read from the console must not be used beside it.
pub struct Input {
    typed: NonNull<[u8; READ_LIMIT]>,
    /// Bytes of a read that ended, from the first that was not looked at.
    unread: Range<usize>,
    line: &'static mut [u8; LINE_LIMIT],
    length: usize,
    /// A line has ended, and the next byte belongs to another one.
    is_complete: bool,
}

impl Input {
    /// Begins to read.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::NoDevice`] without a console, [`ErrorCode::Busy`] while another process reads.
    pub fn open(memory: &'static mut InputMemory) -> Result<Self, ErrorCode> {
        READ_DONE.enable()?;
        READ_DONE.take();
        let typed = NonNull::from(&mut memory.typed);
        // SAFETY: the memory is static, and from here on reached through `typed` only.
        unsafe { raw::allow_read_write(DRIVER, ALLOW_READ, typed.cast().as_ptr(), READ_LIMIT) }
            .expect(SUCCESS_2_U32)?;
        read_next()?;
        Ok(Self {
            typed,
            unread: 0..0,
            line: &mut memory.line,
            length: 0,
            is_complete: false,
        })
    }

    /// Asks for what was typed so far; [`TYPED`] is pending soon afterwards. Call it as often as a
    /// person should wait for an answer.
    pub fn hurry(&self) {
        // Without a read to end it does nothing.
        let _ = syscall::command(DRIVER, COMMAND_ABORT, 0, 0);
    }

    /// Takes the next line, without its end. Never sleeps. Ask until there is none.
    ///
    /// # Errors
    ///
    /// Why nothing more can be read: [`ErrorCode::Busy`] when another process has begun to.
    pub fn take_line(&mut self) -> Result<Option<&str>, ErrorCode> {
        if core::mem::take(&mut self.is_complete) {
            self.length = 0;
        }
        while !self.is_complete {
            let Some(at) = self.unread.next() else {
                if !self.take_read()? {
                    return Ok(None);
                }
                continue;
            };
            // SAFETY: the kernel wrote the bytes before it reported the end of the read, and the next
            // read does not begin before all are looked at.
            let byte = unsafe { self.typed.cast::<u8>().as_ptr().add(at).read_volatile() };
            self.push(byte);
            if self.unread.is_empty() {
                read_next()?;
            }
        }
        let line = self.line.get(..self.length).unwrap_or_default();
        Ok(Some(core::str::from_utf8(line).unwrap_or_default()))
    }

    /// Takes note of a read that has ended; tells whether there was one.
    fn take_read(&mut self) -> Result<bool, ErrorCode> {
        let Some([status, count, _]) = READ_DONE.take() else {
            return Ok(false);
        };
        match ErrorCode::check_status(status) {
            Ok(()) | Err(ErrorCode::Cancel) => {}
            Err(error) => return Err(error),
        }
        self.unread = 0..(count as usize).min(READ_LIMIT);
        if self.unread.is_empty() {
            read_next()?;
        }
        Ok(true)
    }

    fn push(&mut self, byte: u8) {
        const BACKSPACE: u8 = 0x08;
        const DELETE: u8 = 0x7F;
        match byte {
            b'\r' | b'\n' => self.is_complete = true,
            BACKSPACE | DELETE => self.length = self.length.saturating_sub(1),
            _ => {
                if let Some(place) = self.line.get_mut(self.length) {
                    *place = byte;
                    self.length += 1;
                }
            }
        }
    }
}

fn read_next() -> Result<(), ErrorCode> {
    syscall::command(DRIVER, COMMAND_READ, READ_LIMIT, 0)
}

#[cfg(test)]
mod tests {
    use super::super::tests::with_line;
    use super::*;

    fn lines(typed: &[u8]) -> Vec<String> {
        with_line(0, typed, |line| {
            let mut input = Input::open(Box::leak(Box::new(InputMemory::new()))).unwrap();
            let mut lines = Vec::new();
            while !line.borrow().input.is_empty() {
                // A full buffer ends the read by itself.
                if line.borrow().input.len() < READ_LIMIT {
                    input.hurry();
                }
                crate::upcall::wait_any(&[TYPED]);
                while let Some(line) = input.take_line().unwrap() {
                    lines.push(line.to_owned());
                }
            }
            lines
        })
    }

    #[test]
    fn each_end_of_line_completes_one() {
        assert_eq!(lines(b"one\rtwo\n\rmore"), ["one", "two", ""]);
    }

    #[test]
    fn a_mistake_can_be_taken_back() {
        assert_eq!(lines(b"\x7Fabx\x7Fc\x08\x08d\r"), ["ad"]);
    }

    #[test]
    fn what_is_too_long_is_cut_and_what_is_no_text_is_empty() {
        let mut typed = vec![b'x'; LINE_LIMIT + 5];
        typed.extend(b"\r\xFF\xFE\r");
        assert_eq!(lines(&typed), ["x".repeat(LINE_LIMIT), String::new()]);
    }

    #[test]
    fn nothing_typed_is_no_line() {
        with_line(0, b"", |_| {
            let mut input = Input::open(Box::leak(Box::new(InputMemory::new()))).unwrap();
            for _ in 0..3 {
                assert_eq!(input.take_line(), Ok(None));
                input.hurry();
                crate::upcall::wait_any(&[TYPED]);
            }
        });
    }
}
