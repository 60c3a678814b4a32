// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Transmitting: one frame at a time, from a buffer that stays with the kernel.
//!
//! The kernel may read the buffer as late as the *sent* upcall, so the next frame is not written
//! before that upcall has come. Waiting for it happens at the start of the next transmission, when it
//! has usually come already.

use super::{COMMAND_TRANSMIT, COMMAND_TRANSMIT_STATISTICS, DRIVER, FRAME_LIMIT};
use crate::error::ErrorCode;
use crate::raw;
use crate::syscall::{self, SUCCESS_2_U32};
use crate::upcall::Upcall;
use core::ptr::NonNull;

const ALLOW_TRANSMIT: usize = 0;
const UPCALL_SENT: usize = 1;

/// Pending when the frame in flight has been handed to the card, or lost.
///
/// Subscribed to, because the app may yield for something else before it looks: an event without a
/// callback would be thrown away then.
pub(super) static SENT: Upcall = Upcall::new(DRIVER, UPCALL_SENT);

/// How many upcalls the kernel queues for a process.
const UPCALLS_QUEUED: usize = 10;

/// How often a frame is offered while the kernel says that an earlier one is still pending.
const ATTEMPTS: usize = 3;

/// The transmitting half of a [`Tap`](super::Tap).
pub struct Transmitter {
    buffer: NonNull<[u8; FRAME_LIMIT]>,
    in_flight: Option<usize>,
    frames: u32,
    bytes: u64,
    failed: u32,
}

impl Transmitter {
    /// Shares the buffer that frames are written to.
    pub(super) fn open(buffer: &'static mut [u8; FRAME_LIMIT]) -> Result<Self, ErrorCode> {
        SENT.enable()?;
        let buffer = NonNull::from(buffer);
        // SAFETY: the memory is static, and the reference to it was given up for this pointer.
        unsafe {
            raw::allow_read_only(
                DRIVER,
                ALLOW_TRANSMIT,
                buffer.cast::<u8>().as_ptr(),
                FRAME_LIMIT,
            )
        }
        .expect(SUCCESS_2_U32)?;
        Ok(Self {
            buffer,
            in_flight: None,
            frames: 0,
            bytes: 0,
            failed: 0,
        })
    }

    /// Has `fill` write a frame of `length` bytes and sends it. `fill` sees the bytes of some earlier
    /// frame and must overwrite all of them.
    ///
    /// Sleeps until the frame before has been handed to the card. Whether this one is handed over
    /// shows at the next transmission or [`flush`](Self::flush); until then it counts as sent.
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
        if length > FRAME_LIMIT {
            return Err(ErrorCode::Size);
        }
        // A failure of the frame before is counted; it says nothing about this one.
        let _ = self.flush();
        let result = fill(self.unsent(length));
        self.hand_over(length)?;
        Ok(result)
    }

    /// As [`transmit_with`](Self::transmit_with), for callers that can do nothing about a lost frame: a
    /// frame that the kernel refuses is counted as failed, and `fill` runs in every case.
    ///
    /// # Panics
    ///
    /// For more than [`FRAME_LIMIT`] bytes: there is no memory `fill` could write to.
    pub fn transmit_or_drop<R>(&mut self, length: usize, fill: impl FnOnce(&mut [u8]) -> R) -> R {
        let _ = self.flush();
        let result = fill(self.unsent(length));
        let _ = self.hand_over(length);
        result
    }

    /// Returns the first `length` bytes of the buffer. No frame is in flight.
    fn unsent(&mut self, length: usize) -> &mut [u8] {
        // SAFETY: static memory that only this half knows; with no frame in flight the kernel does
        // not read it, and `&mut self` keeps it that way while the reference lives.
        let buffer = unsafe { self.buffer.as_mut() };
        &mut buffer[..length]
    }

    /// Tells the kernel to send the first `length` bytes of the buffer.
    fn hand_over(&mut self, length: usize) -> Result<(), ErrorCode> {
        for _ in 0..ATTEMPTS {
            match syscall::command(DRIVER, COMMAND_TRANSMIT, length, 0) {
                Ok(()) => {
                    self.in_flight = Some(length);
                    return Ok(());
                }
                // Something else in this process transmits too; its upcall is to come.
                Err(ErrorCode::Busy) => {
                    wait_until_sent();
                }
                Err(error) => {
                    self.failed = self.failed.wrapping_add(1);
                    return Err(error);
                }
            }
        }
        self.failed = self.failed.wrapping_add(1);
        Err(ErrorCode::Busy)
    }

    /// Sends a frame. See [`transmit_with`](Self::transmit_with).
    ///
    /// # Errors
    ///
    /// As for [`transmit_with`](Self::transmit_with).
    pub fn transmit(&mut self, frame: &[u8]) -> Result<(), ErrorCode> {
        self.transmit_with(frame.len(), |buffer| buffer.copy_from_slice(frame))
    }

    /// Sleeps until the latest frame has been handed to the card.
    ///
    /// # Errors
    ///
    /// Why the frame was not handed over.
    pub fn flush(&mut self) -> Result<(), ErrorCode> {
        let Some(length) = self.in_flight.take() else {
            return Ok(());
        };
        let [status, ..] = wait_until_sent();
        match ErrorCode::check_status(status) {
            Ok(()) => {
                self.frames = self.frames.wrapping_add(1);
                self.bytes = self.bytes.wrapping_add(length as u64);
                Ok(())
            }
            Err(error) => {
                self.failed = self.failed.wrapping_add(1);
                Err(error)
            }
        }
    }

    /// Returns how many frames were sent, one in flight included; wraps.
    pub fn frames(&self) -> u32 {
        self.frames
            .wrapping_add(u32::from(self.in_flight.is_some()))
    }

    /// Returns how many bytes the frames sent had.
    pub fn bytes(&self) -> u64 {
        self.bytes.wrapping_add(self.in_flight.unwrap_or(0) as u64)
    }

    /// Returns how many frames the kernel refused or failed to hand over; wraps.
    pub fn failed(&self) -> u32 {
        self.failed
    }
}

/// Sleeps until the tap says what became of a frame.
///
/// The upcall may have found the queue full of others. These have run after as many yields; then a
/// command makes the tap try again.
fn wait_until_sent() -> [u32; 3] {
    let mut others = 0;
    loop {
        if let Some(arguments) = SENT.take() {
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
