// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A process that exists on the host only, for tests of what works on processes.
//!
//! It has RAM, a bounded queue and a bounded supply of grant memory. It runs no code. `chip` has
//! what a process of the real type needs to exist on the host.

pub(crate) mod chip;

use core::cell::{Cell, RefCell};
use core::fmt::Write;
use core::num::NonZeroU32;
use core::ptr::{self, NonNull};
use std::boxed::Box;
use std::collections::VecDeque;
use std::sync::Mutex;
use std::vec::Vec;

use tock_tbf::types::CommandPermissions;

use crate::capabilities::ProcessStartCapability;
use crate::errorcode::ErrorCode;
use crate::kernel::Kernel;
use crate::platform::mpu;
use crate::process::{
    AcceptedCredential, BinaryVersion, Error, FunctionCall, Process, ProcessAddresses,
    ProcessCustomGrantIdentifier, ProcessId, ProcessSizes, ProcessSlot, ShortId, State, Task,
};
use crate::processbuffer::{ReadOnlyProcessBuffer, ReadWriteProcessBuffer};
use crate::storage_permissions::StoragePermissions;
use crate::syscall::{ContextSwitchReason, Syscall, SyscallReturn};
use crate::upcall::UpcallId;
use crate::utilities::capability_ptr::CapabilityPtr;

/// Keeps `value` for the rest of the run, in a place where leak checkers find it.
pub(crate) fn forever<T: 'static>(value: T) -> &'static T {
    struct Kept(#[expect(dead_code, reason = "only has to be there")] *mut ());
    // SAFETY: nobody reads the pointers.
    unsafe impl Send for Kept {}
    static KEPT: Mutex<Vec<Kept>> = Mutex::new(Vec::new());
    let place = Box::into_raw(Box::new(value));
    KEPT.lock().unwrap().push(Kept(place.cast()));
    // SAFETY: the box is never freed and never borrowed exclusively.
    unsafe { &*place }
}

struct FakeGrant {
    driver_num: usize,
    memory: NonNull<u8>,
    entered: bool,
}

/// Entries that the queue of a [`FakeProcess`] holds.
pub(crate) const QUEUE_LENGTH: usize = 4;

/// A process whose circumstances a test decides.
pub(crate) struct FakeProcess {
    id: Cell<ProcessId>,
    kernel: &'static Kernel,
    index: usize,
    pub(crate) state: Cell<State>,
    pub(crate) queue: RefCell<VecDeque<Task>>,
    grants: RefCell<Vec<Option<FakeGrant>>>,
    custom_grants: RefCell<Vec<NonNull<u8>>>,
    /// Bytes left for grants.
    pub(crate) room: Cell<usize>,
    ram: &'static [Cell<u8>],
    pub(crate) permissions: Cell<Option<(usize, usize, u64)>>,
}

const RAM_SIZE: usize = 256;
const GRANTS: usize = 4;

/// Makes a kernel with `count` processes, all active.
pub(crate) fn kernel_with(count: usize) -> (&'static Kernel, Vec<&'static FakeProcess>) {
    let slots: &'static Vec<ProcessSlot> = forever((0..count).map(ProcessSlot::new).collect());
    let kernel = forever(Kernel::new(slots));
    let processes = (0..count)
        .map(|index| {
            let process = forever(FakeProcess::new(kernel, index));
            slots[index].set(process);
            process
        })
        .collect();
    (kernel, processes)
}

/// Makes a kernel with one active process.
pub(crate) fn kernel_with_process() -> (&'static Kernel, &'static FakeProcess) {
    let (kernel, processes) = kernel_with(1);
    (kernel, processes[0])
}

impl FakeProcess {
    fn new(kernel: &'static Kernel, index: usize) -> Self {
        let ram: &'static Vec<Cell<u8>> = forever((0..RAM_SIZE).map(|_| Cell::new(0)).collect());
        ram.as_ptr().expose_provenance();
        Self {
            id: Cell::new(ProcessId::new(
                kernel,
                kernel.create_process_identifier().unwrap(),
                index,
            )),
            kernel,
            index,
            state: Cell::new(State::Yielded),
            queue: RefCell::default(),
            grants: RefCell::new((0..GRANTS).map(|_| None).collect()),
            custom_grants: RefCell::default(),
            room: Cell::new(4096),
            ram,
            permissions: Cell::new(None),
        }
    }

    /// The RAM, as the process itself sees it.
    pub(crate) fn ram(&self) -> &'static [Cell<u8>] {
        self.ram
    }

    /// Address of a byte of RAM, as the process would give it to the kernel.
    pub(crate) fn address(&self, offset: usize) -> *mut u8 {
        let address = self.ram.as_ptr().addr().wrapping_add(offset);
        ptr::with_exposed_provenance_mut(address)
    }

    /// Takes the process through a restart.
    pub(crate) fn restart(&self) {
        let identifier = self.kernel.create_process_identifier().unwrap();
        self.id.set(self.id.get().with_identifier(identifier));
        self.state.set(State::Yielded);
        self.queue.borrow_mut().clear();
        self.grants.borrow_mut().fill_with(|| None);
        self.custom_grants.borrow_mut().clear();
    }

    fn active(&self) -> Result<(), Error> {
        if self.state.get().is_active() {
            Ok(())
        } else {
            Err(Error::InactiveApp)
        }
    }

    /// Takes memory out of the room that is left.
    fn allocate(&self, size: usize, align: usize) -> Result<NonNull<u8>, ()> {
        self.active().map_err(|_| ())?;
        let left = self.room.get().checked_sub(size).ok_or(())?;
        self.room.set(left);
        // Never zero, and never in line for more than was asked.
        let block = forever(
            (0..size + 2 * align)
                .map(|_| Cell::new(0xA5u8))
                .collect::<Vec<_>>(),
        );
        let padding = block.as_ptr().align_offset(align);
        // An odd multiple of the alignment shows who relies on more than was asked for.
        let odd = usize::from((block.as_ptr().addr() + padding).is_multiple_of(2 * align)) * align;
        let start = block[padding + odd..].as_ptr().cast_mut();
        Ok(NonNull::new(start).unwrap().cast())
    }

    fn contains(&self, start: *const u8, size: usize) -> bool {
        let ram = self.ram.as_ptr().addr();
        let offset = start.addr().wrapping_sub(ram);
        size == 0 || (offset <= RAM_SIZE && size <= RAM_SIZE - offset)
    }
}

