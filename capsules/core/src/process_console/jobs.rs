// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The work of the commands, in steps that each print one piece.

use super::commands::{Action, BUILT_IN, BuiltIn, Job, built_in, split};
use super::processes::{write_header, write_name, write_row, write_state};
use super::{ConsoleCommand, ProcessConsole};
use crate::text::{Text, letter_text};
use core::fmt;
use core::ops::Range;
use kernel::capabilities::{ProcessManagementCapability, ProcessStartCapability};
use kernel::introspection::KernelInfo;
use kernel::process::{Process, State};
use kernel::utilities::binary_write::BinaryWrite;

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The job is over.
    Done,
    /// It goes on.
    More,
    /// It goes on once the text so far is out.
    WhenSent,
}

impl<C: ProcessManagementCapability + ProcessStartCapability> ProcessConsole<'_, C> {
    /// Does the next piece of `job`, which `line` asked for.
    pub(super) fn step(&self, job: &mut Job, line: &str, text: &mut Text<'_>) -> Step {
        let (name, arguments) = split(line);
        match job {
            Job::None | Job::Prompt => Step::Done,
            Job::Unknown => {
                text.push("Unknown command: ");
                text.push(name);
                text.push(". Try help.\r\n");
                Step::Done
            }
            Job::Help(next) => write_help(next, self.board.commands, text),
            Job::Status => self.write_status(text),
            Job::List { header, next } => {
                if core::mem::replace(header, false) {
                    write_header(text);
                    return Step::More;
                }
                let Some(process) = self.process_from(next, None) else {
                    return Step::Done;
                };
                let info = KernelInfo::new(self.kernel);
                let grants = info.number_app_grant_uses(process.processid(), &self.capability);
                write_row(process, grants, text);
                Step::More
            }
            Job::Act { .. } | Job::Describe { .. } if arguments.is_empty() => {
                text.push("Usage: ");
                text.push(name);
                text.push(built_in(name).map_or("", BuiltIn::arguments));
                text.end_line();
                Step::Done
            }
            Job::Act { action, next, any } => {
                let process = self.process_from(next, Some(arguments));
                if let Some(process) = process {
                    self.act(*action, process, text);
                    write_outcome(process, text);
                }
                go_on(process.is_some(), any, arguments, text)
            }
            Job::Describe { next, any, context } => {
                let fresh = text.len() == 0;
                let mut current = *next;
                let Some(process) = self.process_from(&mut current, Some(arguments)) else {
                    return go_on(false, any, arguments, text);
                };
                let before = text.len();
                let rest = self
                    .printer
                    .print_overview(process, &mut Pieces(text), *context);
                // One that cannot print anything into an empty buffer never will.
                *context = rest.filter(|_| !fresh || text.len() > before);
                if context.is_some() {
                    return Step::WhenSent;
                }
                *next = current;
                go_on(true, any, arguments, text)
            }
            Job::Kernel => self.write_kernel(text),
            Job::Reset { said } => say_first(said, "Resetting.\r\n", text, self.board.reset),
            Job::Panic { said } => say_first(said, "", text, self.board.panic),
            Job::Board { index, part } => {
                if text.len() > 0 {
                    return Step::WhenSent;
                }
                let Some(command) = self.board.commands.get(*index) else {
                    return Step::Done;
                };
                let more = execute_part(*command, *part, arguments, text);
                *part = part.saturating_add(1);
                if more { Step::More } else { Step::Done }
            }
        }
    }

    /// Finds the first process from `next` on, of that `name` if one is given, and moves `next`
    /// behind it.
    #[inline(never)]
    fn process_from(&self, next: &mut usize, name: Option<&str>) -> Option<&'static dyn Process> {
        let (index, process) = self
            .kernel
            .process_iter_capability(&self.capability)
            .enumerate()
            .skip(*next)
            .find(|(_, process)| name.is_none_or(|name| process.get_process_name() == name))?;
        *next = index.saturating_add(1);
        Some(process)
    }

    fn act(&self, action: Action, process: &dyn Process, text: &mut Text<'_>) {
        match action {
            Action::Stop => process.stop(),
            Action::Start => process.resume(),
            Action::Fault => process.set_fault_state(),
            Action::Boot if process.get_state() == State::Terminated => {
                process.start(&self.capability);
            }
            Action::Boot => text.push("Not booted: terminate it first.\r\n"),
            Action::Terminate => process.terminate(None),
        }
    }

    fn write_status(&self, text: &mut Text<'_>) -> Step {
        let info = KernelInfo::new(self.kernel);
        for (label, number) in [
            (
                "Processes: ",
                info.number_loaded_processes(&self.capability),
            ),
            ("Active: ", info.number_active_processes(&self.capability)),
            (
                "Inactive: ",
                info.number_inactive_processes(&self.capability),
            ),
            (
                "Timeslice expirations: ",
                info.timeslice_expirations(&self.capability),
            ),
        ] {
            text.push(label);
            text.push_decimal(number);
            text.end_line();
        }
        Step::Done
    }

    fn write_kernel(&self, text: &mut Text<'_>) -> Step {
        text.push("Kernel version: ");
        text.push_decimal(kernel::KERNEL_MAJOR_VERSION.into());
        text.push(".");
        text.push_decimal(kernel::KERNEL_MINOR_VERSION.into());
        text.push(".");
        text.push_decimal(kernel::KERNEL_PATCH_VERSION.into());
        if kernel::KERNEL_PRERELEASE_VERSION != 0 {
            text.push("-dev");
            text.push_decimal(kernel::KERNEL_PRERELEASE_VERSION.into());
        }
        text.end_line();
        let addresses = &self.board.addresses;
        write_region("text", &addresses.text, text);
        write_region("rodata", &addresses.read_only_data, text);
        write_region("stack", &addresses.stack, text);
        write_region("data", &addresses.data, text);
        write_region("bss", &addresses.bss, text);
        Step::Done
    }
}

