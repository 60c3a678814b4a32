// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Why a queue refuses a chain, and what a device can do wrong with one.

use kernel::ErrorCode;

/// Why a queue refused a chain; the caller still has every buffer of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueError {
    /// Too few free descriptors; retry after the next used buffer notification.
    Full,
    /// The chain has no buffer.
    EmptyChain,
    /// A buffer of the chain has no bytes.
    EmptyBuffer,
    /// A buffer for the device to read follows one for the device to write (VirtIO 1.2, 2.7.4.2).
    ReadableAfterWriteable,
    /// The chain has more buffers than the queue can return, or more bytes than it can count.
    TooLong,
    /// The queue has not been initialized.
    NotReady,
    /// The device broke the rules, and the queue waits for a reset.
    Broken,
}

impl From<QueueError> for ErrorCode {
    fn from(error: QueueError) -> Self {
        match error {
            QueueError::Full => ErrorCode::BUSY,
            QueueError::EmptyChain
            | QueueError::EmptyBuffer
            | QueueError::ReadableAfterWriteable => ErrorCode::INVAL,
            QueueError::TooLong => ErrorCode::SIZE,
            QueueError::NotReady => ErrorCode::OFF,
            QueueError::Broken => ErrorCode::FAIL,
        }
    }
}

/// How a device broke the rules of a queue.
///
/// The queue stops and keeps every buffer, because the device may still access them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// The device claims to have used `advance` chains when it had `outstanding`.
    IndexJump {
        /// How far the index of the used ring moved.
        advance: u16,
        /// How many chains the device had.
        outstanding: u16,
    },
    /// The device returned a head that names no chain it had.
    UnknownHead(u32),
    /// The device claims `written` bytes in a chain with room for `writable`.
    Overrun {
        /// What the device claims.
        written: u32,
        /// What the chain has room for.
        writable: u32,
    },
}
