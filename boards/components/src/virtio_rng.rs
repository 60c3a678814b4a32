// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A VirtIO entropy device as a source of random numbers.

use core::mem::MaybeUninit;

use kernel::component::Component;
use kernel::deferred_call::DeferredCallClient;
use kernel::platform::dma_fence::DmaFence;
use kernel::utilities::boot_memory::BootMemory;
use virtio::devices::virtio_rng::VirtIORng;
use virtio::queues::negotiated_queue::NegotiatedVirtqueue;
use virtio::queues::{QueueMemory, Virtqueue};
use virtio::transports::{VirtIOInitializationError, VirtIOTransport};

use crate::virtio_slots::Slot;

/// How many buffers the device fills ahead of need; also the size of its queue.
pub const DEPTH: usize = 4;

/// The length of one of these buffers, in bytes.
pub const BUFFER_LEN: usize = 512;

/// The queue of the device.
pub type RngQueue<F> = NegotiatedVirtqueue<'static, 'static, DEPTH, F>;

/// The driver.
pub type Rng<F> = VirtIORng<'static, 'static, F, DEPTH, RngQueue<F>>;

/// A driver with its queue, for statistics.
pub struct RngDevice<F: DmaFence + 'static> {
    /// The driver, which is a `kernel::hil::rng::Rng`.
    pub rng: &'static Rng<F>,
    /// Its queue.
    pub queue: &'static RngQueue<F>,
}

/// Static memory for [`VirtIORngComponent`]; takes the type of the DMA fence.
///
/// It is taken whether or not there is a device: [`RngMemory::reserve`] is for boards that can share
/// out RAM while they boot.
#[macro_export]
macro_rules! virtio_rng_component_static {
    ($F:ty $(,)?) => {
        $crate::virtio_rng::RngMemory {
            parts: $crate::static_memory!($crate::virtio_rng::RngParts<$F>),
        }
    };
}

/// The memory of one device.
pub struct RngMemory<F: DmaFence + 'static> {
    /// The driver, its queue and its buffers.
    pub parts: &'static mut MaybeUninit<RngParts<F>>,
}

/// The places of what makes up the driver of one device.
pub struct RngParts<F: DmaFence + 'static> {
    rings: MaybeUninit<QueueMemory<'static, DEPTH>>,
    queue: MaybeUninit<RngQueue<F>>,
    /// The list of queues: this one.
    queues: MaybeUninit<[&'static dyn Virtqueue; 1]>,
    /// The buffers that the device fills. They start cleared: a device that claims to have filled
    /// more than it did must not have old memory handed out as random bytes.
    buffers: MaybeUninit<[[u8; BUFFER_LEN]; DEPTH]>,
    rng: MaybeUninit<Rng<F>>,
}

impl<F: DmaFence> RngParts<F> {
    const EMPTY: Self = Self {
        rings: MaybeUninit::uninit(),
        queue: MaybeUninit::uninit(),
        queues: MaybeUninit::uninit(),
        buffers: MaybeUninit::uninit(),
        rng: MaybeUninit::uninit(),
    };
}

impl<F: DmaFence> RngMemory<F> {
    /// How many bytes a device takes.
    pub const BYTES: usize = size_of::<RngParts<F>>();

    /// Takes the memory of a device that is there. `None` if there is not enough.
    pub fn reserve(memory: &mut BootMemory) -> Option<Self> {
        memory.place().map(|parts| Self { parts })
    }
}

/// Builds the driver and puts the device into service.
pub struct VirtIORngComponent<F: DmaFence + 'static> {
    slot: Slot,
    fence: F,
    declined: u64,
}

impl<F: DmaFence> VirtIORngComponent<F> {
    /// Drives the entropy device in `slot`.
    pub fn new(slot: Slot, fence: F) -> Self {
        Self {
            slot,
            fence,
            declined: 0,
        }
    }

    /// Declines these features (`virtio::features`, or those of the device type) if they are offered.
    pub fn declining(mut self, features: u64) -> Self {
        self.declined = features;
        self
    }
}

impl<F: DmaFence> Component for VirtIORngComponent<F> {
    type StaticInput = RngMemory<F>;
    /// On an error the device is out of service, and boot goes on without it.
    type Output = Result<RngDevice<F>, VirtIOInitializationError>;

    fn finalize(self, memory: Self::StaticInput) -> Self::Output {
        let parts = memory.parts.write(RngParts::EMPTY);
        let queue: &'static RngQueue<F> = parts
            .queue
            .write(NegotiatedVirtqueue::new(&mut parts.rings, self.fence));
        let buffers = parts.buffers.write([[0; BUFFER_LEN]; DEPTH]);
        let buffers = buffers.each_mut().map(|buffer| &mut buffer[..]);
        let rng: &'static Rng<F> = parts.rng.write(VirtIORng::new(queue, buffers));
        rng.register();
        queue.set_client(rng);
        queue.set_transport(self.slot.device);
        self.slot.device.decline_features(self.declined);
        self.slot
            .device
            .initialize(rng, parts.queues.write([queue]))?;
        Ok(RngDevice { rng, queue })
    }
}
