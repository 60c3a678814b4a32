// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What the kernel, capsules and tools can ask of a process.
//!
//! The kernel ships one implementation, `ProcessStandard`; the main loop, grants and consoles see
//! only this trait, so processes of another make can stand beside it.

use core::fmt::Write;
use core::ops::Range;
use core::ptr::NonNull;

use tock_tbf::types::CommandPermissions;

use super::addresses::{ProcessAddresses, ProcessSizes};
use super::error::Error;
use super::grant_table::EnteredGrant;
use super::id::{BinaryVersion, ProcessId, ShortId};
use super::state::{State, StoppedExecutingReason};
use super::task::{FunctionCall, FunctionCallSource, ReturnArguments, Task};
use crate::capabilities::ProcessStartCapability;
use crate::errorcode::ErrorCode;
use crate::kernel::Turn;
use crate::platform::mpu;
use crate::process_checker::AcceptedCredential;
use crate::processbuffer::{ReadOnlyProcessBuffer, ReadWriteProcessBuffer};
use crate::storage_permissions::StoragePermissions;
use crate::syscall::{ContextSwitchReason, Syscall, SyscallReturn, Trap};
use crate::upcall::UpcallId;
use crate::utilities::capability_ptr::CapabilityPtr;
use crate::utilities::machine_register::MachineRegister;

/// Names one custom grant of one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessCustomGrantIdentifier {
    /// Distance of the allocation from the end of the process's RAM block, in bytes.
    pub(crate) offset: usize,
}

/// A process: an application in flash, a block of RAM, and the kernel's records about both.
///
/// A process is *active* unless it has faulted or terminated. What an operation does to an
/// inactive process is said where it matters.
pub trait Process {
    // ---- identity -------------------------------------------------------

    /// Returns the identifier of the current run.
    fn processid(&self) -> ProcessId;

    /// Returns the application's identity over restarts.
    fn short_app_id(&self) -> ShortId;

    /// Returns the version in the binary's header, unless it has none or it is zero.
    fn binary_version(&self) -> Option<BinaryVersion>;

    /// Returns the credential that the loader accepted for this binary.
    fn get_credential(&self) -> Option<AcceptedCredential>;

    /// Counts the starts after the first.
    fn get_restart_count(&self) -> usize;

    /// Returns the package name, empty when the header has none. Names need not be unique.
    fn get_process_name(&self) -> &'static str;

    /// Returns how the process last ended: `None` if it never did, `Some(None)` if it ended
    /// without a completion code, as by a fault.
    fn get_completion_code(&self) -> Option<Option<u32>>;

    /// Tells whether this is the run `id`, and active.
    fn goes_on(&self, id: ProcessId) -> bool {
        self.processid() == id && self.get_state().is_active()
    }

    // ---- queue of tasks -------------------------------------------------

    /// Tells whether anything is queued.
    fn has_tasks(&self) -> bool;

    /// Counts what is queued.
    fn pending_tasks(&self) -> usize;

    /// Tells whether something is queued that runs code in the process, unlike events for
    /// which the process registered no function.
    fn has_callable_tasks(&self) -> bool {
        self.has_tasks()
    }

    /// Appends a task.
    ///
    /// # Errors
    ///
    /// - `NOMEM`: the queue is full; the task is dropped, and counted.
    /// - `NODEVICE`: the process is not active.
    fn enqueue_task(&self, task: Task) -> Result<(), ErrorCode>;

    /// Appends what becomes of an event: the call of `function`, with `appdata` as its last
    /// argument, or the values alone if that is null.
    ///
    /// It is what [`enqueue_task`](Self::enqueue_task) does with such a task, which need not be put
    /// together for it.
    ///
    /// # Errors
    ///
    /// As there.
    fn enqueue_upcall(
        &self,
        upcall_id: UpcallId,
        argument0: usize,
        argument1: usize,
        argument2: usize,
        function: CapabilityPtr,
        appdata: MachineRegister,
    ) -> Result<(), ErrorCode> {
        self.enqueue_task(if function.addr() == 0 {
            Task::ReturnValue(ReturnArguments {
                upcall_id,
                argument0,
                argument1,
                argument2,
            })
        } else {
            Task::FunctionCall(FunctionCall {
                source: FunctionCallSource::Driver(upcall_id),
                argument0,
                argument1,
                argument2,
                argument3: appdata,
                pc: function,
            })
        })
    }

    /// Removes and returns the oldest task.
    fn dequeue_task(&self) -> Option<Task>;

    /// Removes and returns the oldest task that this event queued. What the process goes on with at
    /// its next turn may be in its registers already, and stays there.
    fn remove_upcall(&self, upcall_id: UpcallId) -> Option<Task>;

