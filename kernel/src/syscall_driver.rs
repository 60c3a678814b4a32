// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What a driver implements to be reached by system calls, and the answers its commands give.

use crate::errorcode::ErrorCode;
use crate::process::{self, ProcessId};
use crate::processbuffer::UserspaceReadableProcessBuffer;
use crate::syscall::SyscallReturn;

/// The answer of a command. It can only hold what a command may return, and no addresses.
///
/// A driver gives, for each command number, always the same variant on success and always the
/// same on failure, so that userspace knows what to expect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandReturn {
    answer: SyscallReturn,
}

impl CommandReturn {
    /// Succeeds.
    pub const fn success() -> Self {
        Self::new(SyscallReturn::Success)
    }

    /// Succeeds with a number.
    pub const fn success_u32(value: u32) -> Self {
        Self::new(SyscallReturn::SuccessU32(value))
    }

    /// Succeeds with two numbers.
    pub const fn success_u32_u32(first: u32, second: u32) -> Self {
        Self::new(SyscallReturn::SuccessU32U32(first, second))
    }

    /// Succeeds with three numbers.
    pub const fn success_u32_u32_u32(first: u32, second: u32, third: u32) -> Self {
        Self::new(SyscallReturn::SuccessU32U32U32(first, second, third))
    }

    /// Succeeds with a long number.
    pub const fn success_u64(value: u64) -> Self {
        Self::new(SyscallReturn::SuccessU64(value))
    }

    /// Succeeds with a number and a long number.
    pub const fn success_u32_u64(first: u32, second: u64) -> Self {
        Self::new(SyscallReturn::SuccessU32U64(first, second))
    }

    /// Fails.
    pub const fn failure(code: ErrorCode) -> Self {
        Self::new(SyscallReturn::Failure(code))
    }

    /// Fails with a number.
    pub const fn failure_u32(code: ErrorCode, value: u32) -> Self {
        Self::new(SyscallReturn::FailureU32(code, value))
    }

    /// Fails with two numbers.
    pub const fn failure_u32_u32(code: ErrorCode, first: u32, second: u32) -> Self {
        Self::new(SyscallReturn::FailureU32U32(code, first, second))
    }

    /// Fails with a long number.
    pub const fn failure_u64(code: ErrorCode, value: u64) -> Self {
        Self::new(SyscallReturn::FailureU64(code, value))
    }

    const fn new(answer: SyscallReturn) -> Self {
        Self { answer }
    }

    /// Returns the answer in the form that goes to the process.
    #[inline]
    pub(crate) const fn into_syscall_return(self) -> SyscallReturn {
        self.answer
    }

    /// Tells whether this is a success without a value.
    pub fn is_success(&self) -> bool {
        self.answer == SyscallReturn::Success
    }

    /// Tells whether this is a success with one number.
    pub fn is_success_u32(&self) -> bool {
        self.get_success_u32().is_some()
    }

    /// Tells whether this is a success with two numbers.
    pub fn is_success_2_u32(&self) -> bool {
        self.get_success_2_u32().is_some()
    }

    /// Tells whether this is a success with three numbers.
    pub fn is_success_3_u32(&self) -> bool {
        self.get_success_3_u32().is_some()
    }

    /// Tells whether this is a success with a long number.
    pub fn is_success_u64(&self) -> bool {
        self.get_success_u64().is_some()
    }

    /// Tells whether this is a success with a number and a long number.
    pub fn is_success_u32_u64(&self) -> bool {
        self.get_success_u32_u64().is_some()
    }

    /// Tells whether this is a failure without a value.
    pub fn is_failure(&self) -> bool {
        self.get_failure().is_some()
    }

    /// Tells whether this is a failure with one number.
    pub fn is_failure_u32(&self) -> bool {
        self.get_failure_u32().is_some()
    }

    /// Tells whether this is a failure with two numbers.
    pub fn is_failure_2_u32(&self) -> bool {
        self.get_failure_2_u32().is_some()
    }

    /// Tells whether this is a failure with a long number.
    pub fn is_failure_u64(&self) -> bool {
        self.get_failure_u64().is_some()
    }

    /// Returns the number of a success with one number.
    pub fn get_success_u32(&self) -> Option<u32> {
        match self.answer {
            SyscallReturn::SuccessU32(value) => Some(value),
            _ => None,
        }
    }

