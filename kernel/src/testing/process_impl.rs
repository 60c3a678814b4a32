// SPDX-License-Identifier: Apache-2.0 OR MIT

//! [`FakeProcess`] as a [`Process`].

use core::fmt::Write;
use core::ptr::{self, NonNull};

use tock_tbf::types::CommandPermissions;

use super::process::{FakeGrant, FakeProcess, QUEUE_LENGTH, RAM_SIZE};
use crate::capabilities::ProcessStartCapability;
use crate::errorcode::ErrorCode;
use crate::platform::mpu;
use crate::process::{
    AcceptedCredential, BinaryVersion, Error, FunctionCall, Process, ProcessAddresses,
    ProcessCustomGrantIdentifier, ProcessId, ProcessSizes, ShortId, State, Task,
};
use crate::processbuffer::{ReadOnlyProcessBuffer, ReadWriteProcessBuffer};
use crate::storage_permissions::StoragePermissions;
use crate::syscall::{ContextSwitchReason, Syscall, SyscallReturn};
use crate::upcall::UpcallId;
use crate::utilities::capability_ptr::CapabilityPtr;

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
        let bytes = self.shared(buf_start_addr, size)?;
        // SAFETY: all bytes are cells that are there for ever.
        Ok(unsafe { ReadWriteProcessBuffer::new(bytes, size, self.id.get()) })
    }

    fn build_readonly_process_buffer(
        &self,
        buf_start_addr: *const u8,
        size: usize,
    ) -> Result<ReadOnlyProcessBuffer, ErrorCode> {
        let bytes = self.shared(buf_start_addr, size)?;
        // SAFETY: all bytes are cells that are there for ever.
        Ok(unsafe { ReadOnlyProcessBuffer::new(bytes, size, self.id.get()) })
    }

    /// As a header with this one entry would have it.
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
        self.end_as(State::Terminated);
    }

    fn try_restart(&self, _completion_code: Option<u32>) {
        self.restart();
    }

    fn start(&self, _cap: &dyn ProcessStartCapability) {
        self.restart();
    }

    // What follows is beside the point of every test here.

    fn short_app_id(&self) -> ShortId {
        self.short_id.get()
    }

    fn binary_version(&self) -> Option<BinaryVersion> {
        None
    }

    fn get_credential(&self) -> Option<AcceptedCredential> {
        None
    }

    fn get_restart_count(&self) -> usize {
        self.restart_count.get()
    }

    fn get_process_name(&self) -> &'static str {
        let names = ["first", "second", "third"];
        names.get(self.index).copied().unwrap_or("other")
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
        match self.state.get() {
            State::Running => true,
            State::Yielded => self.has_tasks(),
            _ => false,
        }
    }

    fn is_running(&self) -> bool {
        self.state.get() == State::Running
    }

    fn set_yielded_state(&self) {}

    fn set_yielded_for_state(&self, _upcall_id: UpcallId) {}

    fn stop(&self) {
        let state = self.state.get();
        self.state.set(state.stopped().unwrap_or(state));
    }

    fn resume(&self) {
        let state = self.state.get();
        self.state.set(state.resumed().unwrap_or(state));
    }

    fn set_fault_state(&self) {
        self.end_as(State::Faulted);
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

    fn set_syscall_return_value(&self, _return_value: SyscallReturn) {
        if let State::YieldedFor(_) = self.state.get() {
            self.state.set(State::Running);
        }
    }

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
        7
    }

    fn debug_dropped_upcall_count(&self) -> usize {
        0
    }

    fn debug_timeslice_expiration_count(&self) -> usize {
        3
    }

    fn debug_timeslice_expired(&self) {}

    fn debug_syscall_called(&self, _last_syscall: Syscall) {}

    fn debug_syscall_last(&self) -> Option<Syscall> {
        None
    }
}
