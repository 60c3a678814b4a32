// SPDX-License-Identifier: Apache-2.0 OR MIT

//! [`ProcessStandard`] as a [`Process`].

use core::fmt::Write;
use core::num::NonZeroU32;
use core::ops::Range;
use core::ptr::NonNull;

use tock_tbf::types::CommandPermissions;

use super::ProcessStandard;
use crate::capabilities::ProcessStartCapability;
use crate::errorcode::ErrorCode;
use crate::platform::chip::Chip;
use crate::platform::mpu;
use crate::process::addresses::{ProcessAddresses, ProcessSizes};
use crate::process::debug_info::ProcessStandardDebug;
use crate::process::error::Error;
use crate::process::grant_table::EnteredGrant;
use crate::process::id::{BinaryVersion, ProcessId, ShortId};
use crate::process::process_trait::{Process, ProcessCustomGrantIdentifier};
use crate::process::state::State;
use crate::process::task::{FunctionCall, Task};
use crate::process_checker::AcceptedCredential;
use crate::processbuffer::{ReadOnlyProcessBuffer, ReadWriteProcessBuffer};
use crate::storage_permissions::StoragePermissions;
use crate::syscall::{ContextSwitchReason, Syscall, SyscallReturn, Trap};
use crate::upcall::UpcallId;
use crate::utilities::capability_ptr::CapabilityPtr;
use crate::utilities::machine_register::MachineRegister;

