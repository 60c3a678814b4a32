// SPDX-License-Identifier: Apache-2.0 OR MIT

use super::*;
use crate::process::fake_tbf::Tbf;
use crate::process::fakes::{DRIVER, World};
use crate::upcall::UpcallId;

#[test]
fn a_flood_of_notifications_leaves_room_for_what_the_process_waits_for() {
    let world = World::with_apps(&[Tbf::new("victim"), Tbf::new("flooder")]);
    let (victim, flooder) = (world.process(0), world.process(1));
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
