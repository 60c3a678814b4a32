// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Yield, and how upcalls reach a process (TRD 104, sections 4.1 and 5).

use super::{Machine, Outcome, Row, class, hold};
use crate::ipc::IPCUpcallType;
use crate::process::fakes::calls::{ABSENT, byte};
use crate::process::fakes::{DRIVER, IPC_DRIVER};
use crate::process::{State, Task};
use crate::syscall::SyscallDriver;

const NO_WAIT: usize = 0;
const WAIT: usize = 1;
const WAIT_FOR: usize = 2;

/// Places that drivers may fill in the queue of a process.
const QUEUE: usize = 10;

impl Machine {
    /// Subscribes a function to an upcall of the driver, with this number as user data too.
    fn subscribe(&self, number: usize) {
        self.succeeds(class::SUBSCRIBE, [DRIVER, number, self.function(), number]);
    }

    fn upcall(&self, number: usize, value: usize) -> Outcome {
        Outcome::Upcall(self.function(), [value, 20, 30, number])
    }

    fn flag(&self) -> usize {
        self.ram() + 5
    }

    /// Yields without waiting, with the flag set to something that is no answer.
    fn poll(&self) -> (Outcome, u8) {
        self.set_byte(self.flag(), 0xAA);
        let outcome = self.call(class::YIELD, [NO_WAIT, self.flag(), 3, 4]);
        (outcome, byte(self.process, self.flag()))
    }

    fn untouched(&self) -> Outcome {
        let registers = [NO_WAIT, self.flag(), 3, 4];
        Outcome::Back(registers.map(super::register))
    }
}

const NO_WAITS: &[Row] = &[
    (
        "no-wait: back at once when nothing is queued, registers stay, flag 0",
        |m| {
            assert_eq!(m.poll(), (m.untouched(), 0));
        },
    ),
    ("no-wait: exactly one upcall runs, flag 1", |m| {
        m.subscribe(0);
        m.subscribe(1);
        assert!(m.event(0, 8) && m.event(1, 9));
        assert_eq!(m.poll(), (m.upcall(0, 8), 1));
        assert_eq!(m.process.pending_tasks(), 1);
        assert_eq!(m.poll(), (m.upcall(1, 9), 1));
        assert_eq!(m.poll(), (m.untouched(), 0));
    }),
    (
        "no-wait: only events without a function count as nothing, and stay",
        |m| {
            assert!(m.event(0, 8));
            assert_eq!(m.poll(), (m.untouched(), 0));
            m.answers(class::YIELD, [WAIT_FOR, DRIVER, 0, 4], &[8, 20, 30]);
        },
    ),
    (
        "no-wait: the flag is written only below the break, and nothing else is wrong",
        |m| {
            let map = m.map();
            for flag in [
                0,
                map.sram_start - 1,
                map.sram_app_brk,
                map.flash_start,
                usize::MAX,
            ] {
                m.answers(class::YIELD, [NO_WAIT, flag, 3, 4], &[]);
            }
            let last = map.sram_app_brk - 1;
            m.set_byte(last, 0xAA);
            m.answers(class::YIELD, [NO_WAIT, last, 3, 4], &[]);
            assert_eq!(byte(m.process, last), 0);
        },
    ),
    ("no-wait: the flag is written before the upcall runs", |m| {
        m.subscribe(0);
        m.event(0, 8);
        // The process is entered once: at the upcall.
        assert_eq!(m.poll(), (m.upcall(0, 8), 1));
        assert_eq!(m.process.get_state(), State::Running);
    }),
];

const WAITS: &[Row] = &[
    ("wait: an upcall that is queued runs at once", |m| {
        m.subscribe(1);
        m.event(1, 8);
        m.gives(class::YIELD, [WAIT, 0, 0, 0], m.upcall(1, 8));
    }),
    ("wait: sleeps until an upcall with a function comes", |m| {
        m.subscribe(1);
        m.gives(class::YIELD, [WAIT, 0, 0, 0], Outcome::Waits);
        m.event(0, 1);
        assert_eq!(m.go_on(), Outcome::Waits);
        m.event(1, 8);
        assert_eq!(m.go_on(), m.upcall(1, 8));
    }),
    (
        "wait: events without a function are used up on the way",
        |m| {
            m.subscribe(1);
            for _ in 0..3 {
                m.event(0, 1);
            }
            m.event(1, 8);
            m.gives(class::YIELD, [WAIT, 0, 0, 0], m.upcall(1, 8));
            assert!(!m.process.has_tasks());
        },
    ),
    (
        "wait, no-wait: parameters that are reserved do not matter",
        |m| {
            m.subscribe(1);
            m.event(1, 8);
            m.gives(class::YIELD, [WAIT, usize::MAX, 1, 2], m.upcall(1, 8));
            m.answers(class::YIELD, [NO_WAIT, 0, usize::MAX, usize::MAX], &[]);
        },
    ),
    ("unknown yield: back at once, registers stay", |m| {
        m.subscribe(1);
        m.event(1, 8);
        for which in [3, 4, 255, 256, usize::MAX] {
            m.answers(class::YIELD, [which, 2, 3, 4], &[]);
        }
        assert_eq!(m.process.pending_tasks(), 1);
    }),
];

