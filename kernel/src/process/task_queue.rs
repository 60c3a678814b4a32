// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The queue of tasks that wait for a process to yield.
//!
//! First in, first out, with room for a fixed number, since the process decides when it takes
//! them. Events can also be taken by name, which wait-for calls and new subscriptions do.

use core::cell::Cell;

use super::task::Task;
use crate::upcall::UpcallId;

/// A queue of at most `CAPACITY` tasks.
pub(super) struct TaskQueue<const CAPACITY: usize> {
    entries: [Cell<Option<Task>>; CAPACITY],
    /// Index of the oldest task, below `CAPACITY`.
    first: Cell<usize>,
    len: Cell<usize>,
}

impl<const CAPACITY: usize> TaskQueue<CAPACITY> {
    pub(super) const fn new() -> TaskQueue<CAPACITY> {
        const { assert!(CAPACITY > 0) };
        TaskQueue {
            entries: [const { Cell::new(None) }; CAPACITY],
            first: Cell::new(0),
            len: Cell::new(0),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len.get()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len.get() == 0
    }

    /// The entry `age` places behind the oldest.
    fn entry(&self, age: usize) -> Option<&Cell<Option<Task>>> {
        let index = self.first.get() + age;
        self.entries.get(if index < CAPACITY {
            index
        } else {
            index - CAPACITY
        })
    }

    /// The tasks from the oldest to the newest.
    fn iter(&self) -> impl Iterator<Item = Task> + '_ {
        (0..self.len.get()).filter_map(|age| self.entry(age)?.get())
    }

    /// Appends a task; returns whether there was room.
    pub(super) fn push(&self, task: Task) -> bool {
        let len = self.len.get();
        if len >= CAPACITY {
            return false;
        }
        let Some(entry) = self.entry(len) else {
            return false;
        };
        entry.set(Some(task));
        self.len.set(len + 1);
        true
    }

    /// Removes the oldest task.
    pub(super) fn pop(&self) -> Option<Task> {
        let len = self.len.get().checked_sub(1)?;
        let task = self.entry(0)?.take();
        let next = self.first.get() + 1;
        self.first.set(if next < CAPACITY { next } else { 0 });
        self.len.set(len);
        task
    }

    pub(super) fn clear(&self) {
        self.len.set(0);
    }

    /// Tells whether any task runs code in the process.
    pub(super) fn has_callable(&self) -> bool {
        self.iter().any(|task| task.is_callable())
    }

    /// Tells whether any task comes from this event.
    pub(super) fn contains(&self, event: UpcallId) -> bool {
        self.iter().any(|task| task.upcall_id() == Some(event))
    }

    /// Removes the oldest task that comes from this event.
    pub(super) fn remove_first(&self, event: UpcallId) -> Option<Task> {
        let position = self
            .iter()
            .position(|task| task.upcall_id() == Some(event))?;
        let found = self.entry(position)?.get();
        self.close_gap(position);
        found
    }

    /// Removes every task that comes from this event, and counts them.
    pub(super) fn remove_all(&self, event: UpcallId) -> usize {
        if self.is_empty() {
            return 0;
        }
        let before = self.len.get();
        let mut kept = 0;
        for age in 0..before {
            let Some(task) = self.entry(age).and_then(Cell::get) else {
                continue;
            };
            if task.upcall_id() != Some(event) {
                if kept != age
                    && let Some(entry) = self.entry(kept)
                {
                    entry.set(Some(task));
                }
                kept += 1;
            }
        }
        self.len.set(kept);
        before - kept
    }

    /// Moves what stands behind `position` one place to the front.
    fn close_gap(&self, position: usize) {
        let last = self.len.get().saturating_sub(1);
        for age in position..last {
            if let (Some(hole), Some(next)) = (self.entry(age), self.entry(age + 1)) {
                hole.set(next.get());
            }
        }
        self.len.set(last);
    }
}

#[cfg(test)]
mod tests {
    use super::super::task::{FunctionCall, FunctionCallSource, ReturnArguments};
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
