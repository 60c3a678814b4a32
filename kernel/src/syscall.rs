// SPDX-License-Identifier: Apache-2.0 OR MIT

//! System calls: what a process asks, what the kernel answers, and the boundary between them.
//!
//! Numbers and meanings are those of Tock 2 (TRD 104). Moving them in and out of registers is the
//! work of [`arch_helpers`](crate::utilities::arch_helpers) and of the architecture crate.

use core::fmt::{self, Write};

use crate::ErrorCode;
use crate::process::FunctionCall;
use crate::utilities::capability_ptr::CapabilityPtr;
use crate::utilities::machine_register::MachineRegister;

pub use crate::syscall_driver::{CommandReturn, SyscallDriver};

/// The kind of a system call, by the number that the process gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum SyscallClass {
    /// Waits for, or polls for, an upcall.
    Yield = 0,
    /// Replaces an upcall.
    Subscribe = 1,
    /// Asks a driver to do something.
    Command = 2,
    /// Shares a buffer that the driver may write.
    ReadWriteAllow = 3,
    /// Shares a buffer that the driver only reads.
    ReadOnlyAllow = 4,
    /// Reads or changes the process's memory layout.
    Memop = 5,
    /// Ends or restarts the process.
    Exit = 6,
    /// Shares a buffer that the driver writes while the process reads it.
    UserspaceReadableAllow = 7,
}

impl TryFrom<u8> for SyscallClass {
    /// The number, when no class has it.
    type Error = u8;

    #[inline]
    fn try_from(number: u8) -> Result<Self, u8> {
        Ok(match number {
            0 => Self::Yield,
            1 => Self::Subscribe,
            2 => Self::Command,
            3 => Self::ReadWriteAllow,
            4 => Self::ReadOnlyAllow,
            5 => Self::Memop,
            6 => Self::Exit,
            7 => Self::UserspaceReadableAllow,
            unknown => return Err(unknown),
        })
    }
}

/// How a process yields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum YieldVariant {
    /// Runs one upcall if there is any, and returns in either case.
    NoWait {
        /// Where to store whether an upcall ran; null, or any place outside the process's memory,
        /// for nowhere.
        ptr: *mut u8,
    },
    /// Runs one upcall, waiting until there is one.
    Wait,
    /// Waits for one upcall and returns its arguments instead of running it.
    WaitFor {
        /// The driver that will schedule the upcall.
        driver_number: usize,
        /// The upcall's subscribe number.
        subdriver_number: usize,
    },
}

impl fmt::Display for YieldVariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoWait { .. } => "no-wait",
            Self::Wait => "wait",
            Self::WaitFor { .. } => "wait-for",
        })
    }
}

/// A system call with its arguments, as a process made it. Nothing in it has been checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syscall {
    /// See [`SyscallClass::Yield`].
    Yield {
        /// How, and for what.
        yield_type: YieldVariant,
    },
    /// See [`SyscallClass::Subscribe`].
    Subscribe {
        /// The driver.
        driver_number: usize,
        /// Which of its upcalls.
        subdriver_number: usize,
        /// The function to call, null for none.
        upcall_ptr: CapabilityPtr,
        /// What the function gets as its last argument.
        appdata: MachineRegister,
    },
    /// See [`SyscallClass::Command`].
    Command {
        /// The driver.
        driver_number: usize,
        /// Which of its commands.
        subdriver_number: usize,
        /// The command's first argument.
        arg0: usize,
        /// The command's second argument.
        arg1: usize,
    },
    /// See [`SyscallClass::ReadWriteAllow`].
    ReadWriteAllow {
        /// The driver.
        driver_number: usize,
        /// Which of its read-write buffers.
        subdriver_number: usize,
        /// Where the buffer starts.
        allow_address: *mut u8,
        /// Its length in bytes.
        allow_size: usize,
    },
    /// See [`SyscallClass::UserspaceReadableAllow`].
    UserspaceReadableAllow {
        /// The driver.
        driver_number: usize,
        /// Which of its userspace-readable buffers.
        subdriver_number: usize,
        /// Where the buffer starts.
        allow_address: *mut u8,
        /// Its length in bytes.
        allow_size: usize,
    },
    /// See [`SyscallClass::ReadOnlyAllow`].
    ReadOnlyAllow {
        /// The driver.
        driver_number: usize,
        /// Which of its read-only buffers.
        subdriver_number: usize,
        /// Where the buffer starts.
        allow_address: *const u8,
        /// Its length in bytes.
        allow_size: usize,
    },
    /// See [`SyscallClass::Memop`].
    Memop {
        /// Which operation.
        operand: usize,
        /// Its argument.
        arg0: usize,
    },
    /// See [`SyscallClass::Exit`].
    Exit {
        /// Whether to end or to restart.
        which: usize,
        /// What the process says about its end.
        completion_code: usize,
    },
}

