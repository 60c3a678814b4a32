// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Register formats of system calls: TRD 104 for 32-bit machines, and its 64-bit form.
//!
//! An architecture crate passes the argument registers to a decoder and stores what an encoder
//! gives. Encoders write only the registers that the return variant defines, because userspace
//! relies on the others being left alone.

use crate::ErrorCode;
use crate::process::FunctionCall;
use crate::syscall::{ContextSwitchReason, Syscall, SyscallClass, SyscallReturn, YieldVariant};

use super::capability_ptr::CapabilityPtr;
use super::machine_register::MachineRegister;

// ---- registers to system calls ------------------------------------------------------------------

/// Decodes the four argument registers of a 32-bit system call of class `syscall_number`.
///
/// Returns `None` for an unknown class or an unknown kind of yield;
/// [`undecodable_syscall`] says what to make of it.
#[inline]
pub fn syscall_from_register_arguments_trd104(
    syscall_number: u8,
    r0: usize,
    r1: MachineRegister,
    r2: MachineRegister,
    r3: MachineRegister,
) -> Option<Syscall> {
    decode(syscall_number, r0, r1, r2, r3)
}

/// Decodes the four argument registers of a 64-bit system call of class `syscall_number`.
///
/// The arguments are the same as on a 32-bit machine, only wider.
#[inline]
pub fn syscall_from_register_arguments_trd64bit(
    syscall_number: u8,
    r0: usize,
    r1: MachineRegister,
    r2: MachineRegister,
    r3: MachineRegister,
) -> Option<Syscall> {
    decode(syscall_number, r0, r1, r2, r3)
}

/// Says what becomes of a process whose system call could not be decoded.
///
/// An unknown kind of yield returns at once and changes nothing (TRD 104, 4.1): the process can go
/// on as after an interrupt, once the architecture has moved it past the instruction. An unknown
/// class is a fault.
#[inline]
pub fn undecodable_syscall(syscall_number: u8) -> ContextSwitchReason {
    if syscall_number == SyscallClass::Yield as u8 {
        ContextSwitchReason::Interrupted
    } else {
        ContextSwitchReason::Fault
    }
}

#[inline]
fn decode(
    syscall_number: u8,
    r0: usize,
    r1: MachineRegister,
    r2: MachineRegister,
    r3: MachineRegister,
) -> Option<Syscall> {
    let (driver_number, subdriver_number) = (r0, r1.as_usize());
    let call = match SyscallClass::try_from(syscall_number).ok()? {
        SyscallClass::Yield => Syscall::Yield {
            yield_type: match r0 {
                0 => YieldVariant::NoWait {
                    ptr: address(r1).cast_mut(),
                },
                1 => YieldVariant::Wait,
                2 => YieldVariant::WaitFor {
                    driver_number: r1.as_usize(),
                    subdriver_number: r2.as_usize(),
                },
                _ => return None,
            },
        },
        SyscallClass::Subscribe => Syscall::Subscribe {
            driver_number,
            subdriver_number,
            upcall_ptr: r2.as_capability_ptr(),
            appdata: r3,
        },
        SyscallClass::Command => Syscall::Command {
            driver_number,
            subdriver_number,
            arg0: r2.as_usize(),
            arg1: r3.as_usize(),
        },
        SyscallClass::ReadWriteAllow => Syscall::ReadWriteAllow {
            driver_number,
            subdriver_number,
            allow_address: address(r2).cast_mut(),
            allow_size: r3.as_usize(),
        },
        SyscallClass::UserspaceReadableAllow => Syscall::UserspaceReadableAllow {
            driver_number,
            subdriver_number,
            allow_address: address(r2).cast_mut(),
            allow_size: r3.as_usize(),
        },
        SyscallClass::ReadOnlyAllow => Syscall::ReadOnlyAllow {
            driver_number,
            subdriver_number,
            allow_address: address(r2),
            allow_size: r3.as_usize(),
        },
        SyscallClass::Memop => Syscall::Memop {
            operand: r0,
            arg0: r1.as_usize(),
        },
        SyscallClass::Exit => Syscall::Exit {
            which: r0,
            completion_code: r1.as_usize(),
        },
    };
    Some(call)
}

#[inline]
fn address(register: MachineRegister) -> *const u8 {
    register.as_capability_ptr().as_ptr()
}

// ---- answers to registers, 32 bits --------------------------------------------------------------

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
    #[inline]
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
#[inline]
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

// ---- answers to registers, 64 bits --------------------------------------------------------------

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

// ---- upcalls to registers -----------------------------------------------------------------------

/// Stores the arguments of `upcall` in the registers of a 32-bit process.
#[inline]
pub fn encode_upcall_trd104(
    upcall: &FunctionCall,
    a0: &mut u32,
    a1: &mut u32,
    a2: &mut u32,
    a3: &mut u32,
) {
    *a0 = upcall.argument0 as u32;
    *a1 = upcall.argument1 as u32;
    *a2 = upcall.argument2 as u32;
    *a3 = upcall.argument3.as_usize() as u32;
}

/// Stores the arguments of `upcall` where four pointers say, for a 32-bit process.
///
/// # Safety
///
/// Each pointer is valid for writing a `u32`. They need not be aligned.
pub unsafe fn encode_upcall_trd104_ptr(
    upcall: &FunctionCall,
    a0: *mut u32,
    a1: *mut u32,
    a2: *mut u32,
    a3: *mut u32,
) {
    let [mut r0, mut r1, mut r2, mut r3] = [0; 4];
    encode_upcall_trd104(upcall, &mut r0, &mut r1, &mut r2, &mut r3);
    // SAFETY: the caller vouches for all four.
    unsafe {
        a0.write_unaligned(r0);
        a1.write_unaligned(r1);
        a2.write_unaligned(r2);
        a3.write_unaligned(r3);
    }
}

/// Stores the arguments of `upcall` in the registers of a 64-bit process.
pub fn encode_upcall_trd64bit(
    upcall: &FunctionCall,
    a0: &mut u64,
    a1: &mut u64,
    a2: &mut u64,
    a3: &mut u64,
) {
    *a0 = upcall.argument0 as u64;
    *a1 = upcall.argument1 as u64;
    *a2 = upcall.argument2 as u64;
    *a3 = upcall.argument3.as_usize() as u64;
}

/// Stores the arguments of `upcall` where four pointers say, for a 64-bit process.
///
/// # Safety
///
/// Each pointer is valid for writing a `u64`. They need not be aligned.
pub unsafe fn encode_upcall_trd64bit_ptr(
    upcall: &FunctionCall,
    a0: *mut u64,
    a1: *mut u64,
    a2: *mut u64,
    a3: *mut u64,
) {
    let [mut r0, mut r1, mut r2, mut r3] = [0; 4];
    encode_upcall_trd64bit(upcall, &mut r0, &mut r1, &mut r2, &mut r3);
    // SAFETY: the caller vouches for all four.
    unsafe {
        a0.write_unaligned(r0);
        a1.write_unaligned(r1);
        a2.write_unaligned(r2);
        a3.write_unaligned(r3);
    }
}
