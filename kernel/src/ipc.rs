// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Inter-process communication: services that processes find by name, and memory shared with them.
//!
//! Processes are named by their slot in the process table. A process shares a buffer with the
//! process in slot k as its read-write buffer k, and notifies it. The notified process gets access
//! to the buffer and an upcall with its length and address: a service in its upcall of its own
//! number, a client in the upcall of the service's number.
//!
//! Notifying takes memory and room in the queue of another process, so it is bounded: a process that
//! has not used this driver gets none. In the queue of the others each process has one place whoever
//! else notifies, a few more while hardly anything waits there, and none for what drivers need; what
//! the receiver sleeps for always gets through.

use crate::capabilities::MemoryAllocationCapability;
use crate::errorcode::ErrorCode;
use crate::grant::{AllowRoCount, AllowRwCount, Grant, GrantKernelData, UpcallCount};
use crate::kernel::Kernel;
use crate::platform::mpu::Region;
use crate::process::{Error, Process, ProcessId};
use crate::processbuffer::{ReadableProcessBuffer, ReadableProcessSlice};
use crate::syscall_driver::{CommandReturn, SyscallDriver};
use crate::upcall::{UpcallError, UpcallId};

/// Driver number of inter-process communication.
pub const DRIVER_NUM: usize = 0x10000;

/// Number of the read-only buffer with the name to look for.
const NAME: usize = 0;

mod command {
    pub(super) const EXISTS: usize = 0;
    pub(super) const DISCOVER: usize = 1;
    pub(super) const NOTIFY_SERVICE: usize = 2;
    pub(super) const NOTIFY_CLIENT: usize = 3;
}

/// Which side of a conversation an upcall is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IPCUpcallType {
    /// The process offers the service.
    Service,
    /// The process uses the service.
    Client,
}

/// The inter-process communication driver for a table of `NUM_PROCS` processes.
pub struct IPC<const NUM_PROCS: u8> {
    kernel: &'static Kernel,
    processes: Grant<(), UpcallCount<NUM_PROCS>, AllowRoCount<1>, AllowRwCount<NUM_PROCS>>,
}

impl<const NUM_PROCS: u8> IPC<NUM_PROCS> {
    /// Creates the driver.
    ///
    /// # Panics
    ///
    /// If `driver_num` is not [`DRIVER_NUM`], by which processes know the notifications whose buffers
    /// they must take back.
    #[inline]
    pub fn new(
        kernel: &'static Kernel,
        driver_num: usize,
        capability: &dyn MemoryAllocationCapability,
    ) -> IPC<NUM_PROCS> {
        assert!(
            driver_num == DRIVER_NUM,
            "not the number of inter-process communication"
        );
        IPC {
            kernel,
            processes: kernel.create_grant(DRIVER_NUM, capability),
        }
    }

    /// Enters the grant of a process. There is one copy of this, not one for each use.
    #[inline(never)]
    fn enter(
        &self,
        process_id: ProcessId,
        work: &mut dyn FnMut(&GrantKernelData),
    ) -> Result<(), Error> {
        self.processes
            .enter(process_id, |_, kernel_data| work(kernel_data))
    }

    /// Finds the slot of the process whose package name `seeker` shares.
    fn discover(&self, seeker: ProcessId) -> Result<u32, ErrorCode> {
        let mut slot = None;
        self.enter(seeker, &mut |kernel_data| {
            slot = kernel_data
                .get_readonly_processbuffer(NAME)
                .and_then(|name| name.enter(|wanted| self.position(wanted)))
                .ok()
                .flatten();
        })?;
        slot.and_then(|slot| u32::try_from(slot).ok())
            .ok_or(ErrorCode::NODEVICE)
    }

    /// The place of the process with this name, if it has one.
    fn position(&self, wanted: &ReadableProcessSlice) -> Option<usize> {
        self.kernel.process_slots().iter().position(|slot| {
            let name = slot.get().map_or("", |process| process.get_process_name());
            !name.is_empty()
                && name.len() == wanted.len()
                && name.bytes().zip(wanted.iter()).all(|(a, b)| a == b.get())
        })
    }

    /// Notifies the process in slot `target` in the name of `sender`.
    ///
    /// # Errors
    ///
    /// Besides those of [`deliver`](Self::deliver):
    ///
    /// - `INVAL`: the slot is empty or does not exist.
    /// - `NODEVICE`: the process is gone, or has not used this driver in this run.
    fn notify(
        &self,
        sender: ProcessId,
        target: usize,
        kind: IPCUpcallType,
    ) -> Result<(), ErrorCode> {
        let receiver = self
            .kernel
            .process_slots()
            .get(target)
            .and_then(|slot| slot.get())
            .ok_or(ErrorCode::INVAL)?;
        if !receiver.get_state().is_active() {
            return Err(ErrorCode::NODEVICE);
        }
        if receiver.processid() == sender {
            return Ok(());
        }
        // The memory of a process that takes no part is not for others to fill.
        if receiver.lookup_grant_from_driver_num(DRIVER_NUM).is_err() {
            return Err(ErrorCode::NODEVICE);
        }
        self.deliver(receiver, sender, kind)
    }