impl Process for FakeProcess {
    fn processid(&self) -> ProcessId {
        self.id.get()
    }

    fn get_state(&self) -> State {
        self.state.get()
    }

    fn enqueue_task(&self, task: Task) -> Result<(), ErrorCode> {
        self.active().map_err(|_| ErrorCode::NODEVICE)?;
        let mut queue = self.queue.borrow_mut();
        if queue.len() == QUEUE_LENGTH {
            return Err(ErrorCode::NOMEM);
        }
        queue.push_back(task);
        Ok(())
    }

    fn dequeue_task(&self) -> Option<Task> {
        self.queue.borrow_mut().pop_front()
    }

    fn remove_upcall(&self, upcall_id: UpcallId) -> Option<Task> {
        let mut queue = self.queue.borrow_mut();
        let place = queue
            .iter()
            .position(|task| task.upcall_id() == Some(upcall_id))?;
        queue.remove(place)
    }

    fn remove_pending_upcalls(&self, upcall_id: UpcallId) -> usize {
        let mut queue = self.queue.borrow_mut();
        let before = queue.len();
        queue.retain(|task| task.upcall_id() != Some(upcall_id));
        before - queue.len()
    }

    fn build_readwrite_process_buffer(
        &self,
        buf_start_addr: *mut u8,
        size: usize,
    ) -> Result<ReadWriteProcessBuffer, ErrorCode> {
        self.active()?;
        if !self.contains(buf_start_addr, size) {
            return Err(ErrorCode::INVAL);
        }
        // SAFETY: `contains` found all bytes in RAM, which is there for ever.
        Ok(unsafe { ReadWriteProcessBuffer::new(buf_start_addr, size, self.id.get()) })
    }

