// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Processes that consist of a queue and grant memory, for drivers to serve.

use core::alloc::Layout;
use core::cell::{Cell, RefCell};
use core::fmt::Write;
use core::ptr::NonNull;
use kernel::ErrorCode;
use kernel::Kernel;
use kernel::ProcessId;
use kernel::capabilities::{
    ExternalProcessCapability, MemoryAllocationCapability, ProcessStartCapability,
};
use kernel::create_capability;
use kernel::grant::{AllowRoSize, AllowRwSize, Grant, UpcallSize};
use kernel::platform::mpu;
use kernel::process::{
    AcceptedCredential, BinaryVersion, Error, FunctionCall, FunctionCallSource, Process,
    ProcessAddresses, ProcessArray, ProcessCustomGrantIdentifier, ProcessSizes, ShortId, State,
    Task,
};
use kernel::processbuffer::{ReadOnlyProcessBuffer, ReadWriteProcessBuffer};
use kernel::storage_permissions::StoragePermissions;
use kernel::syscall::{ContextSwitchReason, Syscall, SyscallDriver, SyscallReturn};
use kernel::testing;
use kernel::upcall::UpcallId;
use kernel::utilities::capability_ptr::CapabilityPtr;
use std::collections::VecDeque;
use tock_tbf::types::CommandPermissions;

/// Tasks that a process can have queued.
const QUEUE_LEN: usize = 10;

/// Keeps a value for the rest of the test run, as a board's statics are kept.
pub fn leak<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

fn is_upcall(task: &Task, event: UpcallId) -> bool {
    match task {
        Task::FunctionCall(FunctionCall {
            source: FunctionCallSource::Driver(source),
            ..
        }) => *source == event,
        Task::ReturnValue(values) => values.upcall_id == event,
        _ => false,
    }
}

/// A kernel with processes and no hardware.
pub struct Host<const N: usize> {
    pub kernel: &'static Kernel,
    pub processes: [&'static FakeProcess; N],
}

impl<const N: usize> Host<N> {
    pub fn new() -> Self {
        let table: &'static ProcessArray<N> = leak(ProcessArray::new());
        let kernel: &'static Kernel = leak(Kernel::new(table.as_slice()));
        let capability = create_capability!(ExternalProcessCapability);
        let processes = core::array::from_fn(|index| {
            let id = ProcessId::new_external(kernel, index, index, &capability);
            let process: &'static FakeProcess = leak(FakeProcess {
                kernel,
                index,
                id: Cell::new(id),
                alive: Cell::new(true),
                state: Cell::new(State::Yielded),
                grants: Default::default(),
                tasks: Default::default(),
            });
            table[index].set_external(process, &capability);
            process
        });
        Host { kernel, processes }
    }

    pub fn grant<T: Default, U: UpcallSize, RO: AllowRoSize, RW: AllowRwSize>(
        &self,
        driver_num: usize,
    ) -> Grant<T, U, RO, RW> {
        let capability = create_capability!(MemoryAllocationCapability);
        self.kernel.create_grant(driver_num, &capability)
    }
}

/// The number of an upcall and its arguments.
pub type Upcall = (usize, (usize, usize, usize));

