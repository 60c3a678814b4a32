// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Receiving: one buffer is with the kernel, the other is read by the app, and they change places.
//!
//! The exchange is one allow, which the kernel carries out at once, so no frame falls between the
//! buffers. Whether it is worth it shows in the header of the buffer that the kernel has: a count of
//! zero means that nothing came.

use super::{COMMAND_RECEIVE_STATISTICS, DRIVER, chunks};
use crate::alarm::{self, Wake};
use crate::error::ErrorCode;
use crate::raw;
use crate::streaming::{self, AfterMiss};
use crate::syscall::SUCCESS_2_U32;
use crate::upcall::Upcall;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, Ordering};

const ALLOW_RECEIVE: usize = 0;
const UPCALL_RECEIVED: usize = 0;

/// Pending when the kernel has put the first frame into an empty buffer.
///
/// It announces a buffer, not a frame: read [`Receiver::receive`] until nothing is left, then wait.
pub static RECEIVED: Upcall = Upcall::new(DRIVER, UPCALL_RECEIVED);

/// The receiving half of a [`Tap`](super::Tap).
pub struct Receiver {
    /// With the kernel.
    shared: NonNull<[u8]>,
    /// With the app.
    private: &'static mut [u8],
    /// Where the next unread chunk of `private` starts.
    position: usize,
    /// Where the chunks of `private` end.
    end: usize,
    frames: u32,
    bytes: u64,
    malformed: u32,
}

impl Receiver {
    /// Shares the first buffer. Both are aligned to words and longer than the slice's header.
    pub(super) fn open(
        first: &'static mut [u8],
        second: &'static mut [u8],
    ) -> Result<Self, ErrorCode> {
        RECEIVED.enable()?;
        Ok(Self {
            shared: share(first)?,
            private: second,
            position: 0,
            end: 0,
            frames: 0,
            bytes: 0,
            malformed: 0,
        })
    }

    /// Takes the next frame, or `None` when there is none at the moment. Never sleeps.
    pub fn receive(&mut self) -> Option<&[u8]> {
        self.receive_mut().map(|frame| &*frame)
    }

    /// As [`receive`](Self::receive), for an app that changes the frame where it lies.
    pub fn receive_mut(&mut self) -> Option<&mut [u8]> {
        self.receive_of_batch().map(|(frame, _)| frame)
    }

    /// As [`receive_mut`](Self::receive_mut), and tells whether the frame is the last one of its buffer.
    pub(super) fn receive_of_batch(&mut self) -> Option<(&mut [u8], bool)> {
        let frame = self.next_frame()?;
        self.position = frame.end;
        self.frames = self.frames.wrapping_add(1);
        self.bytes = self.bytes.wrapping_add(frame.len() as u64);
        let is_last = self.position >= self.end;
        Some((self.private.get_mut(frame)?, is_last))
    }

    /// Looks at the next frame without taking it. Never sleeps.
    pub fn peek(&mut self) -> Option<&[u8]> {
        let frame = self.next_frame()?;
        self.private.get(frame)
    }

    /// Finds the next frame in the private buffer, after an exchange if it takes one.
    fn next_frame(&mut self) -> Option<core::ops::Range<usize>> {
        match self.next_private() {
            Some(frame) => Some(frame),
            None if self.exchange() => self.next_private(),
            None => None,
        }
    }

    /// Tells whether [`receive`](Self::receive) has something to look at.
    pub fn is_ready(&self) -> bool {
        self.next_private().is_some() || self.kernel_has_data()
    }

    /// Sleeps until there is something to receive.
    pub fn wait(&self) {
        // An event from before says nothing about the buffers as they are now, and the one for a frame
        // that came while the queue was full may be missing. So the buffers decide, after each upcall.
        while !self.is_ready() {
            raw::yield_wait();
        }
        RECEIVED.clear();
    }