    fn build_readonly_process_buffer(
        &self,
        buf_start_addr: *const u8,
        size: usize,
    ) -> Result<ReadOnlyProcessBuffer, ErrorCode> {
        self.active()?;
        if !self.contains(buf_start_addr, size) {
            return Err(ErrorCode::INVAL);
        }
        // SAFETY: `contains` found all bytes in RAM, which is there for ever.
        Ok(unsafe { ReadOnlyProcessBuffer::new(buf_start_addr, size, self.id.get()) })
    }

    /// As a header with one entry, `(driver, offset, mask)`, would have it.
    fn get_command_permissions(&self, driver_num: usize, offset: usize) -> CommandPermissions {
        match self.permissions.get() {
            None => CommandPermissions::NoPermsAtAll,
            Some((driver, at, mask)) if driver == driver_num && at == offset => {
                CommandPermissions::Mask(mask)
            }
            Some((driver, ..)) if driver == driver_num => CommandPermissions::Mask(0),
            Some(_) => CommandPermissions::NoPermsThisDriver,
        }
    }

    fn allocate_grant(
        &self,
        grant_num: usize,
        driver_num: usize,
        size: usize,
        align: usize,
    ) -> Result<(), ()> {
        if self.grant_is_allocated(grant_num) != Some(false)
            || self.lookup_grant_from_driver_num(driver_num).is_ok()
        {
            return Err(());
        }
        let memory = self.allocate(size, align)?;
        self.grants.borrow_mut()[grant_num] = Some(FakeGrant {
            driver_num,
            memory,
            entered: false,
        });
        Ok(())
    }

    fn grant_is_allocated(&self, grant_num: usize) -> Option<bool> {
        self.active().ok()?;
        Some(self.grants.borrow().get(grant_num)?.is_some())
    }

    fn allocate_custom_grant(
        &self,
        size: usize,
        align: usize,
    ) -> Result<(ProcessCustomGrantIdentifier, NonNull<u8>), ()> {
        let memory = self.allocate(size, align)?;
        let mut custom_grants = self.custom_grants.borrow_mut();
        custom_grants.push(memory);
        let offset = custom_grants.len();
        Ok((ProcessCustomGrantIdentifier { offset }, memory))
    }

    fn enter_grant(&self, grant_num: usize) -> Result<NonNull<u8>, Error> {
        self.active()?;
        let mut grants = self.grants.borrow_mut();
        let grant = grants
            .get_mut(grant_num)
            .and_then(Option::as_mut)
            .ok_or(Error::KernelError)?;
        if core::mem::replace(&mut grant.entered, true) {
            return Err(Error::AlreadyInUse);
        }
        Ok(grant.memory)
    }

    fn enter_custom_grant(
        &self,
        identifier: ProcessCustomGrantIdentifier,
    ) -> Result<*mut u8, Error> {
        self.active()?;
        let custom_grants = self.custom_grants.borrow();
        let memory = custom_grants
            .get(identifier.offset - 1)
            .ok_or(Error::AddressOutOfBounds)?;
        Ok(memory.as_ptr())
    }

    unsafe fn leave_grant(&self, grant_num: usize) {
        if let Some(grant) = &mut self.grants.borrow_mut()[grant_num] {
            grant.entered = false;
        }
    }

    fn grant_allocated_count(&self) -> Option<usize> {
        self.active().ok()?;
        Some(self.grants.borrow().iter().flatten().count())
    }

    fn lookup_grant_from_driver_num(&self, driver_num: usize) -> Result<usize, Error> {
        self.active()?;
        self.grants
            .borrow()
            .iter()
            .position(|grant| matches!(grant, Some(grant) if grant.driver_num == driver_num))
            .ok_or(Error::OutOfMemory)
    }

    /// Functions lie in the first half of RAM, for want of flash.
    fn is_valid_upcall_function_pointer(&self, upcall_fn: *const ()) -> bool {
        self.contains(upcall_fn.cast(), RAM_SIZE / 2)
    }

    fn terminate(&self, _completion_code: Option<u32>) {
        self.state.set(State::Terminated);
        self.queue.borrow_mut().clear();
        self.grants.borrow_mut().fill_with(|| None);
    }

    fn try_restart(&self, _completion_code: Option<u32>) {
        self.restart();
    }

