// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A running board.

use std::fs;
use std::io::Write;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};

use board_runner::qemu::Qemu;
use board_runner::session::end_with_parent;
use tempfile::TempDir;

use crate::debugger::Debugger;
use crate::qmp::Qmp;
use crate::transcript::{Absent, Transcript};

/// A board under QEMU with its serial port at hand. Dropping it ends QEMU.
pub struct Guest {
    child: Child,
    input: ChildStdin,
    transcript: Transcript,
    /// Bytes of the transcript that earlier expectations have used up.
    seen: usize,
    qmp: Qmp,
    complaints: PathBuf,
    description: String,
    /// Holds the flash image and sockets for as long as QEMU runs.
    directory: TempDir,
}

impl Guest {
    /// Starts `qemu` with `arguments`; the serial port and the monitor are added here.
    pub fn start(qemu: &Qemu, arguments: &[String], directory: TempDir) -> Guest {
        let monitor = directory.path().join("qmp");
        let complaints = directory.path().join("stderr");
        let listener = UnixListener::bind(&monitor).expect("a socket for the monitor");
        let version = qemu.version();
        let description = format!(
            "QEMU {}.{} {}",
            version.major,
            version.minor,
            arguments.join(" ")
        );
        let mut command = Command::new(qemu.program());
        command
            .args(arguments)
            .args([
                "-chardev",
                "stdio,id=console,signal=off",
                "-serial",
                "chardev:console",
            ])
            // Until the monitor is there: a guest that ends at once would be gone before.
            .arg("-S")
            .arg("-qmp")
            .arg(format!("unix:{},server=off", monitor.display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(&complaints).expect("a file for complaints"));
        end_with_parent(&mut command);
        let mut child = command.spawn().expect("QEMU starts");
        let input = child.stdin.take().expect("standard input was piped");
        let output = child.stdout.take().expect("standard output was piped");
        let transcript = Transcript::collect(output);
        let mut qmp = Qmp::accept(&listener).unwrap_or_else(|error| {
            // It never ran; nothing else will end it.
            let _ = child.kill();
            let _ = child.wait();
            let said = fs::read_to_string(&complaints).unwrap_or_default();
            panic!("{description} did not reach its monitor: {error}\n{said}")
        });
        // Who asks for a halted machine starts it otherwise.
        if !arguments.iter().any(|argument| argument == "-S") {
            qmp.run();
        }
        Guest {
            child,
            input,
            transcript,
            seen: 0,
            qmp,
            complaints,
            description,
            directory,
        }
    }

    /// Waits for `text` behind everything expected before, and returns what came up to its end.
    #[track_caller]
    pub fn expect(&mut self, text: &str) -> String {
        let wanted = text.as_bytes();
        // Where the search goes on when more has come.
        let mut from = 0;
        let found = self.transcript.wait(self.seen, |bytes| {
            let position = bytes[from..]
                .windows(wanted.len())
                .position(|window| window == wanted);
            let Some(position) = position else {
                from = from.max((bytes.len() + 1).saturating_sub(wanted.len()));
                return None;
            };
            let end = from + position + wanted.len();
            Some((end, String::from_utf8_lossy(&bytes[..end]).into_owned()))
        });
        let (length, text) = found.unwrap_or_else(|absent| self.fail(absent, text));
        self.seen += length;
        text
    }

    /// Waits for a whole line, seen without prompt, that `wanted` accepts, behind everything expected before, and returns
    /// it. `what` describes it in the message of a failure.
    #[track_caller]
    pub fn expect_line(&mut self, what: &str, mut wanted: impl FnMut(&str) -> bool) -> String {
        // Lines before this were none of them.
        let mut start = 0;
        let found = self.transcript.wait(self.seen, |bytes| {
            while let Some(length) = bytes[start..].iter().position(|byte| *byte == b'\n') {
                let line = String::from_utf8_lossy(&bytes[start..start + length]);
                let line = without_prompt(&line);
                start += length + 1;
                if wanted(line) {
                    return Some((start, line.to_owned()));
                }
            }
            None
        });
        let (length, line) = found.unwrap_or_else(|absent| self.fail(absent, what));
        self.seen += length;
        line
    }

    /// Types `text` on the serial port.
    pub fn type_in(&mut self, text: &str) {
        self.input
            .write_all(text.as_bytes())
            .expect("QEMU reads its standard input");
        self.input.flush().expect("QEMU reads its standard input");
    }

    /// Everything the guest has printed so far.
    #[must_use]
    pub fn printed(&self) -> String {
        self.transcript.text()
    }

    /// How many lines printed so far begin with `start`, seen without prompt.
    #[must_use]
    pub fn count_lines(&self, start: &str) -> usize {
        self.printed()
            .lines()
            .filter(|line| without_prompt(line).starts_with(start))
            .count()
    }

    /// QEMU's monitor.
    pub fn qmp(&mut self) -> &mut Qmp {
        &mut self.qmp
    }

    pub(crate) fn debugger_socket(directory: &Path) -> PathBuf {
        directory.join("debugger")
    }

    /// Stops the guest and lets its memory be written, if the board is
    /// [debuggable](crate::Board::debuggable).
    #[track_caller]
    pub fn debugger(&self) -> Debugger {
        let socket = Guest::debugger_socket(self.directory.path());
        Debugger::attach(&socket).unwrap_or_else(|error| panic!("no debugger: {error}"))
    }

    /// Port of this machine that is forwarded to the guest's web server.
    pub fn web_port(&mut self) -> u16 {
        self.qmp.forwarded_port()
    }

    /// Waits until QEMU ends by itself and returns its status.
    #[track_caller]
    pub fn wait_for_exit(&mut self) -> ExitStatus {
        if let Err(absent) = self.transcript.wait_for_end() {
            self.fail(absent, "the end of the run")
        }
        self.child.wait().expect("QEMU can be waited for")
    }

    /// Fails the test with everything known about this run.
    #[track_caller]
    pub fn fail_with(&self, reason: &str) -> ! {
        let complaints = fs::read_to_string(&self.complaints).unwrap_or_default();
        panic!(
            "{reason}\n--- {}\n--- printed:\n{}\n--- QEMU said:\n{complaints}",
            self.description,
            self.transcript.text()
        )
    }

    #[track_caller]
    fn fail(&self, absent: Absent, what: &str) -> ! {
        match absent {
            Absent::Ended => self.fail_with(&format!("the guest ended before: {what}")),
            Absent::Late => self.fail_with(&format!("never came: {what}")),
        }
    }
}

/// The process console may leave its prompt on the line that an app prints next.
fn without_prompt(line: &str) -> &str {
    let line = line.trim_end_matches('\r');
    line.strip_prefix("tock$ ").unwrap_or(line)
}

impl Drop for Guest {
    fn drop(&mut self) {
        // Both fail only when QEMU has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