impl Syscall {
    /// Returns the driver that the call names, if its class names one.
    #[inline]
    pub fn driver_number(&self) -> Option<usize> {
        self.target().map(|(driver, _)| driver)
    }

    /// Returns the subscribe, command or allow number, if the call's class has one.
    #[inline]
    pub fn subdriver_number(&self) -> Option<usize> {
        self.target().map(|(_, number)| number)
    }

    fn target(&self) -> Option<(usize, usize)> {
        match *self {
            Self::Subscribe {
                driver_number,
                subdriver_number,
                ..
            }
            | Self::Command {
                driver_number,
                subdriver_number,
                ..
            }
            | Self::ReadWriteAllow {
                driver_number,
                subdriver_number,
                ..
            }
            | Self::UserspaceReadableAllow {
                driver_number,
                subdriver_number,
                ..
            }
            | Self::ReadOnlyAllow {
                driver_number,
                subdriver_number,
                ..
            }
            | Self::Yield {
                yield_type:
                    YieldVariant::WaitFor {
                        driver_number,
                        subdriver_number,
                    },
            } => Some((driver_number, subdriver_number)),
            Self::Yield { .. } | Self::Memop { .. } | Self::Exit { .. } => None,
        }
    }
}

/// The kernel's answer to a system call.
///
/// Each variant maps to one of the return variants of TRD 104; those that carry addresses depend
/// on the width of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyscallReturn {
    /// Failed.
    Failure(ErrorCode),
    /// Failed, with a number.
    FailureU32(ErrorCode, u32),
    /// Failed, with two numbers.
    FailureU32U32(ErrorCode, u32, u32),
    /// Failed, with a long number.
    FailureU64(ErrorCode, u64),
    /// Done.
    Success,
    /// Done, with a number.
    SuccessU32(u32),
    /// Done, with two numbers.
    SuccessU32U32(u32, u32),
    /// Done, with three numbers.
    SuccessU32U32U32(u32, u32, u32),
    /// Done, with a long number.
    SuccessU64(u64),
    /// Done, with a number and a long number.
    SuccessU32U64(u32, u64),
    /// Done, with an address that gives no access.
    SuccessAddr(usize),
    /// Done, with a pointer that the process may use.
    SuccessPtr(CapabilityPtr),
    /// The read-write buffer was replaced: the previous one's address and length.
    AllowReadWriteSuccess(*mut u8, usize),
    /// The read-write buffer was refused: the refused one's address and length.
    AllowReadWriteFailure(ErrorCode, *mut u8, usize),
    /// The userspace-readable buffer was replaced: the previous one's address and length.
    UserspaceReadableAllowSuccess(*mut u8, usize),
    /// The userspace-readable buffer was refused: the refused one's address and length.
    UserspaceReadableAllowFailure(ErrorCode, *mut u8, usize),
    /// The read-only buffer was replaced: the previous one's address and length.
    AllowReadOnlySuccess(*const u8, usize),
    /// The read-only buffer was refused: the refused one's address and length.
    AllowReadOnlyFailure(ErrorCode, *const u8, usize),
    /// The upcall was replaced: the previous one's function and user data.
    SubscribeSuccess(*const (), usize),
    /// The upcall was refused: the refused one's function and user data.
    SubscribeFailure(ErrorCode, *const (), usize),
    /// The arguments of the upcall that a yield-wait-for waited for.
    YieldWaitFor(usize, usize, usize),
}

impl SyscallReturn {
    /// Tells whether the process sees this as a success.
    ///
    /// The end of a yield-wait-for counts as one, although no return variant is sent for it.
    pub fn is_success(&self) -> bool {
        !matches!(
            self,
            Self::Failure(_)
                | Self::FailureU32(..)
                | Self::FailureU32U32(..)
                | Self::FailureU64(..)
                | Self::AllowReadWriteFailure(..)
                | Self::UserspaceReadableAllowFailure(..)
                | Self::AllowReadOnlyFailure(..)
                | Self::SubscribeFailure(..)
        )
    }
}

