// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Notifications between processes, and what they cannot do to one that wants none.

use core::ptr::without_provenance_mut;

use super::command::{NOTIFY_CLIENT, NOTIFY_SERVICE};
use super::*;
use crate::grant::requests::{allow_read_only, allow_read_write};
use crate::process::fake_tbf::Tbf;
use crate::process::fakes::{DRIVER, IPC_DRIVER, World};
use crate::process::{FunctionCall, FunctionCallSource, ReturnArguments, Task};
use crate::syscall::SyscallReturn;
use crate::upcall::UpcallId;
use std::vec::Vec;

#[test]
fn a_flood_of_notifications_leaves_room_for_what_the_process_waits_for() {
    let world = World::with_apps(&[Tbf::new("victim"), Tbf::new("flooder")]);
    let (victim, flooder) = (world.process(0), world.process(1));
    world.ipc.allocate_grant(victim.processid()).unwrap();
    let notify = |number| world.ipc.command(number, 0, 0, flooder.processid());
    for _ in 0..20 {
        notify(command::NOTIFY_SERVICE);
        notify(command::NOTIFY_CLIENT);
    }
    let refused: CommandReturn = Err::<(), _>(ErrorCode::NOMEM).into();
    assert_eq!(
        notify(command::NOTIFY_SERVICE).into_syscall_return(),
        refused.into_syscall_return()
    );
    let event = UpcallId {
        driver_num: DRIVER,
        subscribe_num: 1,
    };
    let scheduled = world.driver.apps.enter(victim.processid(), |_, data| {
        data.schedule_upcall(event.subscribe_num, (1, 2, 3))
    });
    assert_eq!(scheduled, Ok(Ok(())));
    assert!(victim.remove_upcall(event).is_some());
}

/// A world in which process 1 uses inter-process communication if `takes_part`, and process 0 can.
fn pair(takes_part: bool) -> (&'static World, &'static dyn Process) {
    let world = World::with_apps(&[Tbf::new("sender"), Tbf::new("receiver")]);
    let receiver = world.process(1);
    if takes_part {
        world.ipc.allocate_grant(receiver.processid()).unwrap();
    }
    // The entry calls are out of the queues.
    receiver.dequeue_task();
    world.process(0).dequeue_task();
    (world, receiver)
}

fn notify(world: &World, kind: usize, target: usize) -> CommandReturn {
    world
        .ipc
        .command(kind, target, 0, world.process(0).processid())
}

fn refused(code: ErrorCode) -> CommandReturn {
    CommandReturn::failure(code)
}

#[test]
fn a_notification_names_its_sender_in_the_upcall_of_its_kind() {
    for (kind, upcall) in [(NOTIFY_SERVICE, 1), (NOTIFY_CLIENT, 0)] {
        let (world, receiver) = pair(true);
        assert_eq!(notify(world, kind, 1), CommandReturn::success());
        let event = UpcallId {
            driver_num: IPC_DRIVER,
            subscribe_num: upcall,
        };
        assert!(receiver.remove_upcall(event).is_some());
        assert_eq!(receiver.pending_tasks(), 0);
    }
}

#[test]
fn targets_that_do_not_exist_or_have_ended_are_refused() {
    let (world, receiver) = pair(true);
    for target in [2, 100, usize::MAX] {
        assert_eq!(
            notify(world, NOTIFY_SERVICE, target),
            refused(ErrorCode::INVAL)
        );
    }
    receiver.terminate(None);
    assert_eq!(
        notify(world, NOTIFY_SERVICE, 1),
        refused(ErrorCode::NODEVICE)
    );
}

#[test]
fn a_process_that_takes_no_part_gets_neither_events_nor_less_memory() {
    let (world, receiver) = pair(false);
    let free = receiver.get_addresses().sram_grant_start;
    for kind in [NOTIFY_SERVICE, NOTIFY_CLIENT] {
        assert_eq!(notify(world, kind, 1), refused(ErrorCode::NODEVICE));
    }
    assert_eq!(receiver.pending_tasks(), 0);
    assert_eq!(receiver.get_addresses().sram_grant_start, free);
}

/// Has process 0 look for a service of this name.
fn discover(world: &World, name: &[u8]) -> CommandReturn {
    let seeker = world.process(0);
    let start = seeker.get_addresses().sram_start;
    seeker.sbrk(64).unwrap();
    for (offset, byte) in name.iter().enumerate() {
        // SAFETY: nobody has a reference to process memory here.
        unsafe { seeker.set_byte(without_provenance_mut(start + offset), *byte) };
    }
    let driver: Option<&dyn SyscallDriver> = Some(&world.ipc);
    let shared = without_provenance_mut::<u8>(start);
    allow_read_only(seeker, driver, IPC_DRIVER, NAME, shared, name.len());
    world
        .ipc
        .command(command::DISCOVER, 0, 0, seeker.processid())
}

