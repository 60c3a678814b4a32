// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Whose turn it is, for how long, and what the end of a turn changes.

use capsules_system::scheduler::cooperative::CooperativeSched;
use capsules_system::scheduler::mlfq::MlfqSched;
use capsules_system::scheduler::priority::PrioritySched;
use capsules_system::scheduler::round_robin::RoundRobinSched;
use core::cell::Cell;
use kernel::hil::time::{Freq1KHz, Ticks32, Time};
use kernel::process::StoppedExecutingReason::{
    KernelPreemption, NoWorkLeft, StoppedFaulted, TimesliceExpired,
};
use kernel::process::{ProcessArray, State, StoppedExecutingReason};
use kernel::scheduler::{Scheduler, SchedulingDecision};
use kernel::testing::{FakeChip, Host, TestCapability};

/// Slot and slice in microseconds of the next turn.
type Turn = Option<(usize, Option<u32>)>;

/// The next turn; identifiers of processes that never restarted are their slots.
fn next(scheduler: &impl Scheduler<FakeChip>) -> Turn {
    match scheduler.next() {
        SchedulingDecision::RunProcess((id, slice)) => Some((id.id(), slice.map(|us| us.get()))),
        SchedulingDecision::TrySleep => None,
    }
}

/// Takes turns that end so, after so many microseconds, and returns their slots.
fn slots<const N: usize>(
    scheduler: &impl Scheduler<FakeChip>,
    ends: [(StoppedExecutingReason, u32); N],
) -> [usize; N] {
    ends.map(|(reason, used)| {
        let (slot, slice) = next(scheduler).expect("a process is ready");
        scheduler.result(reason, slice.map(|_| used));
        slot
    })
}

/// Three processes that all have something to do.
fn busy() -> Host<3> {
    let host = Host::new();
    for process in host.processes {
        process.state.set(State::Running);
    }
    host
}

#[test]
fn cooperative_turns_go_round_without_a_slice_and_survive_the_kernels_work() {
    let host = busy();
    let scheduler = CooperativeSched::new(host.slots());
    assert_eq!(next(&scheduler), Some((0, None)));
    let ends = [
        (KernelPreemption, 0),
        (NoWorkLeft, 0),
        (KernelPreemption, 0),
        (KernelPreemption, 0),
        (StoppedFaulted, 0),
        (NoWorkLeft, 0),
        (NoWorkLeft, 0),
    ];
    assert_eq!(slots(&scheduler, ends), [0, 0, 1, 1, 1, 2, 0]);
}

#[test]
fn round_robin_gives_slices_and_the_rest_of_one_after_the_kernels_work() {
    let host = busy();
    let scheduler = RoundRobinSched::new(host.slots());
    assert_eq!(next(&scheduler), Some((0, Some(10_000))));
    Scheduler::<FakeChip>::result(&scheduler, KernelPreemption, Some(4_000));
    assert_eq!(next(&scheduler), Some((0, Some(6_000))));
    Scheduler::<FakeChip>::result(&scheduler, TimesliceExpired, Some(6_000));
    assert_eq!(next(&scheduler), Some((1, Some(10_000))));
    Scheduler::<FakeChip>::result(&scheduler, NoWorkLeft, Some(10));
    assert_eq!(next(&scheduler), Some((2, Some(10_000))));
    // What is left of a turn is not for the next process.
    Scheduler::<FakeChip>::result(&scheduler, KernelPreemption, Some(1_000));
    host.processes[2].state.set(State::Terminated);
    assert_eq!(next(&scheduler), Some((0, Some(10_000))));
}

#[test]
fn the_first_ready_process_has_priority_and_takes_over_when_it_becomes_ready() {
    let host = busy();
    let chip = FakeChip::default();
    kernel::deferred_call::initialize_deferred_call_state::<kernel::testing::TestThread>();
    let scheduler = PrioritySched::new(host.slots());
    assert_eq!(next(&scheduler), Some((0, None)));
    host.processes[0].state.set(State::Yielded);
    assert_eq!(next(&scheduler), Some((1, None)));
    let running = host.processes[1].id();
    assert!(scheduler.continue_process(running, &chip));
    host.processes[0].state.set(State::Running);
    assert!(!scheduler.continue_process(running, &chip));
    host.processes[0].state.set(State::Faulted);
    assert!(scheduler.continue_process(running, &chip));
    assert_eq!(slots(&scheduler, [(NoWorkLeft, 0); 2]), [1, 1]);
}