/// Why a process stopped running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContextSwitchReason {
    /// It made a system call, whose answer has to be stored before it runs again.
    SyscallFired {
        /// The call.
        syscall: Syscall,
    },
    /// It did what it may not do.
    Fault,
    /// An interrupt came. The process can go on as if nothing had happened.
    Interrupted,
}

/// A system call as the registers that make it (TRD 104, 3.2), of a class that exists.
#[derive(Clone, Copy)]
pub struct CallRegisters {
    /// The class.
    pub class: SyscallClass,
    /// First argument.
    pub r0: usize,
    /// Second argument.
    pub r1: MachineRegister,
    /// Third argument.
    pub r2: MachineRegister,
    /// Fourth argument.
    pub r3: MachineRegister,
}

/// Why a process stopped running, with a system call as its registers if the architecture leaves
/// it at those.
pub enum Trap {
    /// It made a system call. It has been moved past the instruction.
    Call(CallRegisters),
    /// For a reason that needs no decoding.
    Other(ContextSwitchReason),
}

impl Trap {
    /// Decodes the system call, if it is one. An unknown kind of yield is none (TRD 104, 4.1).
    pub fn into_reason(self) -> ContextSwitchReason {
        match self {
            Trap::Call(registers) => registers
                .call()
                .map_or(ContextSwitchReason::Interrupted, |syscall| {
                    ContextSwitchReason::SyscallFired { syscall }
                }),
            Trap::Other(reason) => reason,
        }
    }
}

/// What an architecture provides to run processes and to exchange values with them.
///
/// In all methods, `accessible_memory_start` and `app_brk` bound the memory that the process can
/// use, the former inclusive and the latter exclusive. An implementation that touches process
/// memory, for instance to push a frame, stays within these bounds.
///
/// `Err(())` and [`Fault`](ContextSwitchReason::Fault) are the process's fault, for example a
/// stack pointer that leads out of its memory; the kernel then applies its fault policy.
#[expect(
    clippy::result_unit_err,
    reason = "architectures implement these signatures as they are"
)]
pub trait UserspaceKernelBoundary {
    /// What is kept of a process while it is not running.
    type StoredState: Default;

    /// Returns how many bytes a process must be able to reach before it starts.
    fn initial_process_app_brk_size(&self) -> usize;

    /// Puts `state` into the condition of a process that has never run.
    ///
    /// # Errors
    ///
    /// Fails when the accessible memory is too small for the process to start.
    ///
    /// # Safety
    ///
    /// The bounds are those of the process that `state` belongs to, and no reference into that
    /// memory exists.
    unsafe fn initialize_process(
        &self,
        accessible_memory_start: *const u8,
        app_brk: *const u8,
        state: &mut Self::StoredState,
    ) -> Result<(), ()>;

    /// Stores the answer to the system call that the process made last.
    ///
    /// # Errors
    ///
    /// Fails when the answer cannot be delivered.
    ///
    /// # Safety
    ///
    /// As for [`initialize_process`](Self::initialize_process).
    unsafe fn set_syscall_return_value(
        &self,
        accessible_memory_start: *const u8,
        app_brk: *const u8,
        state: &mut Self::StoredState,
        return_value: SyscallReturn,
    ) -> Result<(), ()>;

    /// Makes the process call a function when it runs next, and return to where it is now.
    ///
    /// # Errors
    ///
    /// Fails when the call cannot be delivered.
    ///
    /// # Safety
    ///
    /// As for [`initialize_process`](Self::initialize_process).
    unsafe fn set_process_function(
        &self,
        accessible_memory_start: *const u8,
        app_brk: *const u8,
        state: &mut Self::StoredState,
        upcall: FunctionCall,
    ) -> Result<(), ()>;

    /// Tells whether the arguments of a function and the values of a wait-for call reach the process
    /// in its registers alone.
    ///
    /// If so, [`set_process_function`](Self::set_process_function) does not fail, neither does
    /// [`set_syscall_return_value`](Self::set_syscall_return_value), and they leave the memory of the
    /// process alone: there may be references into it. An upcall is then given to a process that
    /// waits for it as soon as it is scheduled.
    fn passes_values_in_registers(&self) -> bool {
        false
    }

