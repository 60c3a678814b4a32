// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Received frames that cannot be offered where they are, at once: those that the client has no room
//! for, that are spread over several buffers (VirtIO 1.2, 5.1.6.4), that lack a checksum, and those
//! with a flaw.
//!
//! Buffers wait in the order in which they came, until the client has taken the frame or it turns out
//! to be flawed. The parts of a frame are put together when it is offered.

use kernel::platform::dma_fence::DmaFence;

use super::VirtIONet;
use super::checksum;
use super::client::Client;
use super::header::{ETHERNET_HEADER_LEN, Flaw, PartialChecksum};
use super::received::{ReceiveBuffer, Received};
use super::waiting_frames::WaitingFrames;
use crate::counters::Counter;
use crate::queues::DrivenQueue;

/// Where a received buffer goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// To the others that wait for the client.
    Waiting,
    /// Back at once.
    Device,
}

impl<F: DmaFence, const DEPTH: usize, Q: DrivenQueue<'static> + ?Sized> VirtIONet<'_, F, DEPTH, Q> {
    /// Deals with a buffer of which the device says it has written the first `written` bytes.
    #[inline(never)]
    pub(super) fn receive_irregular(&self, buffer: ReceiveBuffer, written: usize) {
        let missing = self.missing.get().checked_sub(1);
        let start = match missing {
            None => self.format.get().len,
            Some(_) => 0,
        };
        let mut received = Received::new(buffer, start, written);
        let judged = match missing {
            None => self.begin_frame(&mut received),
            Some(missing) => self.continue_frame(missing, received.len()),
        };
        if judged == Ok(Place::Waiting) {
            self.parts.set(self.parts.get().wrapping_add(1));
            self.waiting.push(received);
        } else {
            self.post(received.into_buffer());
        }
        if let Err(flaw) = judged {
            self.counter(flaw).bump();
            // What was there of the frame, and what is to come of it, goes the same way.
            self.withdraw_parts();
        }
        if !self.refused.get() {
            self.offer_waiting();
        }
    }

    /// Judges a buffer with a header.
    fn begin_frame(&self, received: &mut Received) -> Result<Place, Flaw> {
        let format = self.format.get();
        self.parts.set(0);
        let header = received.header(format);
        let buffers = format.buffers(header.bytes()).ok_or(Flaw::Runt)?;
        if buffers == 0 || buffers > self.outstanding(received) {
            return Err(Flaw::Scattered);
        }
        self.missing.set(buffers.wrapping_sub(1));
        self.total.set(received.len());
        if self.receiver().is_none() {
            return Err(Flaw::Unwanted);
        }
        self.check_length()?;
        let checksum = format.checksum(header.bytes())?;
        if buffers == 1 {
            self.complete_checksum(received.frame_mut(), checksum)?;
        }
        received.buffers = buffers;
        Ok(Place::Waiting)
    }

    /// Judges a buffer that goes on where the one before it ended, `len` bytes of a frame of which
    /// `missing` buffers are yet to come.
    fn continue_frame(&self, missing: u16, len: usize) -> Result<Place, Flaw> {
        self.missing.set(missing);
        if self.parts.get() == 0 {
            // The frame was dropped already.
            return Ok(Place::Device);
        }
        self.total.set(self.total.get().saturating_add(len));
        self.check_length()?;
        Ok(Place::Waiting)
    }

    /// Whether what has come of a frame is one, or may still become one.
    fn check_length(&self) -> Result<(), Flaw> {
        let total = self.total.get();
        if self.missing.get() == 0 && total < ETHERNET_HEADER_LEN {
            Err(Flaw::Runt)
        } else if total > self.longest_frame.get() {
            Err(Flaw::Overlong)
        } else {
            Ok(())
        }
    }

    fn counter(&self, flaw: Flaw) -> &Counter {
        match flaw {
            Flaw::Runt => &self.events.dropped_runt,
            Flaw::Overlong => &self.events.dropped_overlong,
            Flaw::Malformed => &self.events.dropped_malformed,
            Flaw::Scattered => &self.events.dropped_scattered,
            Flaw::Unwanted => &self.events.dropped_unwanted,
        }
    }

    /// Gives the buffers of the frame that is coming in back to the device, and lets what is still to
    /// come of it be dropped.
    fn withdraw_parts(&self) {
        self.post_waiting(self.parts.take().into(), WaitingFrames::pop_last);
    }

