// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A system call in one line: what it is, and the numbers it came with.

use core::fmt::{self, Display, Formatter};

use kernel::syscall::Syscall;

/// A system call to print.
///
/// The numbers are hexadecimal and in the order of the registers: driver, number, arguments.
pub(crate) struct ShownSyscall(pub(crate) Syscall);

impl Display for ShownSyscall {
    fn fmt(&self, out: &mut Formatter) -> fmt::Result {
        let (name, arguments) = match self.0 {
            Syscall::Yield { yield_type } => {
                write!(out, "yield {yield_type}")?;
                ("", None)
            }
            Syscall::Subscribe {
                upcall_ptr,
                appdata,
                ..
            } => ("subscribe", Some((upcall_ptr.addr(), appdata.as_usize()))),
            Syscall::Command { arg0, arg1, .. } => ("command", Some((arg0, arg1))),
            Syscall::ReadWriteAllow {
                allow_address,
                allow_size,
                ..
            } => ("read-write allow", Some((allow_address.addr(), allow_size))),
            Syscall::UserspaceReadableAllow {
                allow_address,
                allow_size,
                ..
            } => (
                "userspace-readable allow",
                Some((allow_address.addr(), allow_size)),
            ),
            Syscall::ReadOnlyAllow {
                allow_address,
                allow_size,
                ..
            } => ("read-only allow", Some((allow_address.addr(), allow_size))),
            Syscall::Memop { operand, arg0 } => ("memop", Some((operand, arg0))),
            Syscall::Exit {
                which,
                completion_code,
            } => ("exit", Some((which, completion_code))),
        };
        out.write_str(name)?;
        let target = self.0.driver_number().zip(self.0.subdriver_number());
        for (first, second) in target.into_iter().chain(arguments) {
            write!(out, " {first:#x} {second:#x}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::syscall::YieldVariant;
    use std::string::ToString;

    fn shown(call: Syscall) -> std::string::String {
        ShownSyscall(call).to_string()
    }

    #[test]
    fn a_call_shows_its_class_and_its_registers() {
        let command = Syscall::Command {
            driver_number: 0x30007,
            subdriver_number: 3,
            arg0: 60,
            arg1: 0,
        };
        assert_eq!(shown(command), "command 0x30007 0x3 0x3c 0x0");
        let allow = Syscall::ReadOnlyAllow {
            driver_number: 1,
            subdriver_number: 2,
            allow_address: core::ptr::without_provenance(0x1000),
            allow_size: 16,
        };
        assert_eq!(shown(allow), "read-only allow 0x1 0x2 0x1000 0x10");
        let memop = Syscall::Memop {
            operand: 1,
            arg0: 0,
        };
        assert_eq!(shown(memop), "memop 0x1 0x0");
    }

    #[test]
    fn a_yield_shows_what_it_waits_for() {
        let wait_for = YieldVariant::WaitFor {
            driver_number: 0,
            subdriver_number: 1,
        };
        let call = Syscall::Yield {
            yield_type: wait_for,
        };
        assert_eq!(shown(call), "yield wait-for 0x0 0x1");
        let call = Syscall::Yield {
            yield_type: YieldVariant::Wait,
        };
        assert_eq!(shown(call), "yield wait");
    }
}
