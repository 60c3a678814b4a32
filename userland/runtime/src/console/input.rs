// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Lines that are typed while the app does something else.
//!
//! Bytes are read one at a time, since a read ends with the last byte asked for. The next read begins when
//! the app takes the byte of the one before.

use super::{ALLOW_READ, COMMAND_READ, DRIVER, READ_DONE};
use crate::error::ErrorCode;
use crate::raw;
use crate::syscall::{self, SUCCESS_2_U32};
use crate::upcall::Upcall;
use core::ptr::NonNull;

/// Longest line; what is typed beyond is dropped.
pub const LINE_LIMIT: usize = 80;

/// Pending when something was typed since the last [`Input::take_line`].
pub static TYPED: &Upcall = &READ_DONE;

/// The memory of an [`Input`]; keep it in a [`Singleton`](crate::Singleton).
pub struct InputMemory {
    typed: [u8; 1],
    line: [u8; LINE_LIMIT],
}

impl InputMemory {
    /// Makes empty memory.
    #[allow(clippy::new_without_default, reason = "only a static makes sense")]
    pub const fn new() -> Self {
        Self {
            typed: [0],
            line: [0; LINE_LIMIT],
        }
    }
}

/// Collects lines from the console.
///
/// The functions that read from the console must not be used beside it.
pub struct Input {
    typed: NonNull<u8>,
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
        let typed = NonNull::from(&mut memory.typed).cast::<u8>();
        // SAFETY: the memory is static, and from here on reached through `typed` only.
        unsafe { raw::allow_read_write(DRIVER, ALLOW_READ, typed.as_ptr(), 1) }
            .expect(SUCCESS_2_U32)?;
        read_next()?;
        Ok(Self {
            typed,
            line: &mut memory.line,
            length: 0,
            is_complete: false,
        })
    }

    /// Takes the line that was completed last, without its end. Never sleeps.
    ///
    /// # Errors
    ///
    /// Why nothing more can be read: [`ErrorCode::Busy`] when another process has begun to.
    pub fn take_line(&mut self) -> Result<Option<&str>, ErrorCode> {
        if core::mem::take(&mut self.is_complete) {
            self.length = 0;
        }
        let Some([status, count, _]) = READ_DONE.take() else {
            return Ok(None);
        };
        ErrorCode::check_status(status)?;
        // SAFETY: the kernel wrote the byte before it reported the end of the read, and has no other
        // read to write for.
        let byte = unsafe { self.typed.as_ptr().read_volatile() };
        read_next()?;
        if count == 1 {
            self.push(byte);
        }
        let line = self.line.get(..self.length).unwrap_or_default();
        Ok(self
            .is_complete
            .then(|| core::str::from_utf8(line).unwrap_or_default()))
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
    syscall::command(DRIVER, COMMAND_READ, 1, 0)
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
                crate::upcall::wait_any(&[TYPED]);
                lines.extend(input.take_line().unwrap().map(str::to_owned));
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
            assert_eq!(input.take_line(), Ok(None));
        });
    }
}
