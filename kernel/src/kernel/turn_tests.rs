// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Turns of processes: upcalls, yields, faults and time slices.

use core::num::NonZeroU32;
use core::ptr::without_provenance;
use std::vec::Vec;

use crate::errorcode::ErrorCode;
use crate::ipc::IPCUpcallType;
use crate::process::fake_tbf::Tbf;
use crate::process::fakes::calls::{
    ABSENT, byte, command, function, memop, no_wait, schedule, subscribe, wait, wait_for,
};
use crate::process::fakes::{DRIVER, Everything, IPC_DRIVER, World};
use crate::process::{FaultAction, State, StoppedExecutingReason, Task};
use crate::syscall::SyscallDriver;
use crate::syscall::{CallRegisters, ContextSwitchReason, SyscallReturn};

// ---- entry, yields and upcalls ------------------------------------------

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
    let (world, process) = World::with_one();
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

// ---- faults -------------------------------------------------------------

#[test]
fn a_fault_ends_the_process_and_the_next_one_runs() {
    let world = World::with_apps(&[Tbf::new("crash"), Tbf::new("calm")]);
    world.run_reasons([ContextSwitchReason::Fault]);
    assert_eq!(world.process(0).get_state(), State::Faulted);
    assert_eq!(
        world.last_result(),
        (StoppedExecutingReason::StoppedFaulted, None)
    );
    assert_eq!(world.answers(&[command(0, 0, 0)]), [SyscallReturn::Success]);
    assert_eq!(
        world.driver.commands.borrow()[0].3,
        world.process(1).processid()
    );
}

#[test]
fn a_fault_that_the_board_claims_leaves_the_process_running() {
    let (world, process) = World::with_one();
    world.fault_hook.claims.set(true);
    let entries = world.run_reasons([ContextSwitchReason::Fault]);
    assert_eq!(entries.len(), 2);
    assert_eq!(process.get_state(), State::Running);
}

#[test]
fn a_function_that_cannot_be_delivered_is_a_fault() {
    let (world, process) = World::with_one();
    world.policy.action.set(FaultAction::Stop);
    world.chip.boundary.broken.set(true);
    world.run(&[]);
    assert_eq!(process.get_state(), State::Faulted);
}

#[test]
fn a_process_that_always_faults_on_entry_does_not_keep_the_turn() {
    let (world, process) = World::with_one();
    world.policy.action.set(FaultAction::Restart);
    for restarts in 1..5 {
        world.run_reasons([ContextSwitchReason::Fault]);
        assert_eq!(process.get_restart_count(), restarts);
    }
}

// ---- turns --------------------------------------------------------------

#[test]
fn an_interrupt_ends_the_turn_of_a_process_that_only_makes_system_calls() {
    let (world, process) = World::with_one();
    world.run(&[]);
    // The interrupt stays pending from the end of the script.
    assert!(world.chip.boundary.interrupt.get());
    assert_eq!(
        world.last_result(),
        (StoppedExecutingReason::KernelPreemption, None)
    );
    world.step();
    assert!(!world.chip.boundary.interrupt.get());
    assert!(process.ready());
}

#[test]
fn a_time_slice_that_is_used_up_ends_the_turn() {
    let (world, process) = World::with_one();
    world.scheduler.slice.set(NonZeroU32::new(10_000));
    world.timer.left.set(NonZeroU32::new(7_000));
    world.run(&[command(0, 0, 0)]);
    assert_eq!(
        world.last_result(),
        (StoppedExecutingReason::KernelPreemption, Some(3_000))
    );
    assert!(!world.timer.armed.get());
    for left in [None, NonZeroU32::new(500)] {
        world.timer.left.set(left);
        world.run(&[]);
        let used = 10_000 - left.map_or(0, NonZeroU32::get);
        assert_eq!(
            world.last_result(),
            (StoppedExecutingReason::TimesliceExpired, Some(used))
        );
    }
    assert_eq!(process.debug_timeslice_expiration_count(), 2);
}

#[test]
fn a_rest_of_a_slice_too_short_to_use_is_over() {
    let (world, process) = World::with_one();
    world.scheduler.slice.set(NonZeroU32::new(500));
    assert!(world.run(&[command(0, 0, 0)]).is_empty());
    assert_eq!(
        world.last_result(),
        (StoppedExecutingReason::TimesliceExpired, Some(0))
    );
    assert_eq!(process.debug_timeslice_expiration_count(), 1);
}

#[test]
fn calls_are_served_alike_whoever_decodes_them() {
    let calls = [
        command(0, 1, 2),
        subscribe(DRIVER, 1, 0, 7),
        schedule(1, 10),
        wait_for(DRIVER, 1),
        memop(99, 0),
        command(9, 0, 0),
    ];
    let [served, decoded] = [false, true].map(|decodes| {
        let (world, process) = World::with_one();
        world.chip.boundary.decodes.set(decodes);
        let answers = world.answers(&calls);
        assert_eq!(process.debug_syscall_count(), calls.len());
        assert_eq!(process.debug_syscall_last(), calls.last().copied());
        answers
    });
    assert_eq!(served.len(), calls.len());
    assert_eq!(served, decoded);
}

#[test]
fn a_yield_of_an_unknown_kind_changes_nothing() {
    for decodes in [false, true] {
        let (world, process) = World::with_one();
        world.chip.boundary.decodes.set(decodes);
        let unknown = CallRegisters {
            r0: 3,
            ..wait().into()
        };
        world.chip.boundary.calls.borrow_mut().push_back(unknown);
        let entries = world.run(&[command(0, 0, 0)]);
        assert_eq!(entries.len(), 3);
        assert!(entries[1].answer.is_none() && entries[1].function.is_none());
        assert_eq!(entries[2].answer, Some(SyscallReturn::Success));
        assert_eq!(process.get_state(), State::Running);
    }
}

