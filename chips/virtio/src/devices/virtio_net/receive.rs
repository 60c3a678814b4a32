// SPDX-License-Identifier: Apache-2.0 OR MIT

//! From the receive queue to the client, and back with the buffers.
//!
//! A frame that lies in one buffer and asks for nothing is offered where it is, and its buffer goes
//! round in the queue. Whatever else comes is for `irregular`.

use kernel::platform::dma_fence::DmaFence;

use super::VirtIONet;
use super::client::Client;
use super::header::ETHERNET_HEADER_LEN;
use super::received::ReceiveBuffer;
use crate::devices::buffer_stack::BufferStack;
use crate::queues::ReturnedChain;

impl<'a, F: DmaFence, const DEPTH: usize> VirtIONet<'a, F, DEPTH> {
    /// Deals with a buffer that the device has written to, or was reset before it did.
    #[inline]
    pub(super) fn receive(&self, chain: &mut ReturnedChain<'_, 'static>) {
        if !chain.is_used() {
            if let Some(buffer) = ReceiveBuffer::take_from(chain) {
                self.keep(buffer);
            }
            return;
        }
        let written = chain.written();
        let taken = match (self.plain_frame(chain), self.next_client()) {
            (Some(frame), Some(client)) => self.offer(client, frame),
            _ => false,
        };
        if taken && chain.lend_again() {
            return;
        }
        if let Some(buffer) = ReceiveBuffer::take_from(chain) {
            if taken {
                self.post(buffer);
            } else {
                self.receive_irregular(buffer, written);
            }
        }
    }

    /// The frame in a chain, if it is all there and nothing is special about it.
    #[inline]
    fn plain_frame<'c>(&self, chain: &'c ReturnedChain<'_, 'static>) -> Option<&'c [u8]> {
        if self.missing.get() != 0 || self.headers_apart.get() {
            return None;
        }
        let format = self.format.get();
        let (header, frame) = chain.bytes(0)?.split_at_checked(format.len)?;
        let fits = frame.len() >= ETHERNET_HEADER_LEN && frame.len() <= self.longest_frame.get();
        (fits && format.is_plain(header)).then_some(frame)
    }

    /// The client, if it wants the next frame, and none waits for it.
    #[inline]
    fn next_client(&self) -> Option<Client<'a>> {
        if self.waiting.is_empty() {
            self.receiver()
        } else {
            None
        }
    }

    /// The client, if it wants frames.
    #[inline]
    pub(super) fn receiver(&self) -> Option<Client<'a>> {
        if self.receiving.get() {
            self.client.get()
        } else {
            None
        }
    }

    /// Shows a frame to the client, and says whether the client is done with it.
    #[inline]
    pub(super) fn offer(&self, client: Client<'a>, frame: &[u8]) -> bool {
        self.offering.set(true);
        let taken = client.offer(frame);
        if taken {
            self.events.received.bump();
        } else {
            self.events.held.bump();
            self.refused.set(true);
        }
        taken
    }

    /// Ends a run of received frames.
    #[inline]
    pub(super) fn end_of_offers(&self) {
        self.receive_queue.announce();
        if self.offering.take()
            && let Some(client) = self.client.get()
        {
            client.offers_done();
        }
    }

    /// Gives the device every spare receive buffer that the queue has room for.
    pub(super) fn post_spare(&self) {
        while let Some(rest) = self.spare.pop() {
            let header = self.spare_headers.pop();
            if !self.post(ReceiveBuffer { header, rest }) {
                break;
            }
        }
        self.receive_queue.announce();
    }

    /// Gives the device one receive buffer, or keeps it as a spare; says whether it was given.
    pub(super) fn post(&self, buffer: ReceiveBuffer) -> bool {
        let left = match buffer.header {
            None => {
                let provided = self.receive_queue.provide_writable(buffer.rest, 0);
                provided.map_err(|(_, rest)| ReceiveBuffer { header: None, rest })
            }
            Some(header) => ReceiveBuffer::lend_pieces(header, buffer.rest, |chain| {
                self.receive_queue.provide(chain, 0)
            }),
        };
        left.map_err(|buffer| self.keep(buffer)).is_ok()
    }

    pub(super) fn keep(&self, buffer: ReceiveBuffer) {
        if let Some(header) = buffer.header {
            self.spare_headers.push(header);
        }
        self.spare.push(buffer.rest);
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
            if let Some((header, rest)) = buffer.split_at_mut_checked(self.format.get().len) {
                self.spare_headers.push(header);
                self.spare.push(rest);
            }
        }
    }
}
