// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The main loop: the kernel's own work, then the process that the scheduler picks, then sleep.
//!
//! What a process does with its turn is in `turn.rs`.

use core::num::NonZeroU32;

use super::Kernel;
use super::turn::{Host, Turn};
use crate::capabilities::MainLoopCapability;
use crate::deferred_call::DeferredCall;
use crate::errorcode::ErrorCode;
use crate::ipc::{IPC, IPCUpcallType};
use crate::platform::chip::Chip;
use crate::platform::scheduler_timer::SchedulerTimer;
use crate::platform::watchdog::WatchDog;
use crate::platform::{
    ContextSwitchCallback, KernelResources, ProcessFault, SyscallDriverLookup, SyscallFilter,
};
use crate::process::{Process, ProcessId, StoppedExecutingReason};
use crate::scheduler::{Scheduler, SchedulingDecision};
use crate::syscall::{Syscall, SyscallClass, SyscallDriver, SyscallReturn};
use crate::utilities::arch_helpers::syscall_from_register_arguments_trd104;
use crate::utilities::machine_register::MachineRegister;

/// A time slice with less than this left is not worth a switch to the process.
const SHORTEST_SLICE_US: u32 = 500;

/// The board, as one process sees it during its turn.
struct Board<'a, KR, C, const NUM_PROCS: u8> {
    resources: &'a KR,
    chip: &'a C,
    ipc: Option<&'a IPC<NUM_PROCS>>,
    process: &'a dyn Process,
    /// The run of the process that the turn was given to.
    id: ProcessId,
}

impl Kernel {
    /// Runs the system, for ever.
    pub fn kernel_loop<KR: KernelResources<C>, C: Chip, const NUM_PROCS: u8>(
        &self,
        resources: &KR,
        chip: &C,
        ipc: Option<&IPC<NUM_PROCS>>,
        capability: &dyn MainLoopCapability,
    ) -> ! {
        resources.watchdog().setup();
        DeferredCall::verify_setup();
        loop {
            self.step(resources, chip, ipc, false, capability);
        }
    }

    /// Does one step of the main loop: the kernel's own work, the turn of one process, or sleep.
    ///
    /// With `no_sleep` it returns where it would sleep.
    pub fn kernel_loop_operation<KR: KernelResources<C>, C: Chip, const NUM_PROCS: u8>(
        &self,
        resources: &KR,
        chip: &C,
        ipc: Option<&IPC<NUM_PROCS>>,
        no_sleep: bool,
        capability: &dyn MainLoopCapability,
    ) {
        self.step(resources, chip, ipc, no_sleep, capability);
    }

    /// The step itself, part of the loop: it is short, and saving registers for it costs.
    #[inline(always)]
    fn step<KR: KernelResources<C>, C: Chip, const NUM_PROCS: u8>(
        &self,
        resources: &KR,
        chip: &C,
        ipc: Option<&IPC<NUM_PROCS>>,
        no_sleep: bool,
        _capability: &dyn MainLoopCapability,
    ) {
        resources.watchdog().tickle();
        let scheduler = resources.scheduler();
        if scheduler.do_kernel_work_now(chip) {
            scheduler.execute_kernel_work(chip);
            return;
        }
        match scheduler.next() {
            SchedulingDecision::RunProcess((id, slice)) => {
                let (reason, used) = match id.slot_process() {
                    Some(process) => Board {
                        resources,
                        chip,
                        ipc,
                        process,
                        id,
                    }
                    .run_for(slice),
                    None => (StoppedExecutingReason::NoWorkLeft, slice.map(|_| 0)),
                };
                scheduler.result(reason, used);
            }
            SchedulingDecision::TrySleep if no_sleep => {}
            SchedulingDecision::TrySleep => chip.with_interrupts_disabled(|| {
                // Work that came up since the last look must not wait for another interrupt.
                if !chip.has_pending_interrupts() && !DeferredCall::has_tasks() {
                    resources.watchdog().suspend();
                    chip.sleep();
                    resources.watchdog().resume();
                }
            }),
        }
    }
}

