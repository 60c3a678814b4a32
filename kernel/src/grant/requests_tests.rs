// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The order of checks, and what processes get back.

use core::cell::Cell;
use core::ptr;

use super::*;
use crate::grant::{AllowRoCount, AllowRwCount, Grant, UpcallCount};
use crate::process::{self, ProcessId, State};
use crate::processbuffer::{
    ReadableProcessBuffer, UserspaceReadableProcessBuffer, WriteableProcessBuffer,
};
use crate::testing::{FakeProcess, kernel_with_process};

const DRIVER: usize = 0x30007;

struct Driver {
    apps: Grant<u32, UpcallCount<2>, AllowRoCount<1>, AllowRwCount<2>>,
    readable: Cell<Option<UserspaceReadableProcessBuffer>>,
}

impl SyscallDriver for Driver {
    fn allow_userspace_readable(
        &self,
        _app: ProcessId,
        which: usize,
        slice: UserspaceReadableProcessBuffer,
    ) -> Result<UserspaceReadableProcessBuffer, (UserspaceReadableProcessBuffer, ErrorCode)> {
        if which == 0 {
            Ok(self.readable.replace(Some(slice)).unwrap_or_default())
        } else {
            Err((slice, ErrorCode::NOSUPPORT))
        }
    }

    fn allocate_grant(&self, process_id: ProcessId) -> Result<(), process::Error> {
        self.apps.enter(process_id, |_, _| ())
    }
}

/// A driver that keeps nothing for processes.
struct Bare;

impl SyscallDriver for Bare {
    fn allocate_grant(&self, _process_id: ProcessId) -> Result<(), process::Error> {
        Ok(())
    }
}

fn setup() -> (&'static FakeProcess, Driver) {
    let (kernel, process) = kernel_with_process();
    let driver = Driver {
        apps: Grant::new(kernel, DRIVER, 0),
        readable: Cell::new(None),
    };
    (process, driver)
}

fn subscribe_to(
    process: &FakeProcess,
    driver: Option<&dyn SyscallDriver>,
    subscribe_num: usize,
    function: *const u8,
    appdata: usize,
) -> SyscallReturn {
    let upcall_id = UpcallId {
        driver_num: DRIVER,
        subscribe_num,
    };
    let function = CapabilityPtr::from(function.addr());
    subscribe(process, driver, upcall_id, function, appdata.into())
}

fn refused(code: ErrorCode, function: *const u8, appdata: usize) -> SyscallReturn {
    SyscallReturn::SubscribeFailure(code, function.cast(), appdata)
}

#[test]
fn subscribe_returns_the_previous_function_and_user_data() {
    let (process, driver) = setup();
    let driver: Option<&dyn SyscallDriver> = Some(&driver);
    let (f, g) = (process.address(0), process.address(2));
    let answers =
        |function: *const u8, appdata| SyscallReturn::SubscribeSuccess(function.cast(), appdata);
    assert_eq!(
        subscribe_to(process, driver, 0, f, 7),
        answers(ptr::null(), 0)
    );
    assert_eq!(
        subscribe_to(process, driver, 1, g, 9),
        answers(ptr::null(), 0)
    );
    assert_eq!(subscribe_to(process, driver, 0, g, 8), answers(f, 7));
    let null = ptr::null();
    assert_eq!(subscribe_to(process, driver, 0, null, 6), answers(g, 8));
    assert_eq!(subscribe_to(process, driver, 0, f, 5), answers(null, 6));
}

#[test]
fn subscribe_checks_pointer_then_driver_then_memory_then_number() {
    let (process, driver) = setup();
    let present: Option<&dyn SyscallDriver> = Some(&driver);
    let (good, bad) = (process.address(0), process.address(255));
    process.room.set(0);

    let table = [
        (None, 9, bad.cast_const(), ErrorCode::INVAL),
        (present, 9, bad.cast_const(), ErrorCode::INVAL),
        (None, 9, good.cast_const(), ErrorCode::NODEVICE),
        (None, 9, ptr::null(), ErrorCode::NODEVICE),
        (present, 9, good.cast_const(), ErrorCode::NOMEM),
    ];
    for (driver, number, function, code) in table {
        let answer = subscribe_to(process, driver, number, function, 3);
        assert_eq!(answer, refused(code, function, 3));
    }
    process.room.set(4096);
    for number in [2, 256, usize::MAX] {
        let answer = subscribe_to(process, present, number, good, 3);
        assert_eq!(answer, refused(ErrorCode::NOSUPPORT, good, 3));
    }
}

