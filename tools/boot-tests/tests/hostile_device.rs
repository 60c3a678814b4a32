// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A device that lies costs its own service and a counter: the console answers, and a bystander keeps
//! its rhythm.
//!
//! The device is outside QEMU (`tools/hostile-device`) and answers the kernel's driver directly. Where it
//! comes to its senses, it has to be in service again and do what it is for.
//! DEVICE_NEEDS_RESET is not among the lies, since the status register stays with QEMU: see `recovery.rs`.

use std::time::Instant;

use board_runner::qemu::Qemu;
use boot_tests::{Board, Guest, PATIENCE, each_qemu};
use hostile_device::{Kind, Lie, Script, Server};
use tempfile::TempDir;

/// How time passes on the board. One instruction is 64 ns, so the bystander's rhythm does not depend on
/// how busy this machine is.
#[derive(Clone, Copy)]
enum Time {
    /// The processor's sleep takes no time here: a second on the board may be over before the device,
    /// which is outside, has had a chance to answer. It may be reset for that too.
    Counted,
    /// Sleep takes as long as it does.
    Real,
}

impl Time {
    fn arguments(self) -> [&'static str; 2] {
        match self {
            Time::Counted => ["-icount", "shift=6,sleep=off"],
            Time::Real => ["-icount", "shift=6,sleep=on"],
        }
    }
}

/// A board with a device that obeys for `honest` chains.
struct Liar {
    guest: Guest,
    server: Server,
    time: Time,
    _directory: TempDir,
}

impl Liar {
    fn boot(qemu: &Qemu, kind: Kind, script: Script, time: Time) -> Liar {
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
            .with(&time.arguments())
            .boot();
        // What is typed before the console is there is lost.
        guest.expect("ticker: 1");
        Liar {
            guest,
            server,
            time,
            _directory: directory,
        }
    }

