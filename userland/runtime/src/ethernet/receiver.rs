// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Receiving: the kernel appends frames to one of two buffers, and the app reads them where they lie.
//!
//! While the buffer that the kernel has still holds much room, frames are read in it: the kernel leaves
//! alone what it has stored, and once everything is read, the count in the header goes back to zero by a
//! store that fails if the kernel has changed the count meanwhile. Else, or on a kernel that does not
//! promise this, the two buffers change places. That is one allow, which the kernel carries out at once, so
//! no frame falls between the buffers.
//!
//! Whether there is something to read shows in the header of the buffer that the kernel has.

use super::{COMMAND_RECEIVE_STATISTICS, DRIVER, RECEIVE_MINIMUM, chunks};
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
    /// With the app alone.
    private: NonNull<[u8]>,
    /// Frames are read in the shared buffer, which holds none but those up to `end`, or new ones.
    in_place: bool,
    /// Up to how many bytes are read in place.
    in_place_limit: usize,
    /// Where the next unread chunk starts, in the shared buffer or in the private one.
    position: usize,
    /// Where the chunks end.
    end: usize,
    frames: u32,
    bytes: u64,
    malformed: u32,
}

impl Receiver {
    /// Shares the first buffer. `reads_in_place` tells whether the kernel lets the app read and reset a
    /// buffer that is shared.
    ///
    /// # Safety
    ///
    /// Both are static memory of the same length that nobody else writes, aligned to words and longer than
    /// the slice's header.
    pub(super) unsafe fn open(
        first: NonNull<[u8]>,
        second: NonNull<[u8]>,
        reads_in_place: bool,
    ) -> Result<Self, ErrorCode> {
        RECEIVED.enable()?;
        // Half of the buffer, and no less than the longest frame takes, stay for what comes meanwhile.
        let room = first.len().saturating_sub(RECEIVE_MINIMUM);
        let mut receiver = Self {
            shared: second,
            private: first,
            in_place: false,
            in_place_limit: if reads_in_place {
                room.min(first.len() / 2)
            } else {
                0
            },
            position: 0,
            end: 0,
            frames: 0,
            bytes: 0,
            malformed: 0,
        };
        receiver.exchange()?;
        Ok(receiver)
    }

    /// Takes the next frame, or `None` when there is none at the moment. Never sleeps.
    pub fn receive(&mut self) -> Option<&[u8]> {
        self.receive_mut().map(|frame| &*frame)
    }

    /// As [`receive`](Self::receive), for an app that changes the frame where it lies.
    pub fn receive_mut(&mut self) -> Option<&mut [u8]> {
        self.receive_of_batch().map(|(frame, _)| frame)
    }

    /// As [`receive_mut`](Self::receive_mut), and tells whether the frame is the last one of those that
    /// came together.
    #[inline]
    pub(super) fn receive_of_batch(&mut self) -> Option<(&mut [u8], bool)> {
        let length = self.next_length()?;
        let start = self.position + chunks::HEADER_BYTES;
        self.position = start + length;
        self.frames = self.frames.wrapping_add(1);
        self.bytes = self.bytes.wrapping_add(length as u64);
        let is_last = self.position >= self.end;
        let first = self.place(start);
        // SAFETY: as in `unread`; the kernel does not read there either, and `&mut self` keeps this half
        // from going on while the reference lives.
        let frame = unsafe { core::slice::from_raw_parts_mut(first, length) };
        Some((frame, is_last))
    }

    /// Looks at the next frame without taking it. Never sleeps.
    pub fn peek(&mut self) -> Option<&[u8]> {
        let length = self.next_length()?;
        self.unread()
            .get(chunks::HEADER_BYTES..chunks::HEADER_BYTES + length)
    }

    /// Finds the next frame, in what came since if need be, and returns its length.
    #[inline]
    fn next_length(&mut self) -> Option<usize> {
        loop {
            if let Some(length) = chunks::first_frame(self.unread()) {
                return Some(length);
            }
            if !self.refill() {
                return None;
            }
        }
    }

    /// Tells whether [`receive`](Self::receive) has something to look at.
    pub fn is_ready(&self) -> bool {
        self.position < self.end
            || self.used().load(Ordering::Relaxed) != self.seen()
            || self.has_missed()
    }