    /// Removes the oldest task that this event queued, and returns the values of the event.
    fn take_event(&self, upcall_id: UpcallId) -> Option<[usize; 3]> {
        match self.remove_upcall(upcall_id)? {
            Task::FunctionCall(call) => Some([call.argument0, call.argument1, call.argument2]),
            Task::ReturnValue(values) => {
                Some([values.argument0, values.argument1, values.argument2])
            }
            Task::IPC(_) => None,
        }
    }

    /// Removes all tasks that this event queued, and counts them; as
    /// [`remove_upcall`](Self::remove_upcall).
    fn remove_pending_upcalls(&self, upcall_id: UpcallId) -> usize;

    /// Tells whether the process in slot `sender` may queue this event, whose first value is that
    /// slot, so that it does not take the places of others.
    ///
    /// A process that cannot tell senders apart leaves it to the size of its queue.
    fn has_place_for(&self, _event: UpcallId, _sender: usize) -> bool {
        true
    }

    // ---- state ----------------------------------------------------------

    /// Returns the current state.
    fn get_state(&self) -> State;

    /// Tells whether running the process would get anywhere: it is running, or what it waits for
    /// is queued.
    fn ready(&self) -> bool;

    /// Tells whether the process is in [`State::Running`].
    fn is_running(&self) -> bool;

    /// Makes a running process wait for any upcall.
    fn set_yielded_state(&self);

    /// Makes a running process wait for one event.
    fn set_yielded_for_state(&self, upcall_id: UpcallId);

    /// Suspends an active process; its queue keeps filling.
    fn stop(&self);

    /// Lets a suspended process go on.
    fn resume(&self);

    /// Declares the process faulty and applies its fault policy.
    fn set_fault_state(&self);

    /// Starts a terminated process afresh.
    fn start(&self, cap: &dyn ProcessStartCapability);

    /// Terminates the process, unless it is already, and starts it afresh under a new identifier.
    ///
    /// If it cannot be set up again, it stays terminated.
    fn try_restart(&self, completion_code: Option<u32>);

    /// Ends the process for good: its queue and its grants are gone.
    fn terminate(&self, completion_code: Option<u32>);

    // ---- memory that the process asks for -------------------------------

    /// Moves the end of the RAM that the process can access, and returns where it was.
    ///
    /// Memory that becomes accessible reads as zero.
    ///
    /// # Errors
    ///
    /// - [`Error::InactiveApp`].
    /// - [`Error::AddressOutOfBounds`]: above the kernel's part, or below a buffer that the
    ///   process has shared in this run.
    /// - [`Error::OutOfMemory`]: memory protection cannot express the border.
    fn brk(&self, new_break: *const u8) -> Result<CapabilityPtr, Error>;

    /// Like [`brk`](Self::brk), relative to the current end.
    fn sbrk(&self, increment: isize) -> Result<CapabilityPtr, Error>;

    /// Counts the parts of its image that the application declares writeable.
    fn number_writeable_flash_regions(&self) -> usize;

    /// Returns offset from the start of the image and size of a writeable part, zeroes if there
    /// is no such part.
    fn get_writeable_flash_region(&self, region_index: usize) -> (usize, usize);

    /// Notes where the process puts its stack. For diagnostics only.
    fn update_stack_start_pointer(&self, stack_pointer: *const u8);

    /// Notes where the process puts its heap. For diagnostics only.
    fn update_heap_start_pointer(&self, heap_pointer: *const u8);

    /// Checks a buffer that the process shares for reading and writing.
    ///
    /// Any address goes with length zero. The process cannot give the bytes back to the kernel in
    /// this run.
    ///
    /// # Errors
    ///
    /// - `FAIL`: the process is not active.
    /// - `INVAL`: not wholly in RAM that the process can access.
    fn build_readwrite_process_buffer(
        &self,
        buf_start_addr: *mut u8,
        size: usize,
    ) -> Result<ReadWriteProcessBuffer, ErrorCode>;

    /// Checks a buffer that the process shares for reading.
    ///
    /// As [`build_readwrite_process_buffer`](Self::build_readwrite_process_buffer), but the
    /// buffer may instead lie wholly in the unprotected part of the application's flash.
    fn build_readonly_process_buffer(
        &self,
        buf_start_addr: *const u8,
        size: usize,
    ) -> Result<ReadOnlyProcessBuffer, ErrorCode>;

    /// Returns up to where buffers that the process shared hold its break, as an address.
    fn held_memory(&self) -> usize {
        0
    }

