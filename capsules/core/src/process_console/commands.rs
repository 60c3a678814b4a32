// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The words of the console and the work that they start.

use super::ConsoleCommand;
use kernel::process::ProcessPrinterContext;

/// A change to the processes of one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Stop,
    Start,
    Fault,
    Boot,
    Terminate,
}

/// Work under way, with the place to go on from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Job {
    None,
    /// Only the prompt.
    Prompt,
    Unknown,
    /// From this line of the help text.
    Help(usize),
    Status,
    /// Header first, then from this place of the process table.
    List {
        header: bool,
        next: usize,
    },
    /// On processes from this place of the table.
    Act {
        action: Action,
        next: usize,
        any: bool,
    },
    /// The process at this place of the table, or the next one of that name.
    Describe {
        next: usize,
        any: bool,
        context: Option<ProcessPrinterContext>,
    },
    Kernel,
    Reset {
        said: bool,
    },
    Panic {
        said: bool,
    },
    /// A command of the board's, from this part.
    Board {
        index: usize,
        part: usize,
    },
}

/// A command of this module.
pub(super) struct BuiltIn {
    pub(super) name: &'static str,
    pub(super) arguments: &'static str,
    pub(super) help: &'static str,
    job: Job,
}

const fn plain(name: &'static str, help: &'static str, job: Job) -> BuiltIn {
    BuiltIn {
        name,
        arguments: "",
        help,
        job,
    }
}

const fn on_process(name: &'static str, help: &'static str, job: Job) -> BuiltIn {
    BuiltIn {
        name,
        arguments: " NAME",
        help,
        job,
    }
}

const fn act(action: Action) -> Job {
    Job::Act {
        action,
        next: 0,
        any: false,
    }
}

/// All commands of this module, in the order in which `help` shows them.
pub(super) const BUILT_IN: &[BuiltIn] = &[
    plain("help", "shows this list", Job::Help(0)),
    plain(
        "status",
        "counts processes and used-up time slices",
        Job::Status,
    ),
    plain(
        "list",
        "shows all processes",
        Job::List {
            header: true,
            next: 0,
        },
    ),
    on_process("stop", "halts a process until start", act(Action::Stop)),
    on_process("start", "lets a stopped process go on", act(Action::Start)),
    on_process("fault", "makes a process fault", act(Action::Fault)),
    on_process("boot", "runs a terminated process anew", act(Action::Boot)),
    on_process("terminate", "ends a process", act(Action::Terminate)),
    on_process(
        "process",
        "shows the memory of a process",
        Job::Describe {
            next: 0,
            any: false,
            context: None,
        },
    ),
    plain(
        "kernel",
        "shows version and memory of the kernel",
        Job::Kernel,
    ),
    plain("reset", "restarts the machine", Job::Reset { said: false }),
    plain(
        "panic",
        "makes the kernel panic",
        Job::Panic { said: false },
    ),
];

/// Splits a line into the command's name and the rest, without blanks around either.
pub(super) fn split(line: &str) -> (&str, &str) {
    let line = line.trim_ascii();
    match line.split_once(' ') {
        Some((name, rest)) => (name, rest.trim_ascii_start()),
        None => (line, ""),
    }
}

/// Finds what a line asks for.
pub(super) fn parse(line: &str, board: &[&dyn ConsoleCommand]) -> Job {
    let (name, _) = split(line);
    if name.is_empty() {
        return Job::Prompt;
    }
    if let Some(command) = built_in(name) {
        return command.job;
    }
    board
        .iter()
        .position(|command| command.name() == name)
        .map_or(Job::Unknown, |index| Job::Board { index, part: 0 })
}

pub(super) fn built_in(name: &str) -> Option<&'static BuiltIn> {
    BUILT_IN.iter().find(|command| command.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::fmt::Write;

    struct Extra(&'static str);

    impl ConsoleCommand for Extra {
        fn name(&self) -> &str {
            self.0
        }

        fn help(&self) -> &str {
            ""
        }

        fn execute(&self, _arguments: &str, _writer: &mut dyn Write) {}
    }

    #[test]
    fn blanks_around_words_do_not_matter() {
        assert_eq!(split("  stop   my app  "), ("stop", "my app"));
        assert_eq!(split("list"), ("list", ""));
        assert_eq!(split("   "), ("", ""));
    }

    #[test]
    fn every_word_of_the_manual_is_known() {
        for name in [
            "help",
            "status",
            "list",
            "stop",
            "start",
            "fault",
            "boot",
            "terminate",
            "process",
            "kernel",
            "reset",
            "panic",
        ] {
            assert!(parse(name, &[]) != Job::Unknown, "{name}");
        }
        assert!(parse("listen", &[]) == Job::Unknown);
        assert!(parse("LIST", &[]) == Job::Unknown);
        assert!(parse("", &[]) == Job::Prompt);
    }

    #[test]
    fn commands_of_the_board_come_behind_those_of_the_console() {
        let board: [&dyn ConsoleCommand; 2] = [&Extra("list"), &Extra("virtio")];
        assert!(parse("virtio 3", &board) == Job::Board { index: 1, part: 0 });
        assert!(matches!(parse("list", &board), Job::List { .. }));
    }
}
