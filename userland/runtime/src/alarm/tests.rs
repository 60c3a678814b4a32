// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Waiting against a stand-in timer whose counter moves only while the process sleeps.

use super::*;
use crate::host::{self, Event, Shared};
use crate::syscall::Return;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

const FREQUENCY: u32 = 10_000_000;
const OTHER: usize = 0x99;
static OTHER_EVENT: Upcall = Upcall::new(OTHER, 5);

#[derive(Default)]
struct Timer {
    now: u64,
    /// When the alarm fires, by the counter in full.
    due: Option<u64>,
    /// Lengths of all settings so far.
    settings: Vec<u32>,
    /// When another driver has something to say.
    other_at: Option<u64>,
}

struct TimerKernel(Rc<RefCell<Timer>>);

impl host::Kernel for TimerKernel {
    fn command(
        &mut self,
        driver: usize,
        number: usize,
        [reference, dt]: [usize; 2],
        events: &mut VecDeque<Event>,
    ) -> Return {
        assert_eq!(driver, DRIVER);
        let mut timer = self.0.borrow_mut();
        let (variant, value) = match number {
            COMMAND_FREQUENCY => (129, FREQUENCY),
            COMMAND_NOW => (129, timer.now as u32),
            COMMAND_STOP => match timer.due.take() {
                Some(_) => (128, 0),
                None => (0, ErrorCode::Already as u32),
            },
            COMMAND_SET => {
                let (reference, dt) = (reference as u32, dt as u32);
                let elapsed = (timer.now as u32).wrapping_sub(reference);
                timer.due = Some(timer.now - u64::from(elapsed) + u64::from(dt));
                timer.settings.push(dt);
                (129, reference.wrapping_add(dt))
            }
            _ => (0, ErrorCode::NoSupport as u32),
        };
        // An alarm set in the past fires at once.
        if timer.due.is_some_and(|due| due <= timer.now) {
            timer.fire(events);
        }
        Return {
            variant,
            values: [value as usize, 0, 0],
        }
    }

    fn allow(&mut self, _: bool, _: usize, _: usize, _: Shared) -> Result<Shared, ErrorCode> {
        Err(ErrorCode::NoSupport)
    }

    fn idle(&mut self, events: &mut VecDeque<Event>) {
        let mut timer = self.0.borrow_mut();
        match (timer.due, timer.other_at) {
            (due, Some(other)) if due.is_none_or(|due| other < due) => {
                timer.now = other;
                timer.other_at = None;
                events.push_back(Event {
                    driver: OTHER,
                    number: 5,
                    arguments: [1, 2, 3],
                });
            }
            (Some(due), _) => {
                // Late by a little, as real timers are.
                timer.now = due + 3;
                timer.fire(events);
            }
            (None, _) => panic!("the process would sleep for good"),
        }
    }
}

impl Timer {
    fn fire(&mut self, events: &mut VecDeque<Event>) {
        let due = self.due.take().unwrap();
        events.push_back(Event {
            driver: DRIVER,
            number: 0,
            arguments: [self.now as u32, due as u32, 0],
        });
    }
}

fn with_timer(start: u64, test: impl FnOnce(&RefCell<Timer>)) {
    let _turn = host::take_turn();
    FIRED.disable();
    OTHER_EVENT.disable();
    let timer = Rc::new(RefCell::new(Timer {
        now: start,
        ..Timer::default()
    }));
    host::install(TimerKernel(timer.clone()));
    OTHER_EVENT.enable().unwrap();
    test(&timer);
}

#[test]
fn a_sleep_is_never_too_short() {
    with_timer(0, |timer| {
        for milliseconds in [0, 1, 100, 10_000] {
            let before = timer.borrow().now;
            sleep_ms(milliseconds).unwrap();
            assert!(timer.borrow().now - before >= u64::from(milliseconds) * 10_000);
        }
    });
}

#[test]
fn ticks_are_rounded_up() {
    assert_eq!(ticks(1, 32_768), 33);
    assert_eq!(
        ticks(u32::MAX, u32::MAX),
        u64::from(u32::MAX).pow(2).div_ceil(1000)
    );
}

#[test]
fn a_sleep_over_the_wrap_of_the_counter_takes_its_time() {
    with_timer((1 << 32) - 500, |timer| {
        sleep_ms(1).unwrap();
        assert!(timer.borrow().now >= (1 << 32) + 9_500);
    });
}

#[test]
fn a_sleep_longer_than_the_counter_is_cut_into_settings() {
    with_timer(7, |timer| {
        sleep_ms(1_000_000).unwrap();
        let timer = timer.borrow();
        assert!(timer.now >= 10_000_000_000 + 7);
        assert!(timer.settings.len() > 2);
        assert!(
            timer
                .settings
                .iter()
                .all(|dt| u64::from(*dt) <= LONGEST_TICKS)
        );
    });
}

#[test]
fn an_event_ends_a_wait_before_its_time() {
    with_timer(0, |timer| {
        timer.borrow_mut().other_at = Some(50);
        assert_eq!(wait_any(&[&OTHER_EVENT], Some(1)), Ok(Wake::Event));
        assert_eq!(timer.borrow().due, None, "the alarm is stopped");
        assert_eq!(OTHER_EVENT.take(), Some([1, 2, 3]));
    });
}

#[test]
fn a_wait_without_events_times_out() {
    with_timer(0, |timer| {
        assert_eq!(wait_any(&[&OTHER_EVENT], Some(2)), Ok(Wake::Timeout));
        assert!(timer.borrow().now >= 20_000);
    });
}

#[test]
fn a_pending_event_needs_no_alarm() {
    with_timer(0, |timer| {
        timer.borrow_mut().other_at = Some(50);
        assert_eq!(wait_any(&[&OTHER_EVENT], None), Ok(Wake::Event));
        assert_eq!(wait_any(&[&OTHER_EVENT], Some(9)), Ok(Wake::Event));
        assert_eq!(timer.borrow().settings, []);
    });
}

#[test]
fn a_firing_that_came_too_late_to_stop_ends_no_later_wait() {
    with_timer(0, |timer| {
        FIRED.enable().unwrap();
        set(0, 0).unwrap();
        assert_eq!(wait_any(&[&OTHER_EVENT], Some(1)), Ok(Wake::Timeout));
        let before = timer.borrow().now;
        assert!(before >= 10_000);

        set(before as u32, 0).unwrap();
        sleep_ms(1).unwrap();
        assert!(timer.borrow().now - before >= 10_000);
    });
}

#[test]
fn the_clock_goes_on_over_wraps() {
    with_timer(u64::from(u32::MAX) - 5, |timer| {
        let mut clock = Clock::start().unwrap();
        for _ in 0..10 {
            timer.borrow_mut().now += 3_000_000_000;
            clock.micros();
        }
        assert_eq!(clock.micros(), 3_000_000_000);
        assert_eq!(clock.millis(), 3_000_000);
    });
}
