// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Devices that break, hang, or interrupt without end, and what polling does about it.

use super::*;
use crate::queues::split_queue::{SplitVirtqueueClient, VirtqueueReturnBuffer};
use crate::transports::{InterruptLine, POLLS_IN_A_SECOND, PollRequest};

/// Enough for a storm; Miri looks at memory alone.
const ROUNDS: usize = if cfg!(miri) { 20 } else { 1_500 };

/// A poller that only counts requests.
#[derive(Default)]
struct Requests(Cell<usize>);

impl PollRequest for Requests {
    fn request_poll(&self) {
        self.0.set(self.0.get() + 1);
    }
}

#[derive(Default)]
struct Line {
    masked: Cell<bool>,
    changes: Cell<usize>,
}

impl InterruptLine for Line {
    fn mask(&self) {
        self.masked.set(true);
        self.changes.set(self.changes.get() + 1);
    }

    fn unmask(&self) {
        self.masked.set(false);
        self.changes.set(self.changes.get() + 1);
    }
}

impl Rig {
    fn with_poller(&self) -> &'static Requests {
        let requests: &'static Requests = leak(Requests::default());
        self.transport.set_poller(requests);
        requests
    }

    fn with_line(&self) -> &'static Line {
        let line: &'static Line = leak(Line::default());
        self.transport.set_interrupt_line(line);
        line
    }

    fn post(&self, context: usize) {
        let mut chain = [Some(writable(4))];
        self.queue.provide(&mut chain, context).unwrap();
        self.queue.publish();
        self.queue.notify();
    }

    /// Has the device return a chain that it never had.
    fn break_queue(&self) {
        self.device.queue(0).return_used(u32::MAX, 0);
        self.interrupt(USED);
    }

    fn storm(&self) {
        for _ in 0..1_000 {
            self.transport.handle_interrupt();
        }
    }

    /// Has the device use a chain and `then` something happen, many times.
    fn use_chains(&self, times: usize, then: impl Fn()) {
        let queue = self.device.queue(0);
        for round in 0..times {
            self.post(round);
            let chain = queue.pop().unwrap();
            queue.return_used(chain.head.into(), 0);
            then();
        }
    }

    fn poll(&self) -> bool {
        self.transport.poll()
    }

    /// Polls until nobody wants another, and says how often.
    fn poll_until_quiet(&self) -> usize {
        let mut polls = 1;
        while self.poll() {
            polls += 1;
            assert!(polls < 1_000, "polled for ever");
        }
        polls
    }
}

#[test]
fn a_broken_device_is_brought_back_and_serves_again() {
    let rig = Rig::running();
    let requests = rig.with_poller();
    rig.post(7);
    rig.driver.calls.take();
    rig.driver.posts.set(2);
    rig.break_queue();
    assert_eq!((rig.client.contexts(), requests.0.get()), (std::vec![7], 1));
    assert_eq!(rig.driver.calls.take(), ["stopped"]);
    assert!(!rig.transport.is_running());

    assert!(rig.poll());
    assert!(rig.transport.is_running());
    assert_eq!(rig.device.status.get(), STARTED);
    assert_eq!(rig.driver.calls.take(), CALLS_OF_AN_INITIALIZATION);
    let counters = rig.transport.counters();
    assert_eq!(
        (counters.broken, counters.attempts, counters.recoveries),
        (1, 1, 1)
    );
    rig.client.take();
    let queue = rig.device.queue(0);
    assert_eq!(queue.available_index(), 2, "buffers were posted again");
    let chain = queue.pop().unwrap();
    queue.return_used(chain.head.into(), chain.fill(b"back"));
    rig.interrupt(USED);
    assert_eq!(rig.client.take()[0].written(), [b"back"]);
}

#[test]
fn a_device_that_asks_for_a_reset_is_brought_back() {
    let rig = Rig::running();
    rig.post(7);
    rig.device.status.set(rig.device.status.get() | NEEDS_RESET);
    rig.interrupt(CONFIGURATION);
    assert_eq!(rig.client.contexts(), [7]);
    rig.poll();
    assert!(rig.transport.is_running());
    assert_eq!(rig.transport.counters().needs_reset, 1);
    assert_eq!(rig.transport.counters().recoveries, 1);
}

