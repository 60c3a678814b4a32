// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The queue against a list in the order of arrival, used as a process uses it.

use proptest::prelude::*;
use std::vec::Vec;

use super::TaskQueue;
use crate::process::task::{ReturnArguments, Task};
use crate::upcall::UpcallId;

const CAPACITY: usize = 3;

fn event(number: usize) -> UpcallId {
    UpcallId {
        driver_num: 1,
        subscribe_num: number,
    }
}

fn value(task: Task) -> usize {
    match task {
        Task::ReturnValue(values) => values.argument0,
        other => panic!("{other:?} was not queued"),
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// An event comes.
    Push(usize),
    /// The process waits for one, unless it waits already.
    WaitFor(usize),
    /// The process yields for any, unless it waits for one.
    Pop,
    /// The kernel looks whether the process can go on.
    LookAfter,
    /// A driver takes back the oldest, or all.
    Remove(usize),
    RemoveAll(usize),
    /// The process starts anew.
    Clear,
}

fn any_step() -> impl Strategy<Value = Step> {
    let number = 0..3usize;
    prop_oneof![
        8 => number.clone().prop_map(Step::Push),
        4 => number.clone().prop_map(Step::WaitFor),
        3 => Just(Step::Pop),
        3 => Just(Step::LookAfter),
        2 => number.clone().prop_map(Step::Remove),
        1 => number.prop_map(Step::RemoveAll),
        1 => Just(Step::Clear),
    ]
}

#[derive(Default)]
struct Model {
    /// Numbers of events and values, the oldest first.
    tasks: Vec<(usize, usize)>,
    awaited: Option<usize>,
}

impl Model {
    fn has(&self, number: usize) -> bool {
        self.tasks.iter().any(|task| task.0 == number)
    }

    /// Takes the oldest task of an event.
    fn take(&mut self, number: usize) -> Option<usize> {
        let position = self.tasks.iter().position(|task| task.0 == number)?;
        Some(self.tasks.remove(position).1)
    }

    fn has_room_for(&self, number: usize) -> bool {
        let awaited_is_there = self.awaited.is_some_and(|awaited| self.has(awaited));
        let in_own_place = self.awaited == Some(number) && !awaited_is_there;
        in_own_place || self.tasks.len() - usize::from(awaited_is_there) < CAPACITY
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_event_comes_in_its_order_and_ends_the_wait_for_it(
        steps in prop::collection::vec(any_step(), 1..80)
    ) {
        let queue = TaskQueue::<CAPACITY>::new();
        let mut model = Model::default();
        for (time, step) in steps.into_iter().enumerate() {
            match step {
                Step::Push(number) => {
                    let task = Task::ReturnValue(ReturnArguments {
                        upcall_id: event(number),
                        argument0: time,
                        argument1: 0,
                        argument2: 0,
                    });
                    let has_room = model.has_room_for(number);
                    prop_assert_eq!(queue.push(task), has_room);
                    if has_room {
                        model.tasks.push((number, time));
                    }
                }
                Step::WaitFor(number) if model.awaited.is_none() => {
                    let there = queue.take_values(event(number)).map(|values| values[0]);
                    prop_assert_eq!(there, model.take(number));
                    if there.is_none() {
                        queue.wait_for(event(number));
                        model.awaited = Some(number);
                    }
                }
                Step::Pop if model.awaited.is_none() => {
                    let oldest = (!model.tasks.is_empty()).then(|| model.tasks.remove(0).1);
                    prop_assert_eq!(queue.pop().map(value), oldest);
                }
                Step::LookAfter => {
                    if let Some(number) = model.awaited {
                        prop_assert_eq!(queue.has_awaited(event(number)), model.has(number));
                        let came = queue.take_awaited().map(|values| values[0]);
                        prop_assert_eq!(came, model.take(number));
                        if came.is_some() {
                            model.awaited = None;
                        }
                    }
                }
                Step::Remove(number) => {
                    let removed = queue.remove_first(event(number)).map(value);
                    prop_assert_eq!(removed, model.take(number));
                }
                Step::RemoveAll(number) => {
                    let before = model.tasks.len();
                    model.tasks.retain(|task| task.0 != number);
                    prop_assert_eq!(queue.remove_all(event(number)), before - model.tasks.len());
                }
                Step::Clear => {
                    queue.clear();
                    model = Model::default();
                }
                Step::WaitFor(_) | Step::Pop => {}
            }
            prop_assert_eq!(queue.len(), model.tasks.len());
            prop_assert_eq!(queue.is_empty(), model.tasks.is_empty());
        }
    }
}