    /// Asks the console for a counter in the line with `title`.
    #[track_caller]
    fn counter(&mut self, title: &str, name: &str) -> u32 {
        self.guest.counter(title, name)
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

    /// Expects a counter to go up by `more` from now on.
    #[track_caller]
    fn expect_more(&mut self, title: &str, name: &str, more: u32) {
        let least = self.counter(title, name) + more;
        self.expect_counter(title, name, least);
    }

    /// Expects the app of an entropy device to be given bytes, or an error.
    #[track_caller]
    fn expect_random(&mut self, given: bool) {
        self.guest.expect_line("what the app got", |line| {
            let got = line.strip_prefix("random: ");
            got.is_some_and(|got| given == (got.len() == 64))
        });
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
        let late = printed.lines().find(|line| line.contains("late: ticker"));
        // How long real sleep takes is this machine's affair.
        if let (Some(line), Time::Counted) = (late, self.time) {
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

/// The counter of what a device is for, and by how much it has to go up to show that it does it.
fn service(kind: Kind) -> (&'static str, u32) {
    match kind {
        Kind::Entropy => ("filled", 4),
        Kind::Receiver => ("received", 20),
        Kind::Transmitter => ("transmitted", 2),
    }
}

/// Tells each lie after `honest` chains, and expects its counter to go up. A lie that is `rejected` has
/// the device reset, again and again.
#[track_caller]
fn tell(kind: Kind, lies: &[(Lie, &str, &str)], honest: u32) {
    each_qemu(|qemu| {
        for &(lie, title, name) in lies {
            eprintln!("{kind:?} {lie:?}");
            let script = Script::lie_after(honest, lie);
            let mut liar = Liar::boot(qemu, kind, script, Time::Counted);
            liar.expect_counter(title, name, 1);
            if name == "rejected" {
                liar.expect_counter("transport", "broken", 1);
                liar.expect_counter("transport", "recoveries", 1);
            } else {
                assert_eq!(liar.counter("transport", "broken"), 0);
            }
            liar.expect_life();
            liar.end();
        }
    });
}

/// Tells each lie `times` times after `honest` chains, and expects that the device serves again when it
/// obeys again; and `judge` to be content then.
#[track_caller]
fn tell_and_stop(
    kind: Kind,
    lies: &[Lie],
    honest: u32,
    times: u32,
    time: Time,
    judge: impl Fn(&mut Liar, Lie),
) {
    each_qemu(|qemu| {
        for &lie in lies {
            eprintln!("{kind:?} {lie:?}, {times} times");
            let script = Script::lie_times(honest, lie, times);
            let mut liar = Liar::boot(qemu, kind, script, time);
            // Whatever it does beyond that it does after the lies.
            let (name, more) = service(kind);
            liar.expect_counter("driver", name, honest + more);
            judge(&mut liar, lie);
            if kind == Kind::Entropy {
                liar.expect_random(true);
            }
            liar.expect_life();
            liar.end();
        }
    });
}

#[test]
fn honest_devices_outside_qemu_serve_the_board() {
    each_qemu(|qemu| {
        let mut honest = Liar::boot(qemu, Kind::Entropy, Script::honest(), Time::Counted);
        honest
            .guest
            .expect_line("random bytes", |line| line.starts_with("random: "));
        honest.expect_counter("driver", "filled", 4);
        assert_eq!(honest.counter("queue", "rejected"), 0);
        honest.end();
        let mut honest = Liar::boot(qemu, Kind::Receiver, Script::honest(), Time::Counted);
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
            (Lie::HeaderBuffers, "driver", "dropped_scattered"),
            (Lie::HeaderNoBuffers, "driver", "dropped_scattered"),
        ],
        20,
    );
}

#[test]
fn frames_that_were_put_together_wrongly_are_followed_by_whole_ones() {
    let lies = [Lie::HeaderTwoBuffers, Lie::HeaderBuffers];
    tell_and_stop(Kind::Receiver, &lies, 20, 3, Time::Counted, |liar, _| {
        liar.expect_more("driver", "received", 20);
        assert_eq!(liar.counter("receive", "rejected"), 0);
        assert_eq!(liar.counter("transport", "broken"), 0);
    });
}

#[test]
fn a_storm_of_interrupts_delays_nobody() {
    tell(Kind::Entropy, &[(Lie::Storm, "transport", "empty")], 2);
}

#[test]
fn a_device_that_storms_is_masked_and_its_app_gets_bytes() {
    // Where time is counted, a second is over before there are enough interrupts in it.
    each_qemu(|qemu| {
        let script = Script::lie_after(2, Lie::Storm);
        let mut liar = Liar::boot(qemu, Kind::Entropy, script, Time::Real);
        liar.expect_counter("transport", "masked", 1);
        (0..4).for_each(|_| liar.expect_random(true));
        liar.expect_life();
        liar.end();
    });
}

#[test]
fn a_device_that_stops_lying_is_back_in_service() {
    let broken_once = |queue: &'static str| {
        move |liar: &mut Liar, _: Lie| {
            liar.expect_counter(queue, "rejected", 1);
            liar.expect_counter("transport", "recoveries", 1);
            let counts = ["broken", "recoveries"].map(|name| liar.counter("transport", name));
            assert_eq!(counts, [1, 1]);
            assert_eq!(liar.counter(queue, "rejected"), 1);
        }
    };
    let lies = [Lie::IdTwice, Lie::IndexJump];
    tell_and_stop(Kind::Entropy, &lies, 2, 1, Time::Real, broken_once("queue"));
    let lies = [Lie::LenOver, Lie::IdBeyondTable];
    tell_and_stop(
        Kind::Receiver,
        &lies,
        20,
        1,
        Time::Real,
        broken_once("receive"),
    );
    let lies = [Lie::IdInsideChain];
    tell_and_stop(
        Kind::Transmitter,
        &lies,
        1,
        1,
        Time::Real,
        broken_once("transmit"),
    );
}

#[test]
fn an_entropy_device_that_falls_silent_is_reset_until_it_answers() {
    // All that it is given, for three lives.
    tell_and_stop(
        Kind::Entropy,
        &[Lie::Silence],
        0,
        12,
        Time::Real,
        |liar, _| {
            let counters = ["stalled", "recoveries"];
            let counts = counters.map(|name| liar.counter("transport", name));
            assert!(counts.iter().all(|count| *count >= 3), "{counts:?}");
            let told = liar.guest.count_lines("random: the entropy device failed");
            assert!(told >= 3, "the app was told {told} times");
            assert_eq!(liar.counter("queue", "rejected"), 0);
        },
    );
}

#[test]
fn a_card_that_sends_nothing_is_reset_until_it_does_and_its_frames_come_back() {
    tell_and_stop(
        Kind::Transmitter,
        &[Lie::Silence],
        0,
        1,
        Time::Real,
        |liar, _| {
            for (title, name) in [
                ("transport", "stalled"),
                ("transport", "recoveries"),
                ("driver", "lost"),
                ("transmit", "reclaimed"),
            ] {
                let count = liar.counter(title, name);
                assert!(count >= 1, "{title} {name}: {count}");
            }
            assert_eq!(liar.counter("transmit", "rejected"), 0);
        },
    );
}

#[test]
fn a_device_that_vanishes_is_tried_again_and_delays_nobody() {
    each_qemu(|qemu| {
        // QEMU 10 fails an assertion of its own when a driver starts an entropy device once more whose
        // server is gone, and gives the frame back that such a card had.
        let newer = qemu.version().major >= 10;
        if !newer {
            let script = Script::lie_after(2, Lie::Vanish);
            let mut liar = Liar::boot(qemu, Kind::Entropy, script, Time::Counted);
            liar.expect_random(false);
            liar.expect_counter("transport", "stalled", 1);
            liar.expect_counter("transport", "attempts", 2);
            liar.expect_random(false);
            liar.expect_life();
            liar.end();
        }
        let script = Script::lie_after(0, Lie::Vanish);
        let mut liar = Liar::boot(qemu, Kind::Transmitter, script, Time::Counted);
        liar.expect_counter("driver", "link_changes", 1);
        let end_of_frame = if newer { "transmitted" } else { "lost" };
        liar.expect_counter("driver", end_of_frame, 1);
        liar.expect_life();
        liar.end();
    });
}

#[test]
fn memory_that_a_device_should_not_write_is_not_relied_on() {
    let lies = [
        Lie::ScribbleDescriptors,
        Lie::ScribbleAvailable,
        Lie::ScribbleWishes,
        Lie::WriteAfterReturn,
    ];
    tell_and_stop(Kind::Entropy, &lies, 2, 1, Time::Counted, |liar, lie| {
        // A device that does not find its buffers any more is reset; the driver knows them all the while.
        liar.expect_more("driver", "filled", 8);
        assert_eq!(liar.counter("queue", "rejected"), 0, "{lie:?}");
        assert_eq!(liar.counter("transport", "broken"), 0, "{lie:?}");
    });
}
