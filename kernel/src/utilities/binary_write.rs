// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A sink for bytes that may take only part of what it is given.

/// A sink of limited room, such as one transmit buffer of a console.
pub trait BinaryWrite {
    /// Writes as much of `buffer` as there is room for, and returns how many bytes that was.
    ///
    /// # Errors
    ///
    /// When nothing could be written. The sink may take bytes later.
    #[allow(
        clippy::result_unit_err,
        reason = "the interface has no code to report"
    )]
    fn write_buffer(&mut self, buffer: &[u8]) -> Result<usize, ()>;
}
