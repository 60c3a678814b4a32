// SPDX-License-Identifier: Apache-2.0 OR MIT

//! From the receive queue to the client, and back with the buffers.
//!
//! A buffer is with the queue, spare, in the hands of a client that is being called, or held with a
//! frame that the client has no room for.

use kernel::platform::dma_fence::DmaFence;

use super::VirtIONet;
use super::header::Flaw;
use super::held_frames::HeldFrame;
use super::receive_buffer::ReceiveBuffer;
use crate::devices::buffer_stack::BufferStack;

impl<F: DmaFence, const DEPTH: usize> VirtIONet<'_, F, DEPTH> {
    /// Gives the device every spare receive buffer that the queue has room for.
    pub(super) fn post_spare(&self) {
        while let Some(rest) = self.spare.pop() {
            let header = self.spare_headers.pop();
            if !self.post(ReceiveBuffer { header, rest }) {
                break;
            }
        }
        self.show_receive_buffers();
    }

    pub(super) fn show_receive_buffers(&self) {
        self.receive_queue.publish();
        self.receive_queue.notify();
    }

    /// Gives the device one receive buffer, or keeps it as a spare; says whether it was given.
    #[inline]
    fn post(&self, buffer: ReceiveBuffer) -> bool {
        let mut chain = buffer.into_chain();
        let provided = self.receive_queue.provide(&mut chain, 0);
        if provided.is_err() {
            let left = chain.into_iter().flatten();
            self.keep(ReceiveBuffer::from_chain(left));
        }
        provided.is_ok()
    }

    pub(super) fn keep(&self, buffer: Option<ReceiveBuffer>) {
        if let Some(buffer) = buffer {
            if let Some(header) = buffer.header {
                self.spare_headers.push(header);
            }
            self.spare.push(buffer.rest);
        }
    }

    /// Cuts the header off each receive buffer, for good: all are spares now, and any device takes
    /// them like this.
    pub(super) fn set_headers_apart(&self) {
        if self.headers_apart.replace(true) {
            return;
        }
        let whole = BufferStack::<DEPTH>::new();
        while let Some(buffer) = self.spare.pop() {
            whole.push(buffer);
        }
        while let Some(buffer) = whole.pop() {
            if let Some((header, rest)) = buffer.split_at_mut_checked(self.header_len.get()) {
                self.spare_headers.push(header);
                self.spare.push(rest);
            }
        }
    }

    /// Deals with a buffer of which the device says it has written the first `used` bytes.
    #[inline]
    pub(super) fn receive(&self, buffer: ReceiveBuffer, used: usize) {
        match buffer.find_frame(used, self.header_len.get(), self.longest_frame.get()) {
            Ok(place) => self.arrived(HeldFrame::new(buffer, place)),
            Err(flaw) => {
                match flaw {
                    Flaw::Runt => self.events.dropped_runt.bump(),
                    Flaw::Overlong => self.events.dropped_overlong.bump(),
                    Flaw::Malformed => self.events.dropped_malformed.bump(),
                }
                self.post(buffer);
            }
        }
    }

    /// Offers a frame, unless others wait to be offered before it.
    #[inline]
    fn arrived(&self, frame: HeldFrame) {
        if !self.held.is_empty() {
            self.held.push(frame);
        } else if let Some(frame) = self.offer(frame) {
            self.events.held.bump();
            self.held.push(frame);
        }
    }

    /// Offers a frame, and returns it if the client has no room.
    #[inline]
    fn offer(&self, frame: HeldFrame) -> Option<HeldFrame> {
        match self.client.get() {
            Some(client) if self.receiving.get() => {
                self.offering.set(true);
                // A client may stop reception from inside the call.
                if !client.offer(frame.frame()) && self.receiving.get() {
                    return Some(frame);
                }
                self.events.received.bump();
            }
            _ => self.events.dropped_unwanted.bump(),
        }
        self.post(frame.into_buffer());
        None
    }

    /// Offers the frames that were held, until one is held again.
    pub(super) fn offer_held(&self) {
        while let Some(frame) = self.held.pop() {
            if let Some(frame) = self.offer(frame) {
                self.held.put_back(frame);
                break;
            }
        }
        self.end_of_offers();
    }

    /// Ends a run of received frames.
    #[inline]
    pub(super) fn end_of_offers(&self) {
        self.show_receive_buffers();
        if self.offering.take()
            && let Some(client) = self.client.get()
        {
            client.offers_done();
        }
    }

    /// Stops offering frames, and gives the buffers of those that wait back to the device.
    pub(super) fn stop_offers(&self) {
        self.receiving.set(false);
        while let Some(frame) = self.held.pop() {
            self.events.dropped_unwanted.bump();
            self.post(frame.into_buffer());
        }
        self.show_receive_buffers();
    }
}
