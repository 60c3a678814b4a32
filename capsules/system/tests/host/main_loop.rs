// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Schedulers and fault policies in the kernel's main loop, over processes that it has loaded.

use core::cell::{Cell, RefCell};
use core::num::NonZeroU32;

use capsules_system::process_policies::{
    StopFaultPolicy, ThresholdRestartFaultPolicy, ThresholdRestartThenPanicFaultPolicy,
};
use capsules_system::scheduler::cooperative::CooperativeSched;
use capsules_system::scheduler::mlfq::MlfqSched;
use capsules_system::scheduler::priority::PrioritySched;
use capsules_system::scheduler::round_robin::RoundRobinSched;
use kernel::Kernel;
use kernel::ipc::IPC;
use kernel::platform::scheduler_timer::SchedulerTimer;
use kernel::platform::{ContextSwitchCallback, KernelResources, SyscallDriverLookup};
use kernel::process::{
    Process, ProcessArray, ProcessFaultPolicy, ProcessSlot, ReturnArguments, State, Task,
    load_processes,
};
use kernel::scheduler::Scheduler;
use kernel::syscall::ContextSwitchReason::{Fault, Interrupted, SyscallFired};
use kernel::syscall::{ContextSwitchReason, Syscall, SyscallDriver, YieldVariant};
use kernel::testing::{FakeChip, TestCapability, forever};
use kernel::upcall::UpcallId;

use crate::schedulers::Clock;

const PROCESSES: usize = 3;

/// An application of 64 bytes that asks for 512 bytes of RAM.
fn application() -> Vec<u8> {
    const HEADER: u16 = 40;
    let mut object = Vec::new();
    object.extend(2u16.to_le_bytes());
    object.extend(HEADER.to_le_bytes());
    object.extend(64u32.to_le_bytes());
    object.extend(1u32.to_le_bytes());
    object.extend([0; 4]);
    // The main entry: entry function, protected trailer, RAM.
    object.extend(1u16.to_le_bytes());
    object.extend(12u16.to_le_bytes());
    for word in [0u32, 0, 512] {
        object.extend(word.to_le_bytes());
    }
    // The kernel that it needs.
    for half in [8u16, 4, 2, 0] {
        object.extend(half.to_le_bytes());
    }
    let words = object.chunks_exact(4);
    let checksum = words.fold(0, |sum, word| {
        sum ^ u32::from_le_bytes(word.try_into().expect("four bytes"))
    });
    object[12..16].copy_from_slice(&checksum.to_le_bytes());
    object.resize(64, 0x13);
    object
}

/// Which process runs, each time that one does.
#[derive(Default)]
struct Entries(RefCell<Vec<usize>>);

impl ContextSwitchCallback for Entries {
    fn context_switch_hook(&self, process: &dyn Process) {
        // Without restarts identifiers are slots.
        self.0.borrow_mut().push(process.processid().id());
    }
}

/// A timer of slices that a test ends.
#[derive(Default)]
struct Slices {
    left: Cell<Option<NonZeroU32>>,
}

impl SchedulerTimer for Slices {
    fn start(&self, us: NonZeroU32) {
        self.left.set(Some(us));
    }

    fn reset(&self) {}

    fn arm(&self) {}

    fn disarm(&self) {}

    fn get_remaining_us(&self) -> Option<NonZeroU32> {
        self.left.take()
    }
}

struct Board<S> {
    kernel: &'static Kernel,
    slots: &'static [ProcessSlot],
    chip: &'static FakeChip,
    scheduler: S,
    timer: Slices,
    entries: Entries,
}

impl<S> SyscallDriverLookup for Board<S> {
    fn with_driver<F, R>(&self, _driver_num: usize, f: F) -> R
    where
        F: FnOnce(Option<&dyn SyscallDriver>) -> R,
    {
        f(None)
    }
}

impl<S: Scheduler<FakeChip>> KernelResources<FakeChip> for Board<S> {
    type SyscallDriverLookup = Self;
    type SyscallFilter = ();
    type ProcessFault = ();
    type ContextSwitchCallback = Entries;
    type Scheduler = S;
    type SchedulerTimer = Slices;
    type WatchDog = ();

    fn syscall_driver_lookup(&self) -> &Self {
        self
    }

    fn syscall_filter(&self) -> &() {
        &()
    }

    fn process_fault(&self) -> &() {
        &()
    }

    fn context_switch_callback(&self) -> &Entries {
        &self.entries
    }

    fn scheduler(&self) -> &S {
        &self.scheduler
    }

    fn scheduler_timer(&self) -> &Slices {
        &self.timer
    }

    fn watchdog(&self) -> &() {
        &()
    }
}

