// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Transmitting: frames are written where the kernel reads them, one or several at a time.
//!
//! The buffer holds frames back to back, each behind its length, which is what the kernel wants of a
//! batch. It is shared twice: for batches, together with the buffers that frames are received in, and from
//! the first frame's first byte on for a kernel that takes nothing but single frames.
//!
//! A frame that is alone, in the buffer or where it was received, goes by a command that takes it at once or
//! not at all: nothing is in flight when it is over, and there is nothing to wait for. If it is refused for
//! want of room, or unknown to the kernel, the frame goes as a batch, or as a single one.
//!
//! Those the kernel may read as late as the event that says what became of them, so nothing is written to
//! the buffer before that event has come. Waiting for it happens when the next frame is written, when
//! it has usually come already.

use super::{COMMAND_TRANSMIT, COMMAND_TRANSMIT_STATISTICS, DRIVER, FRAME_LIMIT};
use crate::error::ErrorCode;
use crate::raw;
use crate::syscall::{self, SUCCESS_2_U32};
use crate::upcall::Upcall;
use core::ptr::NonNull;

const COMMAND_TRANSMIT_BATCH: usize = 0x106;
const COMMAND_TRANSMIT_AT_ONCE: usize = 0x107;
const ALLOW_FRAME: usize = 0;
const ALLOW_BATCH: usize = 1;
const UPCALL_SENT: usize = 1;
const UPCALL_BATCH_DONE: usize = 3;

/// Bytes of the length in front of each frame of a batch.
pub(super) const LENGTH_BYTES: usize = 2;

/// Pending when the frame in flight has been handed to the card, or lost.
///
/// Subscribed to, because the app may yield for something else before it looks: an event without a
/// callback would be thrown away then.
pub(super) static SENT: Upcall = Upcall::new(DRIVER, UPCALL_SENT);

/// The same for the batch in flight.
pub(super) static BATCH_DONE: Upcall = Upcall::new(DRIVER, UPCALL_BATCH_DONE);

/// How many upcalls the kernel queues for a process.
const UPCALLS_QUEUED: usize = 10;

/// How often frames are offered while the kernel says that earlier ones are still pending.
const ATTEMPTS: usize = 3;

/// Frames in the buffer, from its start on.
#[derive(Clone, Copy, Default)]
struct Frames {
    count: u32,
    /// Bytes of the buffer that they take, their lengths included.
    end: usize,
}

impl Frames {
    fn payload(self) -> u64 {
        self.end.saturating_sub(self.count as usize * LENGTH_BYTES) as u64
    }
}

/// How frames are handed over, which decides on the event that reports on them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Single,
    Batch,
}

impl Way {
    fn report(self) -> &'static Upcall {
        match self {
            Self::Single => &SENT,
            Self::Batch => &BATCH_DONE,
        }
    }
}

/// The transmitting half of a [`Tap`](super::Tap).
pub struct Transmitter {
    buffer: NonNull<[u8]>,
    /// The buffer and what lies behind it, as shared with a kernel that takes batches.
    area: NonNull<[u8]>,
    /// The kernel takes batches.
    has_batches: bool,
    /// The kernel takes frames at once.
    takes_at_once: bool,
    /// Written, but not yet handed over.
    queued: Frames,
    /// Handed over, but not yet reported.
    in_flight: Frames,
    way: Way,
    frames: u32,
    bytes: u64,
    failed: u32,
}

impl Transmitter {
    /// Shares the buffer that frames are written to, which is the start of `area`.
    ///
    /// # Safety
    ///
    /// Both are static memory. The buffer has room for a frame of any size and its length, and nobody else
    /// writes there.
    pub(super) unsafe fn open(
        buffer: NonNull<[u8]>,
        area: NonNull<[u8]>,
    ) -> Result<Self, ErrorCode> {
        SENT.enable()?;
        let start = buffer.cast::<u8>().as_ptr();
        let first = start.wrapping_add(LENGTH_BYTES);
        // SAFETY: static memory, of which `FRAME_LIMIT` bytes at least are behind the first length.
        unsafe { raw::allow_read_only(DRIVER, ALLOW_FRAME, first, FRAME_LIMIT) }
            .expect(SUCCESS_2_U32)?;
        // SAFETY: static memory. A kernel without batches refuses the buffer, or their event.
        let shared = unsafe { raw::allow_read_only(DRIVER, ALLOW_BATCH, start, area.len()) };
        let has_batches = shared.expect(SUCCESS_2_U32).is_ok() && BATCH_DONE.enable().is_ok();
        Ok(Self {
            buffer,
            area,
            has_batches,
            takes_at_once: has_batches,
            queued: Frames::default(),
            in_flight: Frames::default(),
            way: Way::Single,
            frames: 0,
            bytes: 0,
            failed: 0,
        })
    }

    /// Tells whether the kernel takes batches.
    pub(super) fn has_batches(&self) -> bool {
        self.has_batches
    }

