// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Commands, exits, the filter, and what is a fault (TRD 104, sections 4.3 and 4.8).

use std::vec::Vec;

use super::{Machine, Outcome, Row, class, code, hold, stride};
use crate::errorcode::ErrorCode;
use crate::process::fakes::calls::ABSENT;
use crate::process::fakes::{DRIVER, IPC_DRIVER};
use crate::process::{FaultAction, State};
use crate::syscall::ContextSwitchReason;

use class::{ALLOW_READABLE, ALLOW_RO, ALLOW_RW, COMMAND, EXIT, MEMOP, SUBSCRIBE, YIELD};

const COMMANDS: &[Row] = &[
    ("command 0 says whether the driver is there", |m| {
        m.answers(COMMAND, [DRIVER, 0, 1, 2], &[128]);
        m.answers(COMMAND, [IPC_DRIVER, 0, 1, 2], &[128]);
        m.answers(COMMAND, [ABSENT, 0, 1, 2], &[0, code::NODEVICE]);
    }),
    (
        "command: an absent driver has none, a present one does not know all",
        |m| {
            for number in [1, 255, usize::MAX] {
                m.answers(COMMAND, [ABSENT, number, 1, 2], &[0, code::NODEVICE]);
            }
            m.answers(COMMAND, [DRIVER, usize::MAX, 1, 2], &[0, code::NOSUPPORT]);
        },
    ),
    ("command: what it schedules waits for a yield", |m| {
        m.succeeds(SUBSCRIBE, [DRIVER, 0, m.function(), 7]);
        m.answers(COMMAND, [DRIVER, 1, 0, 8], &[129, 1]);
        m.answers(COMMAND, [DRIVER, 0, 0, 0], &[128]);
        let upcall = Outcome::Upcall(m.function(), [8, 20, 30, 7]);
        m.gives(YIELD, [1, 0, 0, 0], upcall);
    }),
];

const EXITS: &[Row] = &[
    ("exit 0: terminated, with its code", |m| {
        m.gives(EXIT, [0, 0xFFFF_FFFF, 1, 2], Outcome::Ended(u32::MAX));
        assert_eq!(m.process.get_state(), State::Terminated);
        assert!(!m.process.ready());
    }),
    (
        "exit 1: a new run under a fresh identifier, the code stored",
        |m| {
            let before = m.process.processid();
            m.gives(EXIT, [1, 9, 1, 2], Outcome::Restarted);
            let after = m.process.processid();
            assert!(after.id() > before.id());
            assert_eq!(m.process.get_completion_code(), Some(Some(9)));
            assert!(matches!(m.go_on(), Outcome::Upcall(..)));
        },
    ),
    (
        "exit: anything else is not supported, and the process goes on",
        |m| {
            for which in [2, 255, 256, usize::MAX] {
                m.answers(EXIT, [which, 9, 1, 2], &[0, code::NOSUPPORT]);
            }
            assert_eq!(m.process.get_completion_code(), None);
        },
    ),
];

/// Calls that make no sense, one for each way not to.
fn nonsense(m: &Machine) -> Vec<(u8, [usize; 4])> {
    let map = m.map();
    let wild = [0, 1, map.sram_end, map.flash_start, usize::MAX];
    let mut calls = Vec::new();
    for class in [
        YIELD,
        SUBSCRIBE,
        COMMAND,
        ALLOW_RW,
        ALLOW_RO,
        MEMOP,
        EXIT,
        ALLOW_READABLE,
    ] {
        for first in [DRIVER, ABSENT, IPC_DRIVER, usize::MAX] {
            for third in wild {
                calls.push((class, [first, 3, third, 1]));
                calls.push((class, [first, usize::MAX, third, usize::MAX]));
            }
        }
    }
    calls
}

const FAULTS: &[Row] = &[
    ("fault: a trap that is no call and no interrupt", |m| {
        m.world.run_reasons([ContextSwitchReason::Fault]);
        assert_eq!(m.process.get_state(), State::Faulted);
    }),
    ("fault: a class that does not exist", |m| {
        m.gives(8, [0; 4], Outcome::Faulted);
    }),
    ("fault: an upcall that cannot be delivered", |m| {
        m.succeeds(SUBSCRIBE, [DRIVER, 0, m.function(), 7]);
        m.event(0, 1);
        m.world.chip.boundary.broken.set(true);
        m.gives(YIELD, [1, 0, 0, 0], Outcome::Faulted);
    }),
    ("no fault: an interrupt", |m| {
        m.world.run_reasons([ContextSwitchReason::Interrupted; 3]);
        assert_eq!(m.process.get_state(), State::Running);
    }),
    ("no fault: arguments of any kind", |m| {
        m.world.policy.action.set(FaultAction::Panic);
        for (class, registers) in nonsense(m).into_iter().step_by(stride(31)) {
            let outcome = m.call(class, registers);
            assert!(
                matches!(outcome, Outcome::Back(_)),
                "{class} {registers:x?}"
            );
        }
    }),
    ("fault: the policy says what follows", |m| {
        m.world.policy.action.set(FaultAction::Restart);
        m.gives(8, [0; 4], Outcome::Restarted);
        m.go_on();
        m.world.policy.action.set(FaultAction::Stop);
        m.gives(8, [0; 4], Outcome::Faulted);
    }),
];

const FILTER: &[Row] = &[
    (
        "filter: variant 0 with its code, for every class that it sees",
        |m| {
            for error in [ErrorCode::NODEVICE, ErrorCode::RESERVE] {
                m.world.filter.refuse.set(Some(error));
                for class in [SUBSCRIBE, COMMAND, ALLOW_RW, ALLOW_RO, ALLOW_READABLE] {
                    m.answers(class, [DRIVER, 0, 0, 0], &[0, error as usize]);
                }
            }
            assert!(m.world.driver.commands.borrow().is_empty());
        },
    ),
    ("filter: it sees no yield, no memop and no exit", |m| {
        m.world.filter.refuse.set(Some(ErrorCode::RESERVE));
        m.answers(YIELD, [0, 0, 0, 0], &[]);
        m.answers(MEMOP, [10, 0, 0, 0], &[128]);
        m.answers(EXIT, [2, 0, 0, 0], &[0, code::NOSUPPORT]);
        m.gives(EXIT, [1, 0, 0, 0], Outcome::Restarted);
    }),
];

#[test]
fn each_rule_about_commands_holds() {
    hold(COMMANDS);
}

#[test]
fn each_rule_about_exits_holds() {
    hold(EXITS);
}

#[test]
fn each_rule_about_faults_holds() {
    hold(FAULTS);
}

#[test]
fn each_rule_about_the_filter_holds() {
    hold(FILTER);
}
