// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A board on the host: chip, memory protection, processes that follow a script, and one driver.

use core::cell::{Cell, RefCell, UnsafeCell};
use core::fmt::{self, Write};
use core::num::NonZeroU32;
use std::boxed::Box;
use std::collections::VecDeque;
use std::vec::Vec;

use super::fake_tbf::Tbf;
use super::loader::{ProcessLoadReport, ProcessLoadReporter, load_processes_reporting};
use super::policy::{FaultAction, ProcessFaultPolicy};
use super::process_trait::Process;
use super::slot::ProcessArray;
use super::state::StoppedExecutingReason;
use super::task::FunctionCall;
use crate::capabilities::{
    MainLoopCapability, MemoryAllocationCapability, ProcessManagementCapability,
    ProcessStartCapability,
};
use crate::errorcode::ErrorCode;
use crate::grant::{AllowRoCount, AllowRwCount, Grant, UpcallCount};
use crate::ipc::IPC;
use crate::kernel::Kernel;
use crate::platform::chip::Chip;
use crate::platform::mpu::{MPU, Permissions, Region};
use crate::platform::scheduler_timer::SchedulerTimer;
use crate::platform::{KernelResources, ProcessFault, SyscallDriverLookup, SyscallFilter};
use crate::process::{Error, ProcessId, ProcessLoadError};
use crate::scheduler::{Scheduler, SchedulingDecision};
use crate::syscall::{
    CommandReturn, ContextSwitchReason, Syscall, SyscallDriver, SyscallReturn,
    UserspaceKernelBoundary,
};
use crate::test_support::forever;
use crate::utilities::single_thread_value::tests::TestThread;

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

// ---- memory protection --------------------------------------------------

#[derive(Default)]
pub(crate) struct FakeMpuConfig {
    flash: Option<Region>,
    /// Start and end of the block, then the break.
    ram: Option<(usize, usize, usize)>,
    shared: Vec<Region>,
}

impl fmt::Display for FakeMpuConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", self.ram)
    }
}

/// Protection with a granule of 8 bytes for RAM and 4 for flash, and two regions to share.
#[derive(Default)]
pub(crate) struct FakeMpu {
    /// Break of the configuration that is in force.
    pub(crate) loaded_break: Cell<usize>,
    /// Number of shared regions in it.
    pub(crate) loaded_shared: Cell<usize>,
    pub(crate) refuse: Cell<bool>,
}

// SAFETY: no process runs here, so none reaches anything.
unsafe impl MPU for FakeMpu {
    type MpuConfig = FakeMpuConfig;

    fn enable_app_mpu(&self) {}

    unsafe fn disable_app_mpu(&self) {}

    fn number_total_regions(&self) -> usize {
        4
    }

    fn new_config(&self) -> Option<FakeMpuConfig> {
        (!self.refuse.get()).then(FakeMpuConfig::default)
    }

    fn reset_config(&self, config: &mut FakeMpuConfig) {
        *config = FakeMpuConfig::default();
    }

    fn allocate_region(
        &self,
        unallocated_memory_start: *const u8,
        unallocated_memory_size: usize,
        min_region_size: usize,
        permissions: Permissions,
        config: &mut FakeMpuConfig,
    ) -> Option<Region> {
        let region = Region::new(unallocated_memory_start, min_region_size);
        if unallocated_memory_start.addr() % 4 != 0
            || min_region_size % 4 != 0
            || min_region_size > unallocated_memory_size
            || self.refuse.get()
        {
            return None;
        }
        match permissions {
            Permissions::ReadExecuteOnly if config.flash.is_none() => config.flash = Some(region),
            Permissions::ReadWriteOnly if config.shared.len() < 2 => config.shared.push(region),
            _ => return None,
        }
        Some(region)
    }

    fn remove_memory_region(&self, region: Region, config: &mut FakeMpuConfig) -> Result<(), ()> {
        let position = config.shared.iter().position(|shared| *shared == region);
        config.shared.remove(position.ok_or(())?);
        Ok(())
    }

    fn allocate_app_memory_region(
        &self,
        unallocated_memory_start: *const u8,
        unallocated_memory_size: usize,
        min_memory_size: usize,
        initial_app_memory_size: usize,
        initial_kernel_memory_size: usize,
        permissions: Permissions,
        config: &mut FakeMpuConfig,
    ) -> Option<(*const u8, usize)> {
        assert_eq!(permissions, Permissions::ReadWriteOnly);
        let pool = unallocated_memory_start.addr();
        let start = pool.next_multiple_of(8);
        let size = min_memory_size
            .max(initial_app_memory_size + initial_kernel_memory_size)
            .next_multiple_of(8);
        if start + size > pool + unallocated_memory_size {
            return None;
        }
        config.ram = Some((start, start + size, start + initial_app_memory_size));
        Some((unallocated_memory_start.with_addr(start), size))
    }

    fn update_app_memory_region(
        &self,
        app_memory_break: *const u8,
        kernel_memory_break: *const u8,
        permissions: Permissions,
        config: &mut FakeMpuConfig,
    ) -> Result<(), ()> {
        assert_eq!(permissions, Permissions::ReadWriteOnly);
        let (start, end, _) = config.ram.ok_or(())?;
        let app_break = app_memory_break.addr();
        if app_break > kernel_memory_break.addr() || app_break < start || self.refuse.get() {
            return Err(());
        }
        config.ram = Some((start, end, app_break));
        Ok(())
    }

    unsafe fn configure_mpu(&self, config: &FakeMpuConfig) {
        self.loaded_break.set(config.ram.map_or(0, |ram| ram.2));
        self.loaded_shared.set(config.shared.len());
    }
}

