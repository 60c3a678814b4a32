// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Argument registers to system calls.

use crate::syscall::{CallRegisters, ContextSwitchReason, Syscall, SyscallClass, YieldVariant};
use crate::utilities::machine_register::MachineRegister;

/// Decodes the four argument registers of a 32-bit system call of class `syscall_number`.
///
/// Returns `None` for an unknown class or an unknown kind of yield;
/// [`undecodable_syscall`] says what to make of it.
#[inline(always)]
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
#[inline(always)]
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
#[inline(always)]
pub fn undecodable_syscall(syscall_number: u8) -> ContextSwitchReason {
    if syscall_number == SyscallClass::Yield as u8 {
        ContextSwitchReason::Interrupted
    } else {
        ContextSwitchReason::Fault
    }
}

#[inline(always)]
fn decode(
    syscall_number: u8,
    r0: usize,
    r1: MachineRegister,
    r2: MachineRegister,
    r3: MachineRegister,
) -> Option<Syscall> {
    let class = SyscallClass::try_from(syscall_number).ok()?;
    let registers = CallRegisters {
        class,
        r0,
        r1,
        r2,
        r3,
    };
    registers.decode(Whole)
}

/// The registers that the process had, or those of them that the call says anything about.
impl From<Syscall> for CallRegisters {
    fn from(call: Syscall) -> CallRegisters {
        let registers = |class, r0, r1: usize, r2: MachineRegister, r3: MachineRegister| {
            let r1 = r1.into();
            CallRegisters {
                class,
                r0,
                r1,
                r2,
                r3,
            }
        };
        let none = MachineRegister::default();
        match call {
            Syscall::Yield { yield_type } => {
                let (kind, r1, r2) = match yield_type {
                    YieldVariant::NoWait { ptr } => (0, ptr.addr(), 0),
                    YieldVariant::Wait => (1, 0, 0),
                    YieldVariant::WaitFor {
                        driver_number,
                        subdriver_number,
                    } => (2, driver_number, subdriver_number),
                };
                registers(SyscallClass::Yield, kind, r1, r2.into(), none)
            }
            Syscall::Subscribe {
                driver_number,
                subdriver_number,
                upcall_ptr,
                appdata,
            } => registers(
                SyscallClass::Subscribe,
                driver_number,
                subdriver_number,
                upcall_ptr.into(),
                appdata,
            ),
            Syscall::Command {
                driver_number,
                subdriver_number,
                arg0,
                arg1,
            } => registers(
                SyscallClass::Command,
                driver_number,
                subdriver_number,
                arg0.into(),
                arg1.into(),
            ),
            Syscall::ReadWriteAllow {
                driver_number,
                subdriver_number,
                allow_address,
                allow_size,
            } => registers(
                SyscallClass::ReadWriteAllow,
                driver_number,
                subdriver_number,
                allow_address.addr().into(),
                allow_size.into(),
            ),
            Syscall::UserspaceReadableAllow {
                driver_number,
                subdriver_number,
                allow_address,
                allow_size,
            } => registers(
                SyscallClass::UserspaceReadableAllow,
                driver_number,
                subdriver_number,
                allow_address.addr().into(),
                allow_size.into(),
            ),
            Syscall::ReadOnlyAllow {
                driver_number,
                subdriver_number,
                allow_address,
                allow_size,
            } => registers(
                SyscallClass::ReadOnlyAllow,
                driver_number,
                subdriver_number,
                allow_address.addr().into(),
                allow_size.into(),
            ),
            Syscall::Memop { operand, arg0 } => {
                registers(SyscallClass::Memop, operand, arg0, none, none)
            }
            Syscall::Exit {
                which,
                completion_code,
            } => registers(SyscallClass::Exit, which, completion_code, none, none),
        }
    }
}

/// What [`CallRegisters::decode`] hands a system call to.
pub trait CallServer {
    /// What comes of it.
    type Served;

    /// Takes the call.
    fn serve(self, call: Syscall) -> Self::Served;
}

/// Leaves the call as it is.
struct Whole;

impl CallServer for Whole {
    type Served = Syscall;

    #[inline(always)]
    fn serve(self, call: Syscall) -> Syscall {
        call
    }
}

impl CallRegisters {
    /// Decodes the call. `None` for an unknown kind of yield.
    pub fn call(self) -> Option<Syscall> {
        self.decode(Whole)
    }

