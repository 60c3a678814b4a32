// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The queue of tasks that wait for a process to yield.
//!
//! First in, first out, with room for a fixed number, since the process decides when it takes
//! them. Events can also be taken by name, which wait-for calls and new subscriptions do.
//!
//! While a process waits for one event, that event has a place of its own: it is told from the
//! others when it comes and not looked for afterwards, and others that fill the queue do not keep
//! it out.

#[cfg(test)]
mod model_tests;
mod place;

use core::cell::Cell;
use core::ops::Range;

use super::task::{FunctionCall, Task};
use crate::platform::mpu::Region;
use crate::upcall::UpcallId;
use crate::utilities::capability_ptr::CapabilityPtr;
use crate::utilities::machine_register::MachineRegister;
use place::Place;

/// Tasks that may be queued for a process before a sender that has one among them gets no other place.
///
/// Small enough that with one sender at this limit each other process of a board with eight of them
/// still has a place, and drivers have one too.
const MOST_BEFORE_REPEATED: usize = 3;

/// A queue of at most `CAPACITY` tasks, besides an event that the process waits for.
pub(super) struct TaskQueue<const CAPACITY: usize> {
    places: [Place; CAPACITY],
    /// Index of the oldest task, below `CAPACITY`.
    first: Cell<usize>,
    /// Number of tasks in `places`.
    len: Cell<usize>,
    /// The event that the process waits for, and its task once it is there.
    awaited: Place,
    /// Whether the process waits for the event named by `awaited`, which is then nowhere else,
    /// unless it came more than once.
    waits: Cell<bool>,
    ahead: Cell<Ahead>,
}

/// What comes before the tasks in the queue.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ahead {
    Nothing,
    /// A task in the place of the awaited event.
    Awaited,
    /// What the process waits for: its registers have it, and the process is to be entered with that.
    Loaded,
}

