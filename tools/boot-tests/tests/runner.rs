// SPDX-License-Identifier: Apache-2.0 OR MIT

//! `make run` from the outside: the terminal, signals, exit statuses and messages.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Instant;

use boot_tests::{PATIENCE, Transcript, app_objects};
use rustix::process::{Pid, Signal, ioctl_tiocsctty, kill_process, setsid};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};

/// The runner, as the make target starts it.
fn board(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO"));
    command
        .args(["run", "--quiet", "--package", "board-runner", "--"])
        .args(arguments);
    if let Some(qemu) = std::env::var_os("QEMU") {
        command.arg("--qemu").arg(qemu);
    }
    command
}

/// A runner whose output is collected.
struct Run {
    child: Child,
    printed: Transcript,
}

impl Run {
    fn start(arguments: &[&str]) -> Run {
        let mut command = board(arguments);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().expect("cargo starts");
        let printed = Transcript::collect(child.stdout.take().expect("output was piped"));
        Run { child, printed }
    }

    #[track_caller]
    fn expect(&self, text: &str) {
        expect(&self.printed, text);
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a process id"), signal).expect("the runner is still there");
    }

    /// Output ends when QEMU, too, has let go of it.
    #[track_caller]
    fn end(&mut self) -> ExitStatus {
        assert_eq!(
            self.printed.wait_for_end(),
            Ok(()),
            "{}",
            self.printed.text()
        );
        self.child.wait().expect("the runner can be waited for")
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // QEMU follows its parent.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[track_caller]
fn expect(printed: &Transcript, text: &str) {
    let wanted = text.as_bytes();
    let found = printed.wait(0, |bytes| {
        bytes
            .windows(wanted.len())
            .find(|seen| *seen == wanted)
            .map(drop)
    });
    assert_eq!(found, Ok(()), "no `{text}` in:\n{}", printed.text());
}

#[track_caller]
fn refused(arguments: &[&str], status: i32, words: &[&str]) {
    let output = board(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("cargo starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{said}");
    for word in words {
        assert!(said.contains(word), "no `{word}` in: {said}");
    }
}

#[test]
fn the_guests_output_appears_without_a_terminal_and_ctrl_c_stops_it_cleanly() {
    for signal in [Signal::INT, Signal::TERM] {
        let mut run = Run::start(&["run", "ticker", "--net", "none"]);
        run.expect("ticker: 3");
        run.signal(signal);
        assert_eq!(run.end().code(), Some(0));
    }
}

#[test]
fn the_guests_status_is_that_of_the_run() {
    let mut run = Run::start(&["run", "ticker", "--net", "none"]);
    run.expect("ticker: 1");
    let mut input = run.child.stdin.take().expect("input was piped");
    input
        .write_all(b"panic\r")
        .expect("QEMU reads its standard input");
    let status = run.end();
    assert!(status.code().is_some_and(|code| code != 0), "{status}");
}

#[test]
fn a_terminal_is_given_back_as_it_was() {
    let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&controller)
        .and_then(|()| unlockpt(&controller))
        .expect("the terminal is ours");
    let name = ptsname(&controller, Vec::new()).expect("the terminal has a name");
    let open = || -> OwnedFd {
        let name = name.to_str().expect("a path");
        File::options()
            .read(true)
            .write(true)
            .open(name)
            .expect("the terminal opens")
            .into()
    };
    let terminal = open();
    let cooked = tcgetattr(&terminal).expect("settings").local_modes;
    assert!(cooked.contains(LocalModes::ICANON | LocalModes::ECHO));
    let mut command = board(&["run", "ticker", "--net", "none"]);
    command.stdin(open()).stdout(open()).stderr(open());
    let take_terminal = || {
        setsid()?;
        ioctl_tiocsctty(rustix::stdio::stdin())?;
        Ok(())
    };
    // SAFETY: between fork and exec the closure makes two system calls: it neither allocates nor
    // takes a lock, as `pre_exec` asks.
    unsafe { command.pre_exec(take_terminal) };
    let mut child = command.spawn().expect("cargo starts");
    let mut keyboard = File::from(controller.try_clone().expect("another handle"));
    let printed = Transcript::collect(File::from(controller));
    expect(&printed, "ticker: 3");
    let raw = tcgetattr(&terminal).expect("settings").local_modes;
    assert!(
        !raw.intersects(LocalModes::ICANON | LocalModes::ECHO),
        "keys go to the guest"
    );
    // Ctrl-C.
    keyboard.write_all(&[3]).expect("the terminal takes a key");
    let status = child.wait().expect("the runner can be waited for");
    assert_eq!(status.code(), Some(0), "{}", printed.text());
    assert_eq!(tcgetattr(&terminal).expect("settings").local_modes, cooked);
}

#[test]
fn a_taken_port_is_refused_before_anything_is_built() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = listener
        .local_addr()
        .expect("a bound socket")
        .port()
        .to_string();
    refused(
        &["run", "web", "--port", &port],
        1,
        &[&port, "taken", "PORT="],
    );
}

#[test]
fn mistakes_on_the_command_line_say_what_would_be_right() {
    refused(
        &["run", "nosuch", "--net", "none"],
        2,
        &["nosuch", "hello", "random"],
    );
    refused(
        &["run", "--net", "carrier-pigeon"],
        2,
        &["dgram:LOCALPORT:REMOTEPORT"],
    );
    refused(
        &["run", "--tbf", "/nowhere/app.tbf", "--net", "none"],
        2,
        &["/nowhere/app.tbf"],
    );
}

#[test]
fn a_missing_qemu_is_named_with_the_way_out() {
    let mut command = Command::new(env!("CARGO"));
    command.args(["run", "--quiet", "--package", "board-runner", "--", "run"]);
    let output = command
        .args(["--qemu", "/nowhere/qemu"])
        .output()
        .expect("cargo starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("/nowhere/qemu") && said.contains("tools/setup.sh"),
        "{said}"
    );
}

#[test]
fn a_binary_that_is_none_gets_a_line_and_the_others_run() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("notes.tbf");
    std::fs::write(&file, "no binary at all").expect("a file");
    let mut command = board(&[
        "run",
        "ticker",
        "--net",
        "none",
        "--tbf",
        file.to_str().expect("a path"),
    ]);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("cargo starts");
    let complaints = Transcript::collect(child.stderr.take().expect("errors were piped"));
    let printed = Transcript::collect(child.stdout.take().expect("output was piped"));
    let run = Run { child, printed };
    expect(&complaints, "notes.tbf: refused: not a Tock binary");
    run.expect("ticker: 3");
}