    fn start(&self, _cap: &dyn ProcessStartCapability) {
        self.restart();
    }

    // What follows is beside the point of every test here.

    fn short_app_id(&self) -> ShortId {
        ShortId::from(NonZeroU32::new(1))
    }

    fn binary_version(&self) -> Option<BinaryVersion> {
        None
    }

    fn get_credential(&self) -> Option<AcceptedCredential> {
        None
    }

    fn get_restart_count(&self) -> usize {
        0
    }

    fn get_process_name(&self) -> &'static str {
        "fake"
    }

    fn get_completion_code(&self) -> Option<Option<u32>> {
        None
    }

    fn has_tasks(&self) -> bool {
        self.pending_tasks() > 0
    }

    fn pending_tasks(&self) -> usize {
        self.queue.borrow().len()
    }

    fn ready(&self) -> bool {
        self.has_tasks()
    }

    fn is_running(&self) -> bool {
        false
    }

    fn set_yielded_state(&self) {}

    fn set_yielded_for_state(&self, _upcall_id: UpcallId) {}

    fn stop(&self) {}

    fn resume(&self) {}

    fn set_fault_state(&self) {
        self.state.set(State::Faulted);
    }

    fn brk(&self, _new_break: *const u8) -> Result<CapabilityPtr, Error> {
        Err(Error::OutOfMemory)
    }

    fn sbrk(&self, _increment: isize) -> Result<CapabilityPtr, Error> {
        Err(Error::OutOfMemory)
    }

    fn number_writeable_flash_regions(&self) -> usize {
        0
    }

    fn get_writeable_flash_region(&self, _region_index: usize) -> (usize, usize) {
        (0, 0)
    }

    fn update_stack_start_pointer(&self, _stack_pointer: *const u8) {}

    fn update_heap_start_pointer(&self, _heap_pointer: *const u8) {}

    unsafe fn set_byte(&self, _addr: *mut u8, _value: u8) -> bool {
        false
    }

    fn get_storage_permissions(&self) -> StoragePermissions {
        StoragePermissions::new_null()
    }

    fn setup_mpu(&self) {}

    fn add_mpu_region(
        &self,
        _unallocated_memory_start: *const u8,
        _unallocated_memory_size: usize,
        _min_region_size: usize,
    ) -> Option<mpu::Region> {
        None
    }

    fn remove_mpu_region(&self, _region: mpu::Region) -> Result<(), ErrorCode> {
        Err(ErrorCode::INVAL)
    }

    fn set_syscall_return_value(&self, _return_value: SyscallReturn) {}

    fn set_process_function(&self, _callback: FunctionCall) {}

    fn switch_to(&self) -> Option<ContextSwitchReason> {
        None
    }

    fn get_addresses(&self) -> ProcessAddresses {
        let (sram_start, sram_end) = (self.address(0).addr(), self.address(RAM_SIZE).addr());
        ProcessAddresses {
            flash_start: 0,
            flash_non_protected_start: 0,
            flash_integrity_end: ptr::null(),
            flash_end: 0,
            sram_start,
            sram_app_brk: sram_end,
            sram_grant_start: sram_end,
            sram_end,
            sram_heap_start: None,
            sram_stack_top: None,
            sram_stack_bottom: None,
        }
    }

    fn get_sizes(&self) -> ProcessSizes {
        ProcessSizes {
            grant_pointers: 0,
            upcall_list: 0,
            process_control_block: 0,
        }
    }

    fn get_stored_state(&self, _out: &mut [u8]) -> Result<usize, ErrorCode> {
        Err(ErrorCode::FAIL)
    }

    fn print_full_process(&self, writer: &mut dyn Write) {
        let _ = write!(writer, "details of {}\r\n", self.index);
    }

    fn debug_syscall_count(&self) -> usize {
        0
    }

    fn debug_dropped_upcall_count(&self) -> usize {
        0
    }

    fn debug_timeslice_expiration_count(&self) -> usize {
        0
    }

    fn debug_timeslice_expired(&self) {}

    fn debug_syscall_called(&self, _last_syscall: Syscall) {}

    fn debug_syscall_last(&self) -> Option<Syscall> {
        None
    }
}
