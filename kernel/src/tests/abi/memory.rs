// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Memory operations (TRD 104, section 4.6).

use super::{Machine, Row, class, code, hold};
use crate::errorcode::ErrorCode;
use crate::process::fakes::DRIVER;
use crate::process::fakes::calls::byte;

impl Machine {
    #[track_caller]
    fn memop(&self, operation: usize, operand: usize, answer: &[usize]) {
        self.answers(class::MEMOP, [operation, operand, 0xA2, 0xA3], answer);
    }
}

const OPERATIONS: &[Row] = &[
    ("memop 0 sets the break: 128", |m| {
        let ram = m.ram();
        m.memop(0, ram + 100, &[128]);
        assert_eq!(m.map().sram_app_brk, ram + 100);
        m.memop(0, ram + 100, &[128]);
        m.memop(0, ram, &[128]);
    }),
    ("memop 1 moves the break: 129 and where it was", |m| {
        let old = m.map().sram_app_brk;
        m.memop(1, 16, &[129, old]);
        m.memop(1, 24usize.wrapping_neg(), &[129, old + 16]);
        m.memop(1, 0, &[129, old - 8]);
        assert_eq!(m.map().sram_app_brk, old - 8);
    }),
    ("memop 2 and 3: the whole block of RAM", |m| {
        let map = m.map();
        m.memop(2, 9, &[129, map.sram_start]);
        m.memop(3, 9, &[129, map.sram_end]);
        assert!(map.sram_end > map.sram_grant_start);
    }),
    ("memop 4 and 5: flash with its header", |m| {
        let map = m.map();
        m.memop(4, 9, &[129, map.flash_start]);
        m.memop(5, 9, &[129, map.flash_end]);
        assert!(map.flash_start < map.flash_non_protected_start);
    }),
    ("memop 6: where grants begin, lower with each", |m| {
        let before = m.map().sram_grant_start;
        m.memop(6, 9, &[129, before]);
        m.event(0, 0);
        let after = m.map().sram_grant_start;
        assert!(after < before);
        m.memop(6, 9, &[129, after]);
    }),
    (
        "memop 7 to 9: writeable flash regions, those that exist and lie in flash",
        |m| {
            let flash = m.map().flash_start;
            m.memop(7, 9, &[129, 2]);
            m.memop(8, 0, &[129, flash + 64]);
            m.memop(9, 0, &[129, flash + 72]);
            for index in [1, 2, usize::MAX] {
                m.memop(8, index, &[0, code::FAIL]);
                m.memop(9, index, &[0, code::FAIL]);
            }
        },
    ),
    (
        "memop 10 and 11: hints always succeed, and count only within the block",
        |m| {
            let map = m.map();
            for operation in [10, 11] {
                for address in [0, map.sram_start - 1, map.sram_end + 1, usize::MAX] {
                    m.memop(operation, address, &[128]);
                }
            }
            assert_eq!(
                (m.map().sram_stack_top, m.map().sram_heap_start),
                (None, None)
            );
            m.memop(10, map.sram_start + 64, &[128]);
            m.memop(11, map.sram_start + 65, &[128]);
            assert_eq!(m.map().sram_stack_top, Some(map.sram_start + 64));
            assert_eq!(m.map().sram_heap_start, Some(map.sram_start + 65));
        },
    ),
    ("memop, others: not supported", |m| {
        for operation in [12, 255, 256, usize::MAX] {
            m.memop(operation, 0, &[0, code::NOSUPPORT]);
        }
    }),
];

const BREAKS: &[Row] = &[
    ("break: refused with NOMEM, and nothing changes", |m| {
        let map = m.map();
        for address in [
            0,
            map.sram_start - 1,
            map.sram_grant_start + 1,
            map.sram_end,
        ] {
            m.memop(0, address, &[0, code::NOMEM]);
        }
        for increment in [
            isize::MAX,
            isize::MIN,
            -(Machine::ROOM as isize) - 1,
            1 << 20,
        ] {
            m.memop(1, increment.cast_unsigned(), &[0, code::NOMEM]);
        }
        assert_eq!(m.map().sram_app_brk, map.sram_app_brk);
    }),
    ("break: up to where grants begin", |m| {
        let kernel_break = m.map().sram_grant_start;
        m.memop(0, kernel_break, &[128]);
        m.memop(1, 1, &[0, code::NOMEM]);
    }),
    ("break: down to the end of what was ever shared", |m| {
        let ram = m.ram();
        m.succeeds(class::ALLOW_RW, [DRIVER, 0, ram + 8, 8]);
        m.succeeds(class::ALLOW_RW, [DRIVER, 0, 0, 0]);
        m.memop(0, ram + 15, &[0, code::NOMEM]);
        m.memop(0, ram + 16, &[128]);
    }),
    (
        "break: what it exposes is zero, also after a way down",
        |m| {
            let ram = m.ram();
            for offset in 0..Machine::ROOM {
                m.set_byte(ram + offset, 0xEE);
            }
            m.memop(0, ram + 13, &[128]);
            m.memop(0, ram + Machine::ROOM, &[128]);
            assert_eq!(byte(m.process, ram + 12), 0xEE);
            assert!((13..Machine::ROOM).all(|offset| byte(m.process, ram + offset) == 0));
            let old = m.map().sram_app_brk;
            m.memop(1, 32, &[129, old]);
            assert!((0..32).all(|offset| byte(m.process, old + offset) == 0));
        },
    ),
    (
        "break: protection follows at once, and buffers end at the exact byte",
        |m| {
            let ram = m.ram();
            m.memop(0, ram + 101, &[128]);
            assert_eq!(m.world.chip.mpu.loaded_break.get(), ram + 101);
            let too_long = [DRIVER, 0, ram, 102];
            m.answers(class::ALLOW_RW, too_long, &[2, code::INVALID, ram, 102]);
            m.succeeds(class::ALLOW_RW, [DRIVER, 0, ram, 101]);
        },
    ),
    ("memop is never filtered", |m| {
        m.world.filter.refuse.set(Some(ErrorCode::RESERVE));
        m.memop(2, 0, &[129, m.ram()]);
        m.memop(1, 0, &[129, m.map().sram_app_brk]);
    }),
];

#[test]
fn each_memory_operation_answers_as_it_should() {
    hold(OPERATIONS);
}

#[test]
fn each_rule_about_the_break_holds() {
    hold(BREAKS);
}