    /// Shares the buffer that `sender` has for `receiver`, and queues the upcall about it.
    ///
    /// # Errors
    ///
    /// - `NODEVICE`: one of the two is gone.
    /// - `NOMEM`: no place for the upcall, since too much of `sender` waits already or too much of
    ///   others; or no memory for the driver's data in one of the two.
    /// - `INVAL`: a slot is beyond `NUM_PROCS`.
    pub(crate) fn deliver(
        &self,
        receiver: &dyn Process,
        sender: ProcessId,
        kind: IPCUpcallType,
    ) -> Result<(), ErrorCode> {
        let receiver_id = receiver.processid();
        let event = UpcallId {
            driver_num: DRIVER_NUM,
            subscribe_num: match kind {
                IPCUpcallType::Service => receiver_id.slot_index(),
                IPCUpcallType::Client => sender.slot_index(),
            },
        };
        if !receiver.has_place_for(event, sender.slot_index()) {
            return Err(ErrorCode::NOMEM);
        }
        let mut shared = Err(Error::KernelError);
        self.enter(sender, &mut |kernel_data| {
            shared = kernel_data
                .get_readwrite_processbuffer(receiver_id.slot_index())
                .map(|buffer| (buffer.ptr(), buffer.len()));
        })
        .map_err(gone_or_full)?;
        let (address, length) = shared.map_err(ErrorCode::from)?;
        let (address, length) = match self.open(receiver, address, length) {
            true => (address.addr(), length),
            false => (0, 0),
        };
        if let Some(owner) = sender.resolve() {
            owner.note_exposed(address + length);
        }
        let values = (sender.slot_index(), length, address);
        let mut queued = Ok(());
        self.enter(receiver_id, &mut |kernel_data| {
            queued = kernel_data.schedule_upcall(event.subscribe_num, values);
        })
        .map_err(gone_or_full)?;
        queued.map_err(|error| match error {
            UpcallError::InvalidSubscribeNum => ErrorCode::INVAL,
            UpcallError::QueueFull => ErrorCode::NOMEM,
            UpcallError::KernelError => ErrorCode::NODEVICE,
        })
    }

    /// Gives `receiver` access to a buffer of another process; returns whether it has it now.
    ///
    /// Access lasts until one of the two starts anew. Memory protection that would have to cover
    /// bytes around the buffer gives no access.
    fn open(&self, receiver: &dyn Process, address: *const u8, length: usize) -> bool {
        if length == 0 {
            return false;
        }
        let wanted = Region::new(address, length);
        // The buffer of an earlier notification is most often this one; it takes one region, not
        // two.
        let _ = receiver.remove_mpu_region(wanted);
        let given = receiver
            .add_mpu_region(address, length, length)
            .or_else(|| {
                self.close_unshared(receiver);
                receiver.add_mpu_region(address, length, length)
            });
        if let Some(wider) = given
            && wider != wanted
        {
            let _ = receiver.remove_mpu_region(wider);
        }
        given == Some(wanted)
    }

    /// Ends the access of `receiver` to buffers that their owners do not share with it any more.
    #[cold]
    fn close_unshared(&self, receiver: &dyn Process) {
        let slot = receiver.processid().slot_index();
        for owner in self.kernel.get_process_iter() {
            let mut shared = None;
            // The memory of a process that takes no part is not for others to fill.
            if owner.lookup_grant_from_driver_num(DRIVER_NUM).is_ok() {
                // One that cannot be entered shares nothing.
                let _ = self.enter(owner.processid(), &mut |kernel_data| {
                    let buffer = kernel_data.get_readwrite_processbuffer(slot).ok();
                    shared = buffer.map(|buffer| Region::new(buffer.ptr(), buffer.len()));
                });
            }
            let memory = owner.get_addresses();
            receiver.revoke_mpu_regions(memory.sram_start..memory.sram_end, shared);
        }
    }
}

/// The error about a process that could not be entered.
fn gone_or_full(error: Error) -> ErrorCode {
    match error {
        Error::NoSuchApp | Error::InactiveApp => ErrorCode::NODEVICE,
        error => error.into(),
    }
}

impl<const NUM_PROCS: u8> SyscallDriver for IPC<NUM_PROCS> {
    fn command(
        &self,
        command_num: usize,
        target: usize,
        _unused: usize,
        process_id: ProcessId,
    ) -> CommandReturn {
        let notified = match command_num {
            command::EXISTS => Ok(()),
            command::DISCOVER => {
                return match self.discover(process_id) {
                    Ok(slot) => CommandReturn::success_u32(slot),
                    Err(code) => CommandReturn::failure(code),
                };
            }
            command::NOTIFY_SERVICE => self.notify(process_id, target, IPCUpcallType::Service),
            command::NOTIFY_CLIENT => self.notify(process_id, target, IPCUpcallType::Client),
            _ => Err(ErrorCode::NOSUPPORT),
        };
        notified.into()
    }

    fn allocate_grant(&self, process_id: ProcessId) -> Result<(), Error> {
        self.enter(process_id, &mut |_| {})
    }
}

#[cfg(test)]
mod tests;
