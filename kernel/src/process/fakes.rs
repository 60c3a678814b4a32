// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A board on the host, with a chip whose processes follow a script, and one driver.

pub(crate) mod calls;

use core::cell::{Cell, RefCell, UnsafeCell};
use core::num::NonZeroU32;
use std::boxed::Box;
use std::string::String;
use std::vec::Vec;

pub(crate) use crate::testing::{Entry, FakeChip};

use super::fake_tbf::Tbf;
use super::loader::{ProcessLoadReport, ProcessLoadReporter, load_processes_reporting};
use super::policy::{FaultAction, ProcessFaultPolicy};
use super::process_trait::Process;
use super::slot::ProcessArray;
use super::state::StoppedExecutingReason;
use crate::capabilities::{
    MainLoopCapability, MemoryAllocationCapability, ProcessManagementCapability,
    ProcessStartCapability,
};
use crate::deferred_call::DeferredCall;
use crate::errorcode::ErrorCode;
use crate::grant::{AllowRoCount, AllowRwCount, Grant, UpcallCount};
use crate::ipc::IPC;
use crate::kernel::Kernel;
use crate::platform::chip::Chip;
use crate::platform::scheduler_timer::SchedulerTimer;
use crate::platform::{KernelResources, ProcessFault, SyscallDriverLookup, SyscallFilter};
use crate::process::{Error, ProcessId, ProcessLoadError};
use crate::processbuffer::UserspaceReadableProcessBuffer;
use crate::scheduler::{Scheduler, SchedulingDecision};
use crate::syscall::{CommandReturn, ContextSwitchReason, Syscall, SyscallDriver, SyscallReturn};
use crate::testing::forever;

/// Number of the driver that every board here has.
pub(crate) const DRIVER: usize = 5;
/// Number under which the board has inter-process communication.
pub(crate) const IPC_DRIVER: usize = crate::ipc::DRIVER_NUM;
/// Size of the RAM pool.
pub(crate) const POOL: usize = 16 * 1024;
/// Slots in the process table.
pub(crate) const SLOTS: usize = 3;

/// All capabilities that tests need.
pub(crate) struct Everything;
// SAFETY: tests may do everything.
unsafe impl MainLoopCapability for Everything {}
// SAFETY: as above.
unsafe impl MemoryAllocationCapability for Everything {}
// SAFETY: as above.
unsafe impl ProcessManagementCapability for Everything {}
// SAFETY: as above.
unsafe impl ProcessStartCapability for Everything {}

// ---- the board ---------------------------------------------------------

/// A timer whose remaining time a test sets.
#[derive(Default)]
pub(crate) struct FakeTimer {
    pub(crate) left: Cell<Option<NonZeroU32>>,
    pub(crate) armed: Cell<bool>,
}

impl SchedulerTimer for FakeTimer {
    fn start(&self, _us: NonZeroU32) {}

    fn reset(&self) {
        self.armed.set(false);
    }

    fn arm(&self) {
        self.armed.set(true);
    }

    fn disarm(&self) {
        self.armed.set(false);
    }

    fn get_remaining_us(&self) -> Option<NonZeroU32> {
        self.left.get()
    }
}

/// Runs the first process that is ready.
pub(crate) struct FirstReady {
    kernel: &'static Kernel,
    pub(crate) slice: Cell<Option<NonZeroU32>>,
    /// Lets processes go on whatever work the kernel has.
    pub(crate) regardless: Cell<bool>,
    pub(crate) results: RefCell<Vec<(StoppedExecutingReason, Option<u32>)>>,
}

impl Scheduler<FakeChip> for FirstReady {
    fn next(&self) -> SchedulingDecision {
        match self
            .kernel
            .get_process_iter()
            .find(|process| process.ready())
        {
            Some(process) => {
                SchedulingDecision::RunProcess((process.processid(), self.slice.get()))
            }
            None => SchedulingDecision::TrySleep,
        }
    }

    fn result(&self, result: StoppedExecutingReason, execution_time_us: Option<u32>) {
        self.results.borrow_mut().push((result, execution_time_us));
    }

    fn continue_process(&self, _id: ProcessId, chip: &FakeChip) -> bool {
        self.regardless.get() || !(chip.has_pending_interrupts() || DeferredCall::has_tasks())
    }
}

/// A driver with two upcalls and one buffer of each kind, whose commands are recorded.
pub(crate) struct FakeDriver {
    pub(crate) apps: Grant<u32, UpcallCount<2>, AllowRoCount<1>, AllowRwCount<1>>,
    pub(crate) commands: RefCell<Vec<(usize, usize, usize, ProcessId)>>,
    /// What a process shares as userspace-readable buffer 1, or as 77 or 78, which the driver
    /// does not hand back although it refuses it. It takes no other.
    pub(crate) readable: Cell<UserspaceReadableProcessBuffer>,
    /// Whether it starts its caller anew before it allocates a grant, this once.
    pub(crate) restarts: Cell<bool>,
}

