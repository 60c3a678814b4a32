// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Buffers that processes share with drivers.
//!
//! The bytes belong to a process that may be hostile. It can share the same bytes several times
//! over, in buffers that overlap each other in any way, and it can change them whenever it runs.
//! So no `&[u8]` or `&mut [u8]` is ever made of them: what a driver sees is a slice of cells.
//! The buffer types also keep the owner's identifier, which is checked each time the bytes are
//! asked for, so that a buffer outlives its process without harm.

mod buffer;
mod byte_range;
mod readable_slice;
mod writeable_slice;

pub use buffer::{
    ReadOnlyProcessBuffer, ReadOnlyProcessBufferRef, ReadWriteProcessBuffer,
    ReadWriteProcessBufferRef, ReadableProcessBuffer, UserspaceReadableProcessBuffer,
    WriteableProcessBuffer,
};
pub use byte_range::{ByteRange, Position};
pub use readable_slice::{
    ReadableProcessByte, ReadableProcessBytes, ReadableProcessChunks, ReadableProcessSlice,
};
pub use writeable_slice::{WriteableProcessChunks, WriteableProcessSlice};