    /// Returns the numbers of a success with two numbers.
    pub fn get_success_2_u32(&self) -> Option<(u32, u32)> {
        match self.answer {
            SyscallReturn::SuccessU32U32(first, second) => Some((first, second)),
            _ => None,
        }
    }

    /// Returns the numbers of a success with three numbers.
    pub fn get_success_3_u32(&self) -> Option<(u32, u32, u32)> {
        match self.answer {
            SyscallReturn::SuccessU32U32U32(first, second, third) => Some((first, second, third)),
            _ => None,
        }
    }

    /// Returns the number of a success with a long number.
    pub fn get_success_u64(&self) -> Option<u64> {
        match self.answer {
            SyscallReturn::SuccessU64(value) => Some(value),
            _ => None,
        }
    }

    /// Returns the numbers of a success with a number and a long number.
    pub fn get_success_u32_u64(&self) -> Option<(u32, u64)> {
        match self.answer {
            SyscallReturn::SuccessU32U64(first, second) => Some((first, second)),
            _ => None,
        }
    }

    /// Returns the reason of a failure without a value.
    pub fn get_failure(&self) -> Option<ErrorCode> {
        match self.answer {
            SyscallReturn::Failure(code) => Some(code),
            _ => None,
        }
    }

    /// Returns the reason and the number of a failure with one number.
    pub fn get_failure_u32(&self) -> Option<(ErrorCode, u32)> {
        match self.answer {
            SyscallReturn::FailureU32(code, value) => Some((code, value)),
            _ => None,
        }
    }

    /// Returns the reason and the numbers of a failure with two numbers.
    pub fn get_failure_2_u32(&self) -> Option<(ErrorCode, u32, u32)> {
        match self.answer {
            SyscallReturn::FailureU32U32(code, first, second) => Some((code, first, second)),
            _ => None,
        }
    }

    /// Returns the reason and the number of a failure with a long number.
    pub fn get_failure_u64(&self) -> Option<(ErrorCode, u64)> {
        match self.answer {
            SyscallReturn::FailureU64(code, value) => Some((code, value)),
            _ => None,
        }
    }
}

impl From<Result<(), ErrorCode>> for CommandReturn {
    fn from(outcome: Result<(), ErrorCode>) -> Self {
        match outcome {
            Ok(()) => Self::success(),
            Err(code) => Self::failure(code),
        }
    }
}

impl From<process::Error> for CommandReturn {
    /// Fails with the code that stands for `error`.
    fn from(error: process::Error) -> Self {
        Self::failure(error.into())
    }
}

/// A driver that processes reach by system calls.
///
/// Subscribing and allowing are done by the kernel itself, with the driver's grant as the place
/// where upcalls and buffers are kept; the driver finds them there when it needs them.
pub trait SyscallDriver {
    /// Carries out command `command_num` with the arguments `r2` and `r3`.
    ///
    /// Command 0 asks whether the driver is there: it succeeds, and has no effect. A command never
    /// waits: what takes long is started here and reported later by an upcall. The arguments come
    /// from the process and can be anything.
    ///
    /// A number that the driver does not know fails with [`ErrorCode::NOSUPPORT`], which is what
    /// the provided method does with every number.
    fn command(
        &self,
        command_num: usize,
        r2: usize,
        r3: usize,
        process_id: ProcessId,
    ) -> CommandReturn {
        let _ = (command_num, r2, r3, process_id);
        CommandReturn::failure(ErrorCode::NOSUPPORT)
    }

    /// Takes a buffer that the process goes on reading while the driver writes to it.
    ///
    /// Returns the buffer that was there before, at first an empty one. The driver keeps the new
    /// one itself. The provided method refuses every buffer.
    ///
    /// # Errors
    ///
    /// Hands `slice` back, with [`ErrorCode::NOSUPPORT`] for a number `which` that the driver does
    /// not know.
    fn allow_userspace_readable(
        &self,
        app: ProcessId,
        which: usize,
        slice: UserspaceReadableProcessBuffer,
    ) -> Result<UserspaceReadableProcessBuffer, (UserspaceReadableProcessBuffer, ErrorCode)> {
        let _ = (app, which);
        Err((slice, ErrorCode::NOSUPPORT))
    }

