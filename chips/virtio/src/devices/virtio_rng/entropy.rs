// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The same words for clients that condition them before use.
//!
//! A board that does not want to rely on the host puts a conditioner between this and its users.

pub(super) use kernel::hil::entropy::Continue;

use kernel::ErrorCode;
use kernel::hil::entropy::{Client32, Entropy32};
use kernel::platform::dma_fence::DmaFence;

use super::{Receiver, VirtIORng};
use crate::queues::BufferQueue;

impl<'a, 'b, F: DmaFence, const DEPTH: usize, Q: BufferQueue<'b> + ?Sized> Entropy32<'a>
    for VirtIORng<'a, 'b, F, DEPTH, Q>
{
    fn get(&self) -> Result<(), ErrorCode> {
        self.ask()
    }

    fn cancel(&self) -> Result<(), ErrorCode> {
        self.withdraw()
    }

    fn set_client(&'a self, client: &'a dyn Client32) {
        self.client.set(Receiver::Entropy(client));
    }
}