/// A piece of a process's memory.
#[derive(Clone, Copy)]
pub struct Memory(&'static [Cell<u8>]);

impl Memory {
    pub fn of(bytes: &[u8]) -> Self {
        let cells: Vec<_> = bytes.iter().copied().map(Cell::new).collect();
        let cells: &'static [Cell<u8>] = Box::leak(cells.into_boxed_slice());
        // The kernel makes its pointers from addresses.
        cells.as_ptr().expose_provenance();
        Memory(cells)
    }

    pub fn zeroed(len: usize) -> Self {
        Self::of(&vec![0; len])
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.0.iter().map(Cell::get).collect()
    }

    fn parts(&self) -> (*mut u8, usize) {
        (self.0.as_ptr().cast::<u8>().cast_mut(), self.0.len())
    }
}

struct GrantMemory {
    number: usize,
    driver_num: usize,
    start: NonNull<u8>,
    entered: bool,
}

pub struct FakeProcess {
    kernel: &'static Kernel,
    index: usize,
    id: Cell<ProcessId>,
    alive: Cell<bool>,
    state: Cell<State>,
    grants: RefCell<Vec<GrantMemory>>,
    tasks: RefCell<VecDeque<Task>>,
}

impl FakeProcess {
    pub fn id(&self) -> ProcessId {
        self.id.get()
    }

    /// Shares `memory` with a driver for reading.
    pub fn allow_ro(&self, driver: (&dyn SyscallDriver, usize), number: usize, memory: Memory) {
        let (start, len) = memory.parts();
        testing::allow_read_only(self, driver.0, driver.1, number, start, len).unwrap();
    }

    /// Shares `memory` with a driver for reading and writing.
    pub fn allow_rw(&self, driver: (&dyn SyscallDriver, usize), number: usize, memory: Memory) {
        let (start, len) = memory.parts();
        testing::allow_read_write(self, driver.0, driver.1, number, start, len).unwrap();
    }

    /// Takes all queued upcalls.
    pub fn upcalls(&self) -> Vec<Upcall> {
        let tasks = self.tasks.take();
        let upcall = |task| match task {
            Task::ReturnValue(values) => Some((
                values.upcall_id.subscribe_num,
                (values.argument0, values.argument1, values.argument2),
            )),
            // What `fill_queue` put there.
            _ => None,
        };
        tasks.into_iter().filter_map(upcall).collect()
    }

    /// Leaves no room for upcalls until the next call of `upcalls`.
    pub fn fill_queue(&self) {
        let filler = Task::IPC((self.id(), kernel::ipc::IPCUpcallType::Client));
        self.tasks.borrow_mut().resize(QUEUE_LEN, filler);
    }

    /// Ends the process: its grants and its queue are gone.
    pub fn end(&self) {
        self.alive.set(false);
        self.state.set(State::Terminated);
        self.grants.borrow_mut().clear();
        self.tasks.borrow_mut().clear();
    }

    /// Ends the process and runs it anew, under a new identifier.
    pub fn restart_as(&self, number: usize) {
        self.end();
        let capability = create_capability!(ExternalProcessCapability);
        let id = ProcessId::new_external(self.kernel, number, self.index, &capability);
        self.id.set(id);
        self.alive.set(true);
        self.state.set(State::Yielded);
    }

    fn with_grant<R>(
        &self,
        number: usize,
        visit: impl FnOnce(&mut GrantMemory) -> Result<R, Error>,
    ) -> Result<R, Error> {
        let mut grants = self.grants.borrow_mut();
        let grant = grants.iter_mut().find(|grant| grant.number == number);
        visit(grant.ok_or(Error::KernelError)?)
    }
}

impl Process for FakeProcess {
    fn processid(&self) -> ProcessId {
        self.id.get()
    }

    fn short_app_id(&self) -> ShortId {
        ShortId::LocallyUnique
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
        ["first", "second", "third"]
            .get(self.index)
            .unwrap_or(&"other")
    }

    fn get_completion_code(&self) -> Option<Option<u32>> {
        None
    }

    fn has_tasks(&self) -> bool {
        self.pending_tasks() > 0
    }

    fn pending_tasks(&self) -> usize {
        self.tasks.borrow().len()
    }

    fn enqueue_task(&self, task: Task) -> Result<(), ErrorCode> {
        let mut tasks = self.tasks.borrow_mut();
        if tasks.len() >= QUEUE_LEN {
            return Err(ErrorCode::NOMEM);
        }
        tasks.push_back(task);
        Ok(())
    }

    fn dequeue_task(&self) -> Option<Task> {
        self.tasks.borrow_mut().pop_front()
    }

    fn remove_upcall(&self, upcall_id: UpcallId) -> Option<Task> {
        let mut tasks = self.tasks.borrow_mut();
        let at = tasks.iter().position(|task| is_upcall(task, upcall_id))?;
        tasks.remove(at)
    }

    fn remove_pending_upcalls(&self, upcall_id: UpcallId) -> usize {
        let mut tasks = self.tasks.borrow_mut();
        let before = tasks.len();
        tasks.retain(|task| !is_upcall(task, upcall_id));
        before - tasks.len()
    }

    fn get_state(&self) -> State {
        self.state.get()
    }

    fn ready(&self) -> bool {
        false
    }

    fn is_running(&self) -> bool {
        self.alive.get()
    }

    fn set_yielded_state(&self) {}

    fn set_yielded_for_state(&self, _upcall_id: UpcallId) {}

    fn stop(&self) {
        self.state
            .set(State::Stopped(kernel::process::StoppedState::Yielded));
    }

    fn resume(&self) {
        if matches!(self.state.get(), State::Stopped(_)) {
            self.state.set(State::Yielded);
        }
    }

    fn set_fault_state(&self) {
        self.end();
        self.state.set(State::Faulted);
    }

    fn start(&self, _cap: &dyn ProcessStartCapability) {
        self.restart_as(self.id().id() + 100);
    }

    fn try_restart(&self, _completion_code: Option<u32>) {}

    fn terminate(&self, _completion_code: Option<u32>) {
        self.end();
    }

    fn brk(&self, _new_break: *const u8) -> Result<CapabilityPtr, Error> {
        Err(Error::InactiveApp)
    }

    fn sbrk(&self, _increment: isize) -> Result<CapabilityPtr, Error> {
        Err(Error::InactiveApp)
    }

    fn number_writeable_flash_regions(&self) -> usize {
        0
    }

    fn get_writeable_flash_region(&self, _region_index: usize) -> (usize, usize) {
        (0, 0)
    }

    fn update_stack_start_pointer(&self, _stack_pointer: *const u8) {}

    fn update_heap_start_pointer(&self, _heap_pointer: *const u8) {}

    fn build_readwrite_process_buffer(
        &self,
        buf_start_addr: *mut u8,
        size: usize,
    ) -> Result<ReadWriteProcessBuffer, ErrorCode> {
        let capability = create_capability!(ExternalProcessCapability);
        // SAFETY: only `Memory::parts` comes here, whose bytes are cells that live on.
        Ok(unsafe {
            ReadWriteProcessBuffer::new_external(buf_start_addr, size, self.id(), &capability)
        })
    }

    fn build_readonly_process_buffer(
        &self,
        buf_start_addr: *const u8,
        size: usize,
    ) -> Result<ReadOnlyProcessBuffer, ErrorCode> {
        let capability = create_capability!(ExternalProcessCapability);
        // SAFETY: only `Memory::parts` comes here, whose bytes are cells that live on.
        Ok(unsafe {
            ReadOnlyProcessBuffer::new_external(buf_start_addr, size, self.id(), &capability)
        })
    }

    unsafe fn set_byte(&self, _addr: *mut u8, _value: u8) -> bool {
        false
    }

    fn get_command_permissions(&self, _driver_num: usize, _offset: usize) -> CommandPermissions {
        CommandPermissions::NoPermsAtAll
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
        Ok(())
    }

    fn allocate_grant(
        &self,
        grant_num: usize,
        driver_num: usize,
        size: usize,
        align: usize,
    ) -> Result<(), ()> {
        if !self.alive.get() {
            return Err(());
        }
        let layout = Layout::from_size_align(size.max(1), align.max(1)).map_err(|_| ())?;
        // SAFETY: the layout's size is not zero. The memory is never given back: a process's
        // memory outlives every use of it here.
        let start = unsafe { std::alloc::alloc(layout) };
        self.grants.borrow_mut().push(GrantMemory {
            number: grant_num,
            driver_num,
            start: NonNull::new(start).ok_or(())?,
            entered: false,
        });
        Ok(())
    }

    fn grant_is_allocated(&self, grant_num: usize) -> Option<bool> {
        let grants = self.grants.borrow();
        self.alive
            .get()
            .then(|| grants.iter().any(|grant| grant.number == grant_num))
    }

    fn allocate_custom_grant(
        &self,
        _size: usize,
        _align: usize,
    ) -> Result<(ProcessCustomGrantIdentifier, NonNull<u8>), ()> {
        Err(())
    }

    fn enter_grant(&self, grant_num: usize) -> Result<NonNull<u8>, Error> {
        if !self.alive.get() {
            return Err(Error::InactiveApp);
        }
        self.with_grant(grant_num, |grant| {
            if core::mem::replace(&mut grant.entered, true) {
                return Err(Error::AlreadyInUse);
            }
            Ok(grant.start)
        })
    }

    fn enter_custom_grant(
        &self,
        _identifier: ProcessCustomGrantIdentifier,
    ) -> Result<*mut u8, Error> {
        Err(Error::KernelError)
    }

    unsafe fn leave_grant(&self, grant_num: usize) {
        // A process that ended meanwhile has no grant to leave.
        let _ = self.with_grant(grant_num, |grant| {
            grant.entered = false;
            Ok(())
        });
    }

    fn grant_allocated_count(&self) -> Option<usize> {
        self.alive.get().then(|| self.grants.borrow().len())
    }

    fn lookup_grant_from_driver_num(&self, driver_num: usize) -> Result<usize, Error> {
        let grants = self.grants.borrow();
        let grant = grants.iter().find(|grant| grant.driver_num == driver_num);
        grant.map(|grant| grant.number).ok_or(Error::KernelError)
    }

    fn is_valid_upcall_function_pointer(&self, _upcall_fn: *const ()) -> bool {
        false
    }

    fn set_syscall_return_value(&self, _return_value: SyscallReturn) {}

    fn set_process_function(&self, _callback: FunctionCall) {}

    fn switch_to(&self) -> Option<ContextSwitchReason> {
        None
    }

    fn get_addresses(&self) -> ProcessAddresses {
        ProcessAddresses {
            flash_start: 0,
            flash_non_protected_start: 0,
            flash_integrity_end: core::ptr::null(),
            flash_end: 0,
            sram_start: 0,
            sram_app_brk: 0,
            sram_grant_start: 0,
            sram_end: 0,
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

    fn print_full_process(&self, _writer: &mut dyn Write) {}

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
