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

/// What a command of this module does.
#[derive(Clone, Copy)]
enum Kind {
    Help,
    Status,
    List,
    Act(Action),
    Describe,
    Kernel,
    Reset,
    Panic,
}

/// A command of this module.
pub(super) struct BuiltIn {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    kind: Kind,
}

impl BuiltIn {
    /// What follows the name, with a blank in front.
    pub(super) fn arguments(&self) -> &'static str {
        match self.kind {
            Kind::Act(_) | Kind::Describe => " NAME",
            _ => "",
        }
    }

    fn job(&self) -> Job {
        let (next, any, said) = (0, false, false);
        match self.kind {
            Kind::Help => Job::Help(0),
            Kind::Status => Job::Status,
            Kind::List => Job::List { header: true, next },
            Kind::Act(action) => Job::Act { action, next, any },
            Kind::Describe => Job::Describe {
                next,
                any,
                context: None,
            },
            Kind::Kernel => Job::Kernel,
            Kind::Reset => Job::Reset { said },
            Kind::Panic => Job::Panic { said },
        }
    }
}

const fn built(name: &'static str, help: &'static str, kind: Kind) -> BuiltIn {
    BuiltIn { name, help, kind }
}

/// All commands of this module, in the order in which `help` shows them.
pub(super) const BUILT_IN: &[BuiltIn] = &[
    built("help", "shows this list", Kind::Help),
    built(
        "status",
        "counts processes and used-up time slices",
        Kind::Status,
    ),
    built("list", "shows all processes", Kind::List),
    built(
        "stop",
        "halts a process until start",
        Kind::Act(Action::Stop),
    ),
    built(
        "start",
        "lets a stopped process go on",
        Kind::Act(Action::Start),
    ),
    built("fault", "makes a process fault", Kind::Act(Action::Fault)),
    built(
        "boot",
        "runs a terminated process anew",
        Kind::Act(Action::Boot),
    ),
    built("terminate", "ends a process", Kind::Act(Action::Terminate)),
    built("process", "shows the memory of a process", Kind::Describe),
    built(
        "kernel",
        "shows version and memory of the kernel",
        Kind::Kernel,
    ),
    built("reset", "restarts the machine", Kind::Reset),
    built("panic", "makes the kernel panic", Kind::Panic),
];

/// Splits a line into the command's name and the rest, without blanks around either.
pub(super) fn split(line: &str) -> (&str, &str) {
    let line = line.trim_ascii();
    let blank = line.bytes().position(|byte| byte == b' ');
    match blank.and_then(|blank| line.split_at_checked(blank)) {
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
        return command.job();
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
