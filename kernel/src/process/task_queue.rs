// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The queue of tasks that wait for a process to yield.
//!
//! First in, first out, with room for a fixed number, since the process decides when it takes
//! them. Events can also be taken by name, which wait-for calls and new subscriptions do.

use core::cell::Cell;
use core::ops::Range;

use super::id::ProcessId;
use super::task::{FunctionCall, FunctionCallSource, ReturnArguments, Task};
use crate::ipc::IPCUpcallType;
use crate::platform::mpu::Region;
use crate::upcall::UpcallId;
use crate::utilities::capability_ptr::CapabilityPtr;
use crate::utilities::machine_register::MachineRegister;

/// A place for one task, kept as its words.
///
/// Tasks come and go with every upcall; moving words takes a few instructions where copying the
/// enum is a call of `memcpy`, and an event is found without moving anything.
struct Place {
    kind: Cell<Kind>,
    /// The event behind the task, for kinds that have one.
    driver_num: Cell<usize>,
    subscribe_num: Cell<usize>,
    argument0: Cell<usize>,
    argument1: Cell<usize>,
    argument2: Cell<usize>,
    argument3: Cell<MachineRegister>,
    pc: Cell<CapabilityPtr>,
    sender: Cell<Option<ProcessId>>,
}

/// What the words of a [`Place`] mean.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A function call that an event asked for.
    Upcall,
    /// A function call that the kernel asked for.
    KernelCall,
    /// The values of an event without a function.
    Values,
    /// An inter-process upcall.
    Ipc(IPCUpcallType),
}

impl Place {
    fn new() -> Place {
        Place {
            kind: Cell::new(Kind::Values),
            driver_num: Cell::new(0),
            subscribe_num: Cell::new(0),
            argument0: Cell::new(0),
            argument1: Cell::new(0),
            argument2: Cell::new(0),
            argument3: Cell::new(MachineRegister::default()),
            pc: Cell::new(CapabilityPtr::default()),
            sender: Cell::new(None),
        }
    }

    #[inline(always)]
    fn put(&self, task: Task) {
        match task {
            Task::FunctionCall(call) => {
                match call.source {
                    FunctionCallSource::Driver(event) => {
                        self.kind.set(Kind::Upcall);
                        self.put_event(event);
                    }
                    FunctionCallSource::Kernel => self.kind.set(Kind::KernelCall),
                }
                self.put_arguments(call.argument0, call.argument1, call.argument2);
                self.argument3.set(call.argument3);
                self.pc.set(call.pc);
            }
            Task::ReturnValue(values) => {
                self.kind.set(Kind::Values);
                self.put_event(values.upcall_id);
                self.put_arguments(values.argument0, values.argument1, values.argument2);
            }
            Task::IPC((sender, kind)) => {
                self.kind.set(Kind::Ipc(kind));
                self.sender.set(Some(sender));
            }
        }
    }

    #[inline(always)]
    fn put_event(&self, event: UpcallId) {
        self.driver_num.set(event.driver_num);
        self.subscribe_num.set(event.subscribe_num);
    }

    #[inline(always)]
    fn put_arguments(&self, argument0: usize, argument1: usize, argument2: usize) {
        self.argument0.set(argument0);
        self.argument1.set(argument1);
        self.argument2.set(argument2);
    }

    /// The task; `None` never comes of a place that [`put`](Self::put) has filled.
    #[inline(always)]
    fn task(&self) -> Option<Task> {
        let upcall_id = UpcallId {
            driver_num: self.driver_num.get(),
            subscribe_num: self.subscribe_num.get(),
        };
        let source = match self.kind.get() {
            Kind::Upcall => FunctionCallSource::Driver(upcall_id),
            Kind::KernelCall => FunctionCallSource::Kernel,
            Kind::Values => {
                return Some(Task::ReturnValue(ReturnArguments {
                    upcall_id,
                    argument0: self.argument0.get(),
                    argument1: self.argument1.get(),
                    argument2: self.argument2.get(),
                }));
            }
            Kind::Ipc(kind) => return Some(Task::IPC((self.sender.get()?, kind))),
        };
        Some(Task::FunctionCall(FunctionCall {
            source,
            argument0: self.argument0.get(),
            argument1: self.argument1.get(),
            argument2: self.argument2.get(),
            argument3: self.argument3.get(),
            pc: self.pc.get(),
        }))
    }

    fn copy_from(&self, other: &Place) {
        if let Some(task) = other.task() {
            self.put(task);
        }
    }