#[test]
fn a_device_that_breaks_at_once_gets_one_attempt_a_second() {
    let rig = Rig::running();
    let seconds = 20;
    rig.post(0);
    rig.break_queue();
    for _ in 0..seconds * u32::from(POLLS_IN_A_SECOND) {
        assert!(rig.poll());
        if rig.transport.is_running() {
            rig.post(0);
            rig.break_queue();
        }
    }
    let counters = rig.transport.counters();
    assert_eq!((counters.attempts, counters.broken), (seconds, seconds + 1));
    assert_eq!(rig.client.take().len() as u32, seconds + 1);
}

#[test]
fn a_device_that_refuses_to_come_back_is_tried_until_it_does() {
    let rig = Rig::running();
    rig.break_queue();
    let knobs: [&Cell<bool>; 3] = [
        &rig.device.refuses_features,
        &rig.device.fails_at_start,
        &rig.device.queues_in_use,
    ];
    rig.driver.posts.set(3);
    for knob in knobs {
        knob.set(true);
        let before = rig.transport.counters().attempts;
        for _ in 0..2 * POLLS_IN_A_SECOND {
            assert!(rig.poll());
            assert!(!rig.transport.is_running());
        }
        assert_eq!(rig.transport.counters().attempts, before + 2);
        knob.set(false);
        for _ in 0..POLLS_IN_A_SECOND {
            rig.poll();
        }
        assert!(rig.transport.is_running());
        assert_eq!(rig.queue.free(), 1, "each buffer is posted once");
        rig.device.status.set(rig.device.status.get() | NEEDS_RESET);
        rig.interrupt(CONFIGURATION);
    }
    rig.poll_until_quiet();
    assert!(rig.transport.is_running());
}

#[test]
fn a_slot_whose_device_is_replaced_waits_for_the_old_one() {
    let rig = Rig::running();
    rig.break_queue();
    rig.device.magic.set(0);
    assert!(rig.poll());
    assert!(!rig.transport.is_running());
    rig.device.magic.set(u32::from_le_bytes(*b"virt"));
    rig.poll_until_quiet();
    assert!(rig.transport.is_running());
}

#[test]
fn buffers_come_back_late_when_a_reset_completes_late() {
    let rig = Rig::running();
    rig.post(7);
    rig.device.reset_hangs.set(true);
    rig.driver.calls.take();
    rig.break_queue();
    assert_eq!(rig.driver.calls.take(), ["stopped"]);
    for _ in 0..4 * POLLS_IN_A_SECOND {
        assert!(rig.poll());
        assert_eq!(rig.client.contexts(), []);
    }
    rig.device.reset_hangs.set(false);
    rig.poll_until_quiet();
    assert_eq!(rig.client.contexts(), [7]);
    assert!(rig.transport.is_running());
}

#[test]
fn a_device_that_could_not_be_initialized_is_left_to_the_board() {
    let rig = Rig::new();
    rig.device.refuses_features.set(true);
    assert!(rig.initialize().is_err());
    rig.device.refuses_features.set(false);
    assert!(!rig.poll());
    assert_eq!(rig.transport.counters().attempts, 0);
}

#[test]
fn buffers_of_a_first_start_that_fails_come_back_with_a_reset_and_nothing_is_tried_again() {
    let rig = Rig::new();
    let requests = rig.with_poller();
    rig.driver.posts.set(3);
    rig.device.fails_at_start.set(true);
    assert_eq!(rig.initialize(), Err(Error::DeviceError));
    assert_eq!(requests.0.get(), 1);
    rig.device.reset_hangs.set(true);
    let resets = || rig.transport.counters().resets;
    let before = resets();
    for _ in 0..10 * POLLS_IN_A_SECOND {
        assert!(rig.poll());
        assert_eq!(rig.client.contexts(), []);
    }
    assert_eq!(resets() - before, 10, "one a second");
    rig.device.reset_hangs.set(false);
    rig.poll_until_quiet();
    assert_eq!(rig.client.contexts(), [0, 1, 2]);
    assert_eq!(resets() - before, 11);
    assert!(!rig.poll());
    assert_eq!(resets() - before, 11);
    assert_eq!(rig.transport.counters().attempts, 0);
    rig.device.fails_at_start.set(false);
    rig.initialize().unwrap();
    assert_eq!(rig.queue.free(), 1);
}

#[test]
fn a_recovery_that_fails_late_and_cannot_reset_costs_one_reset_a_second() {
    let rig = Rig::running();
    rig.driver.posts.set(3);
    rig.device.fails_at_start.set(true);
    rig.break_queue();
    // The attempt sets queues up again, and fails behind that.
    while rig.transport.counters().attempts == 0 {
        assert!(rig.poll());
    }
    rig.device.reset_hangs.set(true);
    let before = rig.transport.counters();
    for _ in 0..10 * POLLS_IN_A_SECOND {
        assert!(rig.poll());
    }
    let after = rig.transport.counters();
    assert_eq!(after.attempts - before.attempts, 10);
    assert_eq!(after.resets - before.resets, 10);
}

