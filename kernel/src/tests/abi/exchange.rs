// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Subscribe and allow: what drivers keep of a process (TRD 104, sections 4.2 and 4.4 to 4.7).

use core::ptr::without_provenance_mut;

use super::{Machine, Outcome, Row, class, code, hold};
use crate::errorcode::ErrorCode;
use crate::process::fakes::calls::ABSENT;
use crate::process::fakes::{DRIVER, IPC_DRIVER};
use crate::processbuffer::{ReadableProcessBuffer, WriteableProcessBuffer};

use class::{ALLOW_READABLE, ALLOW_RO, ALLOW_RW, SUBSCRIBE};

/// The allow classes, each with a number that the driver has.
const ALLOWS: [(u8, usize); 3] = [(ALLOW_RW, 0), (ALLOW_RO, 0), (ALLOW_READABLE, 1)];

impl Machine {
    /// Makes a call of variant 2 fail with this code; its last two arguments come back.
    #[track_caller]
    fn refuses(&self, class: u8, registers: [usize; 4], code: usize) {
        let [_, _, second, third] = registers;
        self.answers(class, registers, &[2, code, second, third]);
    }

    /// An address where the process has nothing.
    fn nowhere(&self) -> usize {
        self.map().sram_end
    }
}

const SUBSCRIBES: &[Row] = &[
    ("subscribe 1: the filter comes first", |m| {
        m.world.filter.refuse.set(Some(ErrorCode::RESERVE));
        m.answers(SUBSCRIBE, [ABSENT, 9, m.nowhere(), 7], &[0, code::RESERVE]);
    }),
    (
        "subscribe 2: a function that is nowhere, before the driver is looked for",
        |m| {
            let map = m.map();
            for function in [
                m.nowhere(),
                1,
                map.sram_app_brk,
                map.sram_app_brk - 3,
                map.flash_start,
                map.flash_non_protected_start - 1,
                map.flash_end - 3,
                usize::MAX,
            ] {
                m.refuses(SUBSCRIBE, [ABSENT, 9, function, 7], code::INVALID);
                m.refuses(SUBSCRIBE, [DRIVER, 9, function, 7], code::INVALID);
            }
        },
    ),
    (
        "subscribe 2: flash past the protected part and RAM below the break will do",
        |m| {
            let map = m.map();
            for function in [
                map.flash_non_protected_start,
                map.flash_non_protected_start + 2,
                map.flash_end - 4,
                map.sram_start,
                map.sram_app_brk - 4,
            ] {
                m.succeeds(SUBSCRIBE, [DRIVER, 0, function, 7]);
            }
        },
    ),
    ("subscribe 3: no such driver", |m| {
        m.fill_memory();
        m.refuses(SUBSCRIBE, [ABSENT, 9, m.function(), 7], code::NODEVICE);
        m.refuses(SUBSCRIBE, [ABSENT, 9, 0, 7], code::NODEVICE);
    }),
    (
        "subscribe 4: no memory for the grant, before the number counts",
        |m| {
            m.fill_memory();
            m.refuses(SUBSCRIBE, [DRIVER, 9, m.function(), 7], code::NOMEM);
        },
    ),
    ("subscribe 5: no such number", |m| {
        for number in [2, 255, 256, usize::MAX] {
            m.refuses(
                SUBSCRIBE,
                [DRIVER, number, m.function(), 7],
                code::NOSUPPORT,
            );
        }
    }),
    (
        "subscribe 6: the previous function and user data come back, at first 0 and 0",
        |m| {
            let function = m.function();
            m.answers(SUBSCRIBE, [DRIVER, 0, function, 7], &[130, 0, 0]);
            m.answers(SUBSCRIBE, [DRIVER, 0, function + 2, 8], &[130, function, 7]);
            m.answers(SUBSCRIBE, [DRIVER, 0, 0, 9], &[130, function + 2, 8]);
            m.answers(SUBSCRIBE, [DRIVER, 0, function, 1], &[130, 0, 9]);
            m.answers(SUBSCRIBE, [DRIVER, 1, function, 2], &[130, 0, 0]);
        },
    ),
    (
        "subscribe 6: queued upcalls of this number go, with and without function",
        |m| {
            let function = m.function();
            m.event(0, 1);
            m.event(1, 2);
            m.succeeds(SUBSCRIBE, [DRIVER, 0, function, 7]);
            assert_eq!(m.process.pending_tasks(), 1);
            m.event(0, 3);
            m.succeeds(SUBSCRIBE, [DRIVER, 0, function, 8]);
            assert_eq!(m.process.pending_tasks(), 1);
            m.answers(class::YIELD, [2, DRIVER, 1, 0], &[2, 20, 30]);
        },
    ),
    (
        "subscribe: a failure leaves the previous one in force, and what is queued",
        |m| {
            let function = m.function();
            m.succeeds(SUBSCRIBE, [DRIVER, 0, function, 7]);
            m.event(0, 1);
            m.refuses(SUBSCRIBE, [DRIVER, 0, m.nowhere(), 8], code::INVALID);
            let upcall = Outcome::Upcall(function, [1, 20, 30, 7]);
            m.gives(class::YIELD, [1, 0, 0, 0], upcall);
        },
    ),
];