    /// Decodes the call and hands it to `server`. `None` for an unknown kind of yield.
    ///
    /// Each kind of call comes from a place of its own, so what is compiled into those places need
    /// not tell the kinds apart again.
    #[inline(always)]
    pub fn decode<S: CallServer>(self, server: S) -> Option<S::Served> {
        let CallRegisters { r0, r1, r2, r3, .. } = self;
        let (driver_number, subdriver_number) = (r0, r1.as_usize());
        Some(match self.class {
            SyscallClass::Yield => match r0 {
                0 => server.serve(Syscall::Yield {
                    yield_type: YieldVariant::NoWait {
                        ptr: address(r1).cast_mut(),
                    },
                }),
                1 => server.serve(Syscall::Yield {
                    yield_type: YieldVariant::Wait,
                }),
                2 => server.serve(Syscall::Yield {
                    yield_type: YieldVariant::WaitFor {
                        driver_number: r1.as_usize(),
                        subdriver_number: r2.as_usize(),
                    },
                }),
                _ => return None,
            },
            SyscallClass::Subscribe => server.serve(Syscall::Subscribe {
                driver_number,
                subdriver_number,
                upcall_ptr: r2.as_capability_ptr(),
                appdata: r3,
            }),
            SyscallClass::Command => server.serve(Syscall::Command {
                driver_number,
                subdriver_number,
                arg0: r2.as_usize(),
                arg1: r3.as_usize(),
            }),
            SyscallClass::ReadWriteAllow => server.serve(Syscall::ReadWriteAllow {
                driver_number,
                subdriver_number,
                allow_address: address(r2).cast_mut(),
                allow_size: r3.as_usize(),
            }),
            SyscallClass::UserspaceReadableAllow => server.serve(Syscall::UserspaceReadableAllow {
                driver_number,
                subdriver_number,
                allow_address: address(r2).cast_mut(),
                allow_size: r3.as_usize(),
            }),
            SyscallClass::ReadOnlyAllow => server.serve(Syscall::ReadOnlyAllow {
                driver_number,
                subdriver_number,
                allow_address: address(r2),
                allow_size: r3.as_usize(),
            }),
            SyscallClass::Memop => server.serve(Syscall::Memop {
                operand: r0,
                arg0: r1.as_usize(),
            }),
            SyscallClass::Exit => server.serve(Syscall::Exit {
                which: r0,
                completion_code: r1.as_usize(),
            }),
        })
    }
}

#[inline(always)]
fn address(register: MachineRegister) -> *const u8 {
    register.as_capability_ptr().as_ptr()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::utilities::capability_ptr::CapabilityPtr;

    fn decoded(class: u8, registers: [usize; 4]) -> Option<Syscall> {
        let [r0, r1, r2, r3] = registers;
        let call =
            syscall_from_register_arguments_trd104(class, r0, r1.into(), r2.into(), r3.into());
        let wide =
            syscall_from_register_arguments_trd64bit(class, r0, r1.into(), r2.into(), r3.into());
        assert_eq!(call, wide);
        call
    }

    #[test]
    fn each_class_takes_its_arguments_from_their_registers() {
        let registers = [0x30007, 2, 0x8030_0000, 64];
        let (driver_number, subdriver_number) = (0x30007, 2);
        let address = core::ptr::with_exposed_provenance_mut(0x8030_0000);
        let table = [
            Syscall::Subscribe {
                driver_number,
                subdriver_number,
                upcall_ptr: CapabilityPtr::from(0x8030_0000),
                appdata: 64.into(),
            },
            Syscall::Command {
                driver_number,
                subdriver_number,
                arg0: 0x8030_0000,
                arg1: 64,
            },
            Syscall::ReadWriteAllow {
                driver_number,
                subdriver_number,
                allow_address: address,
                allow_size: 64,
            },
            Syscall::ReadOnlyAllow {
                driver_number,
                subdriver_number,
                allow_address: address,
                allow_size: 64,
            },
            Syscall::Memop {
                operand: 0x30007,
                arg0: 2,
            },
            Syscall::Exit {
                which: 0x30007,
                completion_code: 2,
            },
            Syscall::UserspaceReadableAllow {
                driver_number,
                subdriver_number,
                allow_address: address,
                allow_size: 64,
            },
        ];
        for (class, call) in (1..).zip(table) {
            assert_eq!(decoded(class, registers), Some(call), "class {class}");
        }
    }

    #[test]
    fn yield_has_three_variants() {
        let yields = |yield_type| Some(Syscall::Yield { yield_type });
        let ptr = core::ptr::with_exposed_provenance_mut(0x8030_0010);
        assert_eq!(
            decoded(0, [0, 0x8030_0010, 5, 6]),
            yields(YieldVariant::NoWait { ptr })
        );
        assert_eq!(decoded(0, [1, 4, 5, 6]), yields(YieldVariant::Wait));
        assert_eq!(
            decoded(0, [2, 4, 5, 6]),
            yields(YieldVariant::WaitFor {
                driver_number: 4,
                subdriver_number: 5
            })
        );
    }

    #[test]
    fn an_unknown_yield_returns_at_once_and_an_unknown_class_is_a_fault() {
        for which in [3, 4, usize::MAX] {
            assert_eq!(decoded(0, [which, 0, 0, 0]), None);
        }
        assert_eq!(undecodable_syscall(0), ContextSwitchReason::Interrupted);
        for class in 8..=u8::MAX {
            assert_eq!(decoded(class, [0; 4]), None);
            assert_eq!(undecodable_syscall(class), ContextSwitchReason::Fault);
        }
    }
}