    /// Sleeps until there is something to receive.
    pub fn wait(&mut self) {
        self.let_go();
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
    pub fn wait_timeout(&mut self, timeout_ms: u32) -> Result<Wake, ErrorCode> {
        self.wait_any(&[], Some(timeout_ms))
    }

    /// Sleeps until there is something to receive, one of `others` is pending, or `timeout_ms` have
    /// passed if given. What ended the wait shows in [`is_ready`](Self::is_ready) and in the events, which
    /// stay pending.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::NoDevice`] without an alarm driver, unless no timeout is given.
    pub fn wait_any(
        &mut self,
        others: &[&Upcall],
        timeout_ms: Option<u32>,
    ) -> Result<Wake, ErrorCode> {
        self.wait_until(|| others.iter().any(|event| event.is_pending()), timeout_ms)
    }

    /// As [`wait_any`](Self::wait_any), until `is_over` says so. It is asked at the start and after each
    /// upcall of the process.
    ///
    /// # Errors
    ///
    /// As for [`wait_any`](Self::wait_any).
    #[inline]
    pub fn wait_until(
        &mut self,
        is_over: impl Fn() -> bool,
        timeout_ms: Option<u32>,
    ) -> Result<Wake, ErrorCode> {
        self.let_go();
        let wake = alarm::wait_until(|| self.is_ready() || is_over(), timeout_ms);
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

    /// The chunks that were not read yet.
    #[inline]
    fn unread(&self) -> &[u8] {
        let first = self.place(self.position);
        // SAFETY: `end` is no less than `position`, and the bytes up to `end` lie in static memory that
        // only this half knows. The kernel has either given them back, or stored them and leaves them
        // alone until this half sets the count of used bytes back, which takes `&mut self`.
        unsafe { core::slice::from_raw_parts(first, self.end - self.position) }
    }

    /// The address of an offset in the buffer that is read.
    #[inline]
    fn place(&self, offset: usize) -> *mut u8 {
        let buffer = if self.in_place {
            self.shared
        } else {
            self.private
        };
        buffer.as_ptr().cast::<u8>().wrapping_add(offset)
    }

    /// How many bytes of the shared buffer are known.
    #[inline]
    fn seen(&self) -> u32 {
        if self.in_place {
            (self.end - streaming::HEADER_BYTES) as u32
        } else {
            0
        }
    }

    /// A word in the header of the shared buffer.
    #[inline]
    fn shared_word(&self, offset: usize) -> &AtomicU32 {
        let word = self.shared.as_ptr().cast::<u8>().wrapping_add(offset);
        // SAFETY: the buffer lives in static memory, is aligned to words and longer than its header
        // (`open`). The app reaches the header of a shared buffer in this way alone; the kernel, which may
        // write at any time, writes the words while the process stands still.
        unsafe { AtomicU32::from_ptr(word.cast::<u32>()) }
    }

    /// The count of used bytes in the shared buffer.
    #[inline]
    fn used(&self) -> &AtomicU32 {
        self.shared_word(streaming::USED_OFFSET)
    }

    /// Tells whether something did not fit into the shared buffer. Exchanging it makes room.
    #[inline]
    fn has_missed(&self) -> bool {
        // Version and flags are 0 otherwise.
        self.shared_word(0).load(Ordering::Relaxed) != 0
    }

    /// Leaves the shared buffer empty if all that is known of it is read: the kernel announces only the
    /// first frame in an empty buffer.
    #[inline]
    fn let_go(&mut self) {
        if !self.in_place || self.position < self.end {
            return;
        }
        // It fails if there is more in it now.
        let reset =
            self.used()
                .compare_exchange(self.seen(), 0, Ordering::Release, Ordering::Relaxed);
        if reset.is_ok() {
            (self.in_place, self.position, self.end) = (false, 0, 0);
        }
    }

    /// Finds chunks behind those that were read; tells whether there may be some.
    fn refill(&mut self) -> bool {
        if self.position < self.end {
            self.malformed = self.malformed.wrapping_add(1);
            self.position = self.end;
        }
        self.let_go();
        if self.has_missed() {
            return self.exchange().is_ok();
        }
        let used = self.used().load(Ordering::Acquire);
        if used == 0 {
            return false;
        }
        if used as usize > self.in_place_limit {
            return self.exchange().is_ok();
        }
        if !self.in_place {
            (self.in_place, self.position) = (true, streaming::HEADER_BYTES);
        }
        self.end = streaming::HEADER_BYTES + used as usize;
        true
    }

    /// Gives the private buffer, which is drained, to the kernel for the shared one.
    fn exchange(&mut self) -> Result<(), ErrorCode> {
        // SAFETY: static memory of this half alone, to which there is no other reference.
        let drained = unsafe { self.private.as_mut() };
        streaming::prepare(drained, AfterMiss::Continue);
        // SAFETY: the memory is static. From here on this half reads in it only what the kernel has stored,
        // or not at all if the kernel refuses it and it stays private.
        unsafe {
            raw::allow_read_write(
                DRIVER,
                ALLOW_RECEIVE,
                self.private.cast::<u8>().as_ptr(),
                self.private.len(),
            )
        }
        .expect(SUCCESS_2_U32)?;
        core::mem::swap(&mut self.shared, &mut self.private);
        if !core::mem::take(&mut self.in_place) {
            self.position = streaming::HEADER_BYTES;
        }
        // SAFETY: the kernel holds one buffer for this allow number, so this one is free of it.
        let received = streaming::read(unsafe { self.private.as_ref() });
        self.end = streaming::HEADER_BYTES + received.data.len();
        if received.exceeded {
            // A frame may be waiting for room; a command makes the tap look again at once.
            raw::command(DRIVER, COMMAND_RECEIVE_STATISTICS, 0, 0);
        }
        Ok(())
    }
}