const WAIT_FORS: &[Row] = &[
    (
        "wait-for: sleeps until exactly this event comes, then a0 to a2 are its values",
        |m| {
            m.gives(class::YIELD, [WAIT_FOR, DRIVER, 1, 4], Outcome::Waits);
            m.event(0, 7);
            assert_eq!(m.go_on(), Outcome::Waits);
            m.event(1, 8);
            assert_eq!(m.go_on(), Outcome::Back([8, 20, 30, 4]));
        },
    ),
    (
        "wait-for: a function that is set does not run, its user data does not show",
        |m| {
            m.subscribe(1);
            m.event(1, 8);
            m.answers(class::YIELD, [WAIT_FOR, DRIVER, 1, 4], &[8, 20, 30]);
        },
    ),
    (
        "wait-for: an event that is queued ends it at once, out of order, others stay",
        |m| {
            m.subscribe(0);
            m.event(0, 1);
            m.event(1, 2);
            m.event(1, 3);
            m.answers(class::YIELD, [WAIT_FOR, DRIVER, 1, 4], &[2, 20, 30]);
            assert_eq!(m.process.pending_tasks(), 2);
            m.gives(class::YIELD, [WAIT, 0, 0, 0], m.upcall(0, 1));
            m.answers(class::YIELD, [WAIT_FOR, DRIVER, 1, 4], &[3, 20, 30]);
        },
    ),
    (
        "wait-for: needs no subscription, but the driver's grant",
        |m| {
            assert!(m.process.lookup_grant_from_driver_num(DRIVER).is_err());
            m.gives(class::YIELD, [WAIT_FOR, DRIVER, 1, 4], Outcome::Waits);
            // The driver's first use of the process allocates the grant.
            m.event(1, 8);
            assert_eq!(m.go_on(), Outcome::Back([8, 20, 30, 4]));
        },
    ),
    (
        "wait-for: what never comes blocks the process for good, and no one else",
        |m| {
            for (driver, number) in [(ABSENT, 0), (DRIVER, 2), (usize::MAX, usize::MAX)] {
                m.gives(class::YIELD, [WAIT_FOR, driver, number, 0], Outcome::Waits);
                m.event(0, 1);
                assert!(!m.process.ready());
                m.process.try_restart(None);
                m.go_on();
            }
        },
    ),
    (
        "wait-for: an event that comes later does not lose the wake",
        |m| {
            m.gives(class::YIELD, [WAIT_FOR, DRIVER, 1, 4], Outcome::Waits);
            m.event(1, 8);
            m.event(0, 9);
            assert_eq!(m.go_on(), Outcome::Back([8, 20, 30, 4]));
        },
    ),
    ("wait-for: works for inter-process communication", |m| {
        let ipc = &m.world.ipc;
        ipc.allocate_grant(m.process.processid()).unwrap();
        m.gives(class::YIELD, [WAIT_FOR, IPC_DRIVER, 0, 4], Outcome::Waits);
        // No other process is there to notify this one, so the kernel does.
        let sender = m.process.processid();
        ipc.deliver(m.process, sender, IPCUpcallType::Service)
            .unwrap();
        assert_eq!(m.go_on(), Outcome::Back([0, 0, 0, 4]));
    }),
    (
        "wait-for: a task of inter-process communication that is queued is no event",
        |m| {
            let task = Task::IPC((m.process.processid(), IPCUpcallType::Client));
            m.process.enqueue_task(task).unwrap();
            m.gives(class::YIELD, [WAIT_FOR, IPC_DRIVER, 0, 4], Outcome::Waits);
        },
    ),
];

