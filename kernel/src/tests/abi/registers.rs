// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Registers of calls and answers, classes, variants and codes (TRD 104, sections 3 and 4).

use core::ptr::{null, null_mut};

use super::{Outcome, Row, class, code, encode, hold, stride};
use crate::errorcode::{ErrorCode, into_statuscode};
use crate::process::fakes::DRIVER;
use crate::process::fakes::calls::ABSENT;
use crate::syscall::SyscallReturn as Answer;

const CLASSES: &[Row] = &[
    ("class 0 yields", |m| {
        m.gives(class::YIELD, [1, 0, 0, 0], Outcome::Waits);
    }),
    ("class 1 subscribes: 130 or 2", |m| {
        m.answers(class::SUBSCRIBE, [DRIVER, 0, m.function(), 7], &[130, 0, 0]);
        m.answers(
            class::SUBSCRIBE,
            [ABSENT, 0, 0, 7],
            &[2, code::NODEVICE, 0, 7],
        );
    }),
    ("class 2 commands: what the driver answers", |m| {
        m.answers(class::COMMAND, [DRIVER, 0, 5, 6], &[128]);
        m.answers(class::COMMAND, [DRIVER, 9, 5, 6], &[0, code::NOSUPPORT]);
        let id = m.process.processid();
        assert_eq!(m.world.driver.commands.borrow()[0], (0, 5, 6, id));
    }),
    ("class 3 shares for writing: 130 or 2", |m| {
        m.answers(class::ALLOW_RW, [DRIVER, 0, m.ram(), 8], &[130, 0, 0]);
        m.answers(
            class::ALLOW_RW,
            [DRIVER, 0, 1, 8],
            &[2, code::INVALID, 1, 8],
        );
    }),
    ("class 4 shares for reading: 130 or 2", |m| {
        m.answers(class::ALLOW_RO, [DRIVER, 0, m.ram(), 8], &[130, 0, 0]);
        m.answers(
            class::ALLOW_RO,
            [DRIVER, 0, 1, 8],
            &[2, code::INVALID, 1, 8],
        );
    }),
    ("class 5 is about memory: 128, 129 or 0", |m| {
        m.answers(class::MEMOP, [10, m.ram(), 0, 0], &[128]);
        m.answers(class::MEMOP, [2, 0, 0, 0], &[129, m.ram()]);
        m.answers(class::MEMOP, [99, 0, 0, 0], &[0, code::NOSUPPORT]);
    }),
    ("class 6 exits, or fails with 0", |m| {
        m.answers(class::EXIT, [2, 3, 0, 0], &[0, code::NOSUPPORT]);
        m.gives(class::EXIT, [0, 3, 0, 0], Outcome::Ended(3));
    }),
    ("class 7 shares what stays readable: 130 or 2", |m| {
        let (ram, call) = (m.ram(), class::ALLOW_READABLE);
        m.answers(call, [DRIVER, 1, ram, 8], &[130, 0, 0]);
        m.answers(call, [DRIVER, 1, 0, 0], &[130, ram, 8]);
        m.answers(call, [DRIVER, 0, ram, 8], &[2, code::NOSUPPORT, ram, 8]);
    }),
    ("every other class is a fault", |m| {
        for class in (8..=255).step_by(stride(80)) {
            m.gives(class, [1, 2, 3, 4], Outcome::Faulted);
            m.process.try_restart(None);
            m.go_on();
        }
    }),
];

#[test]
fn each_class_is_what_its_number_says() {
    hold(CLASSES);
}

/// An answer, its variant number, and its values. What is beyond them stays as it was.
type Variant = (Answer, &'static [u32]);

const VARIANTS: &[Variant] = &[
    (Answer::Failure(ErrorCode::BUSY), &[0, 2]),
    (Answer::FailureU32(ErrorCode::BUSY, 5), &[1, 2, 5]),
    (Answer::FailureU32U32(ErrorCode::BUSY, 5, 6), &[2, 2, 5, 6]),
    (
        Answer::FailureU64(ErrorCode::BUSY, 0x1111_0000_2222),
        &[3, 2, 0x2222, 0x1111],
    ),
    (Answer::Success, &[128]),
    (Answer::SuccessU32(5), &[129, 5]),
    (Answer::SuccessAddr(5), &[129, 5]),
    (Answer::SuccessU32U32(5, 6), &[130, 5, 6]),
    (Answer::SuccessU64(0x1111_0000_2222), &[131, 0x2222, 0x1111]),
    (Answer::SuccessU32U32U32(5, 6, 7), &[132, 5, 6, 7]),
    (
        Answer::SuccessU32U64(5, 0x1111_0000_2222),
        &[133, 5, 0x2222, 0x1111],
    ),
    (Answer::SubscribeSuccess(null(), 6), &[130, 0, 6]),
    (
        Answer::SubscribeFailure(ErrorCode::BUSY, null(), 6),
        &[2, 2, 0, 6],
    ),
    (Answer::AllowReadWriteSuccess(null_mut(), 6), &[130, 0, 6]),
    (
        Answer::AllowReadWriteFailure(ErrorCode::BUSY, null_mut(), 6),
        &[2, 2, 0, 6],
    ),
    (Answer::AllowReadOnlySuccess(null(), 6), &[130, 0, 6]),
    (
        Answer::AllowReadOnlyFailure(ErrorCode::BUSY, null(), 6),
        &[2, 2, 0, 6],
    ),
    (
        Answer::UserspaceReadableAllowSuccess(null_mut(), 6),
        &[130, 0, 6],
    ),
    (
        Answer::UserspaceReadableAllowFailure(ErrorCode::BUSY, null_mut(), 6),
        &[2, 2, 0, 6],
    ),
    // A wait-for has no variant.
    (Answer::YieldWaitFor(5, 6, 7), &[5, 6, 7]),
];

#[test]
fn each_answer_has_its_variant_and_leaves_other_registers_alone() {
    for (answer, expected) in VARIANTS {
        let untouched = [0xA0A0_A0A0, 0xA1A1_A1A1, 0xA2A2_A2A2, 0xA3A3_A3A3];
        let mut registers = untouched;
        encode(*answer, &mut registers);
        let (defined, rest) = registers.split_at(expected.len());
        assert_eq!(defined, *expected, "{answer:?}");
        assert_eq!(rest, &untouched[expected.len()..], "{answer:?}");
        let waits_for = matches!(answer, Answer::YieldWaitFor(..));
        assert!(waits_for || (registers[0] >= 128) == answer.is_success());
    }
}

const CODES: [(ErrorCode, usize); 13] = [
    (ErrorCode::FAIL, 1),
    (ErrorCode::BUSY, 2),
    (ErrorCode::ALREADY, 3),
    (ErrorCode::OFF, 4),
    (ErrorCode::RESERVE, 5),
    (ErrorCode::INVAL, 6),
    (ErrorCode::SIZE, 7),
    (ErrorCode::CANCEL, 8),
    (ErrorCode::NOMEM, 9),
    (ErrorCode::NOSUPPORT, 10),
    (ErrorCode::NODEVICE, 11),
    (ErrorCode::UNINSTALLED, 12),
    (ErrorCode::NOACK, 13),
];

#[test]
fn each_error_has_its_number_as_code_and_as_status() {
    for (error, number) in CODES {
        assert_eq!(error as usize, number);
        assert_eq!(into_statuscode(Err(error)), number);
        assert_eq!(ErrorCode::try_from(Err(error)), Ok(error));
    }
    assert_eq!(into_statuscode(Ok(())), 0);
}