// ---- the boundary to processes ------------------------------------------

/// What a process finds in its registers.
#[derive(Default)]
pub(crate) struct FakeRegisters {
    answer: Option<SyscallReturn>,
    function: Option<FunctionCall>,
}

/// What a process found when it was entered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) answer: Option<SyscallReturn>,
    pub(crate) function: Option<FunctionCall>,
    pub(crate) app_break: usize,
}

/// Processes that do what a test has written down.
#[derive(Default)]
pub(crate) struct FakeBoundary {
    /// What the process that runs next does, and the one after it, and so on.
    pub(crate) script: RefCell<VecDeque<ContextSwitchReason>>,
    /// Every entry to a process so far.
    pub(crate) entries: RefCell<Vec<Entry>>,
    /// An interrupt is pending. It becomes so when the script is at its end.
    pub(crate) interrupt: Cell<bool>,
    /// Delivery of functions fails.
    pub(crate) broken: Cell<bool>,
    pub(crate) initial_app_size: Cell<usize>,
}

impl UserspaceKernelBoundary for FakeBoundary {
    type StoredState = FakeRegisters;

    fn initial_process_app_brk_size(&self) -> usize {
        self.initial_app_size.get()
    }

    unsafe fn initialize_process(
        &self,
        _accessible_memory_start: *const u8,
        _app_brk: *const u8,
        state: &mut FakeRegisters,
    ) -> Result<(), ()> {
        assert!(state.answer.is_none() && state.function.is_none());
        if self.broken.get() { Err(()) } else { Ok(()) }
    }

    unsafe fn set_syscall_return_value(
        &self,
        _accessible_memory_start: *const u8,
        _app_brk: *const u8,
        state: &mut FakeRegisters,
        return_value: SyscallReturn,
    ) -> Result<(), ()> {
        state.answer = Some(return_value);
        Ok(())
    }

    unsafe fn set_process_function(
        &self,
        _accessible_memory_start: *const u8,
        _app_brk: *const u8,
        state: &mut FakeRegisters,
        upcall: FunctionCall,
    ) -> Result<(), ()> {
        state.function = Some(upcall);
        if self.broken.get() { Err(()) } else { Ok(()) }
    }

    unsafe fn switch_to_process(
        &self,
        _accessible_memory_start: *const u8,
        app_brk: *const u8,
        state: &mut FakeRegisters,
    ) -> (ContextSwitchReason, Option<*const u8>) {
        self.entries.borrow_mut().push(Entry {
            answer: state.answer.take(),
            function: state.function.take(),
            app_break: app_brk.addr(),
        });
        let reason = self.script.borrow_mut().pop_front();
        let reason = reason.unwrap_or_else(|| {
            self.interrupt.set(true);
            ContextSwitchReason::Interrupted
        });
        (reason, None)
    }

    unsafe fn print_context(
        &self,
        _accessible_memory_start: *const u8,
        _app_brk: *const u8,
        _state: &FakeRegisters,
        writer: &mut dyn Write,
    ) {
        let _ = writer.write_str("registers\r\n");
    }

    fn store_context(&self, _state: &FakeRegisters, out: &mut [u8]) -> Result<usize, ErrorCode> {
        out.first_mut().map(|_| 1).ok_or(ErrorCode::SIZE)
    }
}

// ---- the chip and the board ---------------------------------------------

#[derive(Default)]
pub(crate) struct FakeChip {
    pub(crate) mpu: FakeMpu,
    pub(crate) boundary: FakeBoundary,
    pub(crate) sleeps: Cell<usize>,
}

impl Chip for FakeChip {
    type MPU = FakeMpu;
    type ThreadIdProvider = TestThread;
    type UserspaceKernelBoundary = FakeBoundary;

    fn init() {}

    fn service_pending_interrupts(&self) {
        self.boundary.interrupt.set(false);
    }

    fn has_pending_interrupts(&self) -> bool {
        self.boundary.interrupt.get()
    }

    fn mpu(&self) -> &FakeMpu {
        &self.mpu
    }

    fn userspace_kernel_boundary(&self) -> &FakeBoundary {
        &self.boundary
    }

    fn sleep(&self) {
        self.sleeps.set(self.sleeps.get() + 1);
    }

    fn with_interrupts_disabled<F, R>(&self, f: F) -> R
    where
        F: FnOnce() -> R,
    {
        f()
    }

    unsafe fn print_state(_this: Option<&Self>, _writer: &mut dyn Write) {}
}

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
}

/// A driver with two upcalls and one buffer of each kind, whose commands are recorded.
pub(crate) struct FakeDriver {
    pub(crate) apps: Grant<u32, UpcallCount<2>, AllowRoCount<1>, AllowRwCount<1>>,
    pub(crate) commands: RefCell<Vec<(usize, usize, usize, ProcessId)>>,
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
            _ => CommandReturn::failure(ErrorCode::NOSUPPORT),
        }
    }

    fn allocate_grant(&self, process_id: ProcessId) -> Result<(), Error> {
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
    /// Lines about the applications, without addresses in front.
    pub(crate) reports: RefCell<Vec<(Option<&'static str>, Result<(), ProcessLoadError>)>>,
    /// The same as printed.
    pub(crate) lines: RefCell<Vec<std::string::String>>,
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
            .push((report.name, report.outcome.map(|_| ())));
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
            },
            ipc: IPC::new(kernel, IPC_DRIVER, &Everything),
            scheduler: FirstReady {
                kernel,
                slice: Cell::new(None),
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