    /// Lets the break go down to `held` again, which [`held_memory`](Self::held_memory) returned in
    /// this run.
    ///
    /// # Safety
    ///
    /// No buffer that was built since then is in use.
    unsafe fn release_memory(&self, _held: usize) {}

    /// Keeps memory up to the address `end` out of the hands of the kernel, in later runs too, because
    /// another process is given access to it.
    fn note_exposed(&self, _end: usize) {}

    /// Writes one byte of process RAM; returns whether `addr` is one that the process can access.
    ///
    /// # Safety
    ///
    /// No Rust reference to the byte may exist, other than shared ones to cells.
    unsafe fn set_byte(&self, addr: *mut u8, value: u8) -> bool;

    // ---- permissions ----------------------------------------------------

    /// Returns the permissions in the header for commands `64 * offset` and up of a driver.
    fn get_command_permissions(&self, driver_num: usize, offset: usize) -> CommandPermissions;

    /// Returns what the process may store and read back.
    fn get_storage_permissions(&self) -> StoragePermissions;

    // ---- memory protection ----------------------------------------------

    /// Loads this process's memory protection. Needed before every entry, and cheap if nothing
    /// has changed since the last.
    fn setup_mpu(&self);

    /// Gives the process access to memory outside its own, as for inter-process buffers.
    ///
    /// The region has at least `min_region_size` bytes of the area given. `None` if protection
    /// cannot express such a region, or has none left.
    fn add_mpu_region(
        &self,
        unallocated_memory_start: *const u8,
        unallocated_memory_size: usize,
        min_region_size: usize,
    ) -> Option<mpu::Region>;

    /// Takes back what [`add_mpu_region`](Self::add_mpu_region) gave.
    ///
    /// # Errors
    ///
    /// - `INVAL`: the process has no such region.
    fn remove_mpu_region(&self, region: mpu::Region) -> Result<(), ErrorCode>;

    /// Takes back all that [`add_mpu_region`](Self::add_mpu_region) gave in this memory, a range of
    /// addresses, but for `kept`.
    ///
    /// A process that is at work keeps access until it yields, so that nobody makes it fault. What
    /// queued notifications say about such memory is taken back at once.
    fn revoke_mpu_regions(&self, _memory: Range<usize>, _kept: Option<mpu::Region>) {}

    // ---- grants ---------------------------------------------------------