#[test]
fn services_are_found_by_their_exact_name_in_whatever_state() {
    let world = World::with_apps(&["one", "service", "two"].map(Tbf::new));
    let found = |slot| CommandReturn::success_u32(slot);
    assert_eq!(discover(world, b"service"), found(1));
    assert_eq!(discover(world, b"one"), found(0));
    world.process(1).terminate(None);
    assert_eq!(discover(world, b"service"), found(1));
    for name in [&b"servic"[..], b"services", b"SERVICE", b"\xFF", b""] {
        assert_eq!(discover(world, name), refused(ErrorCode::NODEVICE));
    }
}

#[test]
fn without_memory_nothing_is_found() {
    let (world, process) = World::with_one();
    let free = process.get_addresses().sram_grant_start;
    process.brk(core::ptr::without_provenance(free)).unwrap();
    let id = process.processid();
    assert_eq!(
        world.ipc.command(command::DISCOVER, 0, 0, id),
        refused(ErrorCode::NOMEM)
    );
}

#[test]
fn a_process_that_notifies_itself_succeeds_and_nothing_happens() {
    let (world, _) = pair(true);
    assert_eq!(notify(world, command::EXISTS, 0), CommandReturn::success());
    assert_eq!(notify(world, NOTIFY_SERVICE, 0), CommandReturn::success());
    assert!(!world.process(0).has_tasks());
    assert_eq!(notify(world, 4, 0), refused(ErrorCode::NOSUPPORT));
}

// ---- access to buffers ----------------------------------------------------

/// Two clients, in slots 0 and 2, of the service in slot 1. Nobody has anything queued.
fn clients_and_service() -> (&'static World, &'static dyn Process) {
    let world = World::with_apps(&["one", "service", "two"].map(Tbf::new));
    for process in (0..3).map(|slot| world.process(slot)) {
        process.dequeue_task();
        process.sbrk(256).unwrap();
        world.ipc.allocate_grant(process.processid()).unwrap();
    }
    (world, world.process(1))
}

/// Shares 32 bytes of the client's memory, from `offset` on, with the service, and notifies it.
/// Returns where they are.
fn share(world: &World, client: usize, offset: usize) -> usize {
    let process = world.process(client);
    let address = process.get_addresses().sram_start + offset;
    let driver: Option<&dyn SyscallDriver> = Some(&world.ipc);
    let buffer = without_provenance_mut(address);
    let shared = allow_read_write(process, driver, IPC_DRIVER, 1, buffer, 32);
    assert!(matches!(shared, SyscallReturn::AllowReadWriteSuccess(..)));
    let notified = world.ipc.command(NOTIFY_SERVICE, 1, 0, process.processid());
    assert_eq!(notified, CommandReturn::success());
    address
}

/// The notifications that wait for a process: client, length and address.
fn notifications(process: &dyn Process) -> Vec<(usize, usize, usize)> {
    let tasks = core::iter::from_fn(|| process.dequeue_task());
    tasks
        .map(|task| match task {
            Task::ReturnValue(ReturnArguments {
                argument0,
                argument1,
                argument2,
                ..
            }) => (argument0, argument1, argument2),
            _ => panic!("not a notification"),
        })
        .collect()
}

/// Regions of others that a process reaches when it runs next.
fn regions(world: &World, process: &dyn Process) -> usize {
    process.setup_mpu();
    world.chip.mpu.loaded_shared.get()
}

#[test]
fn a_client_with_many_buffers_leaves_regions_for_other_clients() {
    let (world, service) = clients_and_service();
    for offset in (0..256).step_by(32) {
        let address = share(world, 0, offset);
        assert_eq!(notifications(service), [(0, 32, address)]);
        let address = share(world, 2, 0);
        assert_eq!(notifications(service), [(2, 32, address)]);
    }
    assert_eq!(regions(world, service), 2);
}

#[test]
fn a_notification_about_a_buffer_that_had_to_go_says_so() {
    let (world, service) = clients_and_service();
    share(world, 0, 0);
    share(world, 0, 32);
    // The fake chip has two regions to share.
    let last = share(world, 0, 64);
    assert_eq!(
        notifications(service),
        [(0, 0, 0), (0, 0, 0), (0, 32, last)]
    );
}

#[test]
fn a_buffer_that_is_still_shared_keeps_its_region_when_regions_run_out() {
    let (world, service) = clients_and_service();
    share(world, 0, 0);
    let second = share(world, 0, 32);
    let third = share(world, 2, 0);
    assert_eq!(
        notifications(service),
        [(0, 0, 0), (0, 32, second), (2, 32, third)]
    );
    assert_eq!(regions(world, service), 2);
}