impl SyscallDriver for FakeDriver {
    fn command(&self, number: usize, r2: usize, r3: usize, process_id: ProcessId) -> CommandReturn {
        self.commands
            .borrow_mut()
            .push((number, r2, r3, process_id));
        match number {
            0 => CommandReturn::success(),
            // Schedules an upcall at once.
            1 => {
                let scheduled = self.apps.enter(process_id, |_, kernel_data| {
                    kernel_data.schedule_upcall(r2, (r3, 20, 30)).is_ok()
                });
                CommandReturn::success_u32(u32::from(scheduled == Ok(true)))
            }
            // Starts the caller anew.
            2 => {
                process_id.resolve().unwrap().try_restart(None);
                CommandReturn::success()
            }
            _ => CommandReturn::failure(ErrorCode::NOSUPPORT),
        }
    }

    fn allow_userspace_readable(
        &self,
        _process_id: ProcessId,
        number: usize,
        buffer: UserspaceReadableProcessBuffer,
    ) -> Result<UserspaceReadableProcessBuffer, (UserspaceReadableProcessBuffer, ErrorCode)> {
        match number {
            1 => Ok(self.readable.replace(buffer)),
            // Keeps what it refuses.
            77 => {
                self.readable.set(buffer);
                Err((Default::default(), ErrorCode::NOSUPPORT))
            }
            // And hands back what it had before.
            78 => Err((self.readable.replace(buffer), ErrorCode::NOSUPPORT)),
            _ => Err((buffer, ErrorCode::NOSUPPORT)),
        }
    }

    fn allocate_grant(&self, mut process_id: ProcessId) -> Result<(), Error> {
        if self.restarts.take() {
            let process = process_id.resolve().unwrap();
            process.try_restart(None);
            process_id = process.processid();
        }
        self.apps.enter(process_id, |_, _| {})
    }
}

/// Refuses what a test says, with this error.
#[derive(Default)]
pub(crate) struct FakeFilter {
    pub(crate) refuse: Cell<Option<ErrorCode>>,
}

impl SyscallFilter for FakeFilter {
    fn filter_syscall(&self, _process: &dyn Process, _syscall: &Syscall) -> Result<(), ErrorCode> {
        self.refuse.get().map_or(Ok(()), Err)
    }
}

/// Claims a fault when a test says so.
#[derive(Default)]
pub(crate) struct FakeFaultHook {
    pub(crate) claims: Cell<bool>,
}

impl ProcessFault for FakeFaultHook {
    fn process_fault_hook(&self, _process: &dyn Process) -> Result<(), ()> {
        if self.claims.get() { Ok(()) } else { Err(()) }
    }
}

/// Answers what a test says.
pub(crate) struct FakePolicy {
    pub(crate) action: Cell<FaultAction>,
}

impl ProcessFaultPolicy for FakePolicy {
    fn action(&self, _process: &dyn Process) -> FaultAction {
        self.action.get()
    }
}

/// Name of an application, and why it was not loaded if it was not.
type Outcome = (Option<&'static str>, Result<(), ProcessLoadError>);

/// A board with processes.
pub(crate) struct World {
    pub(crate) kernel: &'static Kernel,
    pub(crate) chip: &'static FakeChip,
    pub(crate) policy: &'static FakePolicy,
    pub(crate) driver: FakeDriver,
    pub(crate) ipc: IPC<{ SLOTS as u8 }>,
    pub(crate) scheduler: FirstReady,
    pub(crate) timer: FakeTimer,
    pub(crate) filter: FakeFilter,
    pub(crate) fault_hook: FakeFaultHook,
    /// Names of the applications, and what became of them.
    pub(crate) reports: RefCell<Vec<Outcome>>,
    /// The same as printed.
    pub(crate) lines: RefCell<Vec<String>>,
    pub(crate) load_result: Cell<Result<(), ProcessLoadError>>,
}

impl SyscallDriverLookup for World {
    fn with_driver<F, R>(&self, driver_num: usize, f: F) -> R
    where
        F: FnOnce(Option<&dyn SyscallDriver>) -> R,
    {
        match driver_num {
            DRIVER => f(Some(&self.driver)),
            IPC_DRIVER => f(Some(&self.ipc)),
            _ => f(None),
        }
    }
}

impl KernelResources<FakeChip> for World {
    type SyscallDriverLookup = World;
    type SyscallFilter = FakeFilter;
    type ProcessFault = FakeFaultHook;
    type ContextSwitchCallback = ();
    type Scheduler = FirstReady;
    type SchedulerTimer = FakeTimer;
    type WatchDog = ();

    fn syscall_driver_lookup(&self) -> &World {
        self
    }

    fn syscall_filter(&self) -> &FakeFilter {
        &self.filter
    }

    fn process_fault(&self) -> &FakeFaultHook {
        &self.fault_hook
    }

    fn context_switch_callback(&self) -> &() {
        &()
    }

    fn scheduler(&self) -> &FirstReady {
        &self.scheduler
    }

    fn scheduler_timer(&self) -> &FakeTimer {
        &self.timer
    }

    fn watchdog(&self) -> &() {
        &()
    }
}

impl ProcessLoadReporter for World {
    fn report(&self, report: &ProcessLoadReport) {
        self.reports
            .borrow_mut()
            .push((report.name(), report.outcome.map(|_| ())));
        self.lines.borrow_mut().push(std::format!("{report}"));
    }
}

/// Memory that starts on a multiple of eight, and is kept for ever.
pub(crate) fn memory(size: usize) -> &'static mut [u8] {
    let words: Box<[u64]> = std::vec![0xA5A5_A5A5_A5A5_A5A5; size.div_ceil(8)].into();
    let place = forever(UnsafeCell::new(words));
    // SAFETY: nobody else ever gets at the words, of which there are enough.
    unsafe { core::slice::from_raw_parts_mut((*place.get()).as_mut_ptr().cast(), size) }
}

