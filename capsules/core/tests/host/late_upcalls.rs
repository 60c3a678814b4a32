// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Upcalls that come late, to processes that were too busy to take them.

use crate::support::alarm::FakeAlarm;
use capsules_core::late_upcalls::{LateUpcall, LateUpcalls, MOST_DRIVERS, Retry, UpcallRetry};
use core::cell::Cell;
use kernel::grant::{AllowRoCount, AllowRwCount, Grant, UpcallCount};
use kernel::hil::time::Alarm;
use kernel::testing::{FakeProcess, Host, forever};

const UPCALL: usize = 1;

/// 10 ms at 10 MHz.
const LATER: u64 = 100_000;

/// A driver that tells processes whatever a test says.
struct Driver {
    apps: Grant<LateUpcall, UpcallCount<2>, AllowRoCount<0>, AllowRwCount<0>>,
    retry: &'static dyn Retry,
    tries: Cell<usize>,
}

impl Driver {
    fn tell(&self, process: &FakeProcess, value: usize) {
        let kept = self.apps.enter(process.id(), |late, kernel_data| {
            late.tell(kernel_data, UPCALL, (value, 0, 0))
        });
        if kept == Ok(true) {
            self.retry.soon();
        }
    }
}

impl LateUpcalls for Driver {
    fn try_again(&self) -> bool {
        self.tries.set(self.tries.get() + 1);
        let mut any_kept = false;
        for process in self.apps.iter() {
            process.try_enter(|late, kernel_data| {
                any_kept |= late.try_again(kernel_data, UPCALL);
            });
        }
        any_kept
    }
}

fn bench<const N: usize>() -> (
    &'static FakeAlarm,
    &'static Driver,
    [&'static FakeProcess; N],
) {
    let host = Host::new();
    let alarm = FakeAlarm::leaked(1_000);
    let retry: &'static UpcallRetry<'static, FakeAlarm> = forever(UpcallRetry::new(alarm));
    alarm.set_alarm_client(retry);
    let driver: &'static Driver = forever(Driver {
        apps: host.grant(1),
        retry,
        tries: Cell::new(0),
    });
    assert!(retry.serve(driver));
    (alarm, driver, host.processes)
}

fn values(process: &FakeProcess) -> Vec<usize> {
    let upcalls = process.upcalls();
    assert!(upcalls.iter().all(|(number, _)| *number == UPCALL));
    upcalls.into_iter().map(|(_, (value, ..))| value).collect()
}

#[test]
fn an_upcall_that_finds_room_needs_no_alarm() {
    let (alarm, driver, [process]) = bench();
    driver.tell(process, 7);
    assert_eq!(values(process), [7]);
    assert_eq!(alarm.wakes_in(), None);
}

#[test]
fn an_upcall_that_finds_the_queue_full_comes_when_there_is_room() {
    let (alarm, driver, [process]) = bench();
    process.fill_queue();
    driver.tell(process, 7);
    for _ in 0..3 {
        assert_eq!(alarm.wakes_in(), Some(LATER));
        alarm.pass(LATER);
    }
    assert_eq!(values(process), []);
    alarm.pass(LATER);
    assert_eq!(values(process), [7]);
    assert_eq!(alarm.wakes_in(), None);
    assert_eq!(driver.tries.get(), 4);
}

#[test]
fn a_later_upcall_comes_behind_the_one_that_was_kept() {
    let (alarm, driver, [process]) = bench();
    process.fill_queue();
    driver.tell(process, 7);
    assert_eq!(values(process), []);
    driver.tell(process, 8);
    assert_eq!(values(process), [7, 8]);
    alarm.pass(LATER);
    assert_eq!(values(process), []);
}

#[test]
fn of_two_that_find_the_queue_full_the_later_is_kept() {
    let (alarm, driver, [process]) = bench();
    process.fill_queue();
    driver.tell(process, 7);
    driver.tell(process, 8);
    assert_eq!(values(process), []);
    alarm.pass(LATER);
    assert_eq!(values(process), [8]);
}

#[test]
fn one_process_does_not_hold_up_another() {
    let (alarm, driver, [a, b]) = bench();
    a.fill_queue();
    b.fill_queue();
    driver.tell(a, 7);
    driver.tell(b, 8);
    assert_eq!(values(b), []);
    alarm.pass(LATER);
    assert_eq!(values(b), [8]);
    assert_eq!(alarm.wakes_in(), Some(LATER));
    assert_eq!(values(a), []);
    alarm.pass(LATER);
    assert_eq!((values(a), values(b)), (vec![7], vec![]));
}

#[test]
fn a_process_that_ends_takes_what_was_kept_with_it() {
    let (alarm, driver, [process]) = bench();
    process.fill_queue();
    driver.tell(process, 7);
    process.restart();
    alarm.pass(LATER);
    assert_eq!(values(process), []);
    assert_eq!(alarm.wakes_in(), None);
    driver.tell(process, 8);
    assert_eq!(values(process), [8]);
}

#[test]
fn there_is_room_for_as_many_drivers_as_promised() {
    let (alarm, driver, [_]) = bench::<1>();
    let retry = UpcallRetry::new(alarm);
    for _ in 0..MOST_DRIVERS {
        assert!(retry.serve(driver));
    }
    assert!(!retry.serve(driver));
}