/// After a process of a name was found, or none: the next one, or the end.
fn go_on(found: bool, any: &mut bool, name: &str, text: &mut Text<'_>) -> Step {
    if found {
        *any = true;
        return Step::More;
    }
    if !*any {
        text.push("No process named ");
        text.push(name);
        text.end_line();
    }
    Step::Done
}

fn write_outcome(process: &dyn Process, text: &mut Text<'_>) {
    text.push("Process ");
    write_name(process.get_process_name(), text);
    text.push(" (PID ");
    text.push_decimal(process.processid().id());
    text.push("): ");
    write_state(process.get_state(), text);
    text.end_line();
}

fn write_help(next: &mut usize, board: &[&dyn ConsoleCommand], text: &mut Text<'_>) -> Step {
    let start = text.len();
    let help = if let Some(command) = BUILT_IN.get(*next) {
        text.push(command.name);
        text.push(command.arguments());
        command.help
    } else if let Some(command) = board.get(next.saturating_sub(BUILT_IN.len())) {
        text.push(command.name());
        command.help()
    } else {
        return Step::Done;
    };
    text.pad(start, 16);
    text.push(help);
    text.end_line();
    *next = next.saturating_add(1);
    Step::More
}

fn write_region(name: &str, region: &Range<usize>, text: &mut Text<'_>) {
    let start = text.len();
    text.push("  ");
    text.push(name);
    text.pad(start, 10);
    text.push_hex(region.start as u32);
    text.push(" to ");
    text.push_hex(region.end as u32);
    text.push(", ");
    text.push_decimal(region.end.saturating_sub(region.start));
    text.push(" bytes\r\n");
}

/// Prints what is going to happen and, when that has been sent, does it.
fn say_first(said: &mut bool, words: &str, text: &mut Text<'_>, act: fn() -> !) -> Step {
    if !core::mem::replace(said, true) {
        text.push(words);
    }
    if text.len() > 0 {
        return Step::WhenSent;
    }
    act()
}

const CUT_NOTE: &str = "\r\n(output cut)\r\n";

/// Runs a part of a board's command; tells the operator when its text did not fit.
fn execute_part(
    command: &dyn ConsoleCommand,
    part: usize,
    arguments: &str,
    text: &mut Text<'_>,
) -> bool {
    let mut lines = Lines {
        text,
        room_left_over: CUT_NOTE.len(),
        cut: false,
        after_return: false,
    };
    let more = command.execute_part(part, arguments, &mut lines);
    if lines.cut {
        text.push(CUT_NOTE);
    }
    more
}

/// Text of a board's command, in which LF alone ends a line.
struct Lines<'t, 'b> {
    text: &'t mut Text<'b>,
    /// Room to keep free for the note about a cut.
    room_left_over: usize,
    cut: bool,
    after_return: bool,
}

impl fmt::Write for Lines<'_, '_> {
    /// Fails when there is no room, which lets the command stop early.
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            let after_return = core::mem::replace(&mut self.after_return, byte == b'\r');
            if self.cut || self.text.room() < self.room_left_over + 2 {
                self.cut = true;
                return Err(fmt::Error);
            }
            if byte == b'\n' && !after_return {
                self.text.push("\r");
            }
            self.text.push_bytes(&[byte]);
        }
        Ok(())
    }

    fn write_char(&mut self, letter: char) -> fmt::Result {
        self.write_str(letter_text(letter, &mut [0; 4]))
    }
}

/// Text of a printer that can stop anywhere and go on later.
struct Pieces<'t, 'b>(&'t mut Text<'b>);

impl BinaryWrite for Pieces<'_, '_> {
    fn write_buffer(&mut self, buffer: &[u8]) -> Result<usize, ()> {
        Ok(self.0.push_some(buffer))
    }
}
