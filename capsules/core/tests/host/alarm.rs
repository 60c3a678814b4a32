// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The alarm driver, as processes use it.

use crate::support::alarm::FakeAlarm;
use capsules_core::alarm::{AlarmDriver, DRIVER_NUM};
use kernel::ErrorCode;
use kernel::hil::time::Alarm;
use kernel::syscall::SyscallDriver;
use kernel::testing::{FakeProcess, Host, forever};

type Driver = AlarmDriver<'static, FakeAlarm>;

const START: u64 = 0x1_0000_1000;

fn bench<const N: usize>() -> (
    &'static FakeAlarm,
    &'static Driver,
    [&'static FakeProcess; N],
) {
    let host = Host::new();
    let alarm = FakeAlarm::leaked(START);
    let driver = forever(AlarmDriver::new(alarm, host.grant(DRIVER_NUM)));
    alarm.set_alarm_client(driver);
    (alarm, driver, host.processes)
}

fn set_relative(driver: &Driver, process: &FakeProcess, dt: u32) -> u32 {
    let answer = driver.command(5, dt as usize, 0, process.id());
    answer.get_success_u32().unwrap()
}

const NOW: u32 = START as u32;

#[test]
fn the_clock_can_be_asked() {
    let (_, driver, [process]) = bench();
    assert!(driver.command(0, 0, 0, process.id()).is_success());
    assert_eq!(
        driver.command(1, 0, 0, process.id()).get_success_u32(),
        Some(10_000_000)
    );
    assert_eq!(
        driver.command(2, 0, 0, process.id()).get_success_u32(),
        Some(NOW)
    );
    for unknown in [4, 7, usize::MAX] {
        assert_eq!(
            driver.command(unknown, 0, 0, process.id()).get_failure(),
            Some(ErrorCode::NOSUPPORT)
        );
    }
}

#[test]
fn an_alarm_fires_once_with_now_and_expiration() {
    let (alarm, driver, [process]) = bench();
    assert_eq!(set_relative(driver, process, 100), NOW + 100);
    alarm.pass(99);
    assert_eq!(process.upcalls(), []);
    alarm.pass(3);
    assert_eq!(
        process.upcalls(),
        [(0, (NOW as usize + 102, NOW as usize + 100, 0))]
    );
    alarm.pass(1 << 33);
    assert_eq!(process.upcalls(), []);
    assert_eq!(alarm.wakes_in(), None);
}

#[test]
fn an_alarm_that_is_due_fires_in_the_command() {
    let (alarm, driver, [process]) = bench();
    assert_eq!(set_relative(driver, process, 0), NOW);
    assert_eq!(process.upcalls(), [(0, (NOW as usize, NOW as usize, 0))]);
    let answer = driver.command(6, NOW as usize - 50, 20, process.id());
    assert_eq!(answer.get_success_u32(), Some(NOW - 30));
    assert_eq!(
        process.upcalls(),
        [(0, (NOW as usize, NOW as usize - 30, 0))]
    );
    assert_eq!(alarm.wakes_in(), None);
}

#[test]
fn a_reference_above_now_belongs_to_the_turn_before() {
    let (alarm, driver, [process]) = bench();
    let reference = u32::MAX - 9;
    driver.command(6, reference as usize, NOW as usize + 60, process.id());
    assert_eq!(alarm.wakes_in(), Some(50));
}

#[test]
fn stopping_disarms_once() {
    let (alarm, driver, [process]) = bench();
    let stop = || driver.command(3, 0, 0, process.id());
    assert_eq!(stop().get_failure(), Some(ErrorCode::ALREADY));
    set_relative(driver, process, 10);
    assert!(stop().is_success());
    assert_eq!(alarm.wakes_in(), None);
    assert_eq!(stop().get_failure(), Some(ErrorCode::ALREADY));
    alarm.pass(20);
    assert_eq!(process.upcalls(), []);
}

#[test]
fn setting_replaces_in_both_directions() {
    let (alarm, driver, [process]) = bench();
    set_relative(driver, process, 100);
    set_relative(driver, process, 500);
    assert_eq!(alarm.wakes_in(), Some(500));
    set_relative(driver, process, 50);
    assert_eq!(alarm.wakes_in(), Some(50));
    alarm.pass(1000);
    assert_eq!(process.upcalls().len(), 1);
}

#[test]
fn processes_fire_in_their_own_time() {
    let (alarm, driver, [a, b, c]) = bench();
    set_relative(driver, b, 200);
    set_relative(driver, a, 300);
    set_relative(driver, c, 100);
    for (step, expected) in [(100, [0, 0, 1]), (100, [0, 1, 0]), (100, [1, 0, 0])] {
        assert_eq!(alarm.wakes_in(), Some(100));
        alarm.pass(step);
        assert_eq!([a, b, c].map(|process| process.upcalls().len()), expected);
    }
}

#[test]
fn an_upcall_that_finds_the_queue_full_is_tried_again() {
    let (alarm, driver, [process]) = bench();
    process.fill_queue();
    set_relative(driver, process, 10);
    alarm.pass(10);
    // 10 ms at 10 MHz.
    assert_eq!(alarm.wakes_in(), Some(100_000));
    alarm.pass(100_000);
    assert_eq!(process.upcalls(), []);
    alarm.pass(100_000);
    let upcalls = process.upcalls();
    assert_eq!(upcalls.len(), 1);
    assert_eq!(upcalls[0].1.1, NOW as usize + 10);
    // The same when it is due at once.
    process.fill_queue();
    set_relative(driver, process, 0);
    assert_eq!(process.upcalls(), []);
    alarm.pass(100_000);
    assert_eq!(process.upcalls().len(), 1);
}

#[test]
fn the_alarm_of_a_process_that_ended_disturbs_nobody() {
    let (alarm, driver, [a, b]) = bench();
    set_relative(driver, a, 10);
    set_relative(driver, b, 20);
    let old = a.id();
    a.restart();
    alarm.pass(15);
    assert_eq!(a.upcalls(), []);
    alarm.pass(15);
    assert_eq!(b.upcalls().len(), 1);
    assert_eq!(
        driver.command(5, 1, 0, old).get_failure(),
        Some(ErrorCode::INVAL)
    );
}

#[test]
fn the_last_process_left_waiting_keeps_its_deadline() {
    let (alarm, driver, [a, b]) = bench();
    set_relative(driver, a, 10);
    set_relative(driver, b, 40);
    assert!(driver.command(3, 0, 0, a.id()).is_success());
    // What was given up may still wake the driver, once.
    alarm.pass(15);
    assert_eq!(alarm.wakes_in(), Some(25));
    set_relative(driver, b, 100);
    assert_eq!(alarm.wakes_in(), Some(100));
    b.restart();
    set_relative(driver, a, 300);
    alarm.pass(100);
    assert_eq!(alarm.wakes_in(), Some(200));
    alarm.pass(200);
    assert_eq!((a.upcalls().len(), b.upcalls().len()), (1, 0));
    assert_eq!(alarm.wakes_in(), None);
}

#[test]
fn agrees_with_a_model_under_random_use() {
    let (alarm, driver, processes) = bench::<3>();
    let mut seed = 1u64;
    let mut random = |bound: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) % bound
    };
    let mut now = START;
    let mut due: [Option<u64>; 3] = [None; 3];
    for _ in 0..20_000 {
        let pick = random(3) as usize;
        let process = processes[pick];
        let mut expected = [0; 3];
        match random(4) {
            0 => {
                let dt = random(3000);
                set_relative(driver, process, dt as u32);
                due[pick] = Some(now + dt);
            }
            1 => {
                let (age, dt) = (random(0x2_0000), random(0x2_1000));
                let reference = now - age;
                driver.command(6, reference as u32 as usize, dt as usize, process.id());
                due[pick] = Some(reference + dt);
            }
            2 => {
                let answer = driver.command(3, 0, 0, process.id());
                assert_eq!(answer.is_success(), due[pick].take().is_some());
            }
            _ => {
                let step = random(1000);
                now += step;
                alarm.pass(step);
            }
        }
        for (slot, count) in due.iter_mut().zip(&mut expected) {
            if slot.is_some_and(|end| end <= now) {
                *slot = None;
                *count = 1;
            }
        }
        assert_eq!(processes.map(|process| process.upcalls().len()), expected);
        if let Some(next) = due.iter().flatten().min() {
            assert!(alarm.wakes_in().unwrap() <= next - now);
        }
    }
}