    /// Allocates the memory of a grant, and notes that it belongs to this driver number.
    ///
    /// The memory is not initialised. Fails if the process is not active, if it has no room, if
    /// it has the grant already, or if another of its grants has the driver number.
    #[expect(
        clippy::result_unit_err,
        reason = "implementations outside the kernel rely on it"
    )]
    fn allocate_grant(
        &self,
        grant_num: usize,
        driver_num: usize,
        size: usize,
        align: usize,
    ) -> Result<(), ()>;

    /// Tells whether a grant has memory; `None` if the process is not active or there is no such
    /// grant.
    fn grant_is_allocated(&self, grant_num: usize) -> Option<bool>;

    /// Allocates grant memory that is reached through the identifier returned.
    ///
    /// The memory is not initialised. Fails if the process is not active or has no room.
    #[expect(
        clippy::result_unit_err,
        reason = "implementations outside the kernel rely on it"
    )]
    fn allocate_custom_grant(
        &self,
        size: usize,
        align: usize,
    ) -> Result<(ProcessCustomGrantIdentifier, NonNull<u8>), ()>;

    /// Returns a grant's memory and marks it as entered, until [`leave_grant`](Self::leave_grant).
    ///
    /// # Errors
    ///
    /// - [`Error::InactiveApp`].
    /// - [`Error::KernelError`]: no such grant, or it has no memory.
    /// - [`Error::AlreadyInUse`]: entered already.
    fn enter_grant(&self, grant_num: usize) -> Result<NonNull<u8>, Error>;

    /// Does what [`enter_grant`](Self::enter_grant) does, if this is the run `id`, and returns a
    /// way out of the grant with its memory. `None` for any reason not to, which
    /// [`enter_grant`](Self::enter_grant) then tells.
    fn enter_grant_in(&self, id: ProcessId, grant_num: usize) -> Option<EnteredGrant<'_>> {
        let _ = (id, grant_num);
        None
    }

    /// Returns a custom grant's memory.
    ///
    /// # Errors
    ///
    /// - [`Error::InactiveApp`].
    /// - [`Error::AddressOutOfBounds`]: the identifier is not of this run of this process.
    fn enter_custom_grant(
        &self,
        identifier: ProcessCustomGrantIdentifier,
    ) -> Result<*mut u8, Error>;

    /// Notes that a reference into a custom grant exists now. The process must not start anew
    /// until [`note_custom_grant_left`](Self::note_custom_grant_left) has been called as often.
    fn note_custom_grant_entered(&self) {}

    /// Notes that such a reference is gone.
    fn note_custom_grant_left(&self) {}

    /// Ends what [`enter_grant`](Self::enter_grant) began.
    ///
    /// # Safety
    ///
    /// No reference into the grant's memory may outlive this call.
    unsafe fn leave_grant(&self, grant_num: usize);

    /// Counts the grants that have memory; `None` if the process is not active.
    fn grant_allocated_count(&self) -> Option<usize>;

    /// Finds the grant that belongs to a driver number.
    ///
    /// # Errors
    ///
    /// - [`Error::InactiveApp`].
    /// - [`Error::OutOfMemory`]: no grant with this driver number has memory.
    fn lookup_grant_from_driver_num(&self, driver_num: usize) -> Result<usize, Error>;

    /// Tells whether an upcall function of this process may start at an address.
    fn is_valid_upcall_function_pointer(&self, upcall_fn: *const ()) -> bool;

    // ---- context --------------------------------------------------------

    /// Hands the result of a system call to the process.
    ///
    /// A process that waits in a wait-for call runs again. One that cannot take the result
    /// faults.
    fn set_syscall_return_value(&self, return_value: SyscallReturn);

    /// Sets a process running that waits, if what it waits for is in its registers already. Returns
    /// whether it did.
    fn go_on(&self) -> bool {
        false
    }

    /// Lets a process run again that waits for one event which has come, with its values as the
    /// result. Returns whether it did.
    fn answer_wait(&self) -> bool {
        if let State::YieldedFor(event) = self.get_state()
            && let Some([argument0, argument1, argument2]) = self.take_event(event)
        {
            self.set_syscall_return_value(SyscallReturn::YieldWaitFor(
                argument0, argument1, argument2,
            ));
            return self.is_running();
        }
        false
    }

    /// Does what [`dequeue_task`](Self::dequeue_task) and
    /// [`set_process_function`](Self::set_process_function) do, if the oldest task is a function to
    /// call and the process has a short cut for that. Returns whether it was done.
    fn call_next(&self) -> bool {
        false
    }

    /// Makes the process run a function when it is entered next, and sets it running. One whose
    /// memory does not allow it faults.
    fn set_process_function(&self, callback: FunctionCall);

    /// Runs the process until it traps, with its memory protection enabled meanwhile. `None` if it
    /// is not running.
    fn switch_to(&self) -> Option<ContextSwitchReason>;

    /// Does what [`setup_mpu`](Self::setup_mpu) and [`switch_to`](Self::switch_to) do, and may
    /// leave the decoding of a system call to the caller.
    fn enter(&self) -> Option<Trap> {
        self.setup_mpu();
        self.switch_to().map(Trap::Other)
    }

    /// Runs the process, and serves its system calls, until something ends its turn.
    ///
    /// There is no reason to implement this differently: the method exists because its body is
    /// compiled for each type of process, and so the turn makes direct calls to all the others.
    fn take_turn(&self, turn: &Turn<'_>) -> StoppedExecutingReason {
        turn.run(self)
    }

    // ---- diagnostics ----------------------------------------------------

    /// Returns where the parts of the process lie.
    fn get_addresses(&self) -> ProcessAddresses;

    /// Returns how much of the RAM block the kernel's records take.
    fn get_sizes(&self) -> ProcessSizes;

    /// Writes the saved registers, in a form that the architecture defines, and returns how many
    /// bytes that took.
    ///
    /// # Errors
    ///
    /// - `SIZE`: `out` is too short.
    /// - `FAIL`: there is no saved state.
    fn get_stored_state(&self, out: &mut [u8]) -> Result<usize, ErrorCode>;

    /// Writes all that is known about the process, for a panic or a crash report.
    fn print_full_process(&self, writer: &mut dyn Write);

    /// Counts system calls since the last start.
    fn debug_syscall_count(&self) -> usize;

    /// Counts events that found the queue full since the last start.
    fn debug_dropped_upcall_count(&self) -> usize;

    /// Counts time slices used up since the last start.
    fn debug_timeslice_expiration_count(&self) -> usize;

    /// Notes that a time slice is used up.
    fn debug_timeslice_expired(&self);

    /// Notes a system call.
    fn debug_syscall_called(&self, last_syscall: Syscall);

    /// Returns the last system call since the last start.
    fn debug_syscall_last(&self) -> Option<Syscall>;
}