const ALLOW_CHECKS: &[Row] = &[
    ("allow 1: the filter comes first", |m| {
        m.world.filter.refuse.set(Some(ErrorCode::RESERVE));
        for (class, _) in ALLOWS {
            m.answers(class, [ABSENT, 9, m.nowhere(), 8], &[0, code::RESERVE]);
        }
    }),
    ("allow 2: no such driver", |m| {
        for (class, number) in ALLOWS {
            m.refuses(class, [ABSENT, number, m.nowhere(), 8], code::NODEVICE);
        }
    }),
    ("allow 3: a process that has ended shares nothing", |m| {
        m.process.terminate(None);
        let address = without_provenance_mut(m.ram());
        for length in [0, 8] {
            let shared = m.process.build_readwrite_process_buffer(address, length);
            assert_eq!(shared.err(), Some(ErrorCode::FAIL));
            let shared = m.process.build_readonly_process_buffer(address, length);
            assert_eq!(shared.err(), Some(ErrorCode::FAIL));
        }
    }),
    (
        "allow 4: length 0 is valid anywhere, and its address is kept as given",
        |m| {
            for (class, number) in ALLOWS {
                let mut previous = 0;
                for address in [1, m.nowhere(), m.map().flash_start, 0, 0xFFFF_FFFF] {
                    m.answers(class, [DRIVER, number, address, 0], &[130, previous, 0]);
                    previous = address;
                }
            }
        },
    ),
    ("allow 5: for writing, only memory below the break", |m| {
        let map = m.map();
        for (class, number) in [ALLOWS[0], ALLOWS[2]] {
            for (address, length) in [
                (map.sram_start - 1, 1),
                (map.sram_start - 1, 2),
                (map.sram_app_brk, 1),
                (map.sram_app_brk - 1, 2),
                (map.sram_start, Machine::ROOM + 1),
                (map.flash_non_protected_start, 4),
                (map.sram_grant_start, 4),
                (0, 1),
            ] {
                m.refuses(class, [DRIVER, number, address, length], code::INVALID);
            }
            m.succeeds(class, [DRIVER, number, map.sram_app_brk - 1, 1]);
            m.succeeds(class, [DRIVER, number, map.sram_start, Machine::ROOM]);
        }
    }),
    (
        "allow 5: for reading, also flash past the protected part",
        |m| {
            let map = m.map();
            let binary = map.flash_end - map.flash_non_protected_start;
            for (address, length) in [
                (map.flash_non_protected_start - 1, 1),
                (map.flash_start, 4),
                (map.flash_non_protected_start, binary + 1),
                (map.flash_end, 1),
                (map.sram_app_brk, 1),
            ] {
                m.refuses(ALLOW_RO, [DRIVER, 0, address, length], code::INVALID);
            }
            m.succeeds(ALLOW_RO, [DRIVER, 0, map.flash_non_protected_start, binary]);
            m.succeeds(ALLOW_RO, [DRIVER, 0, map.sram_start, Machine::ROOM]);
        },
    ),
    (
        "allow 5: lengths that wrap around, or lead from flash to RAM",
        |m| {
            let map = m.map();
            for (class, number) in ALLOWS {
                for (address, length) in [
                    (map.sram_start, usize::MAX),
                    (map.sram_start + 1, usize::MAX),
                    (usize::MAX, 1),
                    (usize::MAX, usize::MAX),
                    (
                        map.flash_non_protected_start,
                        map.sram_start.wrapping_sub(map.flash_non_protected_start) + 1,
                    ),
                ] {
                    m.refuses(class, [DRIVER, number, address, length], code::INVALID);
                }
            }
        },
    ),
    (
        "allow 6: no memory for the grant, before the number counts",
        |m| {
            m.fill_memory();
            for class in [ALLOW_RW, ALLOW_RO] {
                m.refuses(class, [DRIVER, 9, m.ram(), 8], code::NOMEM);
            }
        },
    ),
    ("allow 7: no such number", |m| {
        for (class, _) in ALLOWS {
            for number in [2, 255, 256, usize::MAX] {
                m.refuses(class, [DRIVER, number, m.ram(), 8], code::NOSUPPORT);
            }
        }
    }),
    (
        "allow 8: the previous address and length come back, at first 0 and 0",
        |m| {
            let ram = m.ram();
            for (class, number) in ALLOWS {
                m.answers(class, [DRIVER, number, ram, 8], &[130, 0, 0]);
                m.answers(class, [DRIVER, number, ram + 1, 9], &[130, ram, 8]);
                m.answers(class, [DRIVER, number, 0, 0], &[130, ram + 1, 9]);
            }
        },
    ),
];