    /// Has `fill` write a frame of `length` bytes and sends it, behind those that were queued. `fill`
    /// sees the bytes of some earlier frame and must overwrite all of them.
    ///
    /// Sleeps until the frames before have been handed to the card. Whether this one is handed over
    /// may show as late as the next transmission or [`flush`](Self::flush); until then it counts as sent.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::Size`] for more than [`FRAME_LIMIT`] bytes, without calling `fill`; else the
    /// kernel's reason to refuse the frame.
    pub fn transmit_with<R>(
        &mut self,
        length: usize,
        fill: impl FnOnce(&mut [u8]) -> R,
    ) -> Result<R, ErrorCode> {
        let result = self.write(length, fill)?;
        self.submit()?;
        Ok(result)
    }

    /// Has `fill` write a frame of `length` bytes, to be sent together with others: when there is no
    /// room for another one, or at [`submit`](Self::submit), [`transmit`](Self::transmit) or
    /// [`flush`](Self::flush). Frames leave in the order they were written in.
    ///
    /// A kernel without batches sends each frame at once.
    ///
    /// # Errors
    ///
    /// As for [`transmit_with`](Self::transmit_with).
    pub fn queue_with<R>(
        &mut self,
        length: usize,
        fill: impl FnOnce(&mut [u8]) -> R,
    ) -> Result<R, ErrorCode> {
        let result = self.write(length, fill)?;
        if !self.has_batches || self.room() < FRAME_LIMIT {
            self.submit()?;
        }
        Ok(result)
    }

    /// As [`queue_with`](Self::queue_with), for callers that can do nothing about a lost frame: frames
    /// that the kernel refuses are counted as failed, and `fill` runs in every case.
    ///
    /// # Panics
    ///
    /// For a frame longer than the buffer: there is no memory `fill` could write to.
    pub fn queue_or_drop<R>(&mut self, length: usize, fill: impl FnOnce(&mut [u8]) -> R) -> R {
        self.make_room(length);
        let result = fill(self.unsent(length));
        self.append(length);
        if !self.has_batches || self.room() < FRAME_LIMIT {
            let _ = self.submit();
        }
        result
    }

    /// Hands the queued frames to the kernel and returns without waiting for what becomes of them.
    ///
    /// # Errors
    ///
    /// The kernel's reason to refuse them; none of them is sent then.
    #[inline]
    pub fn submit(&mut self) -> Result<(), ErrorCode> {
        if self.queued.count == 0 {
            return Ok(());
        }
        self.submit_queued()
    }

    fn submit_queued(&mut self) -> Result<(), ErrorCode> {
        let queued = core::mem::take(&mut self.queued);
        if queued.count == 1
            && let Some(sent) = self.transmit_at_once(LENGTH_BYTES, queued.end - LENGTH_BYTES)
        {
            return sent;
        }
        let way = if self.has_batches {
            Way::Batch
        } else {
            Way::Single
        };
        self.offer(queued, way)
    }

    /// Sends a frame from where it lies, if the kernel takes it at once and none are queued before it.
    ///
    /// # Errors
    ///
    /// The kernel's reason to refuse the frame for good.
    #[inline]
    pub(super) fn transmit_from(&mut self, frame: &[u8]) -> Option<Result<(), ErrorCode>> {
        if self.has_queued() {
            return None;
        }
        let start = self.area.cast::<u8>().addr().get();
        self.transmit_at_once(frame.as_ptr().addr().wrapping_sub(start), frame.len())
    }

    /// Has the kernel copy a frame out of the shared area now; `None` if it does not do so.
    ///
    /// # Errors
    ///
    /// The kernel's reason to refuse the frame for good, such as a place outside of the area.
    fn transmit_at_once(&mut self, offset: usize, length: usize) -> Option<Result<(), ErrorCode>> {
        if !self.takes_at_once {
            return None;
        }
        let sent = syscall::command(DRIVER, COMMAND_TRANSMIT_AT_ONCE, length, offset);
        match sent {
            Ok(()) => {
                self.frames = self.frames.wrapping_add(1);
                self.bytes = self.bytes.wrapping_add(length as u64);
            }
            Err(ErrorCode::Busy) => return None,
            Err(ErrorCode::NoSupport) => {
                self.takes_at_once = false;
                return None;
            }
            Err(_) => self.failed = self.failed.wrapping_add(1),
        }
        Some(sent)
    }

    /// Gives the command that hands these frames over.
    fn offer(&mut self, frames: Frames, way: Way) -> Result<(), ErrorCode> {
        let (command, length) = match way {
            Way::Single => (COMMAND_TRANSMIT, frames.end - LENGTH_BYTES),
            Way::Batch => (COMMAND_TRANSMIT_BATCH, frames.end),
        };
        let mut attempts = 0;
        loop {
            attempts += 1;
            match syscall::command(DRIVER, command, length, 0) {
                Ok(()) => {
                    (self.in_flight, self.way) = (frames, way);
                    return Ok(());
                }
                // Something else in this process transmits too; its upcall is to come.
                Err(ErrorCode::Busy) if attempts < ATTEMPTS => {
                    wait_for(way.report());
                }
                Err(error) => {
                    if error == ErrorCode::NoSupport {
                        self.has_batches = false;
                    }
                    self.failed = self.failed.wrapping_add(frames.count);
                    return Err(error);
                }
            }
        }
    }

