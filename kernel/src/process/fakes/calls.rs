// SPDX-License-Identifier: Apache-2.0 OR MIT

//! System calls for scripts.

use core::ptr::without_provenance;

use super::DRIVER;
use crate::process::Process;
use crate::processbuffer::ReadableProcessBuffer;
use crate::syscall::{Syscall, YieldVariant};

/// Number of a driver that there is not.
pub(crate) const ABSENT: usize = 0x77;

/// A command to the driver.
pub(crate) fn command(number: usize, arg0: usize, arg1: usize) -> Syscall {
    Syscall::Command {
        driver_number: DRIVER,
        subdriver_number: number,
        arg0,
        arg1,
    }
}

/// Makes the driver schedule one of its upcalls, with `value` as the first argument.
pub(crate) fn schedule(upcall: usize, value: usize) -> Syscall {
    command(1, upcall, value)
}

/// Sets an upcall.
pub(crate) fn subscribe(
    driver_number: usize,
    number: usize,
    function: usize,
    data: usize,
) -> Syscall {
    Syscall::Subscribe {
        driver_number,
        subdriver_number: number,
        upcall_ptr: function.into(),
        appdata: data.into(),
    }
}

/// Shares a buffer for reading and writing.
pub(crate) fn allow_rw(
    driver_number: usize,
    number: usize,
    address: usize,
    size: usize,
) -> Syscall {
    Syscall::ReadWriteAllow {
        driver_number,
        subdriver_number: number,
        allow_address: without_provenance::<u8>(address).cast_mut(),
        allow_size: size,
    }
}

/// Shares a buffer for reading.
pub(crate) fn allow_ro(
    driver_number: usize,
    number: usize,
    address: usize,
    size: usize,
) -> Syscall {
    Syscall::ReadOnlyAllow {
        driver_number,
        subdriver_number: number,
        allow_address: without_provenance(address),
        allow_size: size,
    }
}

/// A memory operation.
pub(crate) fn memop(operand: usize, arg0: usize) -> Syscall {
    Syscall::Memop { operand, arg0 }
}

/// Ends or restarts.
pub(crate) fn exit(which: usize, completion_code: usize) -> Syscall {
    Syscall::Exit {
        which,
        completion_code,
    }
}

/// Waits for any upcall.
pub(crate) fn wait() -> Syscall {
    Syscall::Yield {
        yield_type: YieldVariant::Wait,
    }
}

/// Runs an upcall if there is one.
pub(crate) fn no_wait(flag: usize) -> Syscall {
    Syscall::Yield {
        yield_type: YieldVariant::NoWait {
            ptr: without_provenance::<u8>(flag).cast_mut(),
        },
    }
}

/// Waits for one event.
pub(crate) fn wait_for(driver_number: usize, subdriver_number: usize) -> Syscall {
    Syscall::Yield {
        yield_type: YieldVariant::WaitFor {
            driver_number,
            subdriver_number,
        },
    }
}

/// A place in the process's flash where a function can be.
pub(crate) fn function(process: &dyn Process) -> usize {
    process.get_addresses().flash_non_protected_start
}

/// Reads a byte of RAM through a shared buffer.
pub(crate) fn byte(process: &dyn Process, address: usize) -> u8 {
    process
        .build_readonly_process_buffer(without_provenance(address), 1)
        .unwrap()
        .enter(|bytes| bytes[0].get())
        .unwrap()
}