#[test]
fn a_refused_subscribe_changes_nothing() {
    let (process, driver) = setup();
    let present: Option<&dyn SyscallDriver> = Some(&driver);
    let (f, bad) = (process.address(0), process.address(255));
    subscribe_to(process, present, 0, f, 7);
    driver
        .apps
        .enter(process.processid(), |_, data| {
            data.schedule_upcall(0, (0, 0, 0)).unwrap();
        })
        .unwrap();
    subscribe_to(process, present, 0, bad, 8);
    assert_eq!(process.pending_tasks(), 1);
    assert_eq!(
        subscribe_to(process, present, 0, ptr::null(), 0),
        SyscallReturn::SubscribeSuccess(f.cast_const().cast(), 7)
    );
}

#[test]
fn subscribing_anew_removes_what_is_queued_with_and_without_function() {
    let (process, driver) = setup();
    let present: Option<&dyn SyscallDriver> = Some(&driver);
    let schedule = |number| {
        driver
            .apps
            .enter(process.processid(), |_, data| {
                data.schedule_upcall(number, (0, 0, 0)).unwrap();
            })
            .unwrap();
    };
    schedule(0);
    subscribe_to(process, present, 1, process.address(0), 0);
    schedule(1);
    assert_eq!(process.pending_tasks(), 2);
    subscribe_to(process, present, 0, process.address(0), 0);
    assert_eq!(process.pending_tasks(), 1);
    subscribe_to(process, present, 1, ptr::null(), 0);
    assert_eq!(process.pending_tasks(), 0);
}

#[test]
fn a_driver_without_grant_has_no_upcalls_and_no_buffers() {
    let (process, _) = setup();
    let bare: Option<&dyn SyscallDriver> = Some(&Bare);
    let f = process.address(0);
    assert_eq!(
        subscribe_to(process, bare, 0, f, 1),
        refused(ErrorCode::NOSUPPORT, f, 1)
    );
    assert_eq!(
        allow_read_write(process, bare, DRIVER, 0, f, 1),
        SyscallReturn::AllowReadWriteFailure(ErrorCode::NOSUPPORT, f, 1)
    );
    assert_eq!(
        allow_userspace_readable(process, bare, 0, f, 1),
        SyscallReturn::UserspaceReadableAllowFailure(ErrorCode::NOSUPPORT, f, 1)
    );
}

#[test]
fn allow_returns_the_previous_buffer_and_keeps_the_kinds_apart() {
    let (process, driver) = setup();
    let driver: Option<&dyn SyscallDriver> = Some(&driver);
    let (a, b) = (process.address(0), process.address(8));
    let writes = SyscallReturn::AllowReadWriteSuccess;
    let reads = SyscallReturn::AllowReadOnlySuccess;
    let null = ptr::null_mut();
    assert_eq!(
        allow_read_write(process, driver, DRIVER, 0, a, 16),
        writes(null, 0)
    );
    assert_eq!(
        allow_read_only(process, driver, DRIVER, 0, b, 4),
        reads(null, 0)
    );
    assert_eq!(
        allow_read_write(process, driver, DRIVER, 1, b, 8),
        writes(null, 0)
    );
    // An address without length is given back as it came.
    let wild = ptr::with_exposed_provenance_mut(3);
    assert_eq!(
        allow_read_write(process, driver, DRIVER, 0, wild, 0),
        writes(a, 16)
    );
    assert_eq!(
        allow_read_write(process, driver, DRIVER, 0, null, 0),
        writes(wild, 0)
    );
    assert_eq!(
        allow_read_only(process, driver, DRIVER, 0, null, 0),
        reads(b, 4)
    );
    assert_eq!(
        allow_read_write(process, driver, DRIVER, 1, null, 0),
        writes(b, 8)
    );
}

