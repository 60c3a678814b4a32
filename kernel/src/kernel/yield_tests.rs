// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Turns of processes: entry, yields and upcalls.

use core::ptr::without_provenance;
use std::vec::Vec;

use crate::errorcode::ErrorCode;
use crate::process::fake_tbf::Tbf;
use crate::process::fakes::calls::{
    ABSENT, byte, command, function, memop, no_wait, schedule, subscribe, wait, wait_for,
};
use crate::process::fakes::{DRIVER, IPC_DRIVER, World};
use crate::process::{State, StoppedExecutingReason};
use crate::syscall::SyscallReturn;

#[test]
fn the_first_entry_is_the_entry_function_and_nothing_comes_back_to_it() {
    let (world, process) = World::with_one();
    let entries = world.run(&[]);
    assert_eq!(entries.len(), 1);
    let call = entries[0].function.unwrap();
    assert_eq!(call.argument1, process.get_addresses().sram_start);
    assert!(entries[0].answer.is_none());
    assert_eq!(process.get_state(), State::Running);
}

#[test]
fn a_system_call_is_answered_and_the_process_goes_on_in_the_same_turn() {
    let (world, process) = World::with_one();
    let calls = [command(0, 1, 2), command(9, 0, 0), command(0, 0, 0)];
    assert_eq!(
        world.answers(&calls),
        [
            SyscallReturn::Success,
            SyscallReturn::Failure(ErrorCode::NOSUPPORT),
            SyscallReturn::Success
        ]
    );
    assert_eq!(world.scheduler.results.borrow().len(), 1);
    assert_eq!(process.debug_syscall_count(), 3);
    assert_eq!(process.debug_syscall_last(), Some(calls[2]));
    let id = process.processid();
    assert_eq!(world.driver.commands.borrow()[0], (0, 1, 2, id));
}

#[test]
fn wait_runs_one_upcall_with_its_arguments() {
    let (world, process) = World::with_one();
    let function = function(process);
    let entries = world.run(&[
        subscribe(DRIVER, 1, function, 0xDA7A),
        schedule(1, 10),
        wait(),
    ]);
    let call = entries.last().unwrap().function.unwrap();
    assert_eq!(call.pc.addr(), function);
    assert_eq!(
        (call.argument0, call.argument1, call.argument2),
        (10, 20, 30)
    );
    assert_eq!(call.argument3.as_usize(), 0xDA7A);
    assert!(!process.has_tasks());
}

#[test]
fn wait_blocks_through_events_without_a_function_and_consumes_them() {
    let (world, process) = World::with_one();
    let entries = world.run(&[schedule(1, 1), schedule(0, 2), wait()]);
    assert_eq!(entries.len(), 3);
    assert_eq!(process.get_state(), State::Yielded);
    assert!(!process.has_tasks());
    assert_eq!(
        world.last_result(),
        (StoppedExecutingReason::NoWorkLeft, None)
    );
}

#[test]
fn no_wait_with_nothing_queued_returns_at_once_and_says_so() {
    let (world, process) = World::with_one();
    let start = process.get_addresses().sram_start;
    let entries = world.run(&[memop(1, 16), no_wait(start + 3), command(0, 0, 0)]);
    assert_eq!(entries.len(), 4);
    // The process is entered again with its registers as they were.
    assert!(entries[2].answer.is_none() && entries[2].function.is_none());
    assert_eq!(process.get_state(), State::Running);
}

#[test]
fn no_wait_counts_only_upcalls_with_a_function() {
    let (world, process) = World::with_one();
    let flag = process.get_addresses().sram_start + 3;
    let function = function(process);
    world.run(&[memop(1, 16)]);
    // SAFETY: nobody has a reference to process memory here.
    unsafe { process.set_byte(without_provenance::<u8>(flag).cast_mut(), 9) };

    let entries = world.run(&[schedule(0, 1), no_wait(flag)]);
    assert_eq!(byte(process, flag), 0);
    assert!(entries[2].function.is_none());
    assert_eq!(process.get_state(), State::Running);
    // The event is still there for a wait-for call.
    assert_eq!(process.pending_tasks(), 1);

    let entries = world.run(&[
        subscribe(DRIVER, 1, function, 0),
        schedule(1, 2),
        no_wait(flag),
    ]);
    assert_eq!(byte(process, flag), 1);
    assert_eq!(entries[3].function.unwrap().argument0, 2);
}

