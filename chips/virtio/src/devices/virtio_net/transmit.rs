// SPDX-License-Identifier: Apache-2.0 OR MIT

//! From the client to the transmit queue, and back with the buffers.
//!
//! A frame is lent as it is, behind a header of zeros that all frames share.

use kernel::ErrorCode;
use kernel::platform::dma_fence::DmaFence;
use kernel::utilities::leasable_buffer::{SubSliceMut, SubSliceMutImmut};

use super::VirtIONet;
use super::header::{ETHERNET_HEADER_LEN, TRANSMIT_HEADER};
use crate::queues::split_queue::{VirtqueueBuffer, VirtqueueReturnBuffer};

impl<F: DmaFence, const DEPTH: usize> VirtIONet<'_, F, DEPTH> {
    /// Puts a frame into the queue, where the device does not see it yet.
    #[inline]
    pub(super) fn enqueue(
        &self,
        buffer: &'static mut [u8],
        len: usize,
        identifier: usize,
    ) -> Result<(), (ErrorCode, &'static mut [u8])> {
        if let Err(code) = self.check_transmit(buffer, len) {
            self.events.refused.bump();
            return Err((code, buffer));
        }
        let mut frame = SubSliceMut::new(buffer);
        frame.slice(..len);
        let header = TRANSMIT_HEADER
            .get(..self.header_len.get())
            .unwrap_or(&TRANSMIT_HEADER);
        let mut chain = [
            Some(VirtqueueBuffer::DeviceReadable(header.into())),
            Some(VirtqueueBuffer::DeviceReadable(SubSliceMutImmut::Mutable(
                frame,
            ))),
        ];
        let provided = self.transmit_queue.provide(&mut chain, identifier);
        let [_, left] = chain;
        match (provided, left) {
            (Ok(()), _) => Ok(()),
            (
                Err(error),
                Some(VirtqueueBuffer::DeviceReadable(SubSliceMutImmut::Mutable(frame))),
            ) => {
                self.events.refused.bump();
                Err((error.into(), frame.take()))
            }
            // A queue that refuses a chain leaves it where it is, so this is never reached.
            (Err(error), _) => Err((error.into(), &mut [])),
        }
    }

    #[inline]
    fn check_transmit(&self, buffer: &[u8], len: usize) -> Result<(), ErrorCode> {
        if !self.link_is_up() {
            Err(if self.running.get() {
                ErrorCode::NODEVICE
            } else {
                ErrorCode::OFF
            })
        } else if len > buffer.len()
            || !(ETHERNET_HEADER_LEN..=self.longest_frame.get()).contains(&len)
        {
            Err(ErrorCode::SIZE)
        } else {
            Ok(())
        }
    }

    /// Returns the frame of a transmit chain to the client.
    #[inline]
    pub(super) fn give_back(
        &self,
        chain: &mut [Option<VirtqueueReturnBuffer<'static>>],
        identifier: usize,
        outcome: Result<(), ErrorCode>,
    ) {
        let frame = chain.get_mut(1).and_then(Option::take);
        if let Some(VirtqueueReturnBuffer {
            virtqueue_buffer: VirtqueueBuffer::DeviceReadable(SubSliceMutImmut::Mutable(frame)),
            ..
        }) = frame
            && let Some(client) = self.client.get()
        {
            client.transmitted(outcome, frame, identifier);
        }
    }
}
