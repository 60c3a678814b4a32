// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Processes as lines of text.

use crate::text::Text;
use core::fmt::Write;
use kernel::process::{Process, State, StoppedState};
use kernel::upcall::UpcallId;

/// The longest name shown in full; apps choose their names.
const NAME_LEN: usize = 32;

/// Titles and widths of the columns of `list`.
const COLUMNS: [(&str, usize); 8] = [
    ("PID", 5),
    ("ShortID", 12),
    ("Name", 20),
    ("Quanta", 8),
    ("Syscalls", 10),
    ("Restarts", 10),
    ("Grants", 8),
    ("State", 0),
];

/// Writes cells one behind the other, each as wide as its column.
struct Row<'t, 'b> {
    text: &'t mut Text<'b>,
    columns: core::slice::Iter<'static, (&'static str, usize)>,
}

impl<'t, 'b> Row<'t, 'b> {
    fn new(text: &'t mut Text<'b>) -> Self {
        Row {
            text,
            columns: COLUMNS.iter(),
        }
    }

    fn cell(&mut self, write: impl FnOnce(&mut Text<'b>)) {
        let start = self.text.len();
        write(self.text);
        self.end(start);
    }

    /// Ends the cell that began at `start`.
    #[inline(never)]
    fn end(&mut self, start: usize) {
        match self.columns.next() {
            Some((_, width)) if *width > 0 => self.text.pad(start, *width),
            _ => self.text.end_line(),
        }
    }

    #[inline(never)]
    fn number(&mut self, number: usize) {
        self.cell(|text| text.push_decimal(number));
    }
}

pub(super) fn write_header(text: &mut Text<'_>) {
    let mut row = Row::new(text);
    for (title, _) in COLUMNS {
        row.cell(|text| text.push(title));
    }
}

/// Writes the row of `process`, which uses `grants` (allocated, all).
pub(super) fn write_row(process: &dyn Process, grants: (usize, usize), text: &mut Text<'_>) {
    let mut row = Row::new(text);
    row.number(process.processid().id());
    row.cell(|text| {
        // `Text` cuts instead of failing.
        let _ = write!(text, "{}", process.short_app_id());
    });
    row.cell(|text| write_name(process.get_process_name(), text));
    row.number(process.debug_timeslice_expiration_count());
    row.number(process.debug_syscall_count());
    row.number(process.get_restart_count());
    row.cell(|text| {
        text.push_decimal(grants.0);
        text.push("/");
        text.push_decimal(grants.1);
    });
    row.cell(|text| write_state(process.get_state(), text));
}

/// Writes a name as far as it fits, with `?` for what a terminal might act on.
pub(super) fn write_name(name: &str, text: &mut Text<'_>) {
    let mut letters = name.chars();
    for letter in letters.by_ref().take(NAME_LEN) {
        let shown = if matches!(letter, ' '..='~') {
            letter as u8
        } else {
            b'?'
        };
        text.push_bytes(&[shown]);
    }
    if letters.next().is_some() {
        text.push("...");
    }
}

pub(super) fn write_state(state: State, text: &mut Text<'_>) {
    match state {
        State::Running => text.push("Running"),
        State::Yielded => text.push("Yielded"),
        State::YieldedFor(id) => write_yielded_for(id, text),
        State::Stopped(inner) => {
            text.push("Stopped(");
            match inner {
                StoppedState::Running => text.push("Running"),
                StoppedState::Yielded => text.push("Yielded"),
                StoppedState::YieldedFor(id) => write_yielded_for(id, text),
            }
            text.push(")");
        }
        State::Faulted => text.push("Faulted"),
        State::Terminated => text.push("Terminated"),
    }
}

fn write_yielded_for(id: UpcallId, text: &mut Text<'_>) {
    text.push("YieldedFor(");
    text.push_hex(id.driver_num as u32);
    text.push(", ");
    text.push_decimal(id.subscribe_num);
    text.push(")");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::String;

    fn text(fill: impl FnOnce(&mut Text)) -> String {
        let mut buffer = [0; super::super::STEP_ROOM];
        let mut text = Text::new(&mut buffer);
        fill(&mut text);
        assert!(!text.is_cut());
        let len = text.len();
        String::from_utf8(buffer[..len].to_vec()).unwrap()
    }

    #[test]
    fn the_header_names_the_columns_in_order() {
        let header = text(write_header);
        let titles: std::vec::Vec<_> = header.split_whitespace().collect();
        assert_eq!(
            titles,
            [
                "PID", "ShortID", "Name", "Quanta", "Syscalls", "Restarts", "Grants", "State"
            ]
        );
        assert!(header.ends_with("State\r\n"));
    }

    #[test]
    fn states_say_what_a_process_waits_for() {
        let id = UpcallId {
            driver_num: 0x30007,
            subscribe_num: 1,
        };
        for (state, expected) in [
            (State::Running, "Running"),
            (State::Yielded, "Yielded"),
            (State::YieldedFor(id), "YieldedFor(0x30007, 1)"),
            (State::Stopped(StoppedState::Running), "Stopped(Running)"),
            (State::Stopped(StoppedState::Yielded), "Stopped(Yielded)"),
            (
                State::Stopped(StoppedState::YieldedFor(id)),
                "Stopped(YieldedFor(0x30007, 1))",
            ),
            (State::Faulted, "Faulted"),
            (State::Terminated, "Terminated"),
        ] {
            assert_eq!(text(|text| write_state(state, text)), expected);
        }
    }

    #[test]
    fn names_cannot_reach_the_terminal_with_control_characters() {
        assert_eq!(text(|t| write_name("a\x1b[2Jb\u{e9}", t)), "a?[2Jb?");
        assert_eq!(
            text(|t| write_name(&"n".repeat(1000), t)),
            "n".repeat(NAME_LEN) + "..."
        );
        assert_eq!(text(|t| write_name("", t)), "");
    }
}
