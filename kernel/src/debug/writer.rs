// SPDX-License-Identifier: Apache-2.0 OR MIT

//! From the printing macros to the writer that the board has chosen.

use core::fmt::{self, Write};

use crate::capabilities::SetDebugWriterCapability;
use crate::platform::chip::ThreadIdProvider;
use crate::processbuffer::ReadableProcessSlice;
use crate::utilities::cells::OptionalCell;
use crate::utilities::io_write::IoWrite;
use crate::utilities::single_thread_value::SingleThreadValue;

/// What stands in the output where text was lost.
const OVERFLOW: &[u8] = b"\r\n[debug output lost: buffer full]\r\n";

/// Bytes of a process that are copied at a time.
const CHUNK: usize = 32;

static OUTPUT: SingleThreadValue<Output> = SingleThreadValue::new();

/// A buffered writer of debug output.
///
/// It is called from anywhere in the kernel, also from within its own transmit callback, and must
/// not wait.
pub trait DebugWriter {
    /// Takes as many of `bytes` as there is room for, and returns how many that was.
    ///
    /// If it cannot take all, it writes `overflow_message`, for which it keeps room, in the place
    /// of the rest; once for all that is lost in a row.
    fn write(&self, bytes: &[u8], overflow_message: &[u8]) -> usize;

    /// Returns how many bytes it has room for.
    fn available_len(&self) -> usize;

    /// Returns how many bytes it has taken and not sent.
    fn to_write_len(&self) -> usize;

    /// Starts to send what it has taken, and returns how many bytes that is.
    fn publish(&self) -> usize;

    /// Sends all it has taken through `writer` instead, and returns when that is done.
    ///
    /// Only for a panic handler: a transmission that is under way is given up.
    fn flush(&self, writer: &mut dyn IoWrite);
}

/// The end of the line for debug output.
pub(super) struct Output {
    writer: OptionalCell<&'static dyn DebugWriter>,
}

/// Formats straight into a debug writer; stops where text is lost.
struct Formatter(&'static dyn DebugWriter);

/// A letter as text. There is one copy of this, not one in each writer.
#[inline(never)]
fn letter_text(letter: char, room: &mut [u8; 4]) -> &str {
    letter.encode_utf8(room)
}

impl Write for Formatter {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let taken = self.0.write(text.as_bytes(), OVERFLOW);
        if taken < text.len() {
            Err(fmt::Error)
        } else {
            Ok(())
        }
    }

    fn write_char(&mut self, letter: char) -> fmt::Result {
        self.write_str(letter_text(letter, &mut [0; 4]))
    }
}

impl Output {
    pub(super) const fn new() -> Self {
        Self {
            writer: OptionalCell::empty(),
        }
    }

    /// Formats `parts` one after another and starts to send them.
    fn print(&self, parts: &[fmt::Arguments<'_>]) {
        let Some(writer) = self.writer.get() else {
            return;
        };
        let mut formatter = Formatter(writer);
        // An error means that text was lost, which the writer has reported in its output.
        let _ = parts.iter().try_for_each(|part| formatter.write_fmt(*part));
        writer.publish();
    }

    /// Copies the bytes of a process into the writer.
    fn print_process_bytes(&self, slice: &ReadableProcessSlice) -> Result<usize, ()> {
        let writer = self.writer.get().ok_or(())?;
        let mut total = 0;
        for chunk in slice.chunks(CHUNK) {
            let mut bytes = [0; CHUNK];
            let Some(bytes) = bytes.get_mut(..chunk.len()) else {
                break;
            };
            if chunk.copy_to_slice_or_err(bytes).is_err() {
                break;
            }
            let taken = writer.write(bytes, OVERFLOW);
            total += taken;
            if taken < bytes.len() {
                break;
            }
        }
        writer.publish();
        Ok(total)
    }
}

/// Reserves debug output for the running thread, the kernel's. Called once, at boot.
///
/// Output from other threads is dropped, and so is all output until there is a writer.
#[cfg(target_has_atomic = "ptr")]
pub fn initialize_debug_writer_wrapper<P: ThreadIdProvider>() {
    // The first thread keeps it: there is nothing better to do with a second.
    let _ = OUTPUT.bind_to_thread::<P>(Output::new());
}

/// Does what `initialize_debug_writer_wrapper` does, on targets without atomic operations.
///
/// # Safety
///
/// No other thread or interrupt handler calls it at the same time.
pub unsafe fn initialize_debug_writer_wrapper_unsafe<P: ThreadIdProvider>() {
    // SAFETY: the caller rules out a race.
    let _ = unsafe { OUTPUT.bind_to_thread_unsafe::<P>(Output::new()) };
}

/// Sends debug output to `writer` from now on.
///
/// Without effect in a thread that debug output is not reserved for.
pub fn set_debug_writer_wrapper<C: SetDebugWriterCapability>(
    writer: &'static dyn DebugWriter,
    _capability: C,
) {
    if let Some(output) = OUTPUT.get() {
        output.writer.set(writer);
    }
}

/// The writer, if there is one that the running thread may use.
pub(super) fn current() -> Option<&'static dyn DebugWriter> {
    OUTPUT.get().and_then(|output| output.writer.get())
}

