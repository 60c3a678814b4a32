// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A chip on the host: memory protection that records, and processes that follow a script.

use core::cell::{Cell, RefCell};
use core::fmt::{self, Write};
use std::collections::VecDeque;
use std::vec::Vec;

use super::TestThread;
use crate::errorcode::ErrorCode;
use crate::platform::chip::Chip;
use crate::platform::mpu::{MPU, Permissions, Region};
use crate::process::FunctionCall;
use crate::syscall::{
    CallRegisters, ContextSwitchReason, SyscallReturn, Trap, UserspaceKernelBoundary,
};

// ---- memory protection --------------------------------------------------

/// What a process may reach.
#[derive(Default)]
pub struct FakeMpuConfig {
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
pub struct FakeMpu {
    /// Break of the configuration that is in force.
    pub loaded_break: Cell<usize>,
    /// Number of shared regions in it.
    pub loaded_shared: Cell<usize>,
    /// Every plan is refused.
    pub refuse: Cell<bool>,
    /// Bytes that a shared region covers beyond what was asked for.
    pub surplus: Cell<usize>,
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
        if !unallocated_memory_start.addr().is_multiple_of(4)
            || !min_region_size.is_multiple_of(4)
            || min_region_size > unallocated_memory_size
            || self.refuse.get()
        {
            return None;
        }
        match permissions {
            Permissions::ReadExecuteOnly if config.flash.is_none() => config.flash = Some(region),
            Permissions::ReadWriteOnly if config.shared.len() < 2 => {
                let size = min_region_size + self.surplus.get();
                let shared = Region::new(unallocated_memory_start, size);
                config.shared.push(shared);
                return Some(shared);
            }
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
pub struct FakeRegisters {
    answer: Option<SyscallReturn>,
    function: Option<FunctionCall>,
}

/// What a process found when it was entered.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The answer to its last call.
    pub answer: Option<SyscallReturn>,
    /// The function that it is to run.
    pub function: Option<FunctionCall>,
    /// Where its memory ended.
    pub app_break: usize,
}

/// Processes that do what a test has written down.
#[derive(Default)]
pub struct FakeBoundary {
    /// What the process that runs next does, and the one after it, and so on.
    pub script: RefCell<VecDeque<ContextSwitchReason>>,
    /// Calls that come before those in `script`.
    pub calls: RefCell<VecDeque<CallRegisters>>,
    /// Calls are decoded here, as by an architecture that leaves them to nobody.
    pub decodes: Cell<bool>,
    /// Values go to processes by way of their memory.
    pub in_memory: Cell<bool>,
    /// Every entry to a process so far.
    pub entries: RefCell<Vec<Entry>>,
    /// An interrupt is pending. It becomes so when the script is at its end.
    pub interrupt: Cell<bool>,
    /// Starts and delivery of functions fail.
    pub broken: Cell<bool>,
    /// Delivery of functions alone fails.
    pub undeliverable: Cell<bool>,
    /// Bytes that a process has from the start.
    pub initial_app_size: Cell<usize>,
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

    fn passes_values_in_registers(&self) -> bool {
        !self.in_memory.get() && !self.broken.get()
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
        if self.broken.get() || self.undeliverable.get() {
            return Err(());
        }
        state.function = Some(upcall);
        Ok(())
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
        let call = self.calls.borrow_mut().pop_front();
        if let Some(call) = call {
            return (Trap::Call(call).into_reason(), None);
        }
        let reason = self.script.borrow_mut().pop_front();
        let reason = reason.unwrap_or_else(|| {
            self.interrupt.set(true);
            ContextSwitchReason::Interrupted
        });
        (reason, None)
    }

    unsafe fn run_process(
        &self,
        accessible_memory_start: *const u8,
        app_brk: *const u8,
        state: &mut FakeRegisters,
        _note: impl FnOnce(*const u8),
    ) -> Trap {
        let call = self.calls.borrow().front().copied();
        // SAFETY: nothing is required of the caller.
        let (reason, _) =
            unsafe { self.switch_to_process(accessible_memory_start, app_brk, state) };
        match (call, reason) {
            _ if self.decodes.get() => Trap::Other(reason),
            (Some(call), _) => Trap::Call(call),
            (None, ContextSwitchReason::SyscallFired { syscall }) => Trap::Call(syscall.into()),
            (None, reason) => Trap::Other(reason),
        }
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

// ---- the chip ------------------------------------------------------------

/// A chip whose interrupts and processes a test decides about.
#[derive(Default)]
pub struct FakeChip {
    /// Its memory protection.
    pub mpu: FakeMpu,
    /// Its processes.
    pub boundary: FakeBoundary,
    /// How often it slept.
    pub sleeps: Cell<usize>,
    /// How often a pending interrupt was served.
    pub served: Cell<usize>,
}

impl Chip for FakeChip {
    type MPU = FakeMpu;
    type ThreadIdProvider = TestThread;
    type UserspaceKernelBoundary = FakeBoundary;

    fn init() {}

    fn service_pending_interrupts(&self) {
        if self.boundary.interrupt.replace(false) {
            self.served.set(self.served.get() + 1);
        }
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
