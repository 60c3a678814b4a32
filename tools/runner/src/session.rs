// SPDX-License-Identifier: Apache-2.0 OR MIT

//! One run of QEMU with this terminal as the board's console.
//!
//! QEMU reads and writes the terminal itself, so nothing buffers or delays the guest's output. What
//! is left to do here is to stop QEMU when asked, and to leave the terminal as it was.

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, getpgrp, kill_process};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::error::Error;
use crate::qemu::Qemu;

/// QEMU's arguments for a console on its standard input and output. `signal=on` keeps Ctrl-C what
/// it is in any other program.
const CONSOLE: [&str; 6] = [
    "-chardev",
    "stdio,id=console,signal=on",
    "-serial",
    "chardev:console",
    "-monitor",
    "none",
];

/// Runs QEMU with `arguments` until the guest ends it or the user stops it.
///
/// Returns the exit status to pass on: the guest's own, or 0 after Ctrl-C, a hang-up or a
/// termination signal. A second such signal kills QEMU.
///
/// # Errors
///
/// QEMU cannot be started or signals cannot be received.
pub fn run(qemu: &Qemu, arguments: &[String]) -> Result<u8, Error> {
    let failed = |source| Error::Run {
        program: qemu.program().to_owned(),
        source,
    };
    let mut signals = Signals::new([SIGCHLD, SIGINT, SIGTERM, SIGHUP]).map_err(failed)?;
    let _terminal = SavedTerminal::save();
    let mut command = Command::new(qemu.program());
    command.args(arguments).args(CONSOLE.map(OsString::from));
    if in_background() {
        // Setting up the terminal from the background would stop QEMU.
        command.stdin(Stdio::null());
    }
    end_with_parent(&mut command);
    let mut child = command.spawn().map_err(failed)?;
    let mut asked_to_stop = false;
    // A child that ended before this loop has left its SIGCHLD in `signals`.
    for signal in signals.forever() {
        if signal == SIGCHLD {
            if let Some(status) = child.try_wait().map_err(failed)? {
                return Ok(exit_status(status, asked_to_stop));
            }
        } else {
            stop(
                &child,
                if asked_to_stop {
                    Signal::KILL
                } else {
                    Signal::TERM
                },
            );
            asked_to_stop = true;
        }
    }
    Ok(0)
}

/// Makes the kernel end the child should this program be killed outright.
pub fn end_with_parent(command: &mut Command) {
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::process::CommandExt;
        let request = || {
            rustix::process::set_parent_process_death_signal(Some(Signal::TERM))
                .map_err(io::Error::from)
        };
        // SAFETY: between fork and exec the closure makes one system call: it neither allocates nor
        // takes a lock, as `pre_exec` asks.
        unsafe { command.pre_exec(request) };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = command;
}

/// Sends `signal`; a child that has just ended on its own needs none.
fn stop(child: &Child, signal: Signal) {
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

fn exit_status(status: ExitStatus, asked_to_stop: bool) -> u8 {
    let by_signal = || status.signal().map(|signal| 128_i32.saturating_add(signal));
    match status.code().or_else(by_signal) {
        _ if asked_to_stop => 0,
        Some(code) => u8::try_from(code).unwrap_or(1),
        None => 1,
    }
}

/// Whether standard input is a terminal whose foreground belongs to another job.
fn in_background() -> bool {
    let stdin = io::stdin();
    stdin.is_terminal() && tcgetpgrp(&stdin).is_ok_and(|foreground| foreground != getpgrp())
}

/// The terminal's settings, put back when this is dropped even if QEMU died without doing so.
struct SavedTerminal(Option<Termios>);

impl SavedTerminal {
    fn save() -> SavedTerminal {
        SavedTerminal(tcgetattr(io::stdin()).ok())
    }
}

impl Drop for SavedTerminal {
    fn drop(&mut self) {
        if let Some(settings) = &self.0
            && !in_background()
        {
            // The terminal may be gone (a hang-up); then there is nothing to restore.
            let _ = tcsetattr(io::stdin(), OptionalActions::Drain, settings);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guests_status_is_passed_on_unless_the_user_ended_the_run() {
        let exited = |code: i32| ExitStatus::from_raw(code << 8);
        assert_eq!(exit_status(exited(0), false), 0);
        assert_eq!(exit_status(exited(3), false), 3);
        assert_eq!(exit_status(ExitStatus::from_raw(9), false), 137);
        assert_eq!(exit_status(ExitStatus::from_raw(9), true), 0);
    }
}
