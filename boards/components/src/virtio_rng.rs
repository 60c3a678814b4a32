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
pub type Rng<F> = VirtIORng<'static, 'static, F, DEPTH>;

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
            rings: $crate::static_memory!(
                virtio::queues::QueueMemory<'static, { $crate::virtio_rng::DEPTH }>
            ),
            queue: $crate::static_memory!($crate::virtio_rng::RngQueue<$F>),
            queues: $crate::static_memory!([&'static dyn virtio::queues::Virtqueue; 1]),
            buffers: $crate::static_memory!(
                [[u8; $crate::virtio_rng::BUFFER_LEN]; $crate::virtio_rng::DEPTH]
            )
            .write([[0; $crate::virtio_rng::BUFFER_LEN]; $crate::virtio_rng::DEPTH]),
            rng: $crate::static_memory!($crate::virtio_rng::Rng<$F>),
        }
    };
}

/// The memory of one device.
pub struct RngMemory<F: DmaFence + 'static> {
    /// The rings of the queue.
    pub rings: &'static mut MaybeUninit<QueueMemory<'static, DEPTH>>,
    /// The queue.
    pub queue: &'static mut MaybeUninit<RngQueue<F>>,
    /// The list of queues: this one.
    pub queues: &'static mut MaybeUninit<[&'static dyn Virtqueue; 1]>,
    /// The buffers that the device fills. They start cleared: a device that claims to have filled
    /// more than it did must not have old memory handed out as random bytes.
    pub buffers: &'static mut [[u8; BUFFER_LEN]; DEPTH],
    /// The driver.
    pub rng: &'static mut MaybeUninit<Rng<F>>,
}

impl<F: DmaFence> RngMemory<F> {
    /// How many bytes a device takes, but for gaps between its parts.
    pub const BYTES: usize = size_of::<QueueMemory<'static, DEPTH>>()
        + size_of::<RngQueue<F>>()
        + size_of::<[&'static dyn Virtqueue; 1]>()
        + size_of::<[[u8; BUFFER_LEN]; DEPTH]>()
        + size_of::<Rng<F>>();

    /// Takes the memory of a device that is there. `None` if there is not enough.
    pub fn reserve(memory: &mut BootMemory) -> Option<Self> {
        Some(Self {
            rings: memory.place()?,
            queue: memory.place()?,
            queues: memory.place()?,
            buffers: memory.place()?.write([[0; BUFFER_LEN]; DEPTH]),
            rng: memory.place()?,
        })
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
        let queue: &'static RngQueue<F> = memory
            .queue
            .write(NegotiatedVirtqueue::new(memory.rings, self.fence));
        let buffers = memory.buffers.each_mut().map(|buffer| &mut buffer[..]);
        let rng: &'static Rng<F> = memory.rng.write(VirtIORng::new(queue, buffers));
        rng.register();
        queue.set_client(rng);
        queue.set_transport(self.slot.device);
        self.slot.device.decline_features(self.declined);
        self.slot
            .device
            .initialize(rng, memory.queues.write([queue]))?;
        Ok(RngDevice { rng, queue })
    }
}