impl<KR: KernelResources<C>, C: Chip, const NUM_PROCS: u8> Board<'_, KR, C, NUM_PROCS> {
    /// Runs the process within a time slice, or without one. Returns why it stopped and how many
    /// microseconds of the slice it used.
    #[inline(always)]
    fn run_for(&self, slice: Option<NonZeroU32>) -> (StoppedExecutingReason, Option<u32>) {
        let timer = self.resources.scheduler_timer();
        let Some(slice) = slice else {
            let turn = Turn::new(self, self.id, false);
            return (self.process.take_turn(&turn), None);
        };
        if slice.get() <= SHORTEST_SLICE_US {
            self.process.debug_timeslice_expired();
            return (StoppedExecutingReason::TimesliceExpired, Some(0));
        }
        timer.start(slice);
        timer.arm();
        let reason = self.process.take_turn(&Turn::new(self, self.id, true));
        timer.disarm();
        let left = timer.get_remaining_us().map_or(0, NonZeroU32::get);
        timer.reset();
        (reason, Some(slice.get().saturating_sub(left)))
    }

    fn permits(&self, call: &Syscall) -> Result<(), ErrorCode> {
        let filter = self.resources.syscall_filter();
        filter.filter_syscall(self.process, call)
    }
}

impl<KR: KernelResources<C>, C: Chip, const NUM_PROCS: u8> Host for Board<'_, KR, C, NUM_PROCS> {
    fn may_go_on(&self) -> bool {
        self.resources
            .scheduler()
            .continue_process(self.id, self.chip)
    }

    fn may_enter(&self) -> bool {
        let may_enter = self.may_go_on();
        if may_enter {
            let hook = self.resources.context_switch_callback();
            hook.context_switch_hook(self.process);
        }
        may_enter
    }

    fn slice_is_over(&self) -> bool {
        let left = self.resources.scheduler_timer().get_remaining_us();
        left.is_none_or(|left| left.get() <= SHORTEST_SLICE_US)
    }

    fn mends_fault(&self) -> bool {
        let hook = self.resources.process_fault();
        hook.process_fault_hook(self.process).is_ok()
    }

    fn command(
        &self,
        driver_number: usize,
        subdriver_number: usize,
        arg0: usize,
        arg1: usize,
    ) -> SyscallReturn {
        let permitted = self.permits(&Syscall::Command {
            driver_number,
            subdriver_number,
            arg0,
            arg1,
        });
        if let Err(code) = permitted {
            return SyscallReturn::Failure(code);
        }
        self.resources
            .syscall_driver_lookup()
            .with_driver(driver_number, |driver| match driver {
                Some(driver) => driver
                    .command(subdriver_number, arg0, arg1, self.id)
                    .into_syscall_return(),
                None => SyscallReturn::Failure(ErrorCode::NODEVICE),
            })
    }

    fn admit(
        &self,
        class: SyscallClass,
        driver_number: usize,
        subdriver_number: usize,
        arg0: MachineRegister,
        arg1: MachineRegister,
    ) -> Result<bool, ErrorCode> {
        let call = syscall_from_register_arguments_trd104(
            class as u8,
            driver_number,
            subdriver_number.into(),
            arg0,
            arg1,
        );
        if let Some(call) = call {
            self.permits(&call)?;
        }
        let drivers = self.resources.syscall_driver_lookup();
        Ok(drivers.with_driver(driver_number, |driver| driver.is_some()))
    }

    fn with_driver(&self, driver_number: usize, serve: &mut dyn FnMut(&dyn SyscallDriver)) {
        let drivers = self.resources.syscall_driver_lookup();
        drivers.with_driver(driver_number, |driver| driver.into_iter().for_each(serve));
    }

    fn deliver(&self, sender: ProcessId, kind: IPCUpcallType) {
        if let Some(ipc) = self.ipc {
            // The sender may be gone; then there is nothing to deliver.
            let _ = ipc.deliver(self.process, sender, kind);
        }
    }
}