/// A clock of a thousand ticks a second that the test sets.
#[derive(Default)]
pub(crate) struct Clock(Cell<u32>);

impl Time for Clock {
    type Frequency = Freq1KHz;
    type Ticks = Ticks32;

    fn now(&self) -> Ticks32 {
        self.0.get().into()
    }
}

#[test]
fn feedback_lengthens_slices_and_all_rise_every_five_seconds() {
    let host = busy();
    let clock = Clock::default();
    let scheduler = MlfqSched::<_, 3>::new(host.slots(), &clock);
    for process in &host.processes[1..] {
        process.state.set(State::Yielded);
    }
    for slice in [10_000, 20_000, 50_000, 50_000] {
        assert_eq!(next(&scheduler), Some((0, Some(slice))));
        Scheduler::<FakeChip>::result(&scheduler, TimesliceExpired, Some(slice));
    }
    host.processes[1].state.set(State::Running);
    assert_eq!(slots(&scheduler, [(NoWorkLeft, 5); 3]), [1, 1, 1]);
    clock.0.set(4_999);
    assert_eq!(next(&scheduler), Some((1, Some(10_000))));
    Scheduler::<FakeChip>::result(&scheduler, NoWorkLeft, Some(5));
    clock.0.set(5_000);
    assert_eq!(next(&scheduler), Some((0, Some(10_000))));
}

#[test]
fn without_a_ready_process_every_scheduler_sleeps() {
    let host = busy();
    let [yielded, stopped, ended] = host.processes;
    yielded.state.set(State::Yielded);
    stopped.state.set(State::Running);
    kernel::process::Process::stop(stopped);
    ended.end();
    let clock = Clock::default();
    assert_eq!(next(&CooperativeSched::new(host.slots())), None);
    assert_eq!(next(&RoundRobinSched::new(host.slots())), None);
    assert_eq!(next(&PrioritySched::new(host.slots())), None);
    assert_eq!(next(&MlfqSched::<_, 3>::new(host.slots(), &clock)), None);
}

#[test]
fn a_process_that_is_loaded_later_gets_its_turns_wherever_the_table_has_room() {
    let Host { processes, .. } = busy();
    let table: &'static ProcessArray<6> = Box::leak(Box::new(ProcessArray::new()));
    let put = |slot: usize, process: usize| {
        table[slot].set_external(processes[process], &TestCapability);
    };
    let scheduler = RoundRobinSched::new(table.as_slice());
    assert_eq!(next(&scheduler), None);
    put(0, 0);
    assert_eq!(slots(&scheduler, [(NoWorkLeft, 0); 2]), [0, 0]);
    // While all others wait, and while one of them goes on.
    processes[0].state.set(State::Yielded);
    assert_eq!(next(&scheduler), None);
    put(1, 1);
    assert_eq!(slots(&scheduler, [(NoWorkLeft, 0); 2]), [1, 1]);
    processes[0].state.set(State::Running);
    assert_eq!(slots(&scheduler, [(NoWorkLeft, 0); 3]), [0, 1, 0]);
    put(2, 2);
    assert_eq!(slots(&scheduler, [(NoWorkLeft, 0); 4]), [1, 2, 0, 1]);
}

#[test]
fn empty_slots_between_processes_are_passed_over() {
    let Host { processes, .. } = busy();
    let table: &'static ProcessArray<6> = Box::leak(Box::new(ProcessArray::new()));
    for (slot, process) in [1, 4].into_iter().zip(processes) {
        table[slot].set_external(process, &TestCapability);
    }
    let scheduler = RoundRobinSched::new(table.as_slice());
    assert_eq!(slots(&scheduler, [(NoWorkLeft, 0); 4]), [0, 1, 0, 1]);
    processes[0].state.set(State::Yielded);
    assert_eq!(slots(&scheduler, [(NoWorkLeft, 0); 2]), [1, 1]);
    processes[1].state.set(State::Yielded);
    assert_eq!(next(&scheduler), None);
    processes[0].state.set(State::Running);
    assert_eq!(slots(&scheduler, [(NoWorkLeft, 0); 2]), [0, 0]);
}