    /// Sleeps until there is something to receive or `timeout_ms` have passed.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::NoDevice`] without an alarm driver.
    pub fn wait_timeout(&self, timeout_ms: u32) -> Result<Wake, ErrorCode> {
        self.wait_any(&[], Some(timeout_ms))
    }

    /// Sleeps until there is something to receive, one of `others` is pending, or `timeout_ms` have
    /// passed if given. What ended the wait shows in [`is_ready`](Self::is_ready) and in the events, which
    /// stay pending.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::NoDevice`] without an alarm driver, unless no timeout is given.
    pub fn wait_any(&self, others: &[&Upcall], timeout_ms: Option<u32>) -> Result<Wake, ErrorCode> {
        let wake = alarm::wait_until(
            || self.is_ready() || others.iter().any(|event| event.is_pending()),
            timeout_ms,
        );
        RECEIVED.clear();
        wake
    }

    /// Returns how many frames were taken; wraps.
    pub fn frames(&self) -> u32 {
        self.frames
    }

    /// Returns how many bytes the frames taken had.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns how many buffers ended in something that is no frame; zero with a sound kernel.
    pub fn malformed(&self) -> u32 {
        self.malformed
    }

    fn next_private(&self) -> Option<core::ops::Range<usize>> {
        chunks::frame_at(self.private.get(..self.end)?, self.position)
    }

    /// Reads the count in the header of the shared buffer.
    fn kernel_has_data(&self) -> bool {
        let used = self
            .shared
            .as_ptr()
            .cast::<u8>()
            .wrapping_add(streaming::USED_OFFSET);
        // SAFETY: the buffer lives in static memory, is aligned to words and longer than its header
        // (`open`). The app reaches a shared buffer by this load alone; the kernel, which may write
        // at any time, writes the count as one aligned word or while the process stands still.
        let used = unsafe { AtomicU32::from_ptr(used.cast::<u32>()) };
        used.load(Ordering::Relaxed) != 0
    }

    /// Gives the drained buffer to the kernel for the one it has filled; tells whether it did.
    fn exchange(&mut self) -> bool {
        if !self.kernel_has_data() {
            return false;
        }
        if self.position < self.end {
            self.malformed = self.malformed.wrapping_add(1);
        }
        streaming::prepare(self.private, AfterMiss::Continue);
        let drained = NonNull::from(&mut *self.private);
        // SAFETY: the memory is static. From here on this half reaches it through `shared` only, or
        // not at all if the kernel refuses it and it stays private.
        let answer = unsafe {
            raw::allow_read_write(
                DRIVER,
                ALLOW_RECEIVE,
                drained.cast::<u8>().as_ptr(),
                drained.len(),
            )
        };
        (self.position, self.end) = (0, 0);
        if answer.expect(SUCCESS_2_U32).is_err() {
            return false;
        }
        let mut filled = core::mem::replace(&mut self.shared, drained);
        // SAFETY: the kernel holds one buffer for this allow number, which is `drained` now. `filled`
        // is static memory that only this half knows, and nothing refers to it any more.
        self.private = unsafe { filled.as_mut() };
        let received = streaming::read(self.private);
        self.position = streaming::HEADER_BYTES;
        self.end = streaming::HEADER_BYTES + received.data.len();
        if received.exceeded {
            // A frame may be waiting for room; a command makes the tap look again at once.
            raw::command(DRIVER, COMMAND_RECEIVE_STATISTICS, 0, 0);
        }
        true
    }
}

/// Prepares a buffer and gives it to the kernel.
fn share(buffer: &'static mut [u8]) -> Result<NonNull<[u8]>, ErrorCode> {
    streaming::prepare(buffer, AfterMiss::Continue);
    let shared = NonNull::from(buffer);
    // SAFETY: the memory is static, and the reference to it was given up for this pointer.
    unsafe {
        raw::allow_read_write(
            DRIVER,
            ALLOW_RECEIVE,
            shared.cast::<u8>().as_ptr(),
            shared.len(),
        )
    }
    .expect(SUCCESS_2_U32)?;
    Ok(shared)
}