    /// Runs the process until it makes a system call, faults, or an interrupt comes.
    ///
    /// Returns the reason and, if the architecture knows it, the process's stack pointer.
    ///
    /// # Safety
    ///
    /// As for [`initialize_process`](Self::initialize_process); and the memory protection is set
    /// up for this process.
    unsafe fn switch_to_process(
        &self,
        accessible_memory_start: *const u8,
        app_brk: *const u8,
        state: &mut Self::StoredState,
    ) -> (ContextSwitchReason, Option<*const u8>);

    /// Does what [`switch_to_process`](Self::switch_to_process) does, hands the stack pointer to
    /// `note`, if it is known, and may leave system calls as they are.
    ///
    /// # Safety
    ///
    /// As for [`switch_to_process`](Self::switch_to_process).
    #[inline(always)]
    unsafe fn run_process(
        &self,
        accessible_memory_start: *const u8,
        app_brk: *const u8,
        state: &mut Self::StoredState,
        note: impl FnOnce(*const u8),
    ) -> Trap
    where
        Self: Sized,
    {
        // SAFETY: the caller keeps the same conditions.
        let (reason, stack_pointer) =
            unsafe { self.switch_to_process(accessible_memory_start, app_brk, state) };
        if let Some(stack_pointer) = stack_pointer {
            note(stack_pointer);
        }
        Trap::Other(reason)
    }

    /// Prints the process's registers for a human reader.
    ///
    /// # Safety
    ///
    /// As for [`initialize_process`](Self::initialize_process).
    unsafe fn print_context(
        &self,
        accessible_memory_start: *const u8,
        app_brk: *const u8,
        state: &Self::StoredState,
        writer: &mut dyn Write,
    );

    /// Copies the state to `out` in a form of the architecture's own; returns the bytes used.
    ///
    /// # Errors
    ///
    /// - [`ErrorCode::SIZE`]: `out` is too short.
    fn store_context(&self, state: &Self::StoredState, out: &mut [u8]) -> Result<usize, ErrorCode>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    #[test]
    fn every_class_number_converts_back() {
        for number in 0..=u8::MAX {
            match SyscallClass::try_from(number) {
                Ok(class) => assert_eq!(class as u8, number),
                Err(unknown) => assert!(unknown == number && number > 7),
            }
        }
    }

    #[test]
    fn only_calls_that_name_a_driver_have_one() {
        let wait_for = YieldVariant::WaitFor {
            driver_number: 4,
            subdriver_number: 1,
        };
        let waits = Syscall::Yield {
            yield_type: wait_for,
        };
        let command = Syscall::Command {
            driver_number: 4,
            subdriver_number: 1,
            arg0: 8,
            arg1: 9,
        };
        for call in [waits, command] {
            assert_eq!(call.driver_number(), Some(4));
            assert_eq!(call.subdriver_number(), Some(1));
        }
        let yields = Syscall::Yield {
            yield_type: YieldVariant::Wait,
        };
        let memop = Syscall::Memop {
            operand: 4,
            arg0: 1,
        };
        for call in [yields, memop] {
            assert_eq!(call.driver_number(), None);
            assert_eq!(call.subdriver_number(), None);
        }
        assert_eq!(format!("{wait_for}"), "wait-for");
    }

    #[test]
    fn success_is_what_userspace_sees_as_one() {
        let code = ErrorCode::FAIL;
        let (read, write) = (core::ptr::null(), core::ptr::null_mut());
        let failures = [
            SyscallReturn::Failure(code),
            SyscallReturn::FailureU32(code, 0),
            SyscallReturn::FailureU32U32(code, 0, 0),
            SyscallReturn::FailureU64(code, 0),
            SyscallReturn::AllowReadWriteFailure(code, write, 0),
            SyscallReturn::UserspaceReadableAllowFailure(code, write, 0),
            SyscallReturn::AllowReadOnlyFailure(code, read, 0),
            SyscallReturn::SubscribeFailure(code, core::ptr::null(), 0),
        ];
        assert!(failures.iter().all(|failure| !failure.is_success()));
        let successes = [
            SyscallReturn::Success,
            SyscallReturn::SuccessU32U64(0, 0),
            SyscallReturn::AllowReadOnlySuccess(read, 0),
            SyscallReturn::SubscribeSuccess(core::ptr::null(), 0),
            SyscallReturn::YieldWaitFor(0, 0, 0),
        ];
        assert!(successes.iter().all(SyscallReturn::is_success));
    }
}
