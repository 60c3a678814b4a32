// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Processes of another make than the kernel's own, in tables, loops and hands of tools.

use std::vec::Vec;

use crate::capabilities::{ExternalProcessCapability, ProcessManagementCapability};
use crate::kernel::Kernel;
use crate::process::{
    FunctionCall, FunctionCallSource, Process, ProcessArray, ProcessId, ReturnArguments, State,
    Task,
};
use crate::testing::{FakeProcess, Host, forever};
use crate::upcall::UpcallId;

struct Everything;
// SAFETY: tests may do everything.
unsafe impl ExternalProcessCapability for Everything {}
// SAFETY: as above.
unsafe impl ProcessManagementCapability for Everything {}

const EVENT: UpcallId = UpcallId {
    driver_num: 4,
    subscribe_num: 1,
};

fn values() -> Task {
    Task::ReturnValue(ReturnArguments {
        upcall_id: EVENT,
        argument0: 1,
        argument1: 2,
        argument2: 3,
    })
}

fn call(source: FunctionCallSource) -> Task {
    Task::FunctionCall(FunctionCall {
        source,
        argument0: 4,
        argument1: 5,
        argument2: 6,
        argument3: 0usize.into(),
        pc: 0usize.into(),
    })
}

fn one() -> &'static FakeProcess {
    Host::<1>::new().processes[0]
}

#[test]
fn an_event_is_taken_with_its_values_whether_or_not_it_has_a_function() {
    let process = one();
    for task in [
        call(FunctionCallSource::Kernel),
        values(),
        call(FunctionCallSource::Driver(EVENT)),
    ] {
        process.enqueue_task(task).unwrap();
    }
    assert_eq!(process.take_event(EVENT), Some([1, 2, 3]));
    assert_eq!(process.take_event(EVENT), Some([4, 5, 6]));
    assert_eq!(process.take_event(EVENT), None);
    // The call that the kernel asked for is no event.
    assert!(process.has_callable_tasks());
}

#[test]
fn a_wait_is_answered_by_its_event_alone() {
    let process = one();
    assert!(!process.answer_wait());
    process.state.set(State::YieldedFor(EVENT));
    assert!(!process.answer_wait());
    process
        .enqueue_task(call(FunctionCallSource::Kernel))
        .unwrap();
    assert!(!process.answer_wait());
    process.enqueue_task(values()).unwrap();
    assert!(process.answer_wait());
    assert_eq!(process.get_state(), State::Running);
    assert_eq!(process.pending_tasks(), 1);
}

#[test]
fn a_process_from_outside_takes_a_slot_and_is_found_by_its_identifier() {
    let table: &'static ProcessArray<2> = forever(ProcessArray::default());
    let kernel = forever(Kernel::new(table.as_slice()));
    let process = one();
    process.set_id(ProcessId::new_external(kernel, 41, 1, &Everything));
    table[1].set_external(process, &Everything);
    assert!(table[0].get().is_none());
    assert!(table[1].contains_process_with_id(41));
    assert!(!table[1].contains_process_with_id(40));
    assert!(!table[0].contains_process_with_id(41));
    let found = kernel.process_map_or_external(
        0,
        process.id(),
        |found| found.processid().id(),
        &Everything,
    );
    assert_eq!(found, 41);
}

#[test]
fn tools_see_every_process_in_the_order_of_the_table() {
    let host = Host::<3>::new();
    let names: Vec<_> = host
        .kernel
        .process_iter_capability(&Everything)
        .map(|process| process.get_process_name())
        .collect();
    assert_eq!(names, ["first", "second", "third"]);
    let mut seen = Vec::new();
    host.kernel
        .process_each_capability(&Everything, |process| seen.push(process.processid().id()));
    assert_eq!(seen, [0, 1, 2]);
    let grants = host
        .kernel
        .get_grant_count_and_finalize_external(&Everything);
    assert_eq!(grants, 0);
}
