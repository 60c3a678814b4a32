// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Notifications between processes, and what they cannot do to one that wants none.

use super::command::{NOTIFY_CLIENT, NOTIFY_SERVICE};
use super::*;
use crate::process::fake_tbf::Tbf;
use crate::process::fakes::{DRIVER, IPC_DRIVER, World};
use crate::upcall::UpcallId;

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