const BUFFERS: &[Row] = &[
    ("buffers: numbers of the classes are apart", |m| {
        let ram = m.ram();
        m.answers(ALLOW_RW, [DRIVER, 0, ram, 8], &[130, 0, 0]);
        m.answers(ALLOW_RO, [DRIVER, 0, ram + 8, 4], &[130, 0, 0]);
        m.answers(ALLOW_RW, [DRIVER, 0, 0, 0], &[130, ram, 8]);
        m.answers(ALLOW_RO, [DRIVER, 0, 0, 0], &[130, ram + 8, 4]);
    }),
    (
        "buffers: a refused one leaves the previous one in force",
        |m| {
            let ram = m.ram();
            m.succeeds(ALLOW_RW, [DRIVER, 0, ram, 8]);
            m.refuses(ALLOW_RW, [DRIVER, 0, m.nowhere(), 8], code::INVALID);
            m.answers(ALLOW_RW, [DRIVER, 0, 0, 0], &[130, ram, 8]);
        },
    ),
    (
        "buffers: they may overlap in any way, and are the same bytes",
        |m| {
            let ram = m.ram();
            m.succeeds(ALLOW_RW, [DRIVER, 0, ram, 8]);
            m.succeeds(ALLOW_RO, [DRIVER, 0, ram + 4, 8]);
            m.succeeds(ALLOW_READABLE, [DRIVER, 1, ram, 8]);
            let driver = &m.world.driver.apps;
            let seen = driver.enter(m.process.processid(), |_, data| {
                let writeable = data.get_readwrite_processbuffer(0).unwrap();
                let readable = data.get_readonly_processbuffer(0).unwrap();
                let both = writeable.mut_enter(|to| {
                    readable.enter(|from| {
                        to[4].set(0x5E);
                        from[0].get()
                    })
                });
                both.unwrap().unwrap()
            });
            assert_eq!(seen, Ok(0x5E));
        },
    ),
    (
        "buffers: after a swap the driver finds the new one, whatever it knew before",
        |m| {
            let ram = m.ram();
            let length = || {
                let driver = &m.world.driver.apps;
                driver
                    .enter(m.process.processid(), |_, data| {
                        data.get_readwrite_processbuffer(0).unwrap().len()
                    })
                    .unwrap()
            };
            m.succeeds(ALLOW_RW, [DRIVER, 0, ram, 8]);
            assert_eq!(length(), 8);
            m.succeeds(ALLOW_RW, [DRIVER, 0, ram, 3]);
            assert_eq!(length(), 3);
            m.succeeds(ALLOW_RW, [DRIVER, 0, 0, 0]);
            assert_eq!(length(), 0);
        },
    ),
    (
        "buffers: the break does not go below one in RAM any more",
        |m| {
            let ram = m.ram();
            m.succeeds(ALLOW_RO, [DRIVER, 0, ram + 90, 10]);
            m.succeeds(ALLOW_RO, [DRIVER, 0, 0, 0]);
            m.answers(class::MEMOP, [0, ram + 99, 0, 0], &[0, code::NOMEM]);
            m.answers(class::MEMOP, [0, ram + 100, 0, 0], &[128]);
        },
    ),
    (
        "buffers: empty ones, those in flash and refused ones do not hold the break",
        |m| {
            let map = m.map();
            let flash = map.flash_non_protected_start;
            m.succeeds(ALLOW_RO, [DRIVER, 0, flash, 8]);
            m.succeeds(ALLOW_RW, [DRIVER, 0, map.sram_start + 99, 0]);
            m.refuses(
                ALLOW_RW,
                [DRIVER, 0, map.sram_start + 99, Machine::ROOM],
                code::INVALID,
            );
            m.answers(class::MEMOP, [0, map.sram_start, 0, 0], &[128]);
        },
    ),
    (
        "buffers: one that is refused after it was checked does not hold the break",
        |m| {
            let ram = m.ram();
            m.succeeds(ALLOW_RW, [DRIVER, 0, ram, 8]);
            for (class, number) in [(ALLOW_RW, 9), (ALLOW_RO, 9), (ALLOW_READABLE, 0)] {
                m.refuses(class, [DRIVER, number, ram + 90, 10], code::NOSUPPORT);
            }
            m.answers(class::MEMOP, [0, ram + 7, 0, 0], &[0, code::NOMEM]);
            m.answers(class::MEMOP, [0, ram + 8, 0, 0], &[128]);
        },
    ),
    (
        "buffers: one that a driver refuses and keeps all the same does hold the break",
        |m| {
            let ram = m.ram();
            m.refuses(ALLOW_READABLE, [DRIVER, 77, ram + 90, 10], code::NOSUPPORT);
            m.answers(class::MEMOP, [0, ram + 99, 0, 0], &[0, code::NOMEM]);
        },
    ),
    (
        "buffers: one that a driver keeps holds the break, though it hands back the last run's like it",
        |m| {
            m.succeeds(ALLOW_RW, [DRIVER, 0, 0, 0]);
            m.fill_memory();
            let end = m.map().sram_grant_start;
            m.succeeds(ALLOW_READABLE, [DRIVER, 1, end - 16, 16]);
            m.process.try_restart(None);
            m.go_on();
            m.succeeds(class::MEMOP, [1, 64, 0, 0]);
            m.succeeds(ALLOW_RW, [DRIVER, 0, 0, 0]);
            m.fill_memory();
            assert_eq!(m.map().sram_grant_start, end, "the same memory");
            m.refuses(ALLOW_READABLE, [DRIVER, 78, end - 16, 16], code::NOSUPPORT);
            m.answers(class::MEMOP, [0, m.ram(), 0, 0], &[0, code::NOMEM]);
        },
    ),
    (
        "buffers: one of a run that the driver ended does not reach the next",
        |m| {
            let end = m.map().sram_app_brk;
            m.world.driver.restarts.set(true);
            let outcome = m.call(ALLOW_RW, [DRIVER, 0, end - 16, 16]);
            assert_eq!(outcome, Outcome::Restarted);
            let apps = &m.world.driver.apps;
            let shared = apps.enter(m.process.processid(), |_, kernel_data| {
                kernel_data.get_readwrite_processbuffer(0).unwrap().len()
            });
            assert_eq!(shared, Ok(0));
        },
    ),
    (
        "buffers: a refused one does not take memory from the next run",
        |m| {
            m.fill_memory();
            let end = m.map().sram_app_brk;
            for class in [ALLOW_RW, ALLOW_RO] {
                m.refuses(class, [DRIVER, 0, end - 8, 8], code::NOMEM);
            }
            m.process.try_restart(None);
            m.go_on();
            m.succeeds(class::MEMOP, [1, 64, 0, 0]);
            m.succeeds(ALLOW_RW, [DRIVER, 0, m.ram(), 8]);
        },
    ),
    (
        "buffers: one that only drivers had does not take memory from the next run",
        |m| {
            m.succeeds(ALLOW_RW, [DRIVER, 0, 0, 0]);
            m.fill_memory();
            let end = m.map().sram_app_brk;
            m.succeeds(ALLOW_RW, [DRIVER, 0, end - 8, 8]);
            m.process.try_restart(None);
            m.go_on();
            m.succeeds(class::MEMOP, [1, 64, 0, 0]);
            m.succeeds(ALLOW_RW, [DRIVER, 0, m.ram(), 8]);
            m.succeeds(SUBSCRIBE, [IPC_DRIVER, 0, 0, 0]);
        },
    ),
    (
        "buffers: a driver that does not want readable ones refuses them all",
        |m| {
            let ram = m.ram();
            m.refuses(ALLOW_READABLE, [DRIVER, 0, ram, 8], code::NOSUPPORT);
            m.refuses(ALLOW_READABLE, [DRIVER, 0, 0, 0], code::NOSUPPORT);
        },
    ),
    (
        "buffers: one of a process that has ended or started anew is out of reach",
        |m| {
            let end: [fn(&Machine); 2] = [
                |m| m.process.terminate(None),
                |m| {
                    m.process.try_restart(None);
                },
            ];
            for end in end {
                let address = without_provenance_mut(m.ram());
                let buffer = m.process.build_readwrite_process_buffer(address, 8);
                let buffer = buffer.unwrap();
                assert!(buffer.mut_enter(|_| ()).is_ok());
                end(m);
                assert!(buffer.mut_enter(|_| ()).is_err());
                assert!(buffer.enter(|_| ()).is_err());
                assert_eq!(buffer.len(), 0);
                m.process.start(&crate::process::fakes::Everything);
                m.go_on();
                m.succeeds(class::MEMOP, [1, Machine::ROOM, 0, 0]);
            }
        },
    ),
];

#[test]
fn each_check_of_a_subscription_comes_in_its_place() {
    hold(SUBSCRIBES);
}

#[test]
fn each_check_of_a_buffer_comes_in_its_place() {
    hold(ALLOW_CHECKS);
}

#[test]
fn each_rule_about_buffers_holds() {
    hold(BUFFERS);
}