fn print(parts: &[fmt::Arguments<'_>]) {
    if let Some(output) = OUTPUT.get() {
        output.print(parts);
    }
}

/// Prints formatted text, see [`debug!`](crate::debug).
pub fn debug_print(args: fmt::Arguments<'_>) {
    print(&[args]);
}

/// Prints formatted text and ends the line, see [`debug!`](crate::debug).
pub fn debug_println(args: fmt::Arguments<'_>) {
    print(&[args, format_args!("\r\n")]);
}

/// Prints a place in the source and formatted text, see [`debug_verbose!`](crate::debug_verbose).
pub fn debug_verbose_println(file: &str, line: u32, args: fmt::Arguments<'_>) {
    print(&[format_args!("{file}:{line}: "), args, format_args!("\r\n")]);
}

/// Prints bytes of a process, see [`debug_process_slice!`](crate::debug_process_slice).
///
/// # Errors
///
/// When there is no writer. A result below the length of `slice` means that the rest was lost.
#[allow(clippy::result_unit_err, reason = "there is one way to fail")]
pub fn debug_process_slice(slice: &ReadableProcessSlice) -> Result<usize, ()> {
    OUTPUT.get().ok_or(())?.print_process_bytes(slice)
}

/// Returns how many bytes of debug output there is room for; zero without a writer.
pub fn debug_available_len() -> usize {
    current().map_or(0, DebugWriter::available_len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestThread;
    use crate::testing::forever;
    use core::cell::{Cell, RefCell};
    use std::string::String;
    use std::vec::Vec;

    /// Takes a limited number of bytes.
    struct Small {
        room: Cell<usize>,
        taken: RefCell<Vec<u8>>,
        published: Cell<usize>,
    }

    impl DebugWriter for Small {
        fn write(&self, bytes: &[u8], _overflow_message: &[u8]) -> usize {
            let fitting = bytes.len().min(self.room.get());
            self.taken.borrow_mut().extend(&bytes[..fitting]);
            self.room.set(self.room.get() - fitting);
            fitting
        }

        fn available_len(&self) -> usize {
            self.room.get()
        }

        fn to_write_len(&self) -> usize {
            self.taken.borrow().len()
        }

        fn publish(&self) -> usize {
            self.published.set(self.to_write_len());
            self.published.get()
        }

        fn flush(&self, writer: &mut dyn IoWrite) {
            writer.write(&self.taken.borrow());
        }
    }

    fn small(room: usize) -> &'static Small {
        forever(Small {
            room: Cell::new(room),
            taken: RefCell::default(),
            published: Cell::new(0),
        })
    }

    impl Small {
        fn text(&self) -> String {
            String::from_utf8(self.taken.borrow().clone()).unwrap()
        }
    }

    fn output(writer: &'static Small) -> Output {
        let output = Output::new();
        output.writer.set(writer);
        output
    }

    #[test]
    fn without_a_writer_output_is_dropped() {
        let output = Output::new();
        output.print(&[format_args!("x")]);
        let bytes: &[u8] = b"x";
        assert_eq!(output.print_process_bytes(bytes.into()), Err(()));
    }

    #[test]
    fn parts_are_written_in_order_and_sent() {
        let writer = small(100);
        output(writer).print(&[format_args!("{}-", 1), format_args!("{:?}", "b")]);
        assert_eq!(writer.text(), "1-\"b\"");
        assert_eq!(writer.published.get(), 5);
    }

    #[test]
    fn formatting_ends_where_text_is_lost() {
        let writer = small(4);
        output(writer).print(&[format_args!("{}{}", "abc", "def"), format_args!("ghi")]);
        assert_eq!(writer.text(), "abcd");
        assert_eq!(writer.published.get(), 4);
    }

    #[test]
    fn process_bytes_are_copied_until_there_is_no_room() {
        let bytes: Vec<u8> = (0..100).collect();
        for (room, taken) in [(1000, 100), (100, 100), (70, 70), (0, 0)] {
            let writer = small(room);
            assert_eq!(
                output(writer).print_process_bytes(bytes[..].into()),
                Ok(taken)
            );
            assert_eq!(writer.taken.borrow()[..], bytes[..taken]);
        }
    }

    #[test]
    fn the_macros_reach_the_chosen_writer_of_one_thread() {
        initialize_debug_writer_wrapper::<TestThread>();
        let writer = small(1000);
        crate::debug!("before there is a writer");
        set_debug_writer_wrapper(
            writer,
            crate::create_capability!(crate::capabilities::SetDebugWriterCapability),
        );
        let name = "n";
        crate::debug!("{name} = {:#x}", 16);
        crate::debug!();
        let (sum, text) = crate::debug_expr!(1 + 1, "two");
        assert_eq!((sum, text), (2, "two"));
        let line = line!() - 2;
        let file = file!();
        std::thread::spawn(|| crate::debug!("elsewhere"))
            .join()
            .unwrap();
        assert_eq!(
            writer.text(),
            std::format!(
                "n = 0x10\r\n\r\n{file}:{line}: 1 + 1 = 2\r\n{file}:{line}: \"two\" = \"two\"\r\n"
            )
        );
        assert_eq!(debug_available_len(), 1000 - writer.to_write_len());
    }
}
