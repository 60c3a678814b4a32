// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A chip that exists on the host only. What its processes do is written in a script.

use core::cell::{Cell, RefCell};
use core::fmt::{self, Display, Write};
use std::collections::VecDeque;
use std::vec::Vec;

use crate::errorcode::ErrorCode;
use crate::platform::chip::Chip;
use crate::platform::mpu::{MPU, Permissions, Region};
use crate::process::FunctionCall;
use crate::syscall::{ContextSwitchReason, SyscallReturn, UserspaceKernelBoundary};
use crate::utilities::single_thread_value::tests::TestThread;

/// A chip whose interrupts and processes a test decides about.
#[derive(Default)]
pub(crate) struct FakeChip {
    /// How many times interrupts are found pending before they are served.
    pub(crate) interrupts: Cell<u32>,
    pub(crate) served: Cell<u32>,
    pub(crate) sleeps: Cell<u32>,
    pub(crate) mpu: FakeMpu,
    pub(crate) boundary: FakeBoundary,
}

impl Chip for FakeChip {
    type MPU = FakeMpu;
    type ThreadIdProvider = TestThread;
    type UserspaceKernelBoundary = FakeBoundary;

    fn init() {}

    fn service_pending_interrupts(&self) {
        self.served.set(self.served.get() + self.interrupts.take());
    }

    fn has_pending_interrupts(&self) -> bool {
        self.interrupts.get() > 0
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

    unsafe fn print_state(_this: Option<&Self>, writer: &mut dyn Write) {
        let _ = writer.write_str("fake chip\r\n");
    }
}

/// Memory protection that allows regions wherever they fit, and keeps a list of them.
#[derive(Default)]
pub(crate) struct FakeMpu;

#[derive(Clone, Default)]
pub(crate) struct FakeMpuConfig {
    pub(crate) regions: Vec<Region>,
    /// Start and end of what the process reaches of its RAM.
    pub(crate) app_memory: Option<(usize, usize)>,
}

impl Display for FakeMpuConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} regions", self.regions.len())
    }
}

// SAFETY: no process runs on this chip.
unsafe impl MPU for FakeMpu {
    type MpuConfig = FakeMpuConfig;

    fn enable_app_mpu(&self) {}

    unsafe fn disable_app_mpu(&self) {}

    fn number_total_regions(&self) -> usize {
        4
    }

    fn new_config(&self) -> Option<FakeMpuConfig> {
        Some(FakeMpuConfig::default())
    }

    fn reset_config(&self, config: &mut FakeMpuConfig) {
        *config = FakeMpuConfig::default();
    }

    fn allocate_region(
        &self,
        unallocated_memory_start: *const u8,
        unallocated_memory_size: usize,
        min_region_size: usize,
        _permissions: Permissions,
        config: &mut FakeMpuConfig,
    ) -> Option<Region> {
        if min_region_size > unallocated_memory_size
            || config.regions.len() == self.number_total_regions()
        {
            return None;
        }
        let region = Region::new(unallocated_memory_start, min_region_size);
        config.regions.push(region);
        Some(region)
    }

    fn remove_memory_region(&self, region: Region, config: &mut FakeMpuConfig) -> Result<(), ()> {
        let place = config.regions.iter().position(|other| *other == region);
        config.regions.remove(place.ok_or(())?);
        Ok(())
    }

    fn allocate_app_memory_region(
        &self,
        unallocated_memory_start: *const u8,
        unallocated_memory_size: usize,
        min_memory_size: usize,
        initial_app_memory_size: usize,
        initial_kernel_memory_size: usize,
        _permissions: Permissions,
        config: &mut FakeMpuConfig,
    ) -> Option<(*const u8, usize)> {
        let size = min_memory_size.max(initial_app_memory_size + initial_kernel_memory_size);
        if size > unallocated_memory_size {
            return None;
        }
        let start = unallocated_memory_start.addr();
        config.app_memory = Some((start, start + initial_app_memory_size));
        Some((unallocated_memory_start, size))
    }

    fn update_app_memory_region(
        &self,
        app_memory_break: *const u8,
        kernel_memory_break: *const u8,
        _permissions: Permissions,
        config: &mut FakeMpuConfig,
    ) -> Result<(), ()> {
        let (start, _) = config.app_memory.ok_or(())?;
        if app_memory_break > kernel_memory_break {
            return Err(());
        }
        config.app_memory = Some((start, app_memory_break.addr()));
        Ok(())
    }

    unsafe fn configure_mpu(&self, _config: &FakeMpuConfig) {}
}

/// A boundary behind which a script takes the place of processes.
#[derive(Default)]
pub(crate) struct FakeBoundary {
    /// Why each run ends, in order. After the last one, every run is interrupted.
    pub(crate) script: RefCell<VecDeque<ContextSwitchReason>>,
    /// What processes were answered.
    pub(crate) answers: RefCell<Vec<SyscallReturn>>,
    /// The functions that processes were made to call.
    pub(crate) calls: RefCell<Vec<FunctionCall>>,
}

impl UserspaceKernelBoundary for FakeBoundary {
    type StoredState = ();

    fn initial_process_app_brk_size(&self) -> usize {
        0
    }

    unsafe fn initialize_process(
        &self,
        _accessible_memory_start: *const u8,
        _app_brk: *const u8,
        _state: &mut (),
    ) -> Result<(), ()> {
        Ok(())
    }

    unsafe fn set_syscall_return_value(
        &self,
        _accessible_memory_start: *const u8,
        _app_brk: *const u8,
        _state: &mut (),
        return_value: SyscallReturn,
    ) -> Result<(), ()> {
        self.answers.borrow_mut().push(return_value);
        Ok(())
    }

    unsafe fn set_process_function(
        &self,
        _accessible_memory_start: *const u8,
        _app_brk: *const u8,
        _state: &mut (),
        upcall: FunctionCall,
    ) -> Result<(), ()> {
        self.calls.borrow_mut().push(upcall);
        Ok(())
    }

    unsafe fn switch_to_process(
        &self,
        _accessible_memory_start: *const u8,
        _app_brk: *const u8,
        _state: &mut (),
    ) -> (ContextSwitchReason, Option<*const u8>) {
        let next = self.script.borrow_mut().pop_front();
        (next.unwrap_or(ContextSwitchReason::Interrupted), None)
    }

    unsafe fn print_context(
        &self,
        _accessible_memory_start: *const u8,
        _app_brk: *const u8,
        _state: &(),
        writer: &mut dyn Write,
    ) {
        let _ = writer.write_str("no registers\r\n");
    }

    fn store_context(&self, _state: &(), _out: &mut [u8]) -> Result<usize, ErrorCode> {
        Ok(0)
    }
}