#[test]
fn a_device_that_is_halted_after_a_first_start_that_fails_is_left_alone() {
    let rig = Rig::new();
    rig.driver.posts.set(3);
    rig.device.fails_at_start.set(true);
    assert_eq!(rig.initialize(), Err(Error::DeviceError));
    assert!(rig.transport.halt());
    assert!(!rig.poll());
    assert_eq!(rig.client.contexts(), []);
}

#[test]
fn a_halted_device_stays_halted() {
    let rig = Rig::running();
    rig.break_queue();
    assert!(rig.transport.halt());
    rig.poll_until_quiet();
    assert_eq!(rig.device.status.get(), 0);
}

#[test]
fn nothing_is_polled_while_there_is_nothing_to_wait_for() {
    let rig = Rig::running();
    let requests = rig.with_poller();
    rig.use_chains(10, || rig.interrupt(USED));
    assert_eq!(requests.0.get(), 0);
    rig.device.reads.take();
    assert!(!rig.poll());
    assert!(rig.device.reads.borrow().is_empty());
}

#[test]
fn watched_requests_are_asked_about_until_there_are_none() {
    let rig = Rig::running();
    let requests = rig.with_poller();
    rig.driver.calls.take();
    rig.driver.progress.set(Progress::Waiting);
    rig.queue.watch();
    rig.queue.watch();
    assert_eq!(requests.0.get(), 1);
    for _ in 0..5 {
        assert!(rig.poll());
        assert_eq!(rig.driver.calls.take(), ["progress"]);
    }
    rig.driver.progress.set(Progress::Idle);
    assert!(!rig.poll());
    rig.driver.calls.take();
    assert!(!rig.poll());
    assert!(rig.driver.calls.take().is_empty());
    rig.queue.watch();
    assert_eq!(requests.0.get(), 2);
}

#[test]
fn a_poller_that_is_named_late_is_asked_for_what_is_due() {
    let rig = Rig::running();
    rig.queue.watch();
    let requests = rig.with_poller();
    assert_eq!(requests.0.get(), 1);
    rig.queue.watch();
    assert_eq!(requests.0.get(), 1);
    let rig = Rig::running();
    assert_eq!(rig.with_poller().0.get(), 0, "nothing is");
}

#[test]
fn nothing_is_watched_while_the_device_is_out_of_service() {
    let rig = Rig::new();
    rig.driver.progress.set(Progress::Waiting);
    rig.queue.watch();
    assert!(!rig.poll());
    rig.initialize().unwrap();
    rig.break_queue();
    rig.queue.watch();
    assert!(rig.transport.halt());
    rig.poll_until_quiet();
    assert!(!rig.driver.calls.borrow().contains(&"progress"));
}

#[test]
fn a_stalled_request_has_the_device_reset_and_brought_back() {
    let rig = Rig::running();
    rig.post(7);
    rig.queue.watch();
    rig.driver.progress.set(Progress::Stalled);
    assert!(rig.poll());
    assert_eq!(rig.client.contexts(), [7]);
    assert!(rig.client.take()[0].reclaimed);
    rig.poll_until_quiet();
    assert!(rig.transport.is_running());
    let counters = rig.transport.counters();
    assert_eq!((counters.stalled, counters.recoveries), (1, 1));
}

#[test]
fn a_queue_that_is_found_broken_is_not_a_stalled_request_besides() {
    let rig = Rig::running();
    rig.post(7);
    rig.queue.watch();
    rig.driver.progress.set(Progress::Stalled);
    rig.device.queue(0).return_used(u32::MAX, 0);
    assert!(rig.poll());
    assert_eq!(rig.client.contexts(), [7]);
    let counters = rig.transport.counters();
    assert_eq!((counters.broken, counters.stalled), (1, 0));
}

#[test]
fn a_request_to_be_reset_is_work() {
    let rig = Rig::running();
    let line = rig.with_line();
    for _ in 0..999 {
        rig.transport.handle_interrupt();
    }
    rig.device.status.set(rig.device.status.get() | NEEDS_RESET);
    rig.interrupt(CONFIGURATION);
    assert_eq!(rig.transport.counters().needs_reset, 1);
    rig.transport.handle_interrupt();
    assert!(!line.masked.get());
    rig.transport.handle_interrupt();
    assert!(line.masked.get());
}