    /// Sends a frame. See [`transmit_with`](Self::transmit_with).
    ///
    /// # Errors
    ///
    /// As for [`transmit_with`](Self::transmit_with).
    pub fn transmit(&mut self, frame: &[u8]) -> Result<(), ErrorCode> {
        self.transmit_with(frame.len(), |buffer| buffer.copy_from_slice(frame))
    }

    /// Sends what is queued and sleeps until the latest frames have been handed to the card.
    ///
    /// # Errors
    ///
    /// Why they were not handed over, or not all of them.
    pub fn flush(&mut self) -> Result<(), ErrorCode> {
        // With a batch still in flight there is nothing in the queue.
        self.submit()?;
        self.settle()
    }

    /// Tells whether there is something to [`submit`](Self::submit).
    pub fn has_queued(&self) -> bool {
        self.queued.count > 0
    }

    /// Returns how many frames were sent, those in flight included; wraps.
    pub fn frames(&self) -> u32 {
        self.frames.wrapping_add(self.in_flight.count)
    }

    /// Returns how many bytes the frames sent had.
    pub fn bytes(&self) -> u64 {
        self.bytes.wrapping_add(self.in_flight.payload())
    }

    /// Returns how many frames the kernel refused or failed to hand over; wraps.
    pub fn failed(&self) -> u32 {
        self.failed
    }

    fn write<R>(
        &mut self,
        length: usize,
        fill: impl FnOnce(&mut [u8]) -> R,
    ) -> Result<R, ErrorCode> {
        if length > FRAME_LIMIT {
            return Err(ErrorCode::Size);
        }
        self.make_room(length);
        let result = fill(self.unsent(length));
        self.append(length);
        Ok(result)
    }

    /// Returns how long a frame may still be queued.
    fn room(&self) -> usize {
        self.buffer
            .len()
            .saturating_sub(self.queued.end + LENGTH_BYTES)
    }

    /// Sees to it that the kernel reads nothing, and that a frame of `length` bytes fits. A failure of
    /// the frames before is counted; it says nothing about this one.
    fn make_room(&mut self, length: usize) {
        if length > self.room() {
            let _ = self.submit();
        }
        let _ = self.settle();
    }

    /// Waits for the report on what is in flight.
    fn settle(&mut self) -> Result<(), ErrorCode> {
        let sent = core::mem::take(&mut self.in_flight);
        if sent.count == 0 {
            return Ok(());
        }
        let [status, count, end] = wait_for(self.way.report());
        let outcome = ErrorCode::check_status(status);
        // A report on a single frame has other numbers behind its status.
        let done = match (self.way, outcome) {
            (Way::Single, Ok(())) => sent,
            (Way::Single, Err(_)) => Frames::default(),
            (Way::Batch, _) => Frames {
                count: count.min(sent.count),
                end: (end as usize).min(sent.end),
            },
        };
        self.frames = self.frames.wrapping_add(done.count);
        self.bytes = self.bytes.wrapping_add(done.payload());
        self.failed = self.failed.wrapping_add(sent.count - done.count);
        outcome
    }

    /// Returns the place of the next frame. Nothing is in flight.
    fn unsent(&mut self, length: usize) -> &mut [u8] {
        let start = self.queued.end + LENGTH_BYTES;
        // SAFETY: static memory that only this half knows; with nothing in flight the kernel does not
        // read it, and `&mut self` keeps it that way while the reference lives.
        let buffer = unsafe { self.buffer.as_mut() };
        &mut buffer[start..start + length]
    }

    /// Puts the length in front of the frame just written.
    fn append(&mut self, length: usize) {
        let start = self.queued.end;
        // SAFETY: as in `unsent`.
        let buffer = unsafe { self.buffer.as_mut() };
        buffer[start..start + LENGTH_BYTES].copy_from_slice(&(length as u16).to_ne_bytes());
        self.queued = Frames {
            count: self.queued.count + 1,
            end: start + LENGTH_BYTES + length,
        };
    }
}

/// Sleeps until the tap says what became of frames.
///
/// The upcall may have found the queue full of others. These have run after as many yields; then a
/// command makes the tap try again.
fn wait_for(report: &Upcall) -> [u32; 3] {
    let mut others = 0;
    loop {
        if let Some(arguments) = report.take() {
            return arguments;
        }
        if others == UPCALLS_QUEUED {
            others = 0;
            raw::command(DRIVER, COMMAND_TRANSMIT_STATISTICS, 0, 0);
        }
        raw::yield_wait();
        others += 1;
    }
}
