// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What a process registered with a driver: its upcalls and its buffers.

use core::marker::PhantomData;

use super::entry::Entered;
use super::layout::GrantMemory;
use crate::process::{Error, FunctionCall, FunctionCallSource, Process, ReturnArguments, Task};
use crate::processbuffer::{ReadOnlyProcessBufferRef, ReadWriteProcessBufferRef};
use crate::upcall::{UpcallError, UpcallId};

/// The upcalls and buffers of one process, as its driver reaches them while the grant is entered.
pub struct GrantKernelData<'a> {
    process: &'a dyn Process,
    driver_num: usize,
    memory: GrantMemory,
    entered: PhantomData<&'a Entered<'a>>,
}

impl<'a> GrantKernelData<'a> {
    #[inline]
    pub(super) fn new(entered: &'a Entered<'a>, driver_num: usize) -> Self {
        Self {
            process: entered.process(),
            driver_num,
            memory: entered.memory(),
            entered: PhantomData,
        }
    }

    /// Queues upcall `subscribe_num` with three arguments, to run when the process yields.
    ///
    /// When no function is subscribed, the arguments are queued all the same, for a process that
    /// waits for them without one.
    ///
    /// # Errors
    ///
    /// See [`UpcallError`].
    pub fn schedule_upcall(
        &self,
        subscribe_num: usize,
        arguments: (usize, usize, usize),
    ) -> Result<(), UpcallError> {
        let subscribed = self
            .memory
            .upcall(subscribe_num)
            .ok_or(UpcallError::InvalidSubscribeNum)?
            .get();
        let upcall_id = self.upcall_id(subscribe_num);
        let (argument0, argument1, argument2) = arguments;
        let task = if subscribed.function.addr() == 0 {
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
                argument3: subscribed.appdata,
                pc: subscribed.function,
            })
        };
        self.process.enqueue_task(task).map_err(UpcallError::from)
    }

    /// Takes the first queued upcall `subscribe_num` back. Returns `None` when none is queued.
    pub fn remove_upcall(&self, subscribe_num: usize) -> Option<Task> {
        self.process.remove_upcall(self.upcall_id(subscribe_num))
    }

    /// Takes all queued upcalls `subscribe_num` back and returns how many there were.
    pub fn remove_pending_upcalls(&self, subscribe_num: usize) -> usize {
        self.process
            .remove_pending_upcalls(self.upcall_id(subscribe_num))
    }

    /// Returns read-only buffer `allow_ro_num`; it is empty when the process has not shared any.
    ///
    /// # Errors
    ///
    /// - [`Error::AddressOutOfBounds`]: the driver has no buffer of that number.
    #[inline]
    pub fn get_readonly_processbuffer(
        &self,
        allow_ro_num: usize,
    ) -> Result<ReadOnlyProcessBufferRef<'_>, Error> {
        let saved = self
            .memory
            .read_only(allow_ro_num)
            .ok_or(Error::AddressOutOfBounds)?
            .get();
        let owner = self.process.processid();
        // SAFETY: the process checked the buffer when it was allowed, in `requests`, and keeps its
        // break above it. When the process starts anew, its grants and with them this entry go.
        Ok(unsafe { ReadOnlyProcessBufferRef::new(saved.address, saved.length, owner) })
    }

    /// Returns read-write buffer `allow_rw_num`; it is empty when the process has not shared any.
    ///
    /// # Errors
    ///
    /// - [`Error::AddressOutOfBounds`]: the driver has no buffer of that number.
    #[inline]
    pub fn get_readwrite_processbuffer(
        &self,
        allow_rw_num: usize,
    ) -> Result<ReadWriteProcessBufferRef<'_>, Error> {
        let saved = self
            .memory
            .read_write(allow_rw_num)
            .ok_or(Error::AddressOutOfBounds)?
            .get();
        let owner = self.process.processid();
        // SAFETY: as for read-only buffers.
        Ok(unsafe { ReadWriteProcessBufferRef::new(saved.address, saved.length, owner) })
    }

    #[inline]
    fn upcall_id(&self, subscribe_num: usize) -> UpcallId {
        UpcallId {
            driver_num: self.driver_num,
            subscribe_num,
        }
    }
}