#[test]
fn a_call_that_does_not_exist_and_is_no_fault_just_goes_on() {
    let (world, process) = World::with_one();
    let entries = world.run_reasons([ContextSwitchReason::Interrupted; 3]);
    assert_eq!(entries.len(), 4);
    assert_eq!(process.get_state(), State::Running);
}

#[test]
fn a_slice_ends_at_an_interrupt_even_where_processes_go_on_regardless() {
    let (world, process) = World::with_one();
    world.run(&[]);
    world.scheduler.regardless.set(true);
    world.scheduler.slice.set(NonZeroU32::new(10_000));
    world.timer.left.set(None);
    let entries = world.run_reasons([ContextSwitchReason::Interrupted]);
    assert_eq!(entries.len(), 1);
    let (reason, _) = world.last_result();
    assert_eq!(reason, StoppedExecutingReason::TimesliceExpired);
    assert_eq!(process.debug_timeslice_expiration_count(), 1);
}

#[test]
fn a_process_that_a_driver_restarts_gets_a_turn_of_its_own() {
    let (world, process) = World::with_one();
    let entries = world.run(&[command(2, 0, 0), command(0, 0, 0)]);
    assert_eq!(entries.len(), 1);
    assert_eq!(
        world.last_result(),
        (StoppedExecutingReason::NoWorkLeft, None)
    );
    assert_eq!(process.get_restart_count(), 1);
    let entries = world.run(&[]);
    assert!(entries[0].function.is_some());
}

#[test]
fn a_queued_notification_between_processes_is_delivered_at_the_yield() {
    let world = World::with_apps(&[Tbf::new("service"), Tbf::new("client")]);
    let (service, client) = (world.process(0), world.process(1));
    world.ipc.allocate_grant(client.processid()).unwrap();
    let task = Task::IPC((client.processid(), IPCUpcallType::Service));
    world.run(&[subscribe(IPC_DRIVER, 0, function(service), 7)]);
    service.enqueue_task(task).unwrap();
    let entries = world.run(&[wait()]);
    let upcall = entries.last().unwrap().function.unwrap();
    // From slot 1, without a buffer.
    assert_eq!(
        (upcall.argument0, upcall.argument1, upcall.argument2),
        (1, 0, 0)
    );
    assert_eq!(upcall.argument3.as_usize(), 7);
    // One of a process that is gone is nothing.
    service.enqueue_task(task).unwrap();
    client.try_restart(None);
    client.stop();
    world.run(&[wait()]);
    assert_eq!(service.get_state(), State::Yielded);
    assert!(!service.has_tasks());
}

#[test]
fn a_stopped_process_keeps_its_place() {
    let (world, process) = World::with_one();
    world.run(&[]);
    process.stop();
    assert!(world.run(&[command(0, 0, 0)]).is_empty());
    process.resume();
    assert_eq!(world.answers(&[command(0, 0, 0)]), [SyscallReturn::Success]);
}

#[test]
fn the_kernel_sleeps_only_when_nothing_is_left_to_do() {
    let (world, process) = World::with_one();
    process.terminate(None);
    let turn = |no_sleep| {
        world.kernel.kernel_loop_operation(
            world,
            world.chip,
            Some(&world.ipc),
            no_sleep,
            &Everything,
        );
        world.chip.sleeps.get()
    };
    assert_eq!(turn(true), 0);
    assert_eq!(turn(false), 1);
    world.chip.boundary.interrupt.set(true);
    assert_eq!(turn(false), 1);
    assert_eq!(turn(false), 2);
}

#[test]
fn a_stale_identifier_from_the_scheduler_is_no_turn() {
    let (world, process) = World::with_one();
    let id = process.processid();
    process.try_restart(None);
    assert!(world.kernel.get_process(id).is_none());
    let found = world
        .kernel
        .process_map_or_external(false, id, |_| true, &Everything);
    assert!(!found);
}

#[test]
fn no_run_gets_an_identifier_that_another_had() {
    let (world, process) = World::with_one();
    let last = usize::MAX - 1;
    world.kernel.identifiers_used.set(last);
    process.try_restart(None);
    assert_eq!(process.processid().id(), last);
    assert_eq!(process.get_state(), State::Yielded);
    for _ in 0..2 {
        process.try_restart(Some(9));
        process.start(&Everything);
        assert_eq!(process.get_state(), State::Terminated);
        assert_eq!(process.get_completion_code(), Some(Some(9)));
    }
    assert!(!process.has_tasks());
}

#[test]
#[should_panic(expected = "before processes")]
fn grants_cannot_be_created_once_processes_exist() {
    let (world, _) = World::with_one();
    let _: crate::grant::Grant<
        (),
        crate::grant::UpcallCount<0>,
        crate::grant::AllowRoCount<0>,
        crate::grant::AllowRwCount<0>,
    > = world.kernel.create_grant(9, &Everything);
}

#[test]
fn hardfault_all_applies_the_policy_to_each() {
    let world = World::with_apps(&[Tbf::new("one"), Tbf::new("two")]);
    world.kernel.hardfault_all_apps(&Everything);
    assert_eq!(world.process(0).get_state(), State::Faulted);
    assert_eq!(world.process(1).get_state(), State::Faulted);
}
