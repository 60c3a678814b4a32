// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What a process registered with a driver: its upcalls and its buffers.

use core::marker::PhantomData;

use super::entry::Entered;
use super::layout::GrantMemory;
use crate::process::{Error, Process, Task};
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
        self.process
            .enqueue_upcall(
                upcall_id,
                argument0,
                argument1,
                argument2,
                subscribed.function,
                subscribed.appdata,
            )
            .map_err(UpcallError::from)
    }

    /// Takes the first queued upcall `subscribe_num` back. Returns `None` when none is queued.
    ///
    /// An upcall that came while the process slept until it, with nothing before it in the queue, is
    /// not queued: the process goes on with it at its next turn, and it cannot be taken back.
    pub fn remove_upcall(&self, subscribe_num: usize) -> Option<Task> {
        self.process.remove_upcall(self.upcall_id(subscribe_num))
    }

    /// Takes all queued upcalls `subscribe_num` back and returns how many there were.
    ///
    /// One that [`remove_upcall`](Self::remove_upcall) would not find stays and does not count. So a
    /// driver that replaces an old report by a new one still may deliver both, in their order.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grant::{AllowRoCount, AllowRwCount, Grant, UpcallCount};
    use crate::process::{FunctionCallSource, ReturnArguments, State};
    use crate::processbuffer::{ReadableProcessBuffer, WriteableProcessBuffer};
    use crate::testing::{FakeProcess, QUEUE_LENGTH, kernel_with_process};

    const DRIVER: usize = 4;

    /// Runs `check` with the kernel data of a driver that has 2 upcalls and a buffer of each kind.
    fn with_data<R>(check: impl FnOnce(&GrantKernelData, &FakeProcess) -> R) -> R {
        let (kernel, process) = kernel_with_process();
        let grant: Grant<u8, UpcallCount<2>, AllowRoCount<1>, AllowRwCount<1>> =
            Grant::new(kernel, DRIVER, 0);
        grant
            .enter(process.processid(), |_, data| check(data, process))
            .unwrap()
    }

    #[test]
    fn an_upcall_without_function_queues_its_values() {
        with_data(|data, process| {
            assert_eq!(data.schedule_upcall(1, (7, 8, 9)), Ok(()));
            let Some(Task::ReturnValue(values)) = process.dequeue_task() else {
                panic!("not values")
            };
            let ReturnArguments {
                upcall_id,
                argument0,
                argument1,
                argument2,
            } = values;
            assert_eq!((upcall_id.driver_num, upcall_id.subscribe_num), (DRIVER, 1));
            assert_eq!((argument0, argument1, argument2), (7, 8, 9));
        });
    }

    #[test]
    fn an_upcall_with_a_function_queues_a_call() {
        use crate::grant::layout::SavedUpcall;
        with_data(|data, process| {
            let subscribed = SavedUpcall {
                appdata: 0xDA7A.into(),
                function: 0xF00.into(),
            };
            data.memory.upcall(0).unwrap().set(subscribed);
            assert_eq!(data.schedule_upcall(0, (7, 8, 9)), Ok(()));
            let Some(Task::FunctionCall(call)) = process.dequeue_task() else {
                panic!("not a call")
            };
            assert!(matches!(
                call.source,
                FunctionCallSource::Driver(UpcallId {
                    driver_num: DRIVER,
                    subscribe_num: 0
                })
            ));
            assert_eq!((call.argument0, call.argument1, call.argument2), (7, 8, 9));
            assert_eq!(call.argument3.as_usize(), 0xDA7A);
            assert_eq!(call.pc.addr(), 0xF00);
        });
    }

    #[test]
    fn an_upcall_that_cannot_be_queued_is_refused_with_the_reason() {
        with_data(|data, process| {
            for number in [2, 255, 256, usize::MAX] {
                let refused = data.schedule_upcall(number, (0, 0, 0));
                assert_eq!(refused, Err(UpcallError::InvalidSubscribeNum));
            }
            for _ in 0..QUEUE_LENGTH {
                assert_eq!(data.schedule_upcall(0, (0, 0, 0)), Ok(()));
            }
            let refused = data.schedule_upcall(0, (0, 0, 0));
            assert_eq!(refused, Err(UpcallError::QueueFull));
            process.state.set(State::Faulted);
            let refused = data.schedule_upcall(0, (0, 0, 0));
            assert_eq!(refused, Err(UpcallError::KernelError));
        });
    }

    #[test]
    fn only_upcalls_of_the_number_are_taken_back() {
        with_data(|data, process| {
            for (number, value) in [(0, 10), (1, 11), (0, 12)] {
                data.schedule_upcall(number, (value, 0, 0)).unwrap();
            }
            let Some(Task::ReturnValue(first)) = data.remove_upcall(0) else {
                panic!("nothing removed")
            };
            assert_eq!(first.argument0, 10);
            assert_eq!(data.remove_pending_upcalls(0), 1);
            assert_eq!(data.remove_pending_upcalls(0), 0);
            assert!(data.remove_upcall(0).is_none());
            assert_eq!(process.pending_tasks(), 1);
        });
    }

    #[test]
    fn buffers_that_were_never_shared_are_empty_and_unknown_ones_are_errors() {
        with_data(|data, _| {
            let read_only = data.get_readonly_processbuffer(0).unwrap();
            assert_eq!(read_only.len(), 0);
            assert_eq!(read_only.enter(|bytes| bytes.len()), Ok(0));
            let read_write = data.get_readwrite_processbuffer(0).unwrap();
            assert_eq!(read_write.mut_enter(|bytes| bytes.len()), Ok(0));
            for number in [1, 255, 256, usize::MAX] {
                let read_only = data.get_readonly_processbuffer(number);
                assert_eq!(read_only.err(), Some(Error::AddressOutOfBounds));
                let read_write = data.get_readwrite_processbuffer(number);
                assert_eq!(read_write.err(), Some(Error::AddressOutOfBounds));
            }
        });
    }
}
