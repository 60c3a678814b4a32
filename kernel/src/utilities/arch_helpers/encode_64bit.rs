// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Answers to registers, for 64-bit machines.

use crate::ErrorCode;
use crate::syscall::SyscallReturn;
use crate::utilities::capability_ptr::CapabilityPtr;

/// The number that a 64-bit process finds in its first register.
///
/// Pointers do not fit in 32 bits here, so what carries them has variants of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum TRDRiscv64bitSyscallReturnVariant {
    /// The error.
    Failure = 0,
    /// The error and a number.
    FailureU32 = 1,
    /// The error and two numbers.
    FailureU32U32 = 2,
    /// The error and a long number.
    FailureU64 = 3,
    /// The error, a function pointer and a word for it.
    FailureFnptrOpaque = 4,
    /// The error, a pointer and a length.
    FailurePtrLen = 5,
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
    /// A function pointer and a word for it.
    SuccessFnptrOpaque = 134,
    /// A pointer and a length.
    SuccessPtrLen = 135,
    /// A pointer.
    SuccessPtr = 136,
    /// An address that gives no access.
    SuccessAddr = 137,
}

/// The part of [`SyscallReturn`] that a 64-bit machine tells apart, which is all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is that of `SyscallReturn`")]
pub enum TRDRiscv64bitSyscallReturn {
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
    SuccessAddr(usize),
    SuccessPtr(CapabilityPtr),
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

impl From<SyscallReturn> for TRDRiscv64bitSyscallReturn {
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
            SyscallReturn::SuccessAddr(a) => Self::SuccessAddr(a),
            SyscallReturn::SuccessPtr(a) => Self::SuccessPtr(a),
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

/// Stores `syscall_return` in the registers of a 64-bit process.
///
/// Registers that the return variant does not define keep their content.
pub fn encode_syscall_return_trd64bit(
    syscall_return: &TRDRiscv64bitSyscallReturn,
    a0: &mut u64,
    a1: &mut u64,
    a2: &mut u64,
    a3: &mut u64,
) {
    use TRDRiscv64bitSyscallReturn as Value;
    use TRDRiscv64bitSyscallReturnVariant as Variant;
    let (variant, first, second, third) = match *syscall_return {
        Value::Success => {
            *a0 = Variant::Success as u64;
            return;
        }
        Value::YieldWaitFor(x, y, z) => {
            (*a0, *a1, *a2) = (x as u64, y as u64, z as u64);
            return;
        }
        Value::Failure(e) => (Variant::Failure, e as u64, None, None),
        Value::FailureU32(e, x) => (Variant::FailureU32, e as u64, Some(x.into()), None),
        Value::FailureU32U32(e, x, y) => (
            Variant::FailureU32U32,
            e as u64,
            Some(x.into()),
            Some(y.into()),
        ),
        Value::FailureU64(e, x) => (Variant::FailureU64, e as u64, Some(x), None),
        Value::SuccessU32(x) => (Variant::SuccessU32, x.into(), None, None),
        Value::SuccessU32U32(x, y) => (Variant::SuccessU32U32, x.into(), Some(y.into()), None),
        Value::SuccessU32U32U32(x, y, z) => (
            Variant::SuccessU32U32U32,
            x.into(),
            Some(y.into()),
            Some(z.into()),
        ),
        Value::SuccessU64(x) => (Variant::SuccessU64, x, None, None),
        Value::SuccessU32U64(x, y) => (Variant::SuccessU32U64, x.into(), Some(y), None),
        Value::SuccessAddr(x) => (Variant::SuccessAddr, x as u64, None, None),
        Value::SuccessPtr(x) => (Variant::SuccessPtr, x.addr() as u64, None, None),
        Value::AllowReadWriteSuccess(p, n) | Value::UserspaceReadableAllowSuccess(p, n) => (
            Variant::SuccessPtrLen,
            p.addr() as u64,
            Some(n as u64),
            None,
        ),
        Value::AllowReadOnlySuccess(p, n) => (
            Variant::SuccessPtrLen,
            p.addr() as u64,
            Some(n as u64),
            None,
        ),
        Value::SubscribeSuccess(p, n) => (
            Variant::SuccessFnptrOpaque,
            p.addr() as u64,
            Some(n as u64),
            None,
        ),
        Value::AllowReadWriteFailure(e, p, n) | Value::UserspaceReadableAllowFailure(e, p, n) => (
            Variant::FailurePtrLen,
            e as u64,
            Some(p.addr() as u64),
            Some(n as u64),
        ),
        Value::AllowReadOnlyFailure(e, p, n) => (
            Variant::FailurePtrLen,
            e as u64,
            Some(p.addr() as u64),
            Some(n as u64),
        ),
        Value::SubscribeFailure(e, p, n) => (
            Variant::FailureFnptrOpaque,
            e as u64,
            Some(p.addr() as u64),
            Some(n as u64),
        ),
    };
    *a0 = variant as u64;
    *a1 = first;
    if let Some(second) = second {
        *a2 = second;
    }
    if let Some(third) = third {
        *a3 = third;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::ptr::{with_exposed_provenance as ptr, with_exposed_provenance_mut as ptr_mut};

    const KEPT: u64 = 0xDEAD_BEEF_DEAD_BEEF;

    fn encoded(value: SyscallReturn) -> [u64; 4] {
        let [mut a0, mut a1, mut a2, mut a3] = [KEPT; 4];
        encode_syscall_return_trd64bit(&value.into(), &mut a0, &mut a1, &mut a2, &mut a3);
        [a0, a1, a2, a3]
    }

    #[test]
    fn numbers_take_one_register_each() {
        use SyscallReturn as Value;
        let long = 0x1122_3344_5566_7788;
        let table = [
            (Value::Failure(ErrorCode::NOMEM), [0, 9, KEPT, KEPT]),
            (Value::FailureU32(ErrorCode::BUSY, 5), [1, 2, 5, KEPT]),
            (Value::FailureU32U32(ErrorCode::BUSY, 5, 6), [2, 2, 5, 6]),
            (Value::FailureU64(ErrorCode::FAIL, long), [3, 1, long, KEPT]),
            (Value::Success, [128, KEPT, KEPT, KEPT]),
            (Value::SuccessU32(5), [129, 5, KEPT, KEPT]),
            (Value::SuccessU32U32(5, 6), [130, 5, 6, KEPT]),
            (Value::SuccessU64(long), [131, long, KEPT, KEPT]),
            (Value::SuccessU32U32U32(5, 6, 7), [132, 5, 6, 7]),
            (Value::SuccessU32U64(5, long), [133, 5, long, KEPT]),
            (Value::YieldWaitFor(7, 8, 9), [7, 8, 9, KEPT]),
        ];
        for (value, registers) in table {
            assert_eq!(encoded(value), registers, "{value:?}");
        }
    }

    #[test]
    fn pointers_have_variants_of_their_own() {
        use SyscallReturn as Value;
        let code = ErrorCode::INVAL;
        let table = [
            (
                Value::SuccessPtr(CapabilityPtr::from(16)),
                [136, 16, KEPT, KEPT],
            ),
            (Value::SuccessAddr(16), [137, 16, KEPT, KEPT]),
            (Value::SubscribeSuccess(ptr(16), 3), [134, 16, 3, KEPT]),
            (Value::SubscribeFailure(code, ptr(16), 3), [4, 6, 16, 3]),
            (Value::AllowReadOnlySuccess(ptr(16), 3), [135, 16, 3, KEPT]),
            (Value::AllowReadOnlyFailure(code, ptr(16), 3), [5, 6, 16, 3]),
            (
                Value::AllowReadWriteSuccess(ptr_mut(16), 3),
                [135, 16, 3, KEPT],
            ),
            (
                Value::AllowReadWriteFailure(code, ptr_mut(16), 3),
                [5, 6, 16, 3],
            ),
            (
                Value::UserspaceReadableAllowSuccess(ptr_mut(16), 3),
                [135, 16, 3, KEPT],
            ),
            (
                Value::UserspaceReadableAllowFailure(code, ptr_mut(16), 3),
                [5, 6, 16, 3],
            ),
        ];
        for (value, registers) in table {
            assert_eq!(encoded(value), registers, "{value:?}");
        }
    }
}
