// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Storage that keeps its content without power, addressed in bytes.

use crate::ErrorCode;

/// A storage.
///
/// One operation runs at a time. A call that returns `Ok` keeps the buffer until it hands it back
/// by the callback; a call that returns an error makes no callback.
pub trait NonvolatileStorage<'a> {
    /// Names the client to be told.
    fn set_client(&self, client: &'a dyn NonvolatileStorageClient);

    /// Reads `length` bytes from `address` on into the start of `buffer`.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::BUSY`] while another operation runs; [`ErrorCode::SIZE`] or
    /// [`ErrorCode::INVAL`] if the range does not fit the buffer or the storage.
    fn read(
        &self,
        buffer: &'static mut [u8],
        address: usize,
        length: usize,
    ) -> Result<(), ErrorCode>;

    /// Writes the first `length` bytes of `buffer` from `address` on.
    ///
    /// # Errors
    ///
    /// As for [`read`](Self::read).
    fn write(
        &self,
        buffer: &'static mut [u8],
        address: usize,
        length: usize,
    ) -> Result<(), ErrorCode>;
}

/// A user of a storage.
pub trait NonvolatileStorageClient {
    /// A read has ended, with `length` bytes in `buffer`: fewer than asked for if it failed.
    fn read_done(&self, buffer: &'static mut [u8], length: usize);

    /// A write has ended, with `length` bytes stored: fewer than asked for if it failed.
    fn write_done(&self, buffer: &'static mut [u8], length: usize);
}