impl<const CAPACITY: usize> TaskQueue<CAPACITY> {
    pub(super) fn new() -> TaskQueue<CAPACITY> {
        const { assert!(CAPACITY > 0) };
        TaskQueue {
            places: core::array::from_fn(|_| Place::new()),
            first: Cell::new(0),
            len: Cell::new(0),
            awaited: Place::new(),
            waits: Cell::new(false),
            ahead: Cell::new(Ahead::Nothing),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len.get() + usize::from(self.ahead.get() != Ahead::Nothing)
    }

    #[inline(always)]
    pub(super) fn is_empty(&self) -> bool {
        self.len.get() == 0 && self.ahead.get() == Ahead::Nothing
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

    /// The tasks, from the oldest to the newest.
    #[inline]
    fn iter(&self) -> impl Iterator<Item = &Place> {
        (0..self.len.get())
            .filter_map(|age| self.place(age))
            .chain(self.has_come().then_some(&self.awaited))
    }

    /// Keeps a place for an event from now on, because the process waits for it.
    #[inline(always)]
    pub(super) fn wait_for(&self, event: UpcallId) {
        if self.is_empty() {
            self.awaited.put_event(event);
            self.waits.set(true);
        } else {
            self.wait_for_one_of_many(event);
        }
    }

    #[inline(never)]
    fn wait_for_one_of_many(&self, event: UpcallId) {
        if !self.has_come() {
            match self.position(event) {
                Some(position) => {
                    if let Some(place) = self.place(position) {
                        self.awaited.copy_from(place);
                    }
                    self.close_gap(position);
                    self.ahead.set(Ahead::Awaited);
                }
                None => self.awaited.put_event(event),
            }
        }
        // What came for an earlier wait stays in its place until it is taken.
        self.waits.set(self.awaited.names(event));
    }

    /// Keeps no place any more: the process has stopped waiting.
    #[inline(always)]
    pub(super) fn end_wait(&self) {
        self.waits.set(false);
    }

    /// Whether the event that the process waits for is there.
    #[inline(always)]
    pub(super) fn has_awaited(&self, event: UpcallId) -> bool {
        match self.ahead.get() {
            Ahead::Nothing if self.waits.get() => false,
            Ahead::Awaited if self.waits.get() => true,
            Ahead::Loaded => true,
            _ => self.contains(event),
        }
    }

    /// Whether `awaited` has a task.
    #[inline(always)]
    fn has_come(&self) -> bool {
        self.ahead.get() == Ahead::Awaited
    }

    /// Whether nothing comes before what is yet to come for the event that the process waits for.
    #[inline(always)]
    pub(super) fn is_next(&self) -> bool {
        self.ahead.get() == Ahead::Nothing
    }

    /// Notes that the process's registers have what it waits for, which was never in the queue. It
    /// counts as queued until [`take_loaded`](Self::take_loaded).
    #[inline(always)]
    pub(super) fn note_loaded(&self) {
        self.waits.set(false);
        self.ahead.set(Ahead::Loaded);
    }

    /// Ends what [`note_loaded`](Self::note_loaded) began; returns whether it did.
    #[inline(always)]
    pub(super) fn take_loaded(&self) -> bool {
        let loaded = self.ahead.get() == Ahead::Loaded;
        if loaded {
            self.ahead.set(Ahead::Nothing);
        }
        loaded
    }

    /// Takes the event that the process waits for, if it has come, and ends the wait.
    #[inline(always)]
    pub(super) fn take_awaited(&self) -> Option<[usize; 3]> {
        if !(self.waits.get() && self.has_come()) {
            return None;
        }
        self.waits.set(false);
        self.ahead.set(Ahead::Nothing);
        Some(self.awaited.values())
    }

    /// Whether the process waits for this event, which has not come.
    #[inline(always)]
    fn is_awaited(&self, event: UpcallId) -> bool {
        self.waits.get() && self.ahead.get() == Ahead::Nothing && self.awaited.names(event)
    }

    /// Whether there is a place for an event that the process in slot `sender` causes, of a driver
    /// whose events begin with the slot of their sender.
    ///
    /// What is waited for has its place. Of the others each sender can have one, up to the last
    /// place, which is left for drivers, and more while few tasks are queued. So nobody takes the
    /// places of all, even in the queue of a process that never takes anything out.
    pub(super) fn has_place_for(&self, event: UpcallId, sender: usize) -> bool {
        if self.is_awaited(event) {
            return true;
        }
        let mut queued = self.iter();
        let has_one = queued.any(|place| place.is_of(event.driver_num) && place.is_about(sender));
        self.len()
            < match has_one {
                true => MOST_BEFORE_REPEATED,
                false => CAPACITY - 1,
            }
    }

    /// The place for a task, of this event if it has one, which goes into use.
    #[inline(always)]
    fn next_place(&self, event: Option<UpcallId>) -> Option<&Place> {
        if event.is_some_and(|event| self.is_awaited(event)) {
            self.ahead.set(Ahead::Awaited);
            return Some(&self.awaited);
        }
        let len = self.len.get();
        if len >= CAPACITY {
            return None;
        }
        self.len.set(len + 1);
        self.place(len)
    }

    /// Appends a task; returns whether there was room.
    pub(super) fn push(&self, task: Task) -> bool {
        let place = self.next_place(task.upcall_id());
        place.map(|place| place.put(task)).is_some()
    }

    /// Appends what becomes of an event: a call of `function`, or its values alone if that is null.
    /// Returns whether there was room.
    #[inline(always)]
    pub(super) fn push_upcall(
        &self,
        event: UpcallId,
        arguments: [usize; 3],
        function: CapabilityPtr,
        appdata: MachineRegister,
    ) -> bool {
        let place = self.next_place(Some(event));
        place
            .map(|place| place.put_upcall(event, arguments, function, appdata))
            .is_some()
    }

    /// Removes the oldest task.
    #[inline]
    pub(super) fn pop(&self) -> Option<Task> {
        let Some(len) = self.len.get().checked_sub(1) else {
            if !self.has_come() {
                return None;
            }
            self.ahead.set(Ahead::Nothing);
            return self.awaited.task();
        };
        let task = self.place(0)?.task();
        self.drop_first(len);
        task
    }

    /// Removes the oldest task and returns it, if it is a function to call.
    #[inline(always)]
    pub(super) fn pop_call(&self) -> Option<FunctionCall> {
        let len = self.len.get().checked_sub(1)?;
        let call = self.place(0)?.call()?;
        self.drop_first(len);
        Some(call)
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
        self.ahead.set(Ahead::Nothing);
        self.waits.set(false);
    }

    /// Tells whether any task runs code in the process.
    #[inline]
    pub(super) fn has_callable(&self) -> bool {
        self.iter().any(Place::is_callable)
    }

    /// Tells whether any task comes from this event.
    #[inline]
    fn contains(&self, event: UpcallId) -> bool {
        self.iter().any(|place| place.is_from(event))
    }

    /// How far behind the oldest task the first one of this event is.
    #[inline(always)]
    fn position(&self, event: UpcallId) -> Option<usize> {
        (0..self.len.get()).find(|age| self.place(*age).is_some_and(|place| place.is_from(event)))
    }

    /// Whether what has a place of its own comes from this event.
    #[inline(always)]
    fn came(&self, event: UpcallId) -> bool {
        self.has_come() && self.awaited.is_from(event)
    }

    /// Removes the oldest task that comes from this event.
    pub(super) fn remove_first(&self, event: UpcallId) -> Option<Task> {
        if self.came(event) {
            let found = self.awaited.task();
            self.ahead.set(Ahead::Nothing);
            if self.waits.get() {
                // The next one, if it came again, is now what ends the wait.
                self.wait_for_one_of_many(event);
            }
            return found;
        }
        let position = self.position(event)?;
        let found = self.place(position)?.task();
        self.close_gap(position);
        found
    }

    /// Removes the oldest task that comes from this event, and returns its values.
    #[inline(always)]
    pub(super) fn take_values(&self, event: UpcallId) -> Option<[usize; 3]> {
        if self.came(event) {
            self.ahead.set(Ahead::Nothing);
            return Some(self.awaited.values());
        }
        let position = self.position(event)?;
        let found = self.place(position)?.values();
        self.close_gap(position);
        Some(found)
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
        let before = self.len();
        if self.came(event) {
            self.ahead.set(Ahead::Nothing);
        }
        let mut kept = 0;
        for age in 0..self.len.get() {
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
        before - self.len()
    }

    /// Takes buffers in `memory`, but for `kept`, out of the events of the driver, whose second and
    /// third arguments are length and address. The events stay.
    #[cold]
    pub(super) fn withdraw(&self, driver_num: usize, memory: &Range<usize>, kept: Option<Region>) {
        for place in self.iter() {
            let (length, address) = place.shared();
            let is_kept = kept.is_some_and(|kept| {
                (kept.start_address().addr(), kept.size()) == (address, length)
            });
            if place.is_of(driver_num) && memory.contains(&address) && !is_kept {
                place.unshare();
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
    use super::super::task::{FunctionCallSource, ReturnArguments};
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
    fn an_awaited_event_has_a_place_of_its_own() {
        let queue = wrapped();
        queue.wait_for(B);
        for number in 0..4 {
            assert!(queue.push(null(A, number)));
        }
        assert!(!queue.push(null(A, 9)) && !queue.has_awaited(B));
        assert!(queue.push(null(B, 4)));
        assert!(queue.has_awaited(B));
        // That was the one, so the next is like any other.
        assert!(!queue.push(null(B, 9)));
        assert_eq!(queue.len(), 5);
        assert_eq!(queue.take_values(B), Some([4, 0, 0]));
        assert!(!queue.has_awaited(B));
        assert_eq!(queue.take_values(B), None);
        assert_eq!(drain(&queue), [0, 1, 2, 3]);
    }

    #[test]
    fn an_event_that_is_there_already_is_the_awaited_one() {
        let queue = wrapped();
        for (event, number) in [(A, 0), (B, 1), (A, 2), (B, 3)] {
            queue.push(null(event, number));
        }
        queue.wait_for(B);
        assert!(queue.has_awaited(B));
        assert_eq!(queue.len(), 4);
        queue.push(null(B, 4));
        assert_eq!(queue.remove_first(B).map(value), Some(1));
        queue.end_wait();
        assert_eq!(queue.take_values(B), Some([3, 0, 0]));
        assert_eq!(queue.take_values(B), Some([4, 0, 0]));
        assert_eq!(drain(&queue), [0, 2]);
    }

    #[test]
    fn an_awaited_event_that_is_withdrawn_can_come_again() {
        let queue = wrapped();
        queue.wait_for(B);
        queue.push(null(B, 1));
        queue.push(null(B, 2));
        assert_eq!(queue.remove_all(B), 2);
        assert!(!queue.has_awaited(B) && queue.is_empty());
        queue.push(null(B, 3));
        assert!(queue.has_awaited(B));
        assert_eq!(drain(&queue), [3]);
    }

    #[test]
    fn an_awaited_event_that_came_twice_and_is_withdrawn_once_ends_the_wait() {
        let queue = wrapped();
        queue.wait_for(B);
        for (event, number) in [(B, 1), (A, 2), (B, 3)] {
            queue.push(null(event, number));
        }
        assert_eq!(queue.remove_first(B).map(value), Some(1));
        assert!(queue.has_awaited(B));
        assert_eq!(queue.take_awaited(), Some([3, 0, 0]));
        assert_eq!(drain(&queue), [2]);
    }

    #[test]
    fn what_came_for_one_wait_is_kept_through_another() {
        let queue = wrapped();
        queue.wait_for(B);
        queue.push(null(B, 1));
        queue.end_wait();
        queue.wait_for(A);
        assert!(!queue.has_awaited(A));
        queue.push(null(A, 2));
        assert!(queue.has_awaited(A));
        assert_eq!(queue.take_values(A), Some([2, 0, 0]));
        queue.wait_for(B);
        assert!(queue.has_awaited(B));
        assert_eq!(queue.take_values(B), Some([1, 0, 0]));
        assert!(queue.is_empty());
    }

    #[test]
    fn what_the_process_has_in_its_registers_counts_until_it_goes_on() {
        let queue = wrapped();
        queue.wait_for(B);
        assert!(queue.is_next() && !queue.has_awaited(B));
        queue.note_loaded();
        assert!(queue.has_awaited(B) && !queue.is_empty() && !queue.is_next());
        // The next one is like any other.
        queue.push(null(B, 1));
        assert_eq!(queue.len(), 2);
        assert_eq!((queue.remove_all(A), queue.remove_all(B)), (0, 1));
        assert!(queue.take_loaded() && !queue.take_loaded());
        assert!(queue.is_empty() && !queue.has_awaited(B));
        queue.note_loaded();
        queue.clear();
        assert!(!queue.take_loaded() && queue.is_empty());
    }

    #[test]
    fn clearing_ends_a_wait() {
        let queue = wrapped();
        queue.wait_for(B);
        queue.push(null(B, 1));
        queue.clear();
        assert!(queue.is_empty() && !queue.has_awaited(B));
        queue.push(null(A, 2));
        queue.push(null(B, 3));
        assert_eq!(drain(&queue), [2, 3]);
    }

    #[test]
    fn an_upcall_is_queued_as_its_task_would_be() {
        let queue = wrapped();
        let function = CapabilityPtr::from(0x100usize);
        assert!(queue.push_upcall(A, [1, 2, 3], function, 4usize.into()));
        assert!(queue.push_upcall(B, [5, 6, 7], CapabilityPtr::default(), 8usize.into()));
        let Some(Task::FunctionCall(call)) = queue.pop() else {
            panic!("not a call")
        };
        assert_eq!((call.argument0, call.argument1, call.argument2), (1, 2, 3));
        assert_eq!((call.argument3.as_usize(), call.pc.addr()), (4, 0x100));
        assert!(matches!(call.source, FunctionCallSource::Driver(A)));
        let Some(Task::ReturnValue(values)) = queue.pop() else {
            panic!("not values")
        };
        assert_eq!(values.upcall_id, B);
        assert_eq!(
            [values.argument0, values.argument1, values.argument2],
            [5, 6, 7]
        );
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