impl<S: Scheduler<FakeChip>> Board<S> {
    fn new(
        scheduler: impl FnOnce(&'static [ProcessSlot]) -> S,
        policy: &'static dyn ProcessFaultPolicy,
    ) -> Self {
        let slots = forever(ProcessArray::<PROCESSES>::new()).as_slice();
        let kernel = forever(Kernel::new(slots));
        let chip = forever(FakeChip::default());
        let flash = application().repeat(PROCESSES);
        let ram = vec![0; 16 * 1024];
        let loaded = load_processes(
            kernel,
            chip,
            flash.leak(),
            ram.leak(),
            policy,
            &TestCapability,
        );
        assert!(loaded.is_ok());
        Board {
            kernel,
            slots,
            chip,
            scheduler: scheduler(slots),
            timer: Slices::default(),
            entries: Entries::default(),
        }
    }

    /// Has the loop go round until processes have done all this, and returns which ran.
    fn run(&self, script: &[ContextSwitchReason]) -> Vec<usize> {
        self.entries.0.borrow_mut().clear();
        self.chip.boundary.script.borrow_mut().extend(script);
        for _ in 0..100 {
            if self.chip.boundary.script.borrow().is_empty() {
                // Who is entered once more finds that the script has ended.
                let mut ran = self.entries.0.take();
                ran.truncate(script.len());
                return ran;
            }
            self.kernel.kernel_loop_operation(
                self,
                self.chip,
                None::<&IPC<{ PROCESSES as u8 }>>,
                true,
                &TestCapability,
            );
        }
        panic!("the loop goes round and no process runs");
    }

    fn process(&self, slot: usize) -> &'static dyn Process {
        self.slots[slot].get().expect("it was loaded")
    }

    /// Makes a process that sleeps until `EVENT` ready.
    fn wake(&self, slot: usize) {
        let event = Task::ReturnValue(ReturnArguments {
            upcall_id: EVENT,
            argument0: 0,
            argument1: 0,
            argument2: 0,
        });
        assert_eq!(self.process(slot).enqueue_task(event), Ok(()));
    }
}

const EVENT: UpcallId = UpcallId {
    driver_num: 1,
    subscribe_num: 0,
};

/// A process sleeps.
const SLEEPS: ContextSwitchReason = SyscallFired {
    syscall: Syscall::Yield {
        yield_type: YieldVariant::WaitFor {
            driver_number: EVENT.driver_num,
            subdriver_number: EVENT.subscribe_num,
        },
    },
};

/// A process asks for something and goes on.
const ASKS: ContextSwitchReason = SyscallFired {
    syscall: Syscall::Memop {
        operand: 1,
        arg0: 0,
    },
};

const STOP: &StopFaultPolicy = &StopFaultPolicy {};

#[test]
fn cooperative_processes_keep_the_processor_until_they_sleep() {
    let board = Board::new(CooperativeSched::new, STOP);
    let ran = board.run(&[ASKS, Interrupted, ASKS, SLEEPS, SLEEPS, ASKS, SLEEPS]);
    assert_eq!(ran, [0, 0, 0, 0, 1, 2, 2]);
    board.wake(0);
    board.wake(2);
    assert_eq!(board.run(&[ASKS, SLEEPS, ASKS]), [0, 0, 2]);
}

#[test]
fn round_robin_passes_the_processor_on_when_a_slice_ends() {
    let board = Board::new(RoundRobinSched::new, STOP);
    // The timer says that some of the slice is left once, and then that it is over.
    let ran = board.run(&[Interrupted, Interrupted, SLEEPS, Interrupted, Interrupted]);
    assert_eq!(ran, [0, 0, 1, 2, 2]);
    assert_eq!(board.run(&[ASKS, SLEEPS]), [0, 0]);
}

#[test]
fn a_process_of_higher_priority_runs_as_soon_as_it_is_ready() {
    let board = Board::new(PrioritySched::new, STOP);
    assert_eq!(board.run(&[SLEEPS, SLEEPS, ASKS]), [0, 1, 2]);
    board.wake(1);
    assert_eq!(board.run(&[ASKS]), [1]);
    board.wake(0);
    assert_eq!(board.run(&[ASKS, SLEEPS, SLEEPS, ASKS]), [0, 0, 1, 2]);
}

#[test]
fn a_process_that_uses_up_its_slices_runs_after_those_that_do_not() {
    let clock = forever(Clock::default());
    let board = Board::new(|slots| MlfqSched::<_, PROCESSES>::new(slots, clock), STOP);
    assert_eq!(board.run(&[Interrupted, Interrupted]), [0, 0]);
    // It has sunk by a level, and the others come first.
    assert_eq!(board.run(&[SLEEPS, SLEEPS, ASKS]), [1, 2, 0]);
    board.wake(1);
    assert_eq!(board.run(&[SLEEPS, ASKS]), [1, 0]);
}

#[test]
fn a_threshold_ends_the_restarts_of_a_process_that_faults() {
    const POLICY: &ThresholdRestartFaultPolicy = &ThresholdRestartFaultPolicy::new(1);
    let board = Board::new(CooperativeSched::new, POLICY);
    board.run(&[Fault, SLEEPS, SLEEPS, Fault]);
    assert_eq!(board.process(0).get_state(), State::Yielded);
    assert_eq!(board.process(0).get_restart_count(), 2);
    board.run(&[Fault]);
    assert_eq!(board.process(0).get_state(), State::Faulted);
    assert_eq!(board.process(0).get_restart_count(), 2);
    for slot in [1, 2] {
        board.wake(slot);
        assert_eq!(board.run(&[SLEEPS]), [slot]);
    }
}

#[test]
#[should_panic(expected = "faulted")]
fn a_threshold_may_end_in_a_panic() {
    const POLICY: &ThresholdRestartThenPanicFaultPolicy =
        &ThresholdRestartThenPanicFaultPolicy::new(0);
    let board = Board::new(PrioritySched::new, POLICY);
    board.run(&[Fault]);
    assert_eq!(board.process(0).get_restart_count(), 1);
    board.run(&[Fault]);
}
