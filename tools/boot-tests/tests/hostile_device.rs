// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A device that lies costs its own service and a counter: the console answers, and a bystander keeps
//! its rhythm.
//!
//! The device is outside QEMU (`tools/hostile-device`) and answers the kernel's driver directly.
//! DEVICE_NEEDS_RESET is not among the lies, since the status register stays with QEMU.

use std::time::Instant;

use board_runner::qemu::Qemu;
use boot_tests::{Board, Guest, PATIENCE, each_qemu};
use hostile_device::{Kind, Lie, Script, Server};
use tempfile::TempDir;

/// One instruction is 64 ns of the guest's time, so the bystander's rhythm does not depend on how busy
/// this machine is.
const COUNTED_TIME: [&str; 2] = ["-icount", "shift=6,sleep=off"];

/// A board with a device that obeys for `honest` chains.
struct Liar {
    guest: Guest,
    server: Server,
    _directory: TempDir,
}

impl Liar {
    fn boot(qemu: &Qemu, kind: Kind, script: Script) -> Liar {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let server = Server::listen(&directory.path().join("device"), kind, script)
            .unwrap_or_else(|error| panic!("{error}"));
        let arguments = server.qemu_arguments();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let client = match kind {
            Kind::Entropy => "random",
            Kind::Receiver | Kind::Transmitter => "web",
        };
        let mut guest = Board::on(qemu)
            .apps(&["ticker", client])
            .with(&arguments)
            .with(&COUNTED_TIME)
            .boot();
        // What is typed before the console is there is lost.
        guest.expect("ticker: 1");
        Liar {
            guest,
            server,
            _directory: directory,
        }
    }

    /// Asks the console for a counter in the line with `title`.
    #[track_caller]
    fn counter(&mut self, title: &str, name: &str) -> u32 {
        self.guest.type_in("virtio\r");
        let line = self.guest.expect_line(title, |line| {
            line.trim_start()
                .strip_prefix(title)
                .is_some_and(|rest| rest.starts_with(':'))
        });
        let mut words = line.split_whitespace().skip_while(|word| *word != name);
        let value = words.nth(1).and_then(|value| value.parse().ok());
        value.unwrap_or_else(|| self.guest.fail_with(&format!("no {name} in: {line}")))
    }

    /// Asks for a counter until it is at least `least`.
    #[track_caller]
    fn expect_counter(&mut self, title: &str, name: &str, least: u32) {
        let deadline = Instant::now() + PATIENCE;
        while self.counter(title, name) < least {
            if Instant::now() > deadline {
                let failure = format!("{title} {name} never came to {least}");
                self.guest.fail_with(&failure);
            }
            self.next_tick();
        }
    }

    #[track_caller]
    fn next_tick(&mut self) -> u32 {
        let tick =
            |line: &str| -> Option<u32> { line.split_once("ticker: ")?.1.trim().parse().ok() };
        let line = self
            .guest
            .expect_line("a tick", |line| tick(line).is_some());
        tick(&line).unwrap_or_default()
    }

    /// Expects the console to answer and the bystander to go on, on time.
    #[track_caller]
    fn expect_life(&mut self) {
        self.guest.type_in("status\r");
        self.guest
            .expect_line("the status", |line| line.starts_with("Processes: "));
        let first = self.next_tick();
        let mut last = first;
        while last < first + 10 {
            let next = self.next_tick();
            if next != last + 1 {
                self.guest.fail_with("the bystander started anew");
            }
            last = next;
        }
        let printed = self.guest.printed();
        if let Some(line) = printed.lines().find(|line| line.contains("late: ticker")) {
            let failure = format!("the bystander lost its rhythm: {line}");
            self.guest.fail_with(&failure);
        }
        if let Some(line) = printed.lines().find(|line| line.contains("panic")) {
            let failure = format!("the kernel panicked: {line}");
            self.guest.fail_with(&failure);
        }
    }

    /// Ends QEMU, upon which the device ends too.
    fn end(self) {
        drop(self.guest);
        let ended = self.server.join();
        ended.unwrap_or_else(|error| panic!("{error}"));
    }
}

