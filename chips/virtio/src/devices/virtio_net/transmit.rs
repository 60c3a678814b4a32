// SPDX-License-Identifier: Apache-2.0 OR MIT

//! From the client to the transmit queue, and back with the buffers.
//!
//! A frame is lent as it is, behind a header of zeros that all frames share.

use kernel::ErrorCode;
use kernel::platform::dma_fence::DmaFence;

use super::VirtIONet;
use super::header::{ETHERNET_HEADER_LEN, TRANSMIT_HEADER};
use crate::queues::{DrivenQueue, QueueError};

impl<F: DmaFence, const DEPTH: usize, Q: DrivenQueue<'static> + ?Sized> VirtIONet<'_, F, DEPTH, Q> {
    /// Puts a frame into the queue, where the device does not see it yet.
    #[inline]
    pub(super) fn enqueue(
        &self,
        frame: &'static mut [u8],
        len: usize,
        identifier: usize,
    ) -> Result<(), (ErrorCode, &'static mut [u8])> {
        let longest = self.longest_to_send.get();
        if !(ETHERNET_HEADER_LEN..=longest).contains(&len) || len > frame.len() {
            self.events.refused.bump();
            return Err((self.reason_to_refuse(), frame));
        }
        self.lend(frame, len, identifier).map_err(|(error, frame)| {
            self.events.refused.bump();
            (error.into(), frame)
        })
    }

    /// Lends a frame. Apart from the above, which is a part of its callers.
    #[inline(never)]
    fn lend(
        &self,
        frame: &'static mut [u8],
        len: usize,
        identifier: usize,
    ) -> Result<(), (QueueError, &'static mut [u8])> {
        let header = TRANSMIT_HEADER
            .get(..self.format.get().len)
            .unwrap_or(&TRANSMIT_HEADER);
        self.transmit_queue
            .provide_readable(header, frame, len, identifier)
    }

    /// Says why a frame of any length, or of one that is out of range, is not accepted.
    #[cold]
    fn reason_to_refuse(&self) -> ErrorCode {
        if !self.running.get() {
            ErrorCode::OFF
        } else if !self.link_is_up() {
            ErrorCode::NODEVICE
        } else {
            ErrorCode::SIZE
        }
    }

    /// Notes how long frames to send may be, after anything that decides on that has changed: while
    /// nothing can be sent, no length will do.
    pub(super) fn update_longest_to_send(&self) {
        let longest = if self.link_is_up() {
            self.longest_frame.get()
        } else {
            0
        };
        self.longest_to_send.set(longest);
    }

    /// Shows the device all frames that were put into the queue, and sees to it that they come back.
    #[inline]
    pub(super) fn send_enqueued(&self) {
        self.transmit_queue.announce();
        if self.running.get() && !self.watched.replace(true) {
            self.transmit_queue.watch();
        }
    }

    /// Ends a run of frames that were sent.
    #[inline]
    pub(super) fn end_of_collection(&self) {
        if self.awaited.take() {
            self.choose_transmit_interrupts();
        }
    }

    /// Asks for the interrupts that the client's interface takes.
    pub(super) fn choose_transmit_interrupts(&self) {
        self.awaited.set(false);
        if let Some(client) = self.client.get() {
            let delay = client.transmit_delay();
            self.transmit_queue.delay_interrupts(delay);
        }
    }

    /// Returns a frame to the client.
    #[inline]
    pub(super) fn give_back(
        &self,
        outcome: Result<(), ErrorCode>,
        frame: &'static mut [u8],
        len: usize,
        identifier: usize,
    ) {
        match outcome {
            Ok(()) => self.events.transmitted.bump(),
            Err(_) => self.events.lost.bump(),
        }
        if let Some(client) = self.client.get() {
            client.transmitted(outcome, frame, len, identifier);
        }
    }
}
