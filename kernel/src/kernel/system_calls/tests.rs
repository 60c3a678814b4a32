// SPDX-License-Identifier: Apache-2.0 OR MIT

//! System calls, from what a process asks to what it is told.

use core::ptr::{null, without_provenance};
use std::vec;
use std::vec::Vec;

use crate::errorcode::ErrorCode;
use crate::process::fake_tbf::Tbf;
use crate::process::fakes::calls::{
    ABSENT, allow_ro, allow_rw, command, exit, function, memop, schedule, subscribe,
};
use crate::process::fakes::{DRIVER, World};
use crate::process::{State, StoppedExecutingReason};
use crate::syscall::{Syscall, SyscallReturn};

// ---- subscribe ----------------------------------------------------------

#[test]
fn subscribe_swaps_function_and_data() {
    let (world, process) = World::with_one();
    let function = function(process);
    assert_eq!(
        world.answers(&[
            subscribe(DRIVER, 0, function, 1),
            subscribe(DRIVER, 0, function + 2, 2),
            subscribe(DRIVER, 0, 0, 3),
            subscribe(DRIVER, 0, 0, 0),
        ]),
        [
            SyscallReturn::SubscribeSuccess(null(), 0),
            SyscallReturn::SubscribeSuccess(without_provenance(function), 1),
            SyscallReturn::SubscribeSuccess(without_provenance(function + 2), 2),
            SyscallReturn::SubscribeSuccess(null(), 3),
        ]
    );
}

#[test]
fn subscribe_checks_filter_pointer_driver_and_number_in_this_order() {
    let (world, process) = World::with_one();
    let (good, bad) = (function(process), process.get_addresses().sram_end);
    let fails =
        |code, function| SyscallReturn::SubscribeFailure(code, without_provenance(function), 4);
    world.filter.refuse.set(Some(ErrorCode::NODEVICE));
    assert_eq!(
        world.answers(&[subscribe(ABSENT, 9, bad, 4)]),
        [SyscallReturn::Failure(ErrorCode::NODEVICE)]
    );
    world.filter.refuse.set(None);
    assert_eq!(
        world.answers(&[
            subscribe(ABSENT, 9, bad, 4),
            subscribe(ABSENT, 9, good, 4),
            subscribe(ABSENT, 9, 0, 4),
            subscribe(DRIVER, 2, good, 4),
            subscribe(DRIVER, usize::MAX, 0, 4),
        ]),
        [
            fails(ErrorCode::INVAL, bad),
            fails(ErrorCode::NODEVICE, good),
            fails(ErrorCode::NODEVICE, 0),
            fails(ErrorCode::NOSUPPORT, good),
            fails(ErrorCode::NOSUPPORT, 0),
        ]
    );
}

#[test]
fn calls_that_need_a_grant_fail_without_room_for_it() {
    let (world, process) = World::with_one();
    let room = process.get_addresses().sram_grant_start;
    let function = function(process);
    assert_eq!(
        world.answers(&[
            memop(0, room),
            subscribe(DRIVER, 0, function, 4),
            allow_rw(DRIVER, 0, 1, 0),
            schedule(0, 0),
        ]),
        [
            SyscallReturn::Success,
            SyscallReturn::SubscribeFailure(ErrorCode::NOMEM, without_provenance(function), 4),
            SyscallReturn::AllowReadWriteFailure(
                ErrorCode::NOMEM,
                without_provenance::<u8>(1).cast_mut(),
                0
            ),
            SyscallReturn::SuccessU32(0),
        ]
    );
    assert_eq!(process.get_state(), State::Running);
}

// ---- allow --------------------------------------------------------------

#[test]
fn allow_swaps_buffers_and_keeps_classes_apart() {
    let (world, process) = World::with_one();
    let start = process.get_addresses().sram_start;
    let at = |offset: usize| without_provenance::<u8>(start + offset);
    assert_eq!(
        world.answers(&[
            memop(1, 64),
            allow_rw(DRIVER, 0, start, 16),
            allow_ro(DRIVER, 0, start + 8, 16),
            allow_rw(DRIVER, 0, usize::MAX, 0),
            allow_rw(DRIVER, 0, 0, 0),
            allow_ro(DRIVER, 0, 0, 0),
        ])[1..],
        [
            SyscallReturn::AllowReadWriteSuccess(null::<u8>().cast_mut(), 0),
            SyscallReturn::AllowReadOnlySuccess(null(), 0),
            SyscallReturn::AllowReadWriteSuccess(at(0).cast_mut(), 16),
            SyscallReturn::AllowReadWriteSuccess(
                without_provenance::<u8>(usize::MAX).cast_mut(),
                0
            ),
            SyscallReturn::AllowReadOnlySuccess(at(8), 16),
        ]
    );
}

#[test]
fn allow_checks_filter_driver_buffer_and_number_in_this_order() {
    let (world, process) = World::with_one();
    let bad = process.get_addresses().sram_end;
    let fails = |code, address, size| {
        SyscallReturn::AllowReadWriteFailure(
            code,
            without_provenance::<u8>(address).cast_mut(),
            size,
        )
    };
    world.filter.refuse.set(Some(ErrorCode::NODEVICE));
    assert_eq!(
        world.answers(&[allow_rw(ABSENT, 0, bad, 1)]),
        [SyscallReturn::Failure(ErrorCode::NODEVICE)]
    );
    world.filter.refuse.set(None);
    assert_eq!(
        world.answers(&[
            allow_rw(ABSENT, 0, bad, 1),
            allow_rw(DRIVER, 1, bad, 1),
            allow_rw(DRIVER, 1, bad, 0),
            allow_rw(DRIVER, usize::MAX, 0, 0),
        ]),
        [
            fails(ErrorCode::NODEVICE, bad, 1),
            fails(ErrorCode::INVAL, bad, 1),
            fails(ErrorCode::NOSUPPORT, bad, 0),
            fails(ErrorCode::NOSUPPORT, 0, 0),
        ]
    );
    assert_eq!(
        world.answers(&[Syscall::UserspaceReadableAllow {
            driver_number: DRIVER,
            subdriver_number: 0,
            allow_address: core::ptr::null_mut(),
            allow_size: 0,
        }]),
        [SyscallReturn::UserspaceReadableAllowFailure(
            ErrorCode::NOSUPPORT,
            core::ptr::null_mut(),
            0
        )]
    );
}

