// SPDX-License-Identifier: Apache-2.0 OR MIT

//! From the receive queue to the client, and back with the buffers.
//!
//! A frame that lies in one buffer and asks for nothing is offered where it is, and its buffer goes
//! round in the queue. Whatever else comes is for `irregular`.

use kernel::platform::dma_fence::DmaFence;
use kernel::utilities::leasable_buffer::SubSliceMut;

use super::VirtIONet;
use super::client::Client;
use super::header::ETHERNET_HEADER_LEN;
use super::pair;
use super::received::ReceiveBuffer;
use crate::queues::DrivenQueue;
use crate::queues::split_queue::VirtqueueBuffer;

impl<'a, F: DmaFence, const DEPTH: usize, Q: DrivenQueue<'static> + ?Sized>
    VirtIONet<'a, F, DEPTH, Q>
{
    /// Deals with a buffer of which the device says it has written the first `written` bytes, and
    /// returns it, or another one, to be lent in its place.
    #[inline]
    pub(super) fn receive(
        &self,
        buffer: &'static mut [u8],
        written: usize,
    ) -> Option<&'static mut [u8]> {
        if let Some(frame) = self.plain_frame(buffer, written)
            && let Some(client) = self.next_client()
            && self.offer(client, frame)
        {
            return Some(buffer);
        }
        let buffer = ReceiveBuffer {
            header: None,
            rest: buffer,
        };
        self.receive_irregular(buffer, written);
        self.spare.pop()
    }

    /// The frame in a buffer, if it is all there and nothing is special about it.
    #[inline]
    fn plain_frame<'f>(&self, buffer: &'f [u8], written: usize) -> Option<&'f [u8]> {
        if self.missing.get() != 0 {
            return None;
        }
        let format = self.format.get();
        let (header, frame) = buffer.get(..written)?.split_at_checked(format.len)?;
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
    pub(super) fn offer(&self, client: Client<'_>, frame: &[u8]) -> bool {
        self.offering.set(true);
        let taken = client.offer(frame);
        if taken {
            self.events.received.bump();
        } else if self.receiving.get() {
            // A client that stopped reception from inside the call waits for nothing.
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
    ///
    /// If it wants headers apart, they are cut off here, for good: any device takes buffers like this.
    /// There are as many spare headers as spare buffers without, and these lie on top.
    pub(super) fn post_spare(&self) {
        while let Some(mut rest) = self.spare.pop() {
            let mut header = self.spare_headers.pop();
            if self.headers_apart.get() && header.is_none() {
                header = rest.split_off_mut(..self.format.get().len);
            }
            if !self.post(ReceiveBuffer { header, rest }) {
                break;
            }
        }
        self.receive_queue.announce();
    }

    /// Gives the device one receive buffer, or keeps it as a spare; says whether it was given.
    ///
    /// While the device's buffer is in hand that was received last, its place is taken: the last one
    /// posted becomes a spare then, and goes there.
    #[inline(never)]
    pub(super) fn post(&self, buffer: ReceiveBuffer) -> bool {
        let queue = self.receive_queue;
        let left = match buffer.header {
            None => queue
                .provide_writable(buffer.rest, 0)
                .map_err(|(_, rest)| ReceiveBuffer { header: None, rest }),
            Some(header) => {
                let pieces = [header, buffer.rest]
                    .map(|piece| VirtqueueBuffer::DeviceWriteable(SubSliceMut::new(piece)));
                pair::lend(queue, pieces).map_err(ReceiveBuffer::from)
            }
        };
        left.map_err(|buffer| self.keep(buffer)).is_ok()
    }

    pub(super) fn keep(&self, buffer: ReceiveBuffer) {
        if let Some(header) = buffer.header {
            self.spare_headers.push(header);
        }
        self.spare.push(buffer.rest);
    }
}