#[test]
fn allow_checks_driver_then_buffer_then_memory_then_number() {
    let (process, driver) = setup();
    let present: Option<&dyn SyscallDriver> = Some(&driver);
    let good = process.address(0);
    let check = |driver, number, length, code| {
        assert_eq!(
            allow_read_write(process, driver, DRIVER, number, good, length),
            SyscallReturn::AllowReadWriteFailure(code, good, length)
        );
        assert_eq!(
            allow_read_only(process, driver, DRIVER, number, good, length),
            SyscallReturn::AllowReadOnlyFailure(code, good, length)
        );
    };
    process.room.set(0);
    check(None, 9, 257, ErrorCode::NODEVICE);
    check(present, 9, 257, ErrorCode::INVAL);
    check(present, 9, usize::MAX, ErrorCode::INVAL);
    check(present, 9, 4, ErrorCode::NOMEM);
    process.room.set(4096);
    for number in [2, 256, usize::MAX] {
        check(present, number, 4, ErrorCode::NOSUPPORT);
    }
    process.state.set(State::Terminated);
    check(present, 0, 4, ErrorCode::FAIL);
    check(present, 0, 257, ErrorCode::FAIL);
}

#[test]
fn a_request_while_the_grant_is_entered_fails_and_changes_nothing() {
    let (process, driver) = setup();
    let present: Option<&dyn SyscallDriver> = Some(&driver);
    let a = process.address(0);
    let inside = driver.apps.enter(process.processid(), |_, _| {
        allow_read_write(process, present, DRIVER, 0, a, 4)
    });
    assert_eq!(
        inside,
        Ok(SyscallReturn::AllowReadWriteFailure(ErrorCode::FAIL, a, 4))
    );
    assert_eq!(
        allow_read_write(process, present, DRIVER, 0, a, 4),
        SyscallReturn::AllowReadWriteSuccess(ptr::null_mut(), 0)
    );
}

#[test]
fn drivers_reach_the_bytes_that_the_process_shared_last() {
    let (process, driver) = setup();
    let present: Option<&dyn SyscallDriver> = Some(&driver);
    allow_read_only(process, present, DRIVER, 0, process.address(4), 3);
    allow_read_write(process, present, DRIVER, 0, process.address(3), 3);
    process.ram()[6].set(9);
    driver
        .apps
        .enter(process.processid(), |_, data| {
            let read_only = data.get_readonly_processbuffer(0).unwrap();
            let read_write = data.get_readwrite_processbuffer(0).unwrap();
            assert_eq!((read_only.len(), read_write.len()), (3, 3));
            // The two overlap, and both are entered at once.
            read_only
                .enter(|source| {
                    read_write
                        .mut_enter(|dest| {
                            dest.copy_from_slice(&[1, 2, 3]);
                            assert_eq!(source[0].get(), 2);
                            process.ram()[5].set(7);
                            let mut copy = [0; 3];
                            source.copy_to_slice(&mut copy);
                            assert_eq!(copy, [2, 7, 9]);
                        })
                        .unwrap();
                })
                .unwrap();
        })
        .unwrap();
    allow_read_write(process, present, DRIVER, 0, ptr::null_mut(), 0);
    let length = driver.apps.enter(process.processid(), |_, data| {
        data.get_readwrite_processbuffer(0).unwrap().len()
    });
    assert_eq!(length, Ok(0));
}

#[test]
fn a_userspace_readable_buffer_goes_to_the_driver_and_comes_back() {
    let (process, driver) = setup();
    let present: Option<&dyn SyscallDriver> = Some(&driver);
    let a = process.address(0);
    let swap = |which, length| allow_userspace_readable(process, present, which, a, length);
    let null = ptr::null_mut();
    assert_eq!(
        swap(0, 8),
        SyscallReturn::UserspaceReadableAllowSuccess(null, 0)
    );
    assert_eq!(
        swap(1, 4),
        SyscallReturn::UserspaceReadableAllowFailure(ErrorCode::NOSUPPORT, a, 4)
    );
    assert_eq!(
        swap(0, 257),
        SyscallReturn::UserspaceReadableAllowFailure(ErrorCode::INVAL, a, 257)
    );
    assert_eq!(
        swap(0, 4),
        SyscallReturn::UserspaceReadableAllowSuccess(a, 8)
    );
    assert_eq!(
        allow_userspace_readable(process, None::<&dyn SyscallDriver>, 0, a, 4),
        SyscallReturn::UserspaceReadableAllowFailure(ErrorCode::NODEVICE, a, 4)
    );
}
