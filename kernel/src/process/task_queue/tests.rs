// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The queue in use, and what an event that the process waits for changes.

use super::*;
use crate::process::task::{FunctionCallSource, ReturnArguments};
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