#[test]
fn looking_for_regions_takes_no_memory_from_processes_that_take_no_part() {
    let world = World::with_apps(&["client", "service", "other"].map(Tbf::new));
    for process in [world.process(0), world.process(1)] {
        process.sbrk(256).unwrap();
        world.ipc.allocate_grant(process.processid()).unwrap();
    }
    let other = world.process(2);
    let free = other.get_addresses().sram_grant_start;
    for offset in [0, 32, 64] {
        share(world, 0, offset);
        world.process(1).dequeue_task();
    }
    assert_eq!(other.get_addresses().sram_grant_start, free);
}

#[test]
fn a_buffer_off_word_borders_gives_no_access_and_says_so() {
    let (world, service) = clients_and_service();
    share(world, 0, 2);
    assert_eq!(notifications(service), [(0, 0, 0)]);
    assert_eq!(regions(world, service), 0);
}

#[test]
fn a_region_that_would_cover_more_than_the_buffer_is_not_kept() {
    let (world, service) = clients_and_service();
    world.chip.mpu.surplus.set(4);
    share(world, 0, 0);
    assert_eq!(notifications(service), [(0, 0, 0)]);
    assert_eq!(regions(world, service), 0);
}

#[test]
fn a_service_that_sleeps_until_a_call_does_not_get_the_buffer_of_a_client_that_ended() {
    let (world, service) = clients_and_service();
    run_something(service);
    service.set_yielded_for_state(ipc_event(1));
    share(world, 0, 0);
    assert!(service.ready());
    world.process(0).terminate(None);
    assert_eq!(service.take_event(ipc_event(1)), Some([0, 0, 0]));
}

#[test]
fn events_of_drivers_keep_their_values_whatever_these_look_like() {
    let (world, service) = clients_and_service();
    let address = world.process(0).get_addresses().sram_start;
    let queued = world.driver.apps.enter(service.processid(), |_, data| {
        data.schedule_upcall(0, (1, 2, address))
    });
    assert_eq!(queued, Ok(Ok(())));
    world.process(0).terminate(None);
    assert_eq!(notifications(service), [(1, 2, address)]);
}

#[test]
fn access_ends_with_the_run_of_the_process_that_owns_the_buffer() {
    for end in [
        |client: &dyn Process| client.terminate(None),
        |client: &dyn Process| client.try_restart(None),
        |client: &dyn Process| client.set_fault_state(),
    ] {
        let (world, service) = clients_and_service();
        share(world, 0, 0);
        let kept = share(world, 2, 0);
        assert_eq!(regions(world, service), 2);
        end(world.process(0));
        assert_eq!(regions(world, service), 1);
        assert_eq!(notifications(service), [(0, 0, 0), (2, 32, kept)]);
    }
}

#[test]
fn a_service_at_work_keeps_access_until_it_yields() {
    let (world, service) = clients_and_service();
    share(world, 0, 0);
    for suspended in [false, true] {
        run_something(service);
        if suspended {
            service.stop();
        }
        share(world, 0, 0);
        world.process(0).try_restart(None);
        world.process(0).dequeue_task();
        world.process(0).sbrk(256).unwrap();
        service.resume();
        assert_eq!(regions(world, service), 1);
        match suspended {
            true => service.set_yielded_state(),
            false => service.set_yielded_for_state(UpcallId {
                driver_num: DRIVER,
                subscribe_num: 0,
            }),
        }
        assert_eq!(regions(world, service), 0);
    }
}

#[test]
fn no_grant_of_a_later_run_reaches_into_a_buffer_that_a_service_may_still_use() {
    let (world, service) = clients_and_service();
    run_something(service);
    let end = share(world, 0, 128) + 32;
    let client = world.process(0);
    client.try_restart(None);
    let room = client.get_addresses().sram_grant_start - end;
    assert!(client.allocate_custom_grant(room + 1, 1).is_err());
    assert!(client.allocate_custom_grant(room, 1).is_ok());
}

#[test]
fn a_buffer_without_bytes_takes_no_memory_from_a_later_run() {
    let (world, _) = clients_and_service();
    let client = world.process(0);
    let driver: Option<&dyn SyscallDriver> = Some(&world.ipc);
    let end = without_provenance_mut(client.get_addresses().sram_grant_start);
    allow_read_write(client, driver, IPC_DRIVER, 1, end, 0);
    assert_eq!(notify(world, NOTIFY_SERVICE, 1), CommandReturn::success());
    client.try_restart(None);
    assert!(client.allocate_custom_grant(64, 1).is_ok());
}