/// Tells each lie after `honest` chains, and expects its counter to go up.
#[track_caller]
fn tell(kind: Kind, lies: &[(Lie, &str, &str)], honest: u32) {
    each_qemu(|qemu| {
        for &(lie, title, name) in lies {
            eprintln!("{kind:?} {lie:?}");
            let mut liar = Liar::boot(qemu, kind, Script::lie_after(honest, lie));
            liar.expect_counter(title, name, 1);
            liar.expect_life();
            liar.end();
        }
    });
}

#[test]
fn honest_devices_outside_qemu_serve_the_board() {
    each_qemu(|qemu| {
        let mut honest = Liar::boot(qemu, Kind::Entropy, Script::honest());
        honest
            .guest
            .expect_line("random bytes", |line| line.starts_with("random: "));
        honest.expect_counter("driver", "filled", 4);
        assert_eq!(honest.counter("queue", "rejected"), 0);
        honest.end();
        let mut honest = Liar::boot(qemu, Kind::Receiver, Script::honest());
        honest.expect_counter("driver", "received", 20);
        honest.expect_counter("driver", "transmitted", 2);
        assert_eq!(honest.counter("receive", "rejected"), 0);
        assert_eq!(honest.counter("transmit", "rejected"), 0);
        honest.end();
    });
}

#[test]
fn false_identifiers_of_chains_are_rejected() {
    let rejected = ("queue", "rejected");
    let lies = [Lie::IdBeyondTable, Lie::IdTooWide, Lie::IdTwice];
    let lies = lies.map(|lie| (lie, rejected.0, rejected.1));
    tell(Kind::Entropy, &lies, 2);
    let lies = [
        Lie::IdInsideChain,
        Lie::IdNeverIssued,
        Lie::IdTwice,
        Lie::LenOver,
    ];
    let lies = lies.map(|lie| (lie, "transmit", "rejected"));
    tell(Kind::Transmitter, &lies, 1);
}

#[test]
fn a_used_index_that_jumps_is_rejected() {
    let lies = [Lie::IndexJump, Lie::IndexBack];
    let lies = lies.map(|lie| (lie, "queue", "rejected"));
    tell(Kind::Entropy, &lies, 2);
}

#[test]
fn lengths_that_cannot_be_are_rejected_or_dropped() {
    tell(
        Kind::Entropy,
        &[
            (Lie::LenZero, "driver", "empty"),
            (Lie::LenOver, "queue", "rejected"),
            (Lie::LenMax, "queue", "rejected"),
        ],
        2,
    );
    tell(
        Kind::Receiver,
        &[
            (Lie::LenZero, "driver", "dropped_runt"),
            (Lie::LenShort, "driver", "dropped_runt"),
            (Lie::LenOver, "receive", "rejected"),
            (Lie::LenMax, "receive", "rejected"),
        ],
        20,
    );
}

#[test]
fn frames_and_headers_that_cannot_be_are_dropped() {
    tell(
        Kind::Receiver,
        &[
            (Lie::FrameOverlong, "driver", "dropped_overlong"),
            (Lie::HeaderFlags, "driver", "dropped_malformed"),
            // Not used without the feature, hence no reason to drop anything.
            (Lie::HeaderBuffers, "driver", "received"),
        ],
        20,
    );
}

#[test]
fn a_storm_of_interrupts_delays_nobody() {
    tell(Kind::Entropy, &[(Lie::Storm, "transport", "empty")], 2);
}

#[test]
fn a_device_that_stays_silent_or_vanishes_delays_nobody() {
    let lies = [Lie::Silence, Lie::Vanish];
    let kicked = lies.map(|lie| (lie, "queue", "kicks"));
    tell(Kind::Entropy, &kicked, 0);
    let kicked = lies.map(|lie| (lie, "transmit", "kicks"));
    tell(Kind::Transmitter, &kicked, 0);
}

#[test]
fn memory_that_a_device_should_not_write_is_not_relied_on() {
    let lies = [
        Lie::ScribbleDescriptors,
        Lie::ScribbleAvailable,
        Lie::ScribbleWishes,
        Lie::WriteAfterReturn,
    ];
    let lies = lies.map(|lie| (lie, "queue", "used"));
    tell(Kind::Entropy, &lies, 0);
}
