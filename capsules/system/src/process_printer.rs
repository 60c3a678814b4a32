// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Describes a process as text: state, counters and memory map.
//!
//! The reader of the text may take only part of it at a time (a UART with a small buffer), so a
//! description can be continued: the whole text is produced again, and what was already taken is
//! skipped. That costs time instead of memory, and a description is asked for by a human or by a
//! panic.

use core::fmt::{self, Write};

use crate::shown_name::ShownName;
use crate::shown_syscall::ShownSyscall;
use kernel::process::{
    Process, ProcessAddresses, ProcessPrinter, ProcessPrinterContext, ProcessSizes, State,
};
use kernel::utilities::binary_write::BinaryWrite;

/// Prints processes as plain text.
#[derive(Default)]
pub struct ProcessPrinterText {}

impl ProcessPrinterText {
    /// Creates the printer; it keeps no state.
    pub const fn new() -> Self {
        Self {}
    }
}

impl ProcessPrinter for ProcessPrinterText {
    fn print_overview(
        &self,
        process: &dyn Process,
        writer: &mut dyn BinaryWrite,
        context: Option<ProcessPrinterContext>,
    ) -> Option<ProcessPrinterContext> {
        let mut out = Continued {
            writer,
            skip: context.map_or(0, |context| context.offset),
            position: 0,
        };
        match overview(process, &mut out) {
            Ok(()) => None,
            Err(fmt::Error) => Some(ProcessPrinterContext {
                offset: out.position,
            }),
        }
    }
}

/// Passes on what comes after the first `skip` bytes, until the writer takes no more.
struct Continued<'a> {
    writer: &'a mut dyn BinaryWrite,
    skip: usize,
    /// Bytes skipped or taken so far, from the start of the text.
    position: usize,
}

impl Write for Continued<'_> {
    #[inline(never)]
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let bytes = text.as_bytes();
        let skipped = bytes.len().min(self.skip);
        self.skip = self.skip.saturating_sub(skipped);
        self.position = self.position.saturating_add(skipped);
        let rest = bytes.get(skipped..).unwrap_or(&[]);
        if rest.is_empty() {
            return Ok(());
        }
        let taken = self.writer.write_buffer(rest).map_err(|()| fmt::Error)?;
        self.position = self.position.saturating_add(taken);
        if taken < rest.len() {
            Err(fmt::Error)
        } else {
            Ok(())
        }
    }

    fn write_char(&mut self, letter: char) -> fmt::Result {
        self.write_str(letter_text(letter, &mut [0; 4]))
    }
}

/// A letter as text. There is one copy of this, not one in each writer.
#[inline(never)]
fn letter_text(letter: char, room: &mut [u8; 4]) -> &str {
    letter.encode_utf8(room)
}

fn overview(process: &dyn Process, out: &mut dyn Write) -> fmt::Result {
    write!(
        out,
        "App: {}   -   [{}]\n Events queued: {}   Syscalls: {}   Dropped upcalls: {}\n \
         Restarts: {}\n Last syscall: ",
        ShownName(process.get_process_name()),
        state_name(process.get_state()),
        process.pending_tasks(),
        process.debug_syscall_count(),
        process.debug_dropped_upcall_count(),
        process.get_restart_count()
    )?;
    match process.debug_syscall_last() {
        Some(syscall) => write!(out, "{}", ShownSyscall(syscall))?,
        None => out.write_str("none")?,
    }
    out.write_str("\n Completion code: ")?;
    match process.get_completion_code() {
        Some(Some(code)) => write!(out, "{code}")?,
        Some(None) => out.write_str("none, it faulted")?,
        None => out.write_str("none")?,
    }
    memory_map(&process.get_addresses(), &process.get_sizes(), out)
}

/// One row a part, highest address first; sizes in bytes, used of available where both are known.
fn memory_map(
    addresses: &ProcessAddresses,
    sizes: &ProcessSizes,
    out: &mut dyn Write,
) -> fmt::Result {
    let table_start = addresses.sram_end.saturating_sub(sizes.grant_pointers);
    let queue_start = table_start.saturating_sub(sizes.upcall_list);
    let control_start = queue_start.saturating_sub(sizes.process_control_block);
    let heap_start = addresses.sram_heap_start;
    let stack_top = addresses.sram_stack_top;

    out.write_str("\n\n Address     Part                    Bytes\n")?;
    border(out, addresses.sram_end)?;
    part(out, "grant pointers", table_start, addresses.sram_end)?;
    part(out, "upcall queue", queue_start, table_start)?;
    part(out, "control block", control_start, queue_start)?;
    part(out, "grants", addresses.sram_grant_start, control_start)?;
    border(out, addresses.sram_grant_start)?;
    part(
        out,
        "unused",
        addresses.sram_app_brk,
        addresses.sram_grant_start,
    )?;
    border(out, addresses.sram_app_brk)?;
    match (heap_start, stack_top) {
        (Some(heap), Some(stack)) => {
            part(out, "heap", heap, addresses.sram_app_brk)?;
            border(out, heap)?;
            part(out, "data", stack, heap)?;
            border(out, stack)?;
            part(out, "stack", addresses.sram_start, stack)?;
        }
        _ => part(
            out,
            "stack, data, heap",
            addresses.sram_start,
            addresses.sram_app_brk,
        )?,
    }
    border(out, addresses.sram_start)?;
    out.write_str(" ...\n")?;
    border(out, addresses.flash_end)?;
    part(
        out,
        "app flash",
        addresses.flash_non_protected_start,
        addresses.flash_end,
    )?;
    border(out, addresses.flash_non_protected_start)?;
    part(
        out,
        "protected (headers)",
        addresses.flash_start,
        addresses.flash_non_protected_start,
    )?;
    border(out, addresses.flash_start)
}