const UPCALLS: &[Row] = &[
    (
        "upcall: starts at the function with three arguments and the user data",
        |m| {
            m.succeeds(class::SUBSCRIBE, [DRIVER, 0, m.function() + 2, 0xDA7A]);
            m.event(0, 8);
            let upcall = Outcome::Upcall(m.function() + 2, [8, 20, 30, 0xDA7A]);
            m.gives(class::YIELD, [WAIT, 0, 0, 0], upcall);
        },
    ),
    ("upcall: never outside a yield", |m| {
        m.subscribe(0);
        m.event(0, 8);
        m.answers(class::COMMAND, [DRIVER, 0, 0, 0], &[128]);
        m.answers(class::MEMOP, [10, 0, 0, 0], &[128]);
        assert_eq!(m.process.pending_tasks(), 1);
    }),
    ("upcall: a yield within one runs the next", |m| {
        m.subscribe(0);
        m.event(0, 8);
        m.event(0, 9);
        m.gives(class::YIELD, [WAIT, 0, 0, 0], m.upcall(0, 8));
        m.gives(class::YIELD, [WAIT, 0, 0, 0], m.upcall(0, 9));
    }),
    ("queue: in the order of arrival", |m| {
        m.subscribe(0);
        m.subscribe(1);
        for (number, value) in [(1, 5), (0, 6), (1, 7)] {
            m.event(number, value);
        }
        for (number, value) in [(1, 5), (0, 6), (1, 7)] {
            m.gives(class::YIELD, [WAIT, 0, 0, 0], m.upcall(number, value));
        }
    }),
    ("queue: all kinds of tasks share ten places", |m| {
        m.subscribe(1);
        let task = Task::IPC((m.process.processid(), IPCUpcallType::Client));
        m.process.enqueue_task(task).unwrap();
        for value in 1..QUEUE {
            assert!(m.event(value % 2, value));
        }
        assert_eq!(m.process.pending_tasks(), QUEUE);
        assert!(!m.event(0, 99));
    }),
    (
        "queue: the first entry of a process is a queued call too",
        |m| {
            m.process.try_restart(None);
            assert_eq!(m.process.pending_tasks(), 1);
            for value in 1..QUEUE {
                assert!(m.event(0, value));
            }
            assert!(!m.event(0, 99));
            assert!(matches!(m.go_on(), Outcome::Upcall(..)));
        },
    ),
    (
        "queue: a full one drops the new event, counts it, and tells the driver",
        |m| {
            for value in 0..QUEUE {
                assert!(m.event(0, value));
            }
            assert_eq!(m.process.debug_dropped_upcall_count(), 0);
            assert!(!m.event(0, 99) && !m.event(1, 99));
            assert_eq!(m.process.debug_dropped_upcall_count(), 2);
            m.answers(class::YIELD, [WAIT_FOR, DRIVER, 0, 4], &[0, 20, 30]);
        },
    ),
    (
        "null upcall: its event is queued with the values all the same",
        |m| {
            assert!(m.event(1, 8));
            assert_eq!(m.process.pending_tasks(), 1);
            m.answers(class::YIELD, [WAIT_FOR, DRIVER, 1, 4], &[8, 20, 30]);
        },
    ),
    (
        "states: a stopped process takes events, one that has ended does not",
        |m| {
            m.event(0, 1);
            m.process.stop();
            assert!(m.event(0, 2));
            m.process.resume();
            assert_eq!(m.process.pending_tasks(), 2);
            for end in [State::Terminated, State::Faulted] {
                m.process.try_restart(None);
                m.go_on();
                match end {
                    State::Faulted => m.process.set_fault_state(),
                    _ => m.process.terminate(None),
                }
                assert_eq!(m.process.get_state(), end);
                assert!(!m.event(0, 3));
                assert!(!m.process.has_tasks());
                m.process.try_restart(None);
                m.process.start(&crate::process::fakes::Everything);
                m.go_on();
            }
        },
    ),
];

#[test]
fn each_rule_about_yields_without_waiting_holds() {
    hold(NO_WAITS);
}

#[test]
fn each_rule_about_waiting_holds() {
    hold(WAITS);
}

#[test]
fn each_rule_about_waiting_for_one_event_holds() {
    hold(WAIT_FORS);
}

#[test]
fn each_rule_about_upcalls_holds() {
    hold(UPCALLS);
}
