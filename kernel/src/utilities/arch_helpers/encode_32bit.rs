// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Answers to registers, for 32-bit machines (TRD 104, 3.2).

use crate::ErrorCode;
use crate::syscall::SyscallReturn;

/// The number that a 32-bit process finds in its first register (TRD 104, 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum TRD104SyscallReturnVariant {
    /// The error.
    Failure = 0,
    /// The error and a number.
    FailureU32 = 1,
    /// The error and two numbers.
    FailureU32U32 = 2,
    /// The error and a long number.
    FailureU64 = 3,
    /// Nothing.
    Success = 128,
    /// A number.
    SuccessU32 = 129,
    /// Two numbers.
    SuccessU32U32 = 130,
    /// A long number.
    SuccessU64 = 131,
    /// Three numbers.
    SuccessU32U32U32 = 132,
    /// A number and a long number.
    SuccessU32U64 = 133,
}

/// The part of [`SyscallReturn`] that a 32-bit machine tells apart.
///
/// Addresses and pointers are numbers there, so two variants fold into
/// [`SuccessU32`](Self::SuccessU32).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is that of `SyscallReturn`")]
pub enum TRD104SyscallReturn {
    Failure(ErrorCode),
    FailureU32(ErrorCode, u32),
    FailureU32U32(ErrorCode, u32, u32),
    FailureU64(ErrorCode, u64),
    Success,
    SuccessU32(u32),
    SuccessU32U32(u32, u32),
    SuccessU32U32U32(u32, u32, u32),
    SuccessU64(u64),
    SuccessU32U64(u32, u64),
    AllowReadWriteSuccess(*mut u8, usize),
    AllowReadWriteFailure(ErrorCode, *mut u8, usize),
    UserspaceReadableAllowSuccess(*mut u8, usize),
    UserspaceReadableAllowFailure(ErrorCode, *mut u8, usize),
    AllowReadOnlySuccess(*const u8, usize),
    AllowReadOnlyFailure(ErrorCode, *const u8, usize),
    SubscribeSuccess(*const (), usize),
    SubscribeFailure(ErrorCode, *const (), usize),
    YieldWaitFor(usize, usize, usize),
}

impl From<SyscallReturn> for TRD104SyscallReturn {
    #[inline(always)]
    fn from(value: SyscallReturn) -> Self {
        match value {
            SyscallReturn::Failure(e) => Self::Failure(e),
            SyscallReturn::FailureU32(e, a) => Self::FailureU32(e, a),
            SyscallReturn::FailureU32U32(e, a, b) => Self::FailureU32U32(e, a, b),
            SyscallReturn::FailureU64(e, a) => Self::FailureU64(e, a),
            SyscallReturn::Success => Self::Success,
            SyscallReturn::SuccessU32(a) => Self::SuccessU32(a),
            SyscallReturn::SuccessU32U32(a, b) => Self::SuccessU32U32(a, b),
            SyscallReturn::SuccessU32U32U32(a, b, c) => Self::SuccessU32U32U32(a, b, c),
            SyscallReturn::SuccessU64(a) => Self::SuccessU64(a),
            SyscallReturn::SuccessU32U64(a, b) => Self::SuccessU32U64(a, b),
            SyscallReturn::SuccessAddr(a) => Self::SuccessU32(a as u32),
            SyscallReturn::SuccessPtr(a) => Self::SuccessU32(a.addr() as u32),
            SyscallReturn::AllowReadWriteSuccess(p, n) => Self::AllowReadWriteSuccess(p, n),
            SyscallReturn::AllowReadWriteFailure(e, p, n) => Self::AllowReadWriteFailure(e, p, n),
            SyscallReturn::UserspaceReadableAllowSuccess(p, n) => {
                Self::UserspaceReadableAllowSuccess(p, n)
            }
            SyscallReturn::UserspaceReadableAllowFailure(e, p, n) => {
                Self::UserspaceReadableAllowFailure(e, p, n)
            }
            SyscallReturn::AllowReadOnlySuccess(p, n) => Self::AllowReadOnlySuccess(p, n),
            SyscallReturn::AllowReadOnlyFailure(e, p, n) => Self::AllowReadOnlyFailure(e, p, n),
            SyscallReturn::SubscribeSuccess(p, n) => Self::SubscribeSuccess(p, n),
            SyscallReturn::SubscribeFailure(e, p, n) => Self::SubscribeFailure(e, p, n),
            SyscallReturn::YieldWaitFor(a, b, c) => Self::YieldWaitFor(a, b, c),
        }
    }
}