impl World {
    /// A board whose flash holds these bytes.
    pub(crate) fn with_flash(flash: &[u8]) -> &'static World {
        World::with_flash_and_chip(flash, FakeChip::default())
    }

    pub(crate) fn with_flash_and_chip(flash: &[u8], chip: FakeChip) -> &'static World {
        let table: &'static ProcessArray<SLOTS> = forever(ProcessArray::new());
        let kernel = forever(Kernel::new(table.as_slice()));
        let chip = forever(chip);
        let policy = forever(FakePolicy {
            action: Cell::new(FaultAction::Stop),
        });
        let world = forever(World {
            kernel,
            chip,
            policy,
            driver: FakeDriver {
                apps: kernel.create_grant(DRIVER, &Everything),
                commands: RefCell::default(),
                readable: Cell::default(),
                restarts: Cell::default(),
            },
            ipc: IPC::new(kernel, IPC_DRIVER, &Everything),
            scheduler: FirstReady {
                kernel,
                slice: Cell::new(None),
                regardless: Cell::new(false),
                results: RefCell::default(),
            },
            timer: FakeTimer::default(),
            filter: FakeFilter::default(),
            fault_hook: FakeFaultHook::default(),
            reports: RefCell::default(),
            lines: RefCell::default(),
            load_result: Cell::new(Ok(())),
        });
        let place = memory(flash.len());
        place.copy_from_slice(flash);
        world.load_result.set(load_processes_reporting(
            kernel,
            chip,
            place,
            memory(POOL),
            policy,
            world,
            &Everything,
        ));
        world
    }

    /// A board with these applications.
    pub(crate) fn with_apps(apps: &[Tbf]) -> &'static World {
        let flash: Vec<u8> = apps.iter().flat_map(Tbf::build).collect();
        World::with_flash(&flash)
    }

    /// A board with one application, and its process.
    pub(crate) fn with_one() -> (&'static World, &'static dyn Process) {
        let world = World::with_apps(&[Tbf::new("app")]);
        (world, world.process(0))
    }

    /// The process in a slot.
    pub(crate) fn process(&self, index: usize) -> &'static dyn Process {
        self.kernel.process_slots()[index].get().unwrap()
    }

    /// Runs the main loop once.
    pub(crate) fn step(&self) {
        self.kernel
            .kernel_loop_operation(self, self.chip, Some(&self.ipc), true, &Everything);
    }

    /// Lets the process that is ready first run until its script ends, and returns what it found
    /// at each entry.
    pub(crate) fn run(&self, script: &[Syscall]) -> Vec<Entry> {
        let calls = script
            .iter()
            .map(|&syscall| ContextSwitchReason::SyscallFired { syscall });
        self.run_reasons(calls)
    }

    /// As [`run`](Self::run), with any reason to leave the process.
    pub(crate) fn run_reasons(
        &self,
        script: impl IntoIterator<Item = ContextSwitchReason>,
    ) -> Vec<Entry> {
        self.chip.boundary.interrupt.set(false);
        self.chip.boundary.entries.borrow_mut().clear();
        *self.chip.boundary.script.borrow_mut() = script.into_iter().collect();
        self.step();
        self.chip.boundary.entries.take()
    }

    /// The answers that a script got.
    pub(crate) fn answers(&self, script: &[Syscall]) -> Vec<SyscallReturn> {
        self.run(script)
            .iter()
            .filter_map(|entry| entry.answer)
            .collect()
    }

    /// Why the last turn ended.
    pub(crate) fn last_result(&self) -> (StoppedExecutingReason, Option<u32>) {
        *self.scheduler.results.borrow().last().unwrap()
    }
}