#[test]
fn no_wait_writes_its_flag_only_into_memory_of_the_process() {
    let (world, process) = World::with_one();
    let map = process.get_addresses();
    for flag in [
        0,
        map.sram_start - 1,
        map.sram_app_brk,
        map.sram_end,
        usize::MAX,
    ] {
        world.run(&[no_wait(flag)]);
        assert_eq!(process.get_state(), State::Running);
    }
}

#[test]
fn wait_for_returns_the_values_and_runs_no_function() {
    let (world, process) = World::with_one();
    let function = function(process);
    let entries = world.run(&[
        subscribe(DRIVER, 1, function, 5),
        schedule(1, 10),
        wait_for(DRIVER, 1),
    ]);
    let last = entries.last().unwrap();
    assert_eq!(last.answer, Some(SyscallReturn::YieldWaitFor(10, 20, 30)));
    assert!(last.function.is_none());
    assert_eq!(process.get_state(), State::Running);
}

#[test]
fn wait_for_takes_its_event_out_of_order_and_leaves_the_others() {
    let (world, process) = World::with_one();
    let entries = world.run(&[
        schedule(0, 1),
        schedule(1, 2),
        schedule(1, 3),
        schedule(0, 4),
        wait_for(DRIVER, 1),
        wait_for(DRIVER, 0),
        wait_for(DRIVER, 0),
        wait_for(DRIVER, 1),
    ]);
    let values: Vec<_> = entries[5..]
        .iter()
        .filter_map(|entry| entry.answer)
        .collect();
    let expected = [2, 1, 4, 3].map(|value| SyscallReturn::YieldWaitFor(value, 20, 30));
    assert_eq!(values, expected);
    assert!(!process.has_tasks());
}

#[test]
fn wait_for_is_woken_by_its_event_even_when_another_follows() {
    let (world, process) = World::with_one();
    world.run(&[
        command(0, 0, 0),
        schedule(1, 0),
        wait_for(DRIVER, 1),
        wait_for(DRIVER, 1),
    ]);
    assert!(!process.ready());
    let id = process.processid();
    world
        .driver
        .apps
        .enter(id, |_, kernel_data| {
            kernel_data.schedule_upcall(0, (7, 0, 0)).unwrap();
            assert!(!process.ready());
            kernel_data.schedule_upcall(1, (8, 0, 0)).unwrap();
            kernel_data.schedule_upcall(0, (9, 0, 0)).unwrap();
        })
        .unwrap();
    assert!(process.ready());
    let entries = world.run(&[]);
    assert_eq!(
        entries[0].answer,
        Some(SyscallReturn::YieldWaitFor(8, 0, 0))
    );
}

#[test]
fn wait_for_is_woken_by_its_event_even_when_others_fill_the_queue() {
    for in_memory in [false, true] {
        let (world, process) = World::with_one();
        world.chip.boundary.in_memory.set(in_memory);
        world.run(&[wait_for(DRIVER, 1)]);
        let id = process.processid();
        let mut others = 0;
        world
            .driver
            .apps
            .enter(id, |_, kernel_data| {
                while kernel_data.schedule_upcall(0, (7, 0, 0)).is_ok() {
                    others += 1;
                }
                assert!(!process.ready());
                kernel_data.schedule_upcall(1, (8, 0, 0)).unwrap();
                // That was what it waited for, so the next one is like any other.
                kernel_data.schedule_upcall(1, (9, 0, 0)).unwrap_err();
            })
            .unwrap();
        assert!(process.ready());
        assert_eq!(process.pending_tasks(), others + 1);
        let entries = world.run(&[]);
        assert_eq!(
            entries[0].answer,
            Some(SyscallReturn::YieldWaitFor(8, 0, 0))
        );
    }
}

