// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Random bytes straight from the buffers that the device has filled.
//!
//! While the stock lasts, drawing neither calls anybody nor touches a device register.

use kernel::ErrorCode;
use kernel::hil::rng_bytes::{RandomBytes, RandomBytesClient};
use kernel::platform::dma_fence::DmaFence;

use super::{Receiver, State, VirtIORng};
use crate::queues::BufferQueue;

impl<'a, 'b, F: DmaFence, const DEPTH: usize, Q: BufferQueue<'b> + ?Sized> RandomBytes<'a>
    for VirtIORng<'a, 'b, F, DEPTH, Q>
{
    fn draw(&self, count: usize, take: &mut dyn FnMut(&[u8])) -> usize {
        let spare = self.spare.len();
        let mut drawn = self.pool.draw(count, &self.spare, take);
        if drawn == count && self.spare.len() == spare || self.state.get() != State::Running {
            return drawn;
        }
        // More may have come whose interrupt has not been served. While a client waits, what comes
        // is announced to it, which must not happen from in here.
        if drawn < count && !self.waiting.get() {
            self.queue.reap();
            drawn += self.pool.draw(count - drawn, &self.spare, take);
        }
        self.post_spare();
        drawn
    }

    fn request_bytes(&self) -> Result<(), ErrorCode> {
        self.ask()
    }

    fn cancel_request(&self) -> Result<(), ErrorCode> {
        self.withdraw()
    }

    fn set_bytes_client(&self, client: &'a dyn RandomBytesClient) {
        self.client.set(Receiver::Bytes(client));
    }
}

#[cfg(test)]
#[path = "bytes_tests.rs"]
mod tests;