// ---- places in the queue --------------------------------------------------

/// Three processes, of which the one in slot `waiting` waits for event `event` of this driver, and
/// the one in slot 1 has sent it more than it can take.
fn flooded(waiting: usize, event: usize) -> &'static World {
    let world = World::with_apps(&["one", "flooder", "two"].map(Tbf::new));
    for process in (0..3).map(|slot| world.process(slot)) {
        process.dequeue_task();
        world.ipc.allocate_grant(process.processid()).unwrap();
    }
    let process = world.process(waiting);
    run_something(process);
    process.set_yielded_for_state(ipc_event(event));
    for _ in 0..20 {
        for kind in [NOTIFY_CLIENT, NOTIFY_SERVICE] {
            let flooder = world.process(1).processid();
            world.ipc.command(kind, waiting, 0, flooder);
        }
    }
    world
}

/// Sets the process running.
fn run_something(process: &dyn Process) {
    process.set_process_function(FunctionCall {
        source: FunctionCallSource::Kernel,
        argument0: 0,
        argument1: 0,
        argument2: 0,
        argument3: 0usize.into(),
        pc: 0usize.into(),
    });
}

fn ipc_event(subscribe_num: usize) -> UpcallId {
    UpcallId {
        driver_num: IPC_DRIVER,
        subscribe_num,
    }
}

#[test]
fn the_answer_that_a_client_waits_for_reaches_it_through_a_flood() {
    let world = flooded(0, 2);
    let client = world.process(0);
    assert!(!client.ready());
    let service = world.process(2).processid();
    let answered = world.ipc.command(NOTIFY_CLIENT, 0, 0, service);
    assert_eq!(answered, CommandReturn::success());
    assert!(client.ready());
    assert_eq!(client.take_event(ipc_event(2)), Some([2, 0, 0]));
}

#[test]
fn a_call_reaches_a_service_whoever_else_calls_it() {
    let world = flooded(0, 0);
    let service = world.process(0);
    let client = world.process(2).processid();
    let flooder = world.process(1).processid();
    for _ in 0..5 {
        // The flooder has all places that it can get, and the one that is waited for with them.
        let called = world.ipc.command(NOTIFY_SERVICE, 0, 0, client);
        assert_eq!(called, CommandReturn::success());
        let mut senders = Vec::new();
        while senders.last() != Some(&2) && senders.len() < 10 {
            senders.push(service.take_event(ipc_event(0)).unwrap()[0]);
            run_something(service);
            for _ in 0..20 {
                world.ipc.command(NOTIFY_SERVICE, 0, 0, flooder);
            }
        }
        assert!(
            senders.len() <= 4 && senders.last() == Some(&2),
            "{senders:?}"
        );
    }
}

#[test]
fn a_sender_has_three_places_in_an_idle_queue_and_one_in_any_other() {
    for (others, places) in [(0, 3), (1, 2), (2, 1), (3, 1), (8, 1), (9, 0), (10, 0)] {
        let (world, receiver) = pair(true);
        for _ in 0..others {
            let queued = world.driver.apps.enter(receiver.processid(), |_, data| {
                data.schedule_upcall(0, (0, 0, 0))
            });
            assert_eq!(queued, Ok(Ok(())));
        }
        for _ in 0..places {
            assert_eq!(notify(world, NOTIFY_SERVICE, 1), CommandReturn::success());
        }
        for kind in [NOTIFY_SERVICE, NOTIFY_CLIENT] {
            assert_eq!(notify(world, kind, 1), refused(ErrorCode::NOMEM));
        }
        assert_eq!(receiver.pending_tasks(), others + places, "{others} others");
    }
}

#[test]
fn every_process_of_a_board_has_a_place_at_every_other() {
    // Slots are all that counts, so eight processes are as good as this many on a board.
    let (world, receiver) = pair(true);
    for _ in 0..3 {
        assert_eq!(notify(world, NOTIFY_SERVICE, 1), CommandReturn::success());
    }
    for sender in 2..8 {
        assert!(receiver.has_place_for(ipc_event(1), sender));
        receiver
            .enqueue_upcall(ipc_event(1), sender, 0, 0, 0usize.into(), 0usize.into())
            .unwrap();
        assert!(!receiver.has_place_for(ipc_event(1), sender));
    }
    assert_eq!(receiver.pending_tasks(), 9);
}

#[test]
#[should_panic(expected = "number of inter-process communication")]
fn a_board_that_gives_the_driver_another_number_is_refused_at_boot() {
    let kernel = World::with_one().0.kernel;
    IPC::<3>::new(kernel, IPC_DRIVER + 1, &crate::process::fakes::Everything);
}