#[test]
fn a_lost_interrupt_costs_time_and_no_reset() {
    let rig = Rig::running();
    rig.post(7);
    rig.queue.watch();
    let queue = rig.device.queue(0);
    let chain = queue.pop().unwrap();
    queue.return_used(chain.head.into(), chain.fill(b"late"));
    rig.poll_until_quiet();
    assert_eq!(rig.client.take()[0].written(), [b"late"]);
    let counters = rig.transport.counters();
    assert_eq!((counters.found_late, counters.stalled), (1, 0));
}

#[test]
fn an_interrupt_that_is_yet_to_be_served_is_not_lost() {
    let rig = Rig::running();
    rig.post(7);
    rig.queue.watch();
    let queue = rig.device.queue(0);
    let chain = queue.pop().unwrap();
    queue.return_used(chain.head.into(), chain.fill(b"soon"));
    rig.device.raise(USED);
    rig.poll_until_quiet();
    assert_eq!(rig.client.take()[0].written(), [b"soon"]);
    let counters = rig.transport.counters();
    assert_eq!((counters.found_late, counters.stalled), (0, 0));
}

#[test]
fn a_buffer_used_between_an_interrupt_and_the_poll_is_not_late() {
    let rig = Rig::running();
    let queue = rig.device.queue(0);
    let use_one = |context| {
        rig.post(context);
        rig.queue.watch();
        let chain = queue.pop().unwrap();
        queue.return_used(chain.head.into(), chain.fill(b"used"));
    };
    use_one(7);
    rig.interrupt(USED);
    use_one(8);
    rig.poll();
    assert_eq!(rig.client.contexts(), [7, 8]);
    assert_eq!(rig.transport.counters().found_late, 0);
    use_one(9);
    rig.poll();
    assert_eq!(rig.client.contexts(), [7, 8, 9]);
    assert_eq!(rig.transport.counters().found_late, 1);
}

#[test]
fn a_poll_that_finds_nothing_reads_no_register() {
    let rig = Rig::running();
    rig.post(7);
    rig.queue.watch();
    rig.device.reads.take();
    rig.poll();
    assert!(rig.queue.counters().empty_scans > 0);
    assert_eq!(rig.device.reads.take(), []);
}

#[test]
fn an_interrupt_storm_is_masked_at_a_thousand() {
    let rig = Rig::running();
    let (line, requests) = (rig.with_line(), rig.with_poller());
    for _ in 0..999 {
        rig.transport.handle_interrupt();
    }
    assert!(!line.masked.get());
    rig.transport.handle_interrupt();
    rig.transport.handle_interrupt();
    assert!(line.masked.get());
    assert_eq!(
        (line.changes.get(), rig.transport.counters().masked),
        (1, 1)
    );
    assert_eq!(requests.0.get(), 1);
    for _ in 1..POLLS_IN_A_SECOND {
        assert!(rig.poll());
        assert!(line.masked.get());
    }
    rig.poll_until_quiet();
    assert!(!line.masked.get());
}

#[test]
fn a_storm_of_every_kind_is_masked() {
    // No cause, configuration changes without end, used buffers that are not there, unknown causes.
    for status in [0, CONFIGURATION, USED, USED | CONFIGURATION, !3, !0] {
        let rig = Rig::running();
        let line = rig.with_line();
        rig.device.false_interrupt_status.set(Some(status));
        rig.storm();
        assert!(line.masked.get(), "status {status:#x}");
    }
}

#[test]
fn a_storm_from_a_slot_nobody_uses_is_masked() {
    let rig = Rig::new();
    let line = rig.with_line();
    rig.storm();
    assert!(line.masked.get());
    rig.poll_until_quiet();
    assert!(!line.masked.get());
}

#[test]
fn a_masked_device_is_served_by_polls_and_unmasked_when_it_works() {
    let rig = Rig::running();
    let line = rig.with_line();
    rig.storm();
    for _ in 0..3 {
        rig.poll_until_quiet();
        rig.storm();
    }
    assert!(line.masked.get());
    assert!(rig.poll());
    assert!(line.masked.get(), "by now it is masked for many polls");
    rig.post(3);
    rig.device.queue(0).return_used(0, 0);
    rig.device.raise(USED);
    rig.poll();
    assert_eq!(rig.client.contexts(), [3]);
    assert!(!line.masked.get());
}