    /// Tells whether the task comes from this event.
    #[inline(always)]
    fn is_from(&self, event: UpcallId) -> bool {
        self.driver_num.get() == event.driver_num
            && self.subscribe_num.get() == event.subscribe_num
            && matches!(self.kind.get(), Kind::Upcall | Kind::Values)
    }
}

/// A queue of at most `CAPACITY` tasks.
pub(super) struct TaskQueue<const CAPACITY: usize> {
    places: [Place; CAPACITY],
    /// Index of the oldest task, below `CAPACITY`.
    first: Cell<usize>,
    len: Cell<usize>,
}

impl<const CAPACITY: usize> TaskQueue<CAPACITY> {
    pub(super) fn new() -> TaskQueue<CAPACITY> {
        const { assert!(CAPACITY > 0) };
        TaskQueue {
            places: core::array::from_fn(|_| Place::new()),
            first: Cell::new(0),
            len: Cell::new(0),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len.get()
    }

    #[inline(always)]
    pub(super) fn is_empty(&self) -> bool {
        self.len.get() == 0
    }

    /// The place `age` behind the oldest.
    #[inline(always)]
    fn place(&self, age: usize) -> Option<&Place> {
        let index = self.first.get() + age;
        self.places.get(if index < CAPACITY {
            index
        } else {
            index - CAPACITY
        })
    }

    /// The places in use, from the oldest to the newest.
    #[inline]
    fn iter(&self) -> impl Iterator<Item = &Place> {
        (0..self.len.get()).filter_map(|age| self.place(age))
    }

    /// Appends a task; returns whether there was room.
    #[inline(always)]
    pub(super) fn push(&self, task: Task) -> bool {
        let len = self.len.get();
        if len >= CAPACITY {
            return false;
        }
        let Some(place) = self.place(len) else {
            return false;
        };
        place.put(task);
        self.len.set(len + 1);
        true
    }

    /// Removes the oldest task.
    #[inline]
    pub(super) fn pop(&self) -> Option<Task> {
        let len = self.len.get().checked_sub(1)?;
        let task = self.place(0)?.task();
        self.drop_first(len);
        task
    }

    /// Takes the oldest place out of use, which leaves `len`.
    #[inline(always)]
    fn drop_first(&self, len: usize) {
        let next = self.first.get() + 1;
        self.first.set(if next < CAPACITY { next } else { 0 });
        self.len.set(len);
    }

    pub(super) fn clear(&self) {
        self.len.set(0);
    }

    /// Tells whether any task runs code in the process.
    #[inline]
    pub(super) fn has_callable(&self) -> bool {
        self.iter().any(|place| place.kind.get() != Kind::Values)
    }

    /// Tells whether any task comes from this event.
    #[inline]
    pub(super) fn contains(&self, event: UpcallId) -> bool {
        self.iter().any(|place| place.is_from(event))
    }

    /// Removes the oldest task that comes from this event.
    #[inline]
    pub(super) fn remove_first(&self, event: UpcallId) -> Option<Task> {
        let position = self.iter().position(|place| place.is_from(event))?;
        let found = self.place(position)?.task();
        self.close_gap(position);
        found
    }

    /// Removes every task that comes from this event, and counts them.
    #[inline(always)]
    pub(super) fn remove_all(&self, event: UpcallId) -> usize {
        if self.is_empty() {
            return 0;
        }
        self.remove_some(event)
    }

    #[inline(never)]
    fn remove_some(&self, event: UpcallId) -> usize {
        let before = self.len.get();
        let mut kept = 0;
        for age in 0..before {
            let Some(place) = self.place(age) else {
                continue;
            };
            if !place.is_from(event) {
                if kept != age
                    && let Some(free) = self.place(kept)
                {
                    free.copy_from(place);
                }
                kept += 1;
            }
        }
        self.len.set(kept);
        before - kept
    }

    /// Takes buffers in `memory`, but for `kept`, out of the events of the driver, whose second and
    /// third arguments are length and address. The events stay.
    #[cold]
    pub(super) fn withdraw(&self, driver_num: usize, memory: &Range<usize>, kept: Option<Region>) {
        for place in self.iter() {
            let (length, address) = (place.argument1.get(), place.argument2.get());
            let is_kept = kept.is_some_and(|kept| {
                (kept.start_address().addr(), kept.size()) == (address, length)
            });
            if matches!(place.kind.get(), Kind::Upcall | Kind::Values)
                && place.driver_num.get() == driver_num
                && memory.contains(&address)
                && !is_kept
            {
                place.argument1.set(0);
                place.argument2.set(0);
            }
        }
    }

    /// Takes the place at `position` out of use and keeps the order of the others.
    #[inline(always)]
    fn close_gap(&self, position: usize) {
        let last = self.len.get().saturating_sub(1);
        if position == 0 {
            self.drop_first(last);
        } else {
            self.move_up(position, last);
        }
    }

    /// Moves what stands behind `position` one place to the front, which leaves `len`.
    #[inline(never)]
    fn move_up(&self, position: usize, len: usize) {
        for age in position..len {
            if let (Some(hole), Some(next)) = (self.place(age), self.place(age + 1)) {
                hole.copy_from(next);
            }
        }
        self.len.set(len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    const A: UpcallId = UpcallId {
        driver_num: 1,
        subscribe_num: 0,
    };
    const B: UpcallId = UpcallId {
        driver_num: 1,
        subscribe_num: 1,
    };

    fn null(upcall_id: UpcallId, value: usize) -> Task {
        Task::ReturnValue(ReturnArguments {
            upcall_id,
            argument0: value,
            argument1: 0,
            argument2: 0,
        })
    }

    fn call(source: FunctionCallSource, value: usize) -> Task {
        Task::FunctionCall(FunctionCall {
            source,
            argument0: value,
            argument1: 0,
            argument2: 0,
            argument3: 0usize.into(),
            pc: 0x100usize.into(),
        })
    }

    fn value(task: Task) -> usize {
        match task {
            Task::FunctionCall(call) => call.argument0,
            Task::ReturnValue(values) => values.argument0,
            Task::IPC(_) => panic!("not used here"),
        }
    }

    fn drain<const N: usize>(queue: &TaskQueue<N>) -> Vec<usize> {
        core::iter::from_fn(|| queue.pop()).map(value).collect()
    }

    /// A queue of four whose oldest entry is the last in the array, so that it wraps at once.
    fn wrapped() -> TaskQueue<4> {
        let queue = TaskQueue::new();
        for _ in 0..3 {
            assert!(queue.push(null(A, 0)));
            queue.pop().unwrap();
        }
        queue
    }

    #[test]
    fn tasks_leave_in_the_order_they_came() {
        let queue = wrapped();
        for number in 0..4 {
            assert!(queue.push(null(A, number)));
        }
        assert_eq!(queue.len(), 4);
        assert_eq!(drain(&queue), [0, 1, 2, 3]);
        assert!(queue.is_empty());
    }

    #[test]
    fn a_full_queue_refuses_without_losing_anything() {
        let queue = wrapped();
        for number in 0..4 {
            assert!(queue.push(null(A, number)));
        }
        assert!(!queue.push(null(A, 9)));
        assert_eq!(drain(&queue), [0, 1, 2, 3]);
    }

    #[test]
    fn removing_by_event_takes_both_kinds_and_keeps_the_order_of_the_rest() {
        let queue = wrapped();
        queue.push(null(A, 0));
        queue.push(call(FunctionCallSource::Driver(B), 1));
        queue.push(call(FunctionCallSource::Driver(A), 2));
        queue.push(call(FunctionCallSource::Kernel, 3));
        assert_eq!(queue.remove_all(A), 2);
        assert_eq!(queue.remove_all(A), 0);
        assert_eq!(drain(&queue), [1, 3]);
    }

    #[test]
    fn the_oldest_event_of_a_name_can_be_taken_from_the_middle() {
        let queue = wrapped();
        queue.push(null(A, 0));
        queue.push(null(B, 1));
        queue.push(call(FunctionCallSource::Driver(B), 2));
        queue.push(null(A, 3));
        assert!(queue.contains(B));
        assert_eq!(queue.remove_first(B).map(value), Some(1));
        assert_eq!(queue.remove_first(B).map(value), Some(2));
        assert!(queue.remove_first(B).is_none());
        assert!(!queue.contains(B));
        assert_eq!(drain(&queue), [0, 3]);
    }

    #[test]
    fn only_events_without_a_function_do_not_call() {
        let queue = wrapped();
        queue.push(null(A, 0));
        assert!(!queue.has_callable());
        queue.push(call(FunctionCallSource::Kernel, 1));
        assert!(queue.has_callable());
        queue.clear();
        assert!(!queue.has_callable());
        assert!(queue.pop().is_none());
    }
}
