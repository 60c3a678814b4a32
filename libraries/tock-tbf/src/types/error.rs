// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Why bytes are not a header or a footer.

/// Why the first eight bytes of an object do not say how long it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InitialTbfParseError {
    /// There is no object here, so there is no next one either: stop looking.
    UnableToParse,
    /// The header is unusable, but the object is this many bytes long and can be skipped.
    InvalidHeader(u32),
}

/// Why an object's header or footer is unusable. Skip the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TbfParseError {
    /// The bytes end before the header or footer does.
    NotEnoughFlash,
    /// The format has a version that is not known here.
    UnsupportedVersion(u16),
    /// The checksum in the header, first, is not that of the header, second.
    ChecksumMismatch(u32, u32),
    /// An entry of this type has a wrong length, or numbers that contradict the object.
    BadTlvEntry(usize),
    /// The package name is not UTF-8.
    BadProcessName,
    /// The lengths in the base header contradict one another.
    InternalError,
    /// An entry of this type lists more than can be kept.
    TooManyEntries(usize),
}
