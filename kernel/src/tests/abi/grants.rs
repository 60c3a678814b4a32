// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Names of processes, and the memory that drivers have in them.

use super::{Outcome, Row, class, code, hold};
use crate::errorcode::ErrorCode;
use crate::process::fake_tbf::Tbf;
use crate::process::fakes::{DRIVER, Everything, IPC_DRIVER, World};
use crate::process::{Error, ShortId};
use crate::processbuffer::ReadableProcessBuffer;
use crate::syscall::SyscallDriver;

const NAMES: &[Row] = &[
    ("slot: the same for every run", |m| {
        for _ in 0..3 {
            assert_eq!(m.process.processid().slot_index(), 0);
            m.process.try_restart(None);
        }
    }),
    (
        "identifier: greater at every start, of whichever process",
        |_| {
            let world = World::with_apps(&[Tbf::new("one"), Tbf::new("two")]);
            let (one, two) = (world.process(0), world.process(1));
            let mut last = two.processid().id();
            assert!(last > one.processid().id());
            for process in [one, two, two, one] {
                process.try_restart(None);
                assert!(process.processid().id() > last);
                last = process.processid().id();
            }
        },
    ),
    (
        "identifier: a stale one enters no grant and finds no process",
        |m| {
            let stale = m.process.processid();
            m.process.try_restart(None);
            let entered = m.world.driver.apps.enter(stale, |_, _| ());
            assert_eq!(entered, Err(Error::NoSuchApp));
            assert!(m.world.kernel.get_process(stale).is_none());
        },
    ),
    (
        "short identifier: unlike every other where there is none",
        |m| {
            let unique = m.process.short_app_id();
            assert!(matches!(unique, ShortId::LocallyUnique));
            assert!(unique != m.process.short_app_id());
        },
    ),
    ("name: need not be unique", |_| {
        let world = World::with_apps(&[Tbf::new("same"), Tbf::new("same")]);
        assert_eq!(world.process(1).get_process_name(), "same");
        assert_eq!(world.process(0).get_process_name(), "same");
    }),
];

const GRANTS: &[Row] = &[
    (
        "grant: none until a driver uses the process, or the process the driver",
        |m| {
            assert_eq!(m.process.grant_allocated_count(), Some(0));
            m.answers(class::COMMAND, [DRIVER, 0, 0, 0], &[128]);
            m.answers(class::MEMOP, [2, 0, 0, 0], &[129, m.ram()]);
            assert_eq!(m.process.grant_allocated_count(), Some(0));
            m.succeeds(class::ALLOW_RO, [DRIVER, 0, 0, 0]);
            assert_eq!(m.process.grant_allocated_count(), Some(1));
            m.world.ipc.allocate_grant(m.process.processid()).unwrap();
            assert_eq!(m.process.grant_allocated_count(), Some(2));
        },
    ),
    ("grant: found by the number of its driver", |m| {
        m.event(0, 0);
        assert_eq!(m.process.lookup_grant_from_driver_num(DRIVER), Ok(0));
        let missing = m.process.lookup_grant_from_driver_num(IPC_DRIVER);
        assert_eq!(missing, Err(Error::OutOfMemory));
    }),
    (
        "grant: below the last, aligned, and never below the break",
        |m| {
            m.event(0, 0);
            let first = m.map().sram_grant_start;
            m.process.allocate_custom_grant(1, 64).unwrap();
            let second = m.map().sram_grant_start;
            assert!(second < first && second.is_multiple_of(64));
            let room = second - m.map().sram_app_brk;
            assert!(m.process.allocate_custom_grant(room + 1, 1).is_err());
            assert_eq!(m.map().sram_grant_start, second);
        },
    ),
    (
        "grant: no memory for it is the caller's error, and no harm",
        |m| {
            m.fill_memory();
            assert!(!m.event(0, 0));
            let entered = m.world.driver.apps.enter(m.process.processid(), |_, _| ());
            assert_eq!(entered, Err(Error::OutOfMemory));
            m.answers(class::ALLOW_RW, [DRIVER, 0, 0, 0], &[2, code::NOMEM, 0, 0]);
            m.succeeds(class::MEMOP, [0, m.ram(), 0, 0]);
            m.answers(class::ALLOW_RW, [DRIVER, 0, 0, 0], &[130, 0, 0]);
        },
    ),
    (
        "grant: starts as null upcalls, empty buffers and the default value",
        |m| {
            let driver = &m.world.driver.apps;
            let first = driver.enter(m.process.processid(), |value, data| {
                let read = data.get_readonly_processbuffer(0).unwrap();
                let write = data.get_readwrite_processbuffer(0).unwrap();
                (**value, read.len(), write.len())
            });
            assert_eq!(first, Ok((0, 0, 0)));
        },
    ),
    (
        "grant: entered twice at once is an error, and the first goes on",
        |m| {
            let driver = &m.world.driver.apps;
            let id = m.process.processid();
            let inner = driver.enter(id, |value, _| {
                **value = 7;
                driver.enter(id, |_, _| ())
            });
            assert_eq!(inner, Ok(Err(Error::AlreadyInUse)));
            assert_eq!(driver.enter(id, |value, _| **value), Ok(7));
        },
    ),
    (
        "grant: kept until the process ends, gone in its next run",
        |m| {
            let driver = &m.world.driver.apps;
            driver
                .enter(m.process.processid(), |value, _| **value = 7)
                .unwrap();
            m.gives(class::YIELD, [1, 0, 0, 0], Outcome::Waits);
            let kept = driver.enter(m.process.processid(), |value, _| **value);
            assert_eq!(kept, Ok(7));
            m.process.try_restart(None);
            assert_eq!(m.process.grant_allocated_count(), Some(0));
            let fresh = driver.enter(m.process.processid(), |value, _| **value);
            assert_eq!(fresh, Ok(0));
        },
    ),
    (
        "grant: a process that has ended has none, and gets none",
        |m| {
            m.event(0, 0);
            let id = m.process.processid();
            m.process.set_fault_state();
            let driver = &m.world.driver.apps;
            assert_eq!(driver.enter(id, |_, _| ()), Err(Error::InactiveApp));
            assert_eq!(driver.iter().count(), 0);
            m.process.terminate(None);
            m.process.start(&Everything);
            assert_eq!(driver.iter().count(), 0);
        },
    ),
];

#[test]
fn each_rule_about_names_holds() {
    hold(NAMES);
}

#[test]
fn each_rule_about_grants_holds() {
    hold(GRANTS);
}

#[test]
fn each_error_of_a_process_has_its_code() {
    for (error, code) in [
        (Error::OutOfMemory, ErrorCode::NOMEM),
        (Error::AddressOutOfBounds, ErrorCode::INVAL),
        (Error::NoSuchApp, ErrorCode::INVAL),
        (Error::InactiveApp, ErrorCode::FAIL),
        (Error::KernelError, ErrorCode::FAIL),
        (Error::AlreadyInUse, ErrorCode::FAIL),
    ] {
        assert_eq!(ErrorCode::from(error), code);
    }
}