    /// Makes sure that the driver's grant exists in the process.
    ///
    /// The kernel calls this on the first subscribe or allow. Entering the grant with a closure
    /// that does nothing is all it takes: `self.apps.enter(process_id, |_, _| {})`.
    ///
    /// # Errors
    ///
    /// Passes on the grant's error, which the process gets as the call's failure.
    fn allocate_grant(&self, process_id: ProcessId) -> Result<(), process::Error>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Process;
    use crate::processbuffer::ReadWriteProcessBuffer;
    use crate::testing::kernel_with_process;

    /// Whether each of the ten questions about the kind is answered with yes.
    fn kinds(answer: CommandReturn) -> [bool; 10] {
        [
            answer.is_success(),
            answer.is_success_u32(),
            answer.is_success_2_u32(),
            answer.is_success_3_u32(),
            answer.is_success_u64(),
            answer.is_success_u32_u64(),
            answer.is_failure(),
            answer.is_failure_u32(),
            answer.is_failure_2_u32(),
            answer.is_failure_u64(),
        ]
    }

    #[test]
    fn each_answer_is_of_one_kind() {
        let code = ErrorCode::SIZE;
        let answers = [
            CommandReturn::success(),
            CommandReturn::success_u32(1),
            CommandReturn::success_u32_u32(1, 2),
            CommandReturn::success_u32_u32_u32(1, 2, 3),
            CommandReturn::success_u64(1),
            CommandReturn::success_u32_u64(1, 2),
            CommandReturn::failure(code),
            CommandReturn::failure_u32(code, 1),
            CommandReturn::failure_u32_u32(code, 1, 2),
            CommandReturn::failure_u64(code, 1),
        ];
        for (index, answer) in answers.into_iter().enumerate() {
            let mut expected = [false; 10];
            expected[index] = true;
            assert_eq!(kinds(answer), expected);
            assert_eq!(answer.into_syscall_return().is_success(), index < 6);
        }
    }

    #[test]
    fn values_come_out_as_they_went_in() {
        let code = ErrorCode::SIZE;
        let two = CommandReturn::success_u32_u32(1, 2);
        assert_eq!(two.get_success_2_u32(), Some((1, 2)));
        assert_eq!(two.get_success_u32(), None);
        let three = CommandReturn::success_u32_u32_u32(1, 2, 3);
        assert_eq!(three.get_success_3_u32(), Some((1, 2, 3)));
        let mixed = CommandReturn::success_u32_u64(1, u64::MAX);
        assert_eq!(mixed.get_success_u32_u64(), Some((1, u64::MAX)));
        let failure = CommandReturn::failure_u32_u32(code, 1, 2);
        assert_eq!(failure.get_failure_2_u32(), Some((code, 1, 2)));
        assert_eq!(failure.get_failure(), None);
        let long = CommandReturn::failure_u64(code, 1 << 40);
        assert_eq!(long.get_failure_u64(), Some((code, 1 << 40)));
    }

    #[test]
    fn outcomes_and_process_errors_convert() {
        assert!(CommandReturn::from(Ok(())).is_success());
        let failed = CommandReturn::from(Err(ErrorCode::BUSY));
        assert_eq!(failed.get_failure(), Some(ErrorCode::BUSY));
        let no_memory = CommandReturn::from(process::Error::OutOfMemory);
        assert_eq!(no_memory.get_failure(), Some(ErrorCode::NOMEM));
    }

    #[test]
    fn a_driver_supports_what_it_implements_and_nothing_else() {
        struct Minimal;
        impl SyscallDriver for Minimal {
            fn allocate_grant(&self, _process_id: ProcessId) -> Result<(), process::Error> {
                Ok(())
            }
        }
        let (_, process) = kernel_with_process();
        let id = process.processid();
        let answer = Minimal.command(0, 0, 0, id);
        assert_eq!(answer.get_failure(), Some(ErrorCode::NOSUPPORT));
        let refused = Minimal.allow_userspace_readable(id, 0, ReadWriteProcessBuffer::default());
        assert_eq!(
            refused.err().map(|(_, code)| code),
            Some(ErrorCode::NOSUPPORT)
        );
    }
}