#[test]
fn upcalls_for_a_waiting_process_run_one_for_each_wait_in_the_order_they_came() {
    for in_memory in [false, true] {
        let (world, process) = World::with_one();
        world.chip.boundary.in_memory.set(in_memory);
        let function = function(process);
        world.run(&[subscribe(DRIVER, 0, function, 5), wait()]);
        let schedule = |number, value| {
            let id = process.processid();
            let outcome = world.driver.apps.enter(id, |_, kernel_data| {
                kernel_data.schedule_upcall(number, (value, 0, 0))
            });
            outcome.unwrap().unwrap();
        };
        // Without a function it does not end the wait, and what follows comes behind it.
        schedule(1, 1);
        assert_eq!(process.pending_tasks(), 1);
        schedule(0, 2);
        let values: Vec<_> = world
            .run(&[wait()])
            .iter()
            .map(|entry| entry.function.unwrap().argument0)
            .collect();
        assert_eq!(values, [2]);
        assert_eq!(process.get_state(), State::Yielded);

        for value in [3, 4] {
            schedule(0, value);
        }
        assert!(process.ready());
        let calls: Vec<_> = world
            .run(&[wait(), wait()])
            .iter()
            .map(|entry| {
                let call = entry.function.unwrap();
                (call.argument0, call.argument3.as_usize(), call.pc.addr())
            })
            .collect();
        assert_eq!(calls, [(3, 5, function), (4, 5, function)]);
        assert_eq!(process.get_state(), State::Yielded);
        assert!(!process.has_tasks());
    }
}

#[test]
fn an_event_for_a_stopped_process_ends_its_wait_when_it_goes_on() {
    for in_memory in [false, true] {
        let (world, process) = World::with_one();
        world.chip.boundary.in_memory.set(in_memory);
        world.run(&[wait_for(DRIVER, 1)]);
        process.stop();
        let id = process.processid();
        let schedule = |value| {
            let outcome = world.driver.apps.enter(id, |_, kernel_data| {
                kernel_data.schedule_upcall(1, (value, 0, 0))
            });
            outcome.unwrap().unwrap();
        };
        schedule(1);
        process.resume();
        // The first one is on its way.
        schedule(2);
        assert_eq!(process.pending_tasks(), 2);
        let answers: Vec<_> = world
            .run(&[wait_for(DRIVER, 1)])
            .iter()
            .map(|entry| entry.answer.unwrap())
            .collect();
        let expected = [1, 2].map(|value| SyscallReturn::YieldWaitFor(value, 0, 0));
        assert_eq!(answers, expected);
    }
}

#[test]
fn wait_for_what_never_comes_blocks_this_process_only() {
    let world = World::with_apps(&[Tbf::new("first"), Tbf::new("second")]);
    for (driver, number) in [(ABSENT, 0), (DRIVER, usize::MAX), (IPC_DRIVER, 1)] {
        let process = world.process(0);
        world.run(&[wait_for(driver, number)]);
        assert!(matches!(process.get_state(), State::YieldedFor(_)));
        assert!(!process.ready());
        let entries = world.run(&[command(0, 0, 0)]);
        assert_eq!(entries.last().unwrap().answer, Some(SyscallReturn::Success));
        process.try_restart(None);
    }
}

#[test]
fn subscribing_again_removes_queued_events_with_and_without_a_function() {
    let (world, process) = World::with_one();
    let function = function(process);
    world.run(&[
        schedule(0, 1),
        schedule(1, 2),
        subscribe(DRIVER, 0, function, 0),
        schedule(0, 3),
    ]);
    assert_eq!(process.pending_tasks(), 2);
    world.run(&[subscribe(DRIVER, 0, 0, 0)]);
    assert_eq!(process.pending_tasks(), 1);
    let entries = world.run(&[wait_for(DRIVER, 1)]);
    assert_eq!(
        entries.last().unwrap().answer,
        Some(SyscallReturn::YieldWaitFor(2, 20, 30))
    );
}

#[test]
fn what_a_process_goes_on_with_is_not_taken_back_and_what_came_after_it_is() {
    let (world, process) = World::with_one();
    let function = function(process);
    world.run(&[subscribe(DRIVER, 0, function, 5), wait()]);
    let removed = world.driver.apps.enter(process.processid(), |_, data| {
        for value in [7, 8] {
            data.schedule_upcall(0, (value, 0, 0)).unwrap();
        }
        data.remove_pending_upcalls(0)
    });
    assert_eq!(removed, Ok(1));
    let entries = world.run(&[wait()]);
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].function.unwrap().argument0, 7);
    assert_eq!(process.get_state(), State::Yielded);
}