// ---- command, filter ----------------------------------------------------

#[test]
fn commands_to_absent_drivers_fail_and_filtered_ones_never_arrive() {
    let (world, _) = World::with_one();
    let absent = Syscall::Command {
        driver_number: ABSENT,
        subdriver_number: 0,
        arg0: 0,
        arg1: 0,
    };
    assert_eq!(
        world.answers(&[absent]),
        [SyscallReturn::Failure(ErrorCode::NODEVICE)]
    );
    world.filter.refuse.set(Some(ErrorCode::RESERVE));
    assert_eq!(
        world.answers(&[command(0, 0, 0), memop(1, 0)]),
        [
            SyscallReturn::Failure(ErrorCode::RESERVE),
            SyscallReturn::SuccessPtr(world.process(0).get_addresses().sram_start.into())
        ]
    );
    assert!(world.driver.commands.borrow().is_empty());
    world.run(&[exit(0, 3)]);
    assert_eq!(world.process(0).get_state(), State::Terminated);
}

// ---- memop --------------------------------------------------------------

#[test]
fn memory_operations_tell_the_borders() {
    let mut tbf = Tbf::new("app");
    tbf.writeable = vec![(16, 8), (u32::MAX, 8)];
    let world = World::with_apps(&[tbf]);
    let map = world.process(0).get_addresses();
    let calls: Vec<Syscall> = (2..=7).map(|operation| memop(operation, 0)).collect();
    let regions = world.process(0).number_writeable_flash_regions();
    let expected = [
        map.sram_start,
        map.sram_end,
        map.flash_start,
        map.flash_end,
        map.sram_grant_start,
        regions,
    ];
    assert_eq!(
        world.answers(&calls),
        expected.map(SyscallReturn::SuccessAddr)
    );
    assert_eq!(regions, 2);
    let failure = SyscallReturn::Failure;
    assert_eq!(
        world.answers(&[
            memop(8, 0),
            memop(9, 0),
            memop(8, 1),
            memop(9, 2),
            memop(8, usize::MAX),
            memop(12, 0),
            memop(usize::MAX, 0),
            memop(10, 0),
            memop(11, usize::MAX),
        ]),
        [
            SyscallReturn::SuccessAddr(map.flash_start + 16),
            SyscallReturn::SuccessAddr(map.flash_start + 24),
            failure(ErrorCode::FAIL),
            failure(ErrorCode::FAIL),
            failure(ErrorCode::FAIL),
            failure(ErrorCode::NOSUPPORT),
            failure(ErrorCode::NOSUPPORT),
            SyscallReturn::Success,
            SyscallReturn::Success,
        ]
    );
}

#[test]
fn breaks_are_moved_by_memory_operations() {
    let (world, process) = World::with_one();
    let start = process.get_addresses().sram_start;
    let entries = world.run(&[
        memop(0, start + 64),
        memop(1, 16),
        memop(1, (-16isize).cast_unsigned()),
        memop(1, usize::MAX / 2),
        memop(0, 0),
        memop(0, usize::MAX),
    ]);
    let answers: Vec<_> = entries.iter().filter_map(|entry| entry.answer).collect();
    assert_eq!(
        answers,
        [
            SyscallReturn::Success,
            SyscallReturn::SuccessPtr((start + 64).into()),
            SyscallReturn::SuccessPtr((start + 80).into()),
            SyscallReturn::Failure(ErrorCode::NOMEM),
            SyscallReturn::Failure(ErrorCode::NOMEM),
            SyscallReturn::Failure(ErrorCode::NOMEM),
        ]
    );
    assert_eq!(entries[2].app_break, start + 80);
    assert_eq!(process.get_addresses().sram_app_brk, start + 64);
}

// ---- exit ---------------------------------------------------------------

#[test]
fn exit_terminates_or_restarts_and_refuses_anything_else() {
    let (world, process) = World::with_one();
    let first = process.processid();
    assert_eq!(
        world.answers(&[
            exit(2, 0),
            exit(usize::MAX, 0),
            exit(1, 5),
            command(0, 0, 0)
        ]),
        [SyscallReturn::Failure(ErrorCode::NOSUPPORT); 2]
    );
    // The new run waits for a turn of its own.
    assert!(process.processid() != first);
    assert_eq!(process.get_state(), State::Yielded);
    assert_eq!(process.get_completion_code(), Some(Some(5)));
    assert_eq!(
        world.last_result(),
        (StoppedExecutingReason::NoWorkLeft, None)
    );

    let entries = world.run(&[exit(0, 7)]);
    assert!(entries[0].function.is_some() && entries[0].answer.is_none());
    assert_eq!(process.get_state(), State::Terminated);
    assert_eq!(process.get_completion_code(), Some(Some(7)));
    assert!(world.run(&[command(0, 0, 0)]).is_empty());
}