#[inline(never)]
fn border(out: &mut dyn Write, address: usize) -> fmt::Result {
    writeln!(out, " {address:#010x}  ---------------------------")
}

#[inline(never)]
fn part(out: &mut dyn Write, name: &str, start: usize, end: usize) -> fmt::Result {
    writeln!(
        out,
        "             {name:<20} {:>8}",
        end.saturating_sub(start)
    )
}

/// The state in one word, as the process console shows it too.
pub fn state_name(state: State) -> &'static str {
    match state {
        State::Running => "Running",
        State::Yielded => "Yielded",
        State::YieldedFor(_) => "YieldedFor",
        State::Stopped(_) => "Stopped",
        State::Faulted => "Faulted",
        State::Terminated => "Terminated",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::String;
    use std::vec::Vec;

    /// Takes at most `room` bytes before it is emptied.
    struct Small {
        text: Vec<u8>,
        room: usize,
    }

    impl BinaryWrite for Small {
        fn write_buffer(&mut self, buffer: &[u8]) -> Result<usize, ()> {
            let taken = buffer.len().min(self.room);
            self.text.extend_from_slice(&buffer[..taken]);
            self.room -= taken;
            Ok(taken)
        }
    }

    fn write_in_pieces(piece: usize) -> String {
        let word = "two";
        let mut small = Small {
            text: Vec::new(),
            room: 0,
        };
        let mut skip = 0;
        loop {
            small.room = piece;
            let mut out = Continued {
                writer: &mut small,
                skip,
                position: 0,
            };
            match writeln!(out, "one {} three {:#x}", word, 4) {
                Ok(()) => return String::from_utf8(small.text).unwrap(),
                Err(fmt::Error) => skip = out.position,
            }
        }
    }

    #[test]
    fn a_text_taken_in_pieces_of_any_size_is_the_same_text() {
        for piece in 1..30 {
            assert_eq!(write_in_pieces(piece), "one two three 0x4\n");
        }
    }

    #[test]
    fn a_writer_that_fails_ends_the_text_where_it_was() {
        struct Broken;
        impl BinaryWrite for Broken {
            fn write_buffer(&mut self, _: &[u8]) -> Result<usize, ()> {
                Err(())
            }
        }
        let mut broken = Broken;
        let mut out = Continued {
            writer: &mut broken,
            skip: 2,
            position: 0,
        };
        assert!(out.write_str("abcd").is_err());
        assert_eq!(out.position, 2);
    }

    #[test]
    fn the_map_names_each_part_with_its_size() {
        let addresses = ProcessAddresses {
            flash_start: 0x8010_0000,
            flash_non_protected_start: 0x8010_0080,
            flash_integrity_end: core::ptr::null(),
            flash_end: 0x8010_1000,
            sram_start: 0x8030_0000,
            sram_app_brk: 0x8030_0800,
            sram_grant_start: 0x8030_0c00,
            sram_end: 0x8030_2000,
            sram_heap_start: Some(0x8030_0600),
            sram_stack_top: Some(0x8030_0400),
            sram_stack_bottom: None,
        };
        let sizes = ProcessSizes {
            grant_pointers: 48,
            upcall_list: 320,
            process_control_block: 700,
        };
        let mut text = String::new();
        memory_map(&addresses, &sizes, &mut text).unwrap();
        for (name, bytes) in [
            ("grant pointers", 48),
            ("upcall queue", 320),
            ("control block", 700),
            ("unused", 0x400),
            ("heap", 0x200),
            ("data", 0x200),
            ("stack", 0x400),
            ("app flash", 0xf80),
            ("protected (headers)", 0x80),
        ] {
            let row = text
                .lines()
                .find(|line| line.trim_start().starts_with(name));
            let shown = row.and_then(|row| row.split_whitespace().last().map(String::from));
            assert_eq!(shown, Some(std::format!("{bytes}")), "{name}");
        }
    }
}
