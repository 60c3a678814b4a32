// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Turns of processes: faults, time slices and what else ends a turn.

use core::num::NonZeroU32;

use crate::ipc::IPCUpcallType;
use crate::process::fake_tbf::Tbf;
use crate::process::fakes::calls::{command, function, memop, schedule, subscribe, wait, wait_for};
use crate::process::fakes::{DRIVER, Everything, IPC_DRIVER, World};
use crate::process::{FaultAction, State, StoppedExecutingReason, Task};
use crate::syscall::SyscallDriver;
use crate::syscall::{CallRegisters, ContextSwitchReason, SyscallReturn};

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
fn a_function_that_cannot_be_delivered_is_one_fault() {
    let (world, process) = World::with_one();
    world.policy.action.set(FaultAction::Restart);
    world.chip.boundary.undeliverable.set(true);
    for restarts in 1..5 {
        world.step();
        assert_eq!(process.get_restart_count(), restarts);
    }
    world.chip.boundary.undeliverable.set(false);
    assert_eq!(world.run(&[]).len(), 1);
    assert_eq!(process.get_state(), State::Running);
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