/// Stores `syscall_return` in the registers of a 32-bit process.
///
/// Registers that the return variant does not define keep their content.
#[inline(always)]
pub fn encode_syscall_return_trd104(
    syscall_return: &TRD104SyscallReturn,
    a0: &mut u32,
    a1: &mut u32,
    a2: &mut u32,
    a3: &mut u32,
) {
    use TRD104SyscallReturn as Value;
    use TRD104SyscallReturnVariant as Variant;
    // Pointers and lengths of a 32-bit process fit; `as` only narrows on other hosts.
    let failure_with_two = |e: ErrorCode, p: usize, n: usize| {
        (
            Variant::FailureU32U32,
            e as u32,
            Some(p as u32),
            Some(n as u32),
        )
    };
    let success_with_two =
        |p: usize, n: usize| (Variant::SuccessU32U32, p as u32, Some(n as u32), None);
    let (variant, first, second, third) = match *syscall_return {
        Value::Success => {
            *a0 = Variant::Success as u32;
            return;
        }
        Value::YieldWaitFor(x, y, z) => {
            (*a0, *a1, *a2) = (x as u32, y as u32, z as u32);
            return;
        }
        Value::Failure(e) => (Variant::Failure, e as u32, None, None),
        Value::FailureU32(e, x) => (Variant::FailureU32, e as u32, Some(x), None),
        Value::FailureU32U32(e, x, y) => (Variant::FailureU32U32, e as u32, Some(x), Some(y)),
        Value::FailureU64(e, x) => (
            Variant::FailureU64,
            e as u32,
            Some(low_word(x)),
            Some(high_word(x)),
        ),
        Value::SuccessU32(x) => (Variant::SuccessU32, x, None, None),
        Value::SuccessU32U32(x, y) => (Variant::SuccessU32U32, x, Some(y), None),
        Value::SuccessU32U32U32(x, y, z) => (Variant::SuccessU32U32U32, x, Some(y), Some(z)),
        Value::SuccessU64(x) => (Variant::SuccessU64, low_word(x), Some(high_word(x)), None),
        Value::SuccessU32U64(x, y) => (
            Variant::SuccessU32U64,
            x,
            Some(low_word(y)),
            Some(high_word(y)),
        ),
        Value::AllowReadWriteSuccess(p, n) | Value::UserspaceReadableAllowSuccess(p, n) => {
            success_with_two(p.addr(), n)
        }
        Value::AllowReadOnlySuccess(p, n) => success_with_two(p.addr(), n),
        Value::SubscribeSuccess(p, n) => success_with_two(p.addr(), n),
        Value::AllowReadWriteFailure(e, p, n) | Value::UserspaceReadableAllowFailure(e, p, n) => {
            failure_with_two(e, p.addr(), n)
        }
        Value::AllowReadOnlyFailure(e, p, n) => failure_with_two(e, p.addr(), n),
        Value::SubscribeFailure(e, p, n) => failure_with_two(e, p.addr(), n),
    };
    *a0 = variant as u32;
    *a1 = first;
    if let Some(second) = second {
        *a2 = second;
    }
    if let Some(third) = third {
        *a3 = third;
    }
}

const fn low_word(value: u64) -> u32 {
    value as u32
}

const fn high_word(value: u64) -> u32 {
    (value >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::utilities::capability_ptr::CapabilityPtr;
    use core::ptr::{with_exposed_provenance as ptr, with_exposed_provenance_mut as ptr_mut};

    /// What the registers hold before; no answer has this in it.
    const KEPT: u32 = 0xDEAD_BEEF;

    fn encoded(value: SyscallReturn) -> [u32; 4] {
        let [mut a0, mut a1, mut a2, mut a3] = [KEPT; 4];
        encode_syscall_return_trd104(&value.into(), &mut a0, &mut a1, &mut a2, &mut a3);
        [a0, a1, a2, a3]
    }

    #[test]
    fn each_answer_has_its_number_and_leaves_the_other_registers_alone() {
        use SyscallReturn as Value;
        let long = 0x1122_3344_5566_7788;
        let (high, low) = (0x1122_3344, 0x5566_7788);
        let table = [
            (Value::Failure(ErrorCode::NOMEM), [0, 9, KEPT, KEPT]),
            (Value::FailureU32(ErrorCode::BUSY, 5), [1, 2, 5, KEPT]),
            (Value::FailureU32U32(ErrorCode::BUSY, 5, 6), [2, 2, 5, 6]),
            (Value::FailureU64(ErrorCode::FAIL, long), [3, 1, low, high]),
            (Value::Success, [128, KEPT, KEPT, KEPT]),
            (Value::SuccessU32(5), [129, 5, KEPT, KEPT]),
            (Value::SuccessU32U32(5, 6), [130, 5, 6, KEPT]),
            (Value::SuccessU64(long), [131, low, high, KEPT]),
            (Value::SuccessU32U32U32(5, 6, 7), [132, 5, 6, 7]),
            (Value::SuccessU32U64(5, long), [133, 5, low, high]),
            (Value::SuccessAddr(0x8000), [129, 0x8000, KEPT, KEPT]),
            (
                Value::SuccessPtr(CapabilityPtr::from(0x8000)),
                [129, 0x8000, KEPT, KEPT],
            ),
        ];
        for (value, registers) in table {
            assert_eq!(encoded(value), registers, "{value:?}");
        }
    }

    #[test]
    fn exchanges_give_two_words_and_failed_ones_give_the_arguments_back() {
        use SyscallReturn as Value;
        let code = ErrorCode::INVAL;
        let successes = [
            Value::AllowReadWriteSuccess(ptr_mut(0x10), 3),
            Value::UserspaceReadableAllowSuccess(ptr_mut(0x10), 3),
            Value::AllowReadOnlySuccess(ptr(0x10), 3),
            Value::SubscribeSuccess(ptr(0x10), 3),
        ];
        for value in successes {
            assert_eq!(encoded(value), [130, 0x10, 3, KEPT], "{value:?}");
        }
        let failures = [
            Value::AllowReadWriteFailure(code, ptr_mut(0x10), 3),
            Value::UserspaceReadableAllowFailure(code, ptr_mut(0x10), 3),
            Value::AllowReadOnlyFailure(code, ptr(0x10), 3),
            Value::SubscribeFailure(code, ptr(0x10), 3),
        ];
        for value in failures {
            assert_eq!(encoded(value), [2, 6, 0x10, 3], "{value:?}");
        }
    }

    #[test]
    fn a_wait_returns_its_values_without_a_variant() {
        assert_eq!(
            encoded(SyscallReturn::YieldWaitFor(7, 8, 9)),
            [7, 8, 9, KEPT]
        );
    }
}