#[test]
fn a_masked_device_without_causes_is_served_too() {
    let rig = Rig::running();
    let line = rig.with_line();
    rig.device.false_interrupt_status.set(Some(0));
    rig.storm();
    rig.post(3);
    rig.device.queue(0).return_used(0, 0);
    rig.poll();
    assert_eq!(rig.client.contexts(), [3]);
    assert!(!line.masked.get());
}

#[test]
fn interrupts_with_work_are_no_storm() {
    let rig = Rig::running();
    let line = rig.with_line();
    rig.use_chains(ROUNDS, || rig.interrupt(USED));
    assert_eq!(line.changes.get(), 0);
    assert_eq!(rig.client.contexts().len(), ROUNDS);
}

#[test]
fn interrupts_for_what_the_driver_found_before_are_no_storm() {
    let rig = Rig::running();
    let line = rig.with_line();
    rig.use_chains(ROUNDS, || {
        rig.queue.reap();
        rig.interrupt(USED);
    });
    assert_eq!(line.changes.get(), 0);
    rig.interrupt(USED);
    assert_eq!(rig.transport.counters().empty, 1);
}

#[test]
fn idle_interrupts_among_as_many_with_work_are_no_storm() {
    let rig = Rig::running();
    let line = rig.with_line();
    rig.use_chains(ROUNDS, || {
        rig.interrupt(USED);
        // For a chain that the scan before has found already, as happens under load.
        rig.interrupt(USED);
    });
    assert_eq!(line.changes.get(), 0);
    rig.storm();
    assert!(line.masked.get());
}

/// A client that initializes the device anew as soon as it gets a buffer back.
struct Hasty {
    transport: &'static Transport,
    driver: &'static Driver,
    queues: &'static [&'static dyn Virtqueue],
    outcomes: RefCell<Vec<Result<VirtIODeviceType, Error>>>,
}

impl SplitVirtqueueClient<'static> for Hasty {
    fn buffer_chain_ready(
        &self,
        _queue_number: u32,
        _buffer_chain: &mut [Option<VirtqueueReturnBuffer<'static>>],
        _bytes_used: usize,
    ) {
        let outcome = self.transport.initialize(self.driver, self.queues);
        self.outcomes.borrow_mut().push(outcome);
    }
}

#[test]
fn a_device_is_not_started_while_queues_give_buffers_back() {
    let rig = Rig::running();
    let hasty: &'static Hasty = leak(Hasty {
        transport: rig.transport,
        driver: rig.driver,
        queues: rig.queues,
        outcomes: RefCell::default(),
    });
    rig.queue.set_client(hasty);
    rig.post(1);
    rig.post(2);
    rig.driver.posts.set(3);
    rig.break_queue();
    // What the device had from a start in between, the queue would have taken from it.
    assert_eq!(hasty.outcomes.take(), [Err(Error::DeviceError); 2]);
    assert_eq!(rig.queue.free(), 4);
    assert!(!rig.transport.is_running());
    rig.poll_until_quiet();
    assert!(rig.transport.is_running());
    assert_eq!(rig.device.queue(0).available_index(), 3);
    assert_eq!(rig.queue.free(), 1);
}

#[test]
fn an_initialization_in_service_that_fails_ends_it_like_a_lie_does() {
    let rig = Rig::running();
    let requests = rig.with_poller();
    rig.driver.calls.take();
    rig.device.refuses_features.set(true);
    assert!(rig.initialize().is_err());
    assert_eq!(rig.driver.calls.borrow().last(), Some(&"stopped"));
    assert_eq!(requests.0.get(), 1, "somebody has to try again");
    rig.device.refuses_features.set(false);
    rig.poll_until_quiet();
    assert!(rig.transport.is_running());
}

#[test]
fn an_initialization_in_service_whose_reset_hangs_ends_it_too() {
    let rig = Rig::running();
    let requests = rig.with_poller();
    rig.post(7);
    rig.driver.calls.take();
    rig.device.reset_hangs.set(true);
    assert_eq!(rig.initialize(), Err(Error::DeviceError));
    assert_eq!(rig.driver.calls.take(), ["stopped"]);
    assert_eq!(requests.0.get(), 1, "somebody has to try again");
    assert_eq!(rig.client.contexts(), []);
    rig.device.reset_hangs.set(false);
    rig.poll_until_quiet();
    assert_eq!(rig.client.contexts(), [7]);
    assert!(rig.transport.is_running());
}
