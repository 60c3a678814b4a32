// SPDX-License-Identifier: Apache-2.0 OR MIT

use super::*;
use kernel::process::FunctionCallSource;
use kernel::syscall::{Syscall, YieldVariant};

const NOWHERE: *const u8 = core::ptr::null();

fn boundary() -> SysCall {
    // SAFETY: these tests enter no process.
    unsafe { SysCall::new() }
}

/// A state whose every register holds a value of its own.
fn marked() -> StoredState {
    StoredState {
        registers: core::array::from_fn(|index| 0x1000 + index as u32),
        pc: 0x8010_0100,
        ..StoredState::default()
    }
}

fn call(class: u32, arguments: [u32; 4]) -> (StoredState, ContextSwitchReason) {
    let mut state = marked();
    state.registers[A0..A0 + 4].copy_from_slice(&arguments);
    state.registers[A4] = class;
    let reason = state.take_call().into_reason();
    (state, reason)
}

fn answer(value: SyscallReturn) -> [u32; 31] {
    let mut state = marked();
    // SAFETY: the state is not that of a running process.
    let result =
        unsafe { boundary().set_syscall_return_value(NOWHERE, NOWHERE, &mut state, value) };
    assert_eq!(result, Ok(()));
    state.registers
}

#[test]
fn a_call_moves_the_process_past_the_instruction() {
    let (state, reason) = call(2, [1, 2, 3, 4]);
    assert_eq!(state.pc, 0x8010_0104);
    let expected = Syscall::Command {
        driver_number: 1,
        subdriver_number: 2,
        arg0: 3,
        arg1: 4,
    };
    assert_eq!(
        reason,
        ContextSwitchReason::SyscallFired { syscall: expected }
    );
}

#[test]
fn only_the_low_byte_of_the_class_counts() {
    let (_, reason) = call(0xABCD_EF05, [1, 7, 0, 0]);
    let syscall = Syscall::Memop {
        operand: 1,
        arg0: 7,
    };
    assert_eq!(reason, ContextSwitchReason::SyscallFired { syscall });
}

#[test]
fn an_unknown_class_faults_at_the_instruction() {
    for class in [8, 255] {
        let (state, reason) = call(class, [0; 4]);
        assert_eq!(reason, ContextSwitchReason::Fault);
        assert_eq!(state.pc, 0x8010_0100);
    }
}

#[test]
fn an_unknown_yield_returns_at_once_without_touching_registers() {
    let (state, reason) = call(0, [3, 5, 6, 7]);
    assert_eq!(reason, ContextSwitchReason::Interrupted);
    assert_eq!(state.pc, 0x8010_0104);
    assert_eq!(state.registers[A0..A0 + 4], [3, 5, 6, 7]);
    let (_, reason) = call(0, [2, 5, 6, 7]);
    let yield_type = YieldVariant::WaitFor {
        driver_number: 5,
        subdriver_number: 6,
    };
    let syscall = Syscall::Yield { yield_type };
    assert_eq!(reason, ContextSwitchReason::SyscallFired { syscall });
}

#[test]
fn an_answer_changes_the_registers_of_its_variant_alone() {
    let code = ErrorCode::NOMEM;
    let cases: [(SyscallReturn, &[u32]); 8] = [
        (SyscallReturn::Success, &[128]),
        (SyscallReturn::Failure(code), &[0, 9]),
        (SyscallReturn::SuccessU32(5), &[129, 5]),
        (SyscallReturn::SuccessU32U32(5, 6), &[130, 5, 6]),
        (SyscallReturn::SuccessU64(0x1_0000_0002), &[131, 2, 1]),
        (
            SyscallReturn::SuccessU32U64(7, 0x1_0000_0002),
            &[133, 7, 2, 1],
        ),
        (SyscallReturn::FailureU32U32(code, 5, 6), &[2, 9, 5, 6]),
        (SyscallReturn::YieldWaitFor(1, 2, 3), &[1, 2, 3]),
    ];
    for (value, expected) in cases {
        let mut registers = marked().registers;
        registers[A0..A0 + expected.len()].copy_from_slice(expected);
        assert_eq!(answer(value), registers, "{value:?}");
    }
}

#[test]
fn an_upcall_returns_to_where_the_process_yielded() {
    let mut state = marked();
    let upcall = FunctionCall {
        source: FunctionCallSource::Kernel,
        argument0: 1,
        argument1: 2,
        argument2: 3,
        argument3: 4usize.into(),
        pc: 0x8010_0200usize.into(),
    };
    // SAFETY: the state is not that of a running process.
    let result = unsafe { boundary().set_process_function(NOWHERE, NOWHERE, &mut state, upcall) };
    assert_eq!(result, Ok(()));
    let mut registers = marked().registers;
    registers[RA] = 0x8010_0100;
    registers[A0..A0 + 4].copy_from_slice(&[1, 2, 3, 4]);
    assert_eq!((state.registers, state.pc), (registers, 0x8010_0200));
}

#[test]
fn a_new_process_has_clear_registers_and_an_empty_stack() {
    let mut state = marked();
    let start = core::ptr::without_provenance(0x8030_0000);
    // SAFETY: the state is not that of a running process.
    let result = unsafe { boundary().initialize_process(start, start, &mut state) };
    assert_eq!(result, Ok(()));
    let mut registers = [0; 31];
    registers[SP] = 0x8030_0000;
    assert_eq!((state.registers, state.pc), (registers, 0));
}

#[test]
fn the_stored_context_needs_its_full_length() {
    let state = marked();
    let mut out = [0xFF; STORED_CONTEXT_BYTES];
    let short = boundary().store_context(&state, &mut out[1..]);
    assert_eq!(short, Err(ErrorCode::SIZE));
    assert_eq!(
        boundary().store_context(&state, &mut out),
        Ok(STORED_CONTEXT_BYTES)
    );
    assert_eq!(out[..8], [1, 0, 0, 0, 0x00, 0x10, 0, 0]);
    assert_eq!(out[128..132], 0x8010_0100u32.to_le_bytes());
}
