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
use super::header::{ETHERNET_HEADER_LEN, Flaw, PartialChecksum};
use super::received::{ReceiveBuffer, Received};
use crate::counters::Counter;

impl<F: DmaFence, const DEPTH: usize> VirtIONet<'_, F, DEPTH> {
    /// Deals with a buffer of which the device says it has written the first `written` bytes.
    #[inline(never)]
    pub(super) fn receive_irregular(&self, buffer: ReceiveBuffer, written: usize) {
        let added = match self.missing.get().checked_sub(1) {
            None => self.begin_frame(Received::new(buffer, self.format.get().len, written)),
            Some(missing) => {
                self.missing.set(missing);
                self.continue_frame(Received::new(buffer, 0, written))
            }
        };
        if let Err((cause, received)) = added {
            cause.bump();
            self.post(received.into_buffer());
            // What was there of the frame, and what is to come of it, goes the same way.
            self.withdraw_parts();
        }
        if !self.refused.get() {
            self.offer_waiting();
        }
    }

    /// Takes in a buffer with a header.
    fn begin_frame(&self, mut received: Received) -> Result<(), (&Counter, Received)> {
        let format = self.format.get();
        self.parts.set(0);
        let header = received.header(format);
        let buffers = match format.buffers(header.bytes()) {
            Some(buffers) if buffers == 0 || buffers > self.outstanding(&received) => {
                return Err((&self.events.dropped_scattered, received));
            }
            Some(buffers) => buffers,
            None => return Err((&self.events.dropped_runt, received)),
        };
        self.missing.set(buffers.wrapping_sub(1));
        self.total.set(received.len());
        if self.receiver().is_none() {
            return Err((&self.events.dropped_unwanted, received));
        }
        let judged = self.check_length().and_then(|()| {
            let checksum = format.checksum(header.bytes())?;
            if buffers == 1 {
                self.complete_checksum(received.frame_mut(), checksum)?;
            }
            Ok(())
        });
        if let Err(flaw) = judged {
            return Err((self.counter(flaw), received));
        }
        received.buffers = buffers;
        self.add_part(received);
        Ok(())
    }

    /// Takes in a buffer that goes on where the one before it ended.
    fn continue_frame(&self, received: Received) -> Result<(), (&Counter, Received)> {
        if self.parts.get() == 0 {
            // The frame was dropped already.
            self.post(received.into_buffer());
            return Ok(());
        }
        self.total
            .set(self.total.get().saturating_add(received.len()));
        match self.check_length() {
            Ok(()) => {
                self.add_part(received);
                Ok(())
            }
            Err(flaw) => Err((self.counter(flaw), received)),
        }
    }

    fn add_part(&self, received: Received) {
        self.parts.set(self.parts.get().wrapping_add(1));
        self.waiting.push(received);
    }

    /// Whether what has come of a frame is one, or may still become one.
    fn check_length(&self) -> Result<(), Flaw> {
        let (total, missing) = (self.total.get(), self.missing.get());
        let in_one_buffer = missing == 0 && self.parts.get() == 0;
        if missing == 0 && total < ETHERNET_HEADER_LEN {
            Err(Flaw::Runt)
        } else if total > self.longest_frame.get()
            || !in_one_buffer && total > self.assembly_len.get()
        {
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
        }
    }

    /// Gives the buffers of the frame that is coming in back to the device, and lets what is still to
    /// come of it be dropped.
    fn withdraw_parts(&self) {
        for _ in 0..self.parts.take() {
            if let Some(received) = self.waiting.pop_last() {
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
        {
            let taken = if buffers == 1 {
                self.offer_first()
            } else {
                self.offer_assembled(buffers)
            };
            if !taken {
                break;
            }
        }
    }

    /// Offers the first frame, which lies in one buffer. Returns whether there may be another.
    #[inline(never)]
    fn offer_first(&self) -> bool {
        let Some(received) = self.waiting.pop() else {
            return false;
        };
        let taken = match (self.receiver(), received.frame()) {
            (Some(client), Some(frame)) => self.offer(client, frame),
            (None, _) => {
                self.events.dropped_unwanted.bump();
                true
            }
            (_, None) => {
                self.events.dropped_malformed.bump();
                true
            }
        };
        if taken || !self.receiving.get() {
            self.post(received.into_buffer());
        } else {
            self.waiting.put_back(received);
        }
        taken
    }

    /// Offers the first frame, which lies in several buffers. Returns whether there may be another.
    fn offer_assembled(&self, buffers: usize) -> bool {
        let Some(client) = self.receiver() else {
            return false;
        };
        let Some(area) = self.assembly.take() else {
            return false;
        };
        let taken = match self.assemble(area, buffers) {
            Ok(frame) => self.offer(client, frame),
            Err(flaw) => {
                self.counter(flaw).bump();
                true
            }
        };
        self.assembly.set(Some(area));
        if taken {
            for _ in 0..buffers {
                if let Some(received) = self.waiting.pop() {
                    self.post(received.into_buffer());
                }
            }
        }
        taken
    }

    /// Copies the parts of the first frame to `area`.
    #[inline(never)]
    fn assemble<'m>(&self, area: &'m mut [u8], buffers: usize) -> Result<&'m [u8], Flaw> {
        let mut len: usize = 0;
        for part in 0..buffers {
            let place = area.get_mut(len..).unwrap_or_default();
            let copied = self.waiting.peek(part, |part| part.copy_to(place));
            let copied = copied.flatten().ok_or(Flaw::Overlong)?;
            len = len.saturating_add(copied);
        }
        let format = self.format.get();
        let header = self.waiting.peek(0, |first| first.header(format));
        let header = header.ok_or(Flaw::Malformed)?;
        let frame = area.get_mut(..len).ok_or(Flaw::Overlong)?;
        let checksum = format.checksum(header.bytes())?;
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
