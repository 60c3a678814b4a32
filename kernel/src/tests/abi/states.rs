// SPDX-License-Identifier: Apache-2.0 OR MIT

//! States of a process, what leads from one to another, and what a new run keeps.

use core::ptr::without_provenance_mut;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{Machine, Outcome, Row, class, hold, stride};
use crate::process::fakes::DRIVER;
use crate::process::fakes::Everything;
use crate::process::{FaultAction, State, StoppedState};
use crate::processbuffer::ReadableProcessBuffer;
use crate::upcall::UpcallId;

const EVENT: UpcallId = UpcallId {
    driver_num: DRIVER,
    subscribe_num: 1,
};

/// What happens to a process, by name.
type Event = (&'static str, fn(&Machine));

const YIELD: Event = ("yield", |m| {
    m.call(class::YIELD, [1, 0, 0, 0]);
});
const NO_WAIT: Event = ("no-wait yield with nothing queued", |m| {
    m.call(class::YIELD, [0, 0, 0, 0]);
});
const WAIT_FOR: Event = ("wait-for", |m| {
    m.call(class::YIELD, [2, DRIVER, 1, 0]);
});
const QUEUE_EVENT: Event = ("event without a function, and a turn", |m| {
    m.event(1, 0);
    m.world.run_reasons([]);
});
const QUEUE_OTHER: Event = ("another event, and a turn", |m| {
    m.event(0, 0);
    m.world.run_reasons([]);
});
const STOP: Event = ("stop", |m| m.process.stop());
const RESUME: Event = ("resume", |m| m.process.resume());
const FAULT: Event = ("fault", |m| m.process.set_fault_state());
const TERMINATE: Event = ("terminate", |m| m.process.terminate(Some(4)));
const RESTART: Event = ("restart", |m| m.process.try_restart(Some(5)));
const START: Event = ("start", |m| m.process.start(&Everything));

const STOPPED: State = State::Stopped(StoppedState::Running);
const STOPPED_YIELDED: State = State::Stopped(StoppedState::Yielded);
const WAITING: State = State::YieldedFor(EVENT);
const STOPPED_WAITING: State = State::Stopped(StoppedState::YieldedFor(EVENT));

/// What leads from `Running` to a state, one event after the other.
const WAYS: &[(State, &[Event])] = &[
    (State::Running, &[]),
    (State::Yielded, &[YIELD]),
    (WAITING, &[WAIT_FOR]),
    (STOPPED, &[STOP]),
    (STOPPED_YIELDED, &[YIELD, STOP]),
    (STOPPED_WAITING, &[WAIT_FOR, STOP]),
    (State::Faulted, &[FAULT]),
    (State::Terminated, &[TERMINATE]),
];

/// From a state, by an event, to a state.
const TRANSITIONS: &[(State, Event, State)] = &[
    (State::Running, YIELD, State::Yielded),
    (State::Running, NO_WAIT, State::Running),
    (State::Running, WAIT_FOR, WAITING),
    (State::Running, STOP, STOPPED),
    (State::Running, RESUME, State::Running),
    (State::Running, FAULT, State::Faulted),
    (State::Running, TERMINATE, State::Terminated),
    (State::Running, RESTART, State::Yielded),
    (State::Running, START, State::Running),
    (State::Yielded, QUEUE_EVENT, State::Yielded),
    (State::Yielded, STOP, STOPPED_YIELDED),
    (State::Yielded, RESUME, State::Yielded),
    (State::Yielded, FAULT, State::Faulted),
    (State::Yielded, TERMINATE, State::Terminated),
    (State::Yielded, RESTART, State::Yielded),
    (State::Yielded, START, State::Yielded),
    (WAITING, QUEUE_EVENT, State::Running),
    (WAITING, QUEUE_OTHER, WAITING),
    (WAITING, STOP, STOPPED_WAITING),
    (WAITING, RESUME, WAITING),
    (WAITING, FAULT, State::Faulted),
    (WAITING, TERMINATE, State::Terminated),
    (WAITING, RESTART, State::Yielded),
    (STOPPED, RESUME, State::Running),
    (STOPPED, STOP, STOPPED),
    (STOPPED, QUEUE_EVENT, STOPPED),
    (STOPPED, FAULT, State::Faulted),
    (STOPPED, TERMINATE, State::Terminated),
    (STOPPED, RESTART, State::Yielded),
    (STOPPED_YIELDED, RESUME, State::Yielded),
    (STOPPED_YIELDED, QUEUE_EVENT, STOPPED_YIELDED),
    (STOPPED_WAITING, RESUME, WAITING),
    (STOPPED_WAITING, QUEUE_EVENT, STOPPED_WAITING),
    (State::Faulted, STOP, State::Faulted),
    (State::Faulted, RESUME, State::Faulted),
    (State::Faulted, FAULT, State::Faulted),
    (State::Faulted, START, State::Faulted),
    (State::Faulted, QUEUE_EVENT, State::Faulted),
    (State::Faulted, TERMINATE, State::Terminated),
    (State::Faulted, RESTART, State::Yielded),
    (State::Terminated, STOP, State::Terminated),
    (State::Terminated, RESUME, State::Terminated),
    (State::Terminated, FAULT, State::Terminated),
    (State::Terminated, TERMINATE, State::Terminated),
    (State::Terminated, QUEUE_EVENT, State::Terminated),
    (State::Terminated, RESTART, State::Terminated),
    (State::Terminated, START, State::Yielded),
];

#[test]
fn each_event_leads_from_state_to_state_as_the_table_says() {
    for (from, (event, happens), to) in TRANSITIONS.iter().step_by(stride(12)) {
        let m = Machine::new();
        let (_, way) = WAYS.iter().find(|(state, _)| state == from).unwrap();
        for (_, step) in *way {
            step(&m);
        }
        assert_eq!(m.process.get_state(), *from);
        happens(&m);
        assert_eq!(m.process.get_state(), *to, "{from:?}: {event}");
        let active = !matches!(to, State::Faulted | State::Terminated);
        assert_eq!(to.is_active(), active);
    }
}

#[test]
fn a_process_is_ready_in_the_states_in_which_it_gets_somewhere() {
    for (state, way) in WAYS.iter().step_by(stride(3)) {
        let m = Machine::new();
        for (_, step) in *way {
            step(&m);
        }
        assert_eq!(m.process.ready(), *state == State::Running, "{state:?}");
        m.event(1, 0);
        let can = matches!(
            state,
            State::Running | State::Yielded | State::YieldedFor(_)
        );
        assert_eq!(m.process.ready(), can, "{state:?} with an event");
    }
}

const LIVES: &[Row] = &[
    (
        "new: yielded, with the call of the entry function queued",
        |m| {
            m.process.try_restart(None);
            assert_eq!(m.process.get_state(), State::Yielded);
            assert_eq!(m.process.pending_tasks(), 1);
            assert!(m.process.ready());
        },
    ),
    (
        "entry: start of the binary, of RAM, length of RAM, break; behind the headers",
        |m| {
            m.process.try_restart(None);
            let map = m.map();
            let entry = m.process.dequeue_task();
            let Some(crate::process::Task::FunctionCall(call)) = entry else {
                panic!("no entry function");
            };
            assert_eq!(call.argument0, map.flash_non_protected_start);
            assert_eq!(call.argument1, map.sram_start);
            assert_eq!(call.argument2, map.sram_end - map.sram_start);
            assert_eq!(call.argument3.as_usize(), map.sram_app_brk);
            assert!((map.flash_start..map.flash_end).contains(&call.pc.addr()));
        },
    ),
    (
        "memory: in order, and as much for the app as its header asks for",
        |m| {
            let map = m.map();
            assert!(map.sram_start <= map.sram_app_brk);
            assert!(map.sram_app_brk <= map.sram_grant_start);
            assert!(map.sram_grant_start < map.sram_end);
            m.process.try_restart(None);
            let map = m.map();
            assert_eq!(map.sram_app_brk, map.sram_start);
            assert!(map.sram_grant_start - map.sram_start >= 1024);
        },
    ),
    (
        "terminate: queue and grants are gone, the code is kept",
        |m| {
            m.event(0, 1);
            assert_eq!(m.process.grant_allocated_count(), Some(1));
            m.process.terminate(Some(4));
            assert!(!m.process.has_tasks());
            assert_eq!(m.process.grant_is_allocated(0), None);
            assert_eq!(m.process.get_completion_code(), Some(Some(4)));
            let id = m.process.processid();
            assert!(m.world.driver.apps.enter(id, |_, _| ()).is_err());
        },
    ),
    ("terminate: one that faulted has no code", |m| {
        m.process.set_fault_state();
        m.process.terminate(Some(4));
        assert_eq!(m.process.get_completion_code(), Some(None));
    }),
    (
        "new run: a greater identifier, the same slot, the old one leads nowhere",
        |m| {
            let before = m.process.processid();
            m.process.try_restart(None);
            let after = m.process.processid();
            assert!(after.id() > before.id());
            assert_eq!(after.slot_index(), before.slot_index());
            assert!(m.world.kernel.get_process(before).is_none());
            assert!(m.world.kernel.get_process(after).is_some());
            let entered = m.world.driver.apps.enter(before, |_, _| ());
            assert_eq!(entered, Err(crate::process::Error::NoSuchApp));
        },
    ),
    (
        "new run: counters start anew, the number of restarts goes on",
        |m| {
            m.answers(class::COMMAND, [DRIVER, 0, 0, 0], &[128]);
            while m.event(0, 0) {}
            assert!(m.process.debug_syscall_count() > 0);
            assert_eq!(m.process.debug_dropped_upcall_count(), 1);
            for restarts in 1..4 {
                m.process.try_restart(Some(5));
                assert_eq!(m.process.get_restart_count(), restarts);
            }
            assert_eq!(m.process.debug_syscall_count(), 0);
            assert_eq!(m.process.debug_dropped_upcall_count(), 0);
            assert_eq!(m.process.debug_syscall_last(), None);
            assert_eq!(m.process.get_completion_code(), Some(Some(5)));
        },
    ),
    (
        "new run: the same block, breaks and what was held as at first, zero again",
        |m| {
            let ram = m.ram();
            let end = m.map().sram_end;
            m.set_byte(ram + 9, 0xEE);
            m.succeeds(class::ALLOW_RW, [DRIVER, 0, ram, 100]);
            let grants = m.map().sram_grant_start;
            m.process.try_restart(None);
            assert_eq!((m.map().sram_start, m.map().sram_end), (ram, end));
            assert_eq!(m.map().sram_app_brk, ram);
            assert!(m.map().sram_grant_start > grants);
            m.go_on();
            m.succeeds(class::MEMOP, [1, 64, 0, 0]);
            m.succeeds(class::MEMOP, [0, ram, 0, 0]);
            m.succeeds(class::MEMOP, [1, 64, 0, 0]);
            let shared = m
                .process
                .build_readwrite_process_buffer(without_provenance_mut(ram), 64);
            let zero = shared
                .unwrap()
                .enter(|bytes| bytes.iter().all(|byte| byte.get() == 0));
            assert_eq!(zero, Ok(true));
        },
    ),
    (
        "new run: nothing of the last one is subscribed or shared",
        |m| {
            m.succeeds(class::SUBSCRIBE, [DRIVER, 0, m.function(), 7]);
            m.succeeds(class::ALLOW_RO, [DRIVER, 0, m.ram(), 8]);
            m.gives(class::EXIT, [1, 0, 0, 0], Outcome::Restarted);
            m.go_on();
            m.answers(class::SUBSCRIBE, [DRIVER, 0, 0, 0], &[130, 0, 0]);
            m.answers(class::ALLOW_RO, [DRIVER, 0, 0, 0], &[130, 0, 0]);
        },
    ),
    (
        "new run that cannot be set up: terminated, until a start works",
        |m| {
            m.world.chip.mpu.refuse.set(true);
            m.process.try_restart(Some(5));
            assert_eq!(m.process.get_state(), State::Terminated);
            assert!(!m.process.has_tasks());
            m.world.chip.mpu.refuse.set(false);
            m.process.start(&Everything);
            assert_eq!(m.process.get_state(), State::Yielded);
        },
    ),
    ("fault: the hook of the board may claim it", |m| {
        m.world.fault_hook.claims.set(true);
        m.gives(8, [1, 2, 3, 4], Outcome::Back([1, 2, 3, 4]));
        assert_eq!(m.process.get_state(), State::Running);
    }),
    (
        "fault: the policy stops the process, restarts it, or panics by its name",
        |m| {
            for (action, state) in [
                (FaultAction::Stop, State::Faulted),
                (FaultAction::Restart, State::Yielded),
            ] {
                m.world.policy.action.set(action);
                m.process.set_fault_state();
                assert_eq!(m.process.get_state(), state);
                m.process.try_restart(None);
            }
            m.world.policy.action.set(FaultAction::Panic);
            let fault = AssertUnwindSafe(|| m.process.set_fault_state());
            let message = catch_unwind(fault).unwrap_err();
            assert!(
                message
                    .downcast_ref::<std::string::String>()
                    .unwrap()
                    .contains("app")
            );
            assert_eq!(m.process.get_state(), State::Faulted);
        },
    ),
];

#[test]
fn each_rule_about_a_life_and_the_next_holds() {
    hold(LIVES);
}