    /// Gives so many buffers that wait back to the device.
    fn post_waiting(&self, buffers: usize, next: fn(&WaitingFrames<DEPTH>) -> Option<Received>) {
        for _ in 0..buffers {
            if let Some(received) = next(&self.waiting) {
                self.post(received.into_buffer());
            }
        }
    }

    /// Forgets the frame that was coming in when the device stopped: its buffers become spares.
    pub(super) fn abandon_frame(&self) {
        if self.missing.take() != 0 {
            self.withdraw_parts();
        }
    }

    /// How many buffers the device had when it returned the one in hand.
    fn outstanding(&self, in_hand: &Received) -> u16 {
        let queue = self.receive_queue;
        let taken = queue.size().saturating_sub(queue.free());
        // One in two pieces has two descriptors, which are free again by now.
        let buffers = if in_hand.is_cut() {
            (taken / 2).saturating_add(1)
        } else {
            taken
        };
        u16::try_from(buffers).unwrap_or(u16::MAX)
    }

    /// Offers the frames that wait and are complete, until one is refused.
    pub(super) fn offer_waiting(&self) {
        self.refused.set(false);
        while let Some(buffers) = self.waiting.peek(0, |first| usize::from(first.buffers))
            && buffers <= self.waiting.len()
            && let Some(client) = self.receiver()
            && self.offer_first(client, buffers)
        {}
    }

    /// Offers the first frame, which lies in so many buffers. Returns whether there may be another.
    fn offer_first(&self, client: Client<'_>, buffers: usize) -> bool {
        let mut area = self.assembly.take();
        // The client may stop reception meanwhile, which leaves a frame alone that is in hand.
        let in_hand = if buffers == 1 {
            self.waiting.pop()
        } else {
            None
        };
        let frame = match (&in_hand, &mut area) {
            (Some(received), _) => received.frame().ok_or(Flaw::Malformed),
            (None, Some(area)) => self.assemble(area, buffers),
            (None, None) => Err(Flaw::Overlong),
        };
        let taken = match frame {
            Ok(frame) => self.offer(client, frame),
            Err(flaw) => {
                self.counter(flaw).bump();
                true
            }
        };
        self.assembly.set(area);
        match in_hand {
            Some(received) if taken || !self.receiving.get() => {
                self.post(received.into_buffer());
            }
            Some(received) => self.waiting.put_back(received),
            None if taken => self.post_waiting(buffers, WaitingFrames::pop),
            None => {}
        }
        taken
    }

    /// Copies the parts of the first frame to `area`.
    #[inline(never)]
    fn assemble<'m>(&self, area: &'m mut [u8], buffers: usize) -> Result<&'m [u8], Flaw> {
        let format = self.format.get();
        let mut len: usize = 0;
        let mut checksum = None;
        for part in 0..buffers {
            let place = area.get_mut(len..).unwrap_or_default();
            let copied = self.waiting.peek(part, |received| {
                if part == 0 {
                    checksum = format.checksum(received.header(format).bytes())?;
                }
                received.copy_to(place).ok_or(Flaw::Overlong)
            });
            len = len.saturating_add(copied.unwrap_or(Err(Flaw::Malformed))?);
        }
        let frame = area.get_mut(..len).ok_or(Flaw::Overlong)?;
        self.complete_checksum(Some(&mut *frame), checksum)?;
        Ok(frame)
    }

    fn complete_checksum(
        &self,
        frame: Option<&mut [u8]>,
        checksum: Option<PartialChecksum>,
    ) -> Result<(), Flaw> {
        if let Some(checksum) = checksum {
            checksum::complete(frame.ok_or(Flaw::Malformed)?, checksum)?;
            self.events.checksums_completed.bump();
        }
        Ok(())
    }

    /// Stops offering frames, and gives the buffers of those that wait back to the device.
    pub(super) fn stop_offers(&self) {
        self.receiving.set(false);
        self.refused.set(false);
        while let Some(received) = self.waiting.pop() {
            if received.buffers != 0 {
                self.events.dropped_unwanted.bump();
            }
            self.post(received.into_buffer());
        }
        self.parts.set(0);
        self.receive_queue.announce();
    }
}