#[test]
fn a_binary_for_fixed_addresses_runs_beside_our_own_apps() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("elsewhere.tbf");
    // Linked for the place behind another app, as a binary from another tree would be.
    let elsewhere = app_objects(&["random", "hello"]).pop().expect("two apps");
    std::fs::write(&file, elsewhere.bytes).expect("a file");
    let file = file.to_str().expect("a path");
    let run = Run::start(&["run", "ticker", "--net", "none", "--tbf", file]);
    run.expect("Hello from Tock");
    run.expect("ticker: 3");
}

#[test]
fn a_debugger_holds_the_board_until_it_lets_go() {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = free.local_addr().expect("a bound socket").port();
    drop(free);
    let mut command = board(&[
        "debug",
        "ticker",
        "--net",
        "none",
        "--debugger-port",
        &port.to_string(),
    ]);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("cargo starts");
    let hints = Transcript::collect(child.stderr.take().expect("errors were piped"));
    let printed = Transcript::collect(child.stdout.take().expect("output was piped"));
    let run = Run { child, printed };
    expect(&hints, "target remote 127.0.0.1:");
    let deadline = Instant::now() + PATIENCE;
    let mut debugger = loop {
        // QEMU says nothing when it begins to listen.
        match TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
            Ok(stream) => break stream,
            Err(error) => assert!(Instant::now() < deadline, "{error}: {}", hints.text()),
        }
        std::thread::yield_now();
    };
    // The remote protocol's request for the registers: QEMU has stopped before the first
    // instruction, so the program counter, the last of the 33 words, is in the boot ROM.
    let registers = ask(&mut debugger, "g");
    assert_eq!(&registers[32 * 8..33 * 8], "00100000", "{registers}");
    assert_eq!(run.printed.text(), "");
    debugger.write_all(b"$c#63").expect("QEMU listens");
    run.expect("ticker: 3");
}

/// Sends one packet of gdb's remote protocol and returns the body of the answer.
fn ask(debugger: &mut TcpStream, request: &str) -> String {
    let sum = request.bytes().fold(0_u8, u8::wrapping_add);
    write!(debugger, "${request}#{sum:02x}").expect("QEMU listens");
    let mut answer = String::new();
    while answer.find('#').is_none_or(|end| answer.len() < end + 3) {
        let mut byte = [0];
        debugger.read_exact(&mut byte).expect("an answer");
        answer.push(char::from(byte[0]));
    }
    debugger.write_all(b"+").expect("QEMU listens");
    let start = answer.find('$').expect("a packet") + 1;
    answer[start..answer.len() - 3].to_owned()
}
