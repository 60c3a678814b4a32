// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Why an application in flash did not become a process.

use core::fmt;

use tock_tbf::types::TbfParseError;

use crate::process_checker::ProcessCheckError;

/// Why an application was not loaded. The others are not affected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessLoadError {
    /// The rest of the RAM pool does not hold what the application asks for, or does not reach to
    /// the address that it was linked for.
    NotEnoughMemory,
    /// Memory protection cannot cover exactly the application's flash.
    MpuInvalidFlashLength,
    /// Memory protection cannot cover the process's RAM, or has no configuration left.
    MpuConfigurationError,
    /// The application was linked for a RAM address that is taken already, or cannot be met.
    /// Applications must stand in flash in the order of their RAM addresses.
    MemoryAddressMismatch {
        /// The address that could be offered.
        actual_address: *mut u8,
        /// The address that the application was linked for.
        expected_address: *mut u8,
    },
    /// The process table is full.
    NoProcessSlot,
    /// What stands in flash is not an application for this kernel.
    BinaryError(ProcessBinaryError),
    /// The application's credentials do not permit it to run.
    CheckError(ProcessCheckError),
    /// The process could not be set up for a reason of the kernel's own.
    InternalError,
}

/// Why what stands in flash is not an application that this kernel runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessBinaryError {
    /// The version field is neither that of an application header nor of unused flash. What
    /// follows cannot be found.
    UnknownVersion(u16),
    /// The lengths in the header contradict each other.
    BadLengths,
    /// The header says that the object is longer than the flash that is left.
    Truncated {
        /// Bytes of flash from the start of the object.
        available: usize,
        /// Bytes of the object.
        size: usize,
    },
    /// The header cannot be parsed.
    BadHeader(TbfParseError),
    /// The object only fills a gap.
    Padding,
    /// The application is switched off in its header.
    Disabled,
    /// The header does not say which kernel the application is for.
    NoKernelVersion,
    /// The application is for another kernel.
    KernelVersion {
        /// Major version that the application is for.
        major: u16,
        /// Lowest minor version that it works with.
        minor: u16,
    },
    /// Offsets in the header point outside the object.
    BadOffsets,
    /// The application was linked for another place in flash.
    FlashAddress {
        /// Where the binary is.
        actual: usize,
        /// Where it was linked to be.
        expected: usize,
    },
    /// Flash also holds a newer binary of the application, or an equally new one before it.
    Superseded,
    /// A process has the application's identity, or its short identifier, already.
    IdentityTaken,
}

impl fmt::Display for ProcessLoadError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            ProcessLoadError::NotEnoughMemory => "not enough RAM left",
            ProcessLoadError::MpuInvalidFlashLength => "flash cannot be protected",
            ProcessLoadError::MpuConfigurationError => "RAM cannot be protected",
            ProcessLoadError::MemoryAddressMismatch {
                actual_address,
                expected_address,
            } => {
                return write!(
                    formatter,
                    "linked for RAM at {:#x}, but RAM is free from {:#x}",
                    expected_address.addr(),
                    actual_address.addr()
                );
            }
            ProcessLoadError::NoProcessSlot => "process table full",
            ProcessLoadError::BinaryError(error) => return fmt::Display::fmt(error, formatter),
            ProcessLoadError::CheckError(error) => match error {
                ProcessCheckError::CredentialsNotAccepted => "no credential was accepted",
                ProcessCheckError::CredentialsRejected(_) => "a credential was rejected",
                ProcessCheckError::InternalError => "credentials could not be checked",
            },
            ProcessLoadError::InternalError => "internal error",
        };
        formatter.write_str(text)
    }
}

impl fmt::Display for ProcessBinaryError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            ProcessBinaryError::UnknownVersion(version) => {
                let version = u32::from(*version);
                return write!(formatter, "corrupt: header version {version}, search ends");
            }
            ProcessBinaryError::BadLengths => "corrupt: impossible lengths in header",
            ProcessBinaryError::Truncated { available, size } => {
                return write!(
                    formatter,
                    "truncated: {size} bytes long, {available} bytes of flash left"
                );
            }
            ProcessBinaryError::BadHeader(TbfParseError::ChecksumMismatch(found, expected)) => {
                return write!(
                    formatter,
                    "corrupt: header checksum {found:#x}, not {expected:#x}"
                );
            }
            ProcessBinaryError::BadHeader(_) => "corrupt: malformed header entry",
            ProcessBinaryError::Padding => "padding",
            ProcessBinaryError::Disabled => "disabled",
            ProcessBinaryError::NoKernelVersion => "names no kernel version",
            ProcessBinaryError::KernelVersion { major, minor } => {
                let (major, minor) = (u32::from(*major), u32::from(*minor));
                return write!(formatter, "needs kernel {major}.{minor}");
            }
            ProcessBinaryError::BadOffsets => "corrupt: offsets outside the object",
            ProcessBinaryError::FlashAddress { actual, expected } => {
                return write!(
                    formatter,
                    "linked for flash at {expected:#x}, but is at {actual:#x}"
                );
            }
            ProcessBinaryError::Superseded => "another binary of the application runs instead",
            ProcessBinaryError::IdentityTaken => "its identity belongs to a process already",
        };
        formatter.write_str(text)
    }
}