impl<C: Chip, D: ProcessStandardDebug> Process for ProcessStandard<'_, C, D> {
    #[inline(always)]
    fn processid(&self) -> ProcessId {
        self.process_id.get()
    }

    fn short_app_id(&self) -> ShortId {
        self.app_id
    }

    fn binary_version(&self) -> Option<BinaryVersion> {
        NonZeroU32::new(self.header.get_binary_version()).map(BinaryVersion::new)
    }

    fn get_credential(&self) -> Option<AcceptedCredential> {
        self.credential
    }

    fn get_restart_count(&self) -> usize {
        self.restart_count.get()
    }

    fn get_process_name(&self) -> &'static str {
        self.name()
    }

    fn get_completion_code(&self) -> Option<Option<u32>> {
        self.completion_code.get()
    }

    #[inline(always)]
    fn has_tasks(&self) -> bool {
        !self.tasks.is_empty()
    }

    fn pending_tasks(&self) -> usize {
        self.tasks.len()
    }

    #[inline(always)]
    fn has_callable_tasks(&self) -> bool {
        self.tasks.has_callable()
    }

    fn enqueue_task(&self, task: Task) -> Result<(), ErrorCode> {
        if !self.is_active() {
            return Err(ErrorCode::NODEVICE);
        }
        self.note_place(self.tasks.push(task))
    }

    fn enqueue_upcall(
        &self,
        upcall_id: UpcallId,
        argument0: usize,
        argument1: usize,
        argument2: usize,
        function: CapabilityPtr,
        appdata: MachineRegister,
    ) -> Result<(), ErrorCode> {
        let arguments = [argument0, argument1, argument2];
        if self.load_upcall(upcall_id, arguments, function, appdata) {
            return Ok(());
        }
        if !self.is_active() {
            return Err(ErrorCode::NODEVICE);
        }
        let had_place = self
            .tasks
            .push_upcall(upcall_id, arguments, function, appdata);
        self.note_place(had_place)
    }

    fn dequeue_task(&self) -> Option<Task> {
        self.tasks.pop()
    }

    fn remove_upcall(&self, upcall_id: UpcallId) -> Option<Task> {
        self.tasks.remove_first(upcall_id)
    }

    #[inline(always)]
    fn take_event(&self, upcall_id: UpcallId) -> Option<[usize; 3]> {
        self.tasks.take_values(upcall_id)
    }

    #[inline(always)]
    fn remove_pending_upcalls(&self, upcall_id: UpcallId) -> usize {
        self.tasks.remove_all(upcall_id)
    }

    fn has_place_for(&self, event: UpcallId, sender: usize) -> bool {
        self.tasks.has_place_for(event, sender)
    }

    #[inline(always)]
    fn get_state(&self) -> State {
        self.state.get()
    }

    fn ready(&self) -> bool {
        self.is_ready()
    }

    #[inline(always)]
    fn is_running(&self) -> bool {
        self.state.get() == State::Running
    }

    #[inline(always)]
    fn set_yielded_state(&self) {
        if self.is_running() {
            self.state.set(State::Yielded);
            if self.shared.any_ending() {
                self.close_ended();
            }
        }
    }

    #[inline(always)]
    fn set_yielded_for_state(&self, upcall_id: UpcallId) {
        if self.is_running() {
            self.tasks.wait_for(upcall_id);
            self.state.set(State::YieldedFor(upcall_id));
            if self.shared.any_ending() {
                self.close_ended();
            }
        }
    }

    fn stop(&self) {
        self.stop_process();
    }

    fn resume(&self) {
        self.resume_process();
    }

    fn set_fault_state(&self) {
        self.fault();
    }

    fn start(&self, _cap: &dyn ProcessStartCapability) {
        self.start_process();
    }

    fn try_restart(&self, completion_code: Option<u32>) {
        self.restart_process(completion_code);
    }

    fn terminate(&self, completion_code: Option<u32>) {
        self.terminate_process(completion_code);
    }

    fn brk(&self, new_break: *const u8) -> Result<CapabilityPtr, Error> {
        self.move_break(new_break.addr())
    }

    #[inline(always)]
    fn sbrk(&self, increment: isize) -> Result<CapabilityPtr, Error> {
        self.move_break_by(increment)
    }

    fn number_writeable_flash_regions(&self) -> usize {
        self.header.number_writeable_flash_regions()
    }

    fn get_writeable_flash_region(&self, region_index: usize) -> (usize, usize) {
        self.header.get_writeable_flash_region(region_index)
    }

    fn update_stack_start_pointer(&self, stack_pointer: *const u8) {
        let breaks = self.ram.breaks();
        if (breaks.start()..=breaks.end()).contains(&stack_pointer.addr()) {
            self.debug.set_stack_top(stack_pointer.addr());
        }
    }

    fn update_heap_start_pointer(&self, heap_pointer: *const u8) {
        let breaks = self.ram.breaks();
        if (breaks.start()..=breaks.end()).contains(&heap_pointer.addr()) {
            self.debug.set_heap_start(heap_pointer.addr());
        }
    }

    #[inline(always)]
    fn build_readwrite_process_buffer(
        &self,
        buf_start_addr: *mut u8,
        size: usize,
    ) -> Result<ReadWriteProcessBuffer, ErrorCode> {
        self.read_write_buffer(buf_start_addr, size)
    }

    #[inline(always)]
    fn build_readonly_process_buffer(
        &self,
        buf_start_addr: *const u8,
        size: usize,
    ) -> Result<ReadOnlyProcessBuffer, ErrorCode> {
        self.read_only_buffer(buf_start_addr, size)
    }

    #[inline(always)]
    fn held_memory(&self) -> usize {
        self.ram.breaks().held()
    }

    unsafe fn release_memory(&self, held: usize) {
        self.ram.breaks().release(held);
    }

    fn note_exposed(&self, end: usize) {
        self.ram.breaks().note_exposed(end);
    }

    #[inline(always)]
    unsafe fn set_byte(&self, addr: *mut u8, value: u8) -> bool {
        // SAFETY: the caller knows that there are no other references to the byte.
        unsafe { self.ram.write_byte(addr.addr(), value) }
    }

    fn get_command_permissions(&self, driver_num: usize, offset: usize) -> CommandPermissions {
        self.header.get_command_permissions(driver_num, offset)
    }

    fn get_storage_permissions(&self) -> StoragePermissions {
        self.storage_policy.get_permissions(self)
    }

    #[inline(always)]
    fn setup_mpu(&self) {
        self.load_mpu();
    }

    fn add_mpu_region(
        &self,
        unallocated_memory_start: *const u8,
        unallocated_memory_size: usize,
        min_region_size: usize,
    ) -> Option<mpu::Region> {
        self.add_region(
            unallocated_memory_start,
            unallocated_memory_size,
            min_region_size,
        )
    }

    fn remove_mpu_region(&self, region: mpu::Region) -> Result<(), ErrorCode> {
        self.remove_region(region)
    }

    fn revoke_mpu_regions(&self, memory: Range<usize>, kept: Option<mpu::Region>) {
        self.end_access(memory, kept);
    }

    fn allocate_grant(
        &self,
        grant_num: usize,
        driver_num: usize,
        size: usize,
        align: usize,
    ) -> Result<(), ()> {
        self.give_grant(grant_num, driver_num, size, align)
    }

    fn grant_is_allocated(&self, grant_num: usize) -> Option<bool> {
        if !self.is_active() {
            return None;
        }
        self.grants.is_allocated(grant_num)
    }

    fn allocate_custom_grant(
        &self,
        size: usize,
        align: usize,
    ) -> Result<(ProcessCustomGrantIdentifier, NonNull<u8>), ()> {
        self.give_custom_grant(size, align)
    }

    #[inline(always)]
    fn enter_grant(&self, grant_num: usize) -> Result<NonNull<u8>, Error> {
        if !self.is_active() {
            return Err(Error::InactiveApp);
        }
        self.grants.enter(grant_num)
    }

    fn enter_grant_in(&self, id: ProcessId, grant_num: usize) -> Option<EnteredGrant<'_>> {
        if self.process_id.get() != id || !self.is_active() {
            return None;
        }
        self.grants.try_enter(grant_num)
    }

    fn enter_custom_grant(
        &self,
        identifier: ProcessCustomGrantIdentifier,
    ) -> Result<*mut u8, Error> {
        self.custom_grant(identifier)
    }

    fn note_custom_grant_entered(&self) {
        let entered = self.custom_grants_entered.get();
        self.custom_grants_entered.set(entered.saturating_add(1));
    }

    fn note_custom_grant_left(&self) {
        let entered = self.custom_grants_entered.get();
        self.custom_grants_entered.set(entered.saturating_sub(1));
    }

    #[inline(always)]
    unsafe fn leave_grant(&self, grant_num: usize) {
        self.grants.leave(grant_num);
    }

    fn grant_allocated_count(&self) -> Option<usize> {
        self.is_active().then(|| self.grants.allocated_count())
    }

    #[inline(always)]
    fn lookup_grant_from_driver_num(&self, driver_num: usize) -> Result<usize, Error> {
        if !self.is_active() {
            return Err(Error::InactiveApp);
        }
        self.grants.find(driver_num).ok_or(Error::OutOfMemory)
    }

    #[inline(always)]
    fn is_valid_upcall_function_pointer(&self, upcall_fn: *const ()) -> bool {
        self.is_function(upcall_fn.addr())
    }

    #[inline(always)]
    fn set_syscall_return_value(&self, return_value: SyscallReturn) {
        self.store_return_value(return_value);
    }

    #[inline(always)]
    fn go_on(&self) -> bool {
        self.go_on_loaded()
    }

    #[inline(always)]
    fn answer_wait(&self) -> bool {
        self.take_up()
    }

    #[inline(always)]
    fn call_next(&self) -> bool {
        self.call_next_function()
    }

    fn set_process_function(&self, callback: FunctionCall) {
        self.store_function(callback);
    }

    fn switch_to(&self) -> Option<ContextSwitchReason> {
        self.run(|_| {}).map(Trap::into_reason)
    }

    #[inline(always)]
    fn enter(&self) -> Option<Trap> {
        self.load_and_run()
    }

    #[inline(always)]
    fn get_addresses(&self) -> ProcessAddresses {
        self.addresses()
    }

    fn get_sizes(&self) -> ProcessSizes {
        self.sizes()
    }

    fn get_stored_state(&self, out: &mut [u8]) -> Result<usize, ErrorCode> {
        self.copy_stored_state(out)
    }

    fn print_full_process(&self, writer: &mut dyn Write) {
        // A writer that fails cannot be told about it.
        let _ = self.print_all(writer);
    }

    fn debug_syscall_count(&self) -> usize {
        self.debug.syscall_count()
    }

    fn debug_dropped_upcall_count(&self) -> usize {
        self.debug.dropped_upcall_count()
    }

    fn debug_timeslice_expiration_count(&self) -> usize {
        self.debug.timeslice_expiration_count()
    }

    fn debug_timeslice_expired(&self) {
        self.debug.note_timeslice_expiration();
    }

    #[inline(always)]
    fn debug_syscall_called(&self, last_syscall: Syscall) {
        self.debug.note_syscall(last_syscall.into());
    }

    fn debug_syscall_last(&self) -> Option<Syscall> {
        self.debug.last_syscall()
    }
}
