// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The `ecall` instructions of the Tock system call ABI on riscv32 (TRD 104, section 4).
//!
//! The kernel returns with every register as it was except those the returned variant defines, which
//! are among `a0`–`a3`. The one exception is a yield that runs an upcall: the upcall is an ordinary C
//! function entered on this stack with `ra` behind the `ecall`, so all caller-saved registers and
//! `ra` are lost. No block promises the compiler that memory stays untouched: the kernel reads and
//! writes shared buffers during any of these calls.
//!
//! `host` offers the same functions on the host.

use crate::syscall::Return;
use core::arch::asm;

const YIELD: usize = 0;
const SUBSCRIBE: usize = 1;
const COMMAND: usize = 2;
const ALLOW_READ_WRITE: usize = 3;
const ALLOW_READ_ONLY: usize = 4;
const MEMOP: usize = 5;
const EXIT: usize = 6;

const YIELD_NO_WAIT: usize = 0;
const YIELD_WAIT: usize = 1;
const YIELD_WAIT_FOR: usize = 2;

/// Makes a call that runs no upcall.
///
/// # Safety
///
/// `class` is none of yield and exit. What the kernel does on the process's behalf is sound: memory
/// named by the arguments may be read or written by the kernel for as long as it stays shared.
#[inline(always)]
unsafe fn call<const CLASS: usize>(arguments: [usize; 4]) -> Return {
    let [mut a0, mut a1, mut a2, mut a3] = arguments;
    // SAFETY: the ABI changes no register but a0-a3 here and leaves the stack alone. The effects on
    // memory are the caller's duty.
    unsafe {
        asm!(
            "ecall",
            inlateout("a0") a0,
            inlateout("a1") a1,
            inlateout("a2") a2,
            inlateout("a3") a3,
            in("a4") CLASS,
            options(nostack, preserves_flags),
        );
    }
    Return {
        variant: a0,
        values: [a1, a2, a3],
    }
}

/// Yields in a way that may run one upcall.
#[inline(always)]
fn yield_to_upcalls(which: usize, ran: *mut u8) {
    // SAFETY: upcalls are functions given to `subscribe`, whose caller vouches for them. They follow
    // the C calling convention, which the clobber list describes; `nostack` is left out because they
    // run on this stack. `ran` is null or a live byte of the caller.
    unsafe {
        asm!(
            "ecall",
            inlateout("a0") which => _,
            inlateout("a1") ran => _,
            inlateout("a4") YIELD => _,
            clobber_abi("C"),
        );
    }
}

/// Runs one queued upcall if there is one; tells whether it did.
pub fn yield_no_wait() -> bool {
    let mut ran = 0u8;
    yield_to_upcalls(YIELD_NO_WAIT, &raw mut ran);
    ran != 0
}

/// Sleeps until one upcall has run.
pub fn yield_wait() {
    yield_to_upcalls(YIELD_WAIT, core::ptr::null_mut());
}

/// Sleeps until the named event exists and returns its three arguments; runs no upcall.
pub fn yield_wait_for(driver: usize, number: usize) -> [u32; 3] {
    let (first, second, third): (u32, u32, u32);
    // SAFETY: this yield calls no function; it changes a0-a2 only and takes no memory argument.
    unsafe {
        asm!(
            "ecall",
            inlateout("a0") YIELD_WAIT_FOR => first,
            inlateout("a1") driver => second,
            inlateout("a2") number => third,
            in("a4") YIELD,
            options(nostack, preserves_flags),
        );
    }
    [first, second, third]
}

/// Registers `function` for an upcall.
///
/// # Safety
///
/// `function` is null or a C function of (u32, u32, u32, usize) that may be called with `userdata` at
/// any yield until it is replaced.
pub unsafe fn subscribe(
    driver: usize,
    number: usize,
    function: *const (),
    userdata: usize,
) -> Return {
    // SAFETY: passed on to the caller.
    unsafe { call::<SUBSCRIBE>([driver, number, function as usize, userdata]) }
}

/// Tells a driver to do something. The driver reaches only memory shared with it before.
pub fn command(driver: usize, number: usize, first: usize, second: usize) -> Return {
    // SAFETY: a command takes numbers, not addresses.
    unsafe { call::<COMMAND>([driver, number, first, second]) }
}

/// Shares memory that the driver may read and write.
///
/// # Safety
///
/// The memory stays valid, and is reached by nobody but the kernel, until it is taken back.
pub unsafe fn allow_read_write(
    driver: usize,
    number: usize,
    address: *mut u8,
    length: usize,
) -> Return {
    // SAFETY: passed on to the caller.
    unsafe { call::<ALLOW_READ_WRITE>([driver, number, address as usize, length]) }
}

/// Shares memory that the driver may read.
///
/// # Safety
///
/// The memory stays valid until it is taken back.
pub unsafe fn allow_read_only(
    driver: usize,
    number: usize,
    address: *const u8,
    length: usize,
) -> Return {
    // SAFETY: passed on to the caller.
    unsafe { call::<ALLOW_READ_ONLY>([driver, number, address as usize, length]) }
}

/// Asks about, or changes, the process's own memory.
///
/// # Safety
///
/// An operation that lowers the break takes no memory away that is still in use.
pub unsafe fn memop(operation: usize, argument: usize) -> Return {
    // SAFETY: passed on to the caller.
    unsafe { call::<MEMOP>([operation, argument, 0, 0]) }
}

/// Ends the process (`which` 0) or starts it afresh (`which` 1).
pub fn exit(which: usize, code: u32) -> ! {
    // SAFETY: the kernel does not come back from these two, and gives nothing else away. Should a
    // foreign kernel come back, the loop keeps the process from running on into unrelated code.
    unsafe {
        asm!(
            "2: ecall",
            "j 2b",
            in("a0") which,
            in("a1") code,
            in("a4") EXIT,
            options(noreturn),
        )
    }
}
