// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A VirtIO network device as an Ethernet adapter.

use core::mem::MaybeUninit;

use kernel::component::Component;
use kernel::deferred_call::DeferredCallClient;
use kernel::platform::dma_fence::DmaFence;
use kernel::utilities::boot_memory::BootMemory;
use virtio::devices::virtio_net::{CONTROL_MEMORY_LEN, VirtIONet};
use virtio::queues::negotiated_queue::NegotiatedVirtqueue;
use virtio::queues::{IndirectMemory, QueueMemory, Virtqueue};
use virtio::transports::mmio::VirtIOMMIODevice;
use virtio::transports::{VirtIOInitializationError, VirtIOTransport};

use crate::virtio_slots::Slot;

/// How many frames the device can receive ahead of the driver; also the size of the receive queue.
pub const RECEIVE_DEPTH: usize = 16;

/// The size of the transmit queue. A frame in flight takes two descriptors, or one once no more than
/// a quarter of them is free and the device accepts indirect tables.
pub const TRANSMIT_QUEUE_SIZE: usize = 16;

/// The queue of received frames.
pub type ReceiveQueue<F> = NegotiatedVirtqueue<'static, 'static, RECEIVE_DEPTH, F>;

// Bursts of 16 frames are received, and batches of 8 sent, without waiting for room.
const _: () = assert!(RECEIVE_DEPTH >= 16 && TRANSMIT_QUEUE_SIZE / 2 >= 8);

/// The queue of frames to send.
pub type TransmitQueue<F> = NegotiatedVirtqueue<'static, 'static, TRANSMIT_QUEUE_SIZE, F>;

/// The size of the control queue, of which two descriptors are used at a time: that of the others, so
/// that all have the same code.
pub const CONTROL_QUEUE_SIZE: usize = TRANSMIT_QUEUE_SIZE;

/// The queue of requests.
pub type ControlQueue<F> = NegotiatedVirtqueue<'static, 'static, CONTROL_QUEUE_SIZE, F>;

/// The driver, which knows its queues by their type: they have the same one.
pub type Net<F> = VirtIONet<'static, F, RECEIVE_DEPTH, ReceiveQueue<F>>;

const _: () = assert!(RECEIVE_DEPTH == TRANSMIT_QUEUE_SIZE);

/// The length of a receive buffer: every frame of Ethernet has room in it, unless the feature
/// `small-receive-buffers` is on.
pub const RECEIVE_BUFFER_LEN: usize = if cfg!(feature = "small-receive-buffers") {
    512
} else {
    virtio::devices::virtio_net::RECEIVE_BUFFER_LEN
};

/// Room to put a frame together that lies in several buffers, if buffers are that short.
pub const ASSEMBLY_LEN: usize = if cfg!(feature = "small-receive-buffers") {
    virtio::devices::virtio_net::RECEIVE_BUFFER_LEN
} else {
    0
};

/// One receive buffer.
pub type ReceiveBuffer = [u8; RECEIVE_BUFFER_LEN];

/// A driver with its queues, for statistics.
pub struct NetDevice<F: DmaFence + 'static> {
    /// The driver, which is a `kernel::hil::ethernet::EthernetAdapterDatapath`, and a
    /// `kernel::hil::ethernet_adapter::EthernetAdapter`.
    pub net: &'static Net<F>,
    /// Its queue of received frames.
    pub receive_queue: &'static ReceiveQueue<F>,
    /// Its queue of frames to send.
    pub transmit_queue: &'static TransmitQueue<F>,
    /// Its queue of requests, which not every device has.
    pub control_queue: &'static ControlQueue<F>,
}

/// Static memory for [`VirtIONetComponent`]; takes the type of the DMA fence.
///
/// It is taken whether or not there is a card: [`NetMemory::reserve`] is for boards that can share
/// out RAM while they boot.
#[macro_export]
macro_rules! virtio_net_component_static {
    ($F:ty $(,)?) => {
        $crate::virtio_net::NetMemory {
            parts: $crate::static_memory!($crate::virtio_net::NetParts<$F>),
            buffers: $crate::virtio_net::clear($crate::static_memory!(
                [core::mem::MaybeUninit<$crate::virtio_net::ReceiveBuffer>;
                    $crate::virtio_net::RECEIVE_DEPTH]
            )),
            assembly: $crate::static_memory!([u8; $crate::virtio_net::ASSEMBLY_LEN])
                .write([0; $crate::virtio_net::ASSEMBLY_LEN]),
        }
    };
}

/// The memory of one card.
pub struct NetMemory<F: DmaFence + 'static> {
    /// The driver and its queues.
    pub parts: &'static mut MaybeUninit<NetParts<F>>,
    /// The receive buffers, lent to the device. They need not be cleared: of a buffer that comes
    /// back, only what the device says it wrote is looked at. If it wrote less, the rest is what the
    /// memory held before: an older frame, or at first whatever was there when the board started.
    pub buffers: [&'static mut ReceiveBuffer; RECEIVE_DEPTH],
    /// Where frames are put together.
    pub assembly: &'static mut [u8],
}

/// The places of what makes up the driver of one card.
pub struct NetParts<F: DmaFence + 'static> {
    receive_rings: MaybeUninit<QueueMemory<'static, RECEIVE_DEPTH>>,
    receive_queue: MaybeUninit<ReceiveQueue<F>>,
    transmit_rings: MaybeUninit<QueueMemory<'static, TRANSMIT_QUEUE_SIZE>>,
    /// Tables of indirect descriptors.
    transmit_tables: MaybeUninit<IndirectMemory<'static, TRANSMIT_QUEUE_SIZE>>,
    transmit_queue: MaybeUninit<TransmitQueue<F>>,
    control_rings: MaybeUninit<QueueMemory<'static, CONTROL_QUEUE_SIZE>>,
    control_queue: MaybeUninit<ControlQueue<F>>,
    /// Where requests are written.
    control_memory: MaybeUninit<[u8; CONTROL_MEMORY_LEN]>,
    /// The list of queues, in the order in which the device numbers them.
    queues: MaybeUninit<[&'static dyn Virtqueue; 3]>,
    net: MaybeUninit<Net<F>>,
}

impl<F: DmaFence> NetParts<F> {
    const EMPTY: Self = Self {
        receive_rings: MaybeUninit::uninit(),
        receive_queue: MaybeUninit::uninit(),
        transmit_rings: MaybeUninit::uninit(),
        transmit_tables: MaybeUninit::uninit(),
        transmit_queue: MaybeUninit::uninit(),
        control_rings: MaybeUninit::uninit(),
        control_queue: MaybeUninit::uninit(),
        control_memory: MaybeUninit::uninit(),
        queues: MaybeUninit::uninit(),
        net: MaybeUninit::uninit(),
    };
}

impl<F: DmaFence> NetMemory<F> {
    /// How many bytes a card takes.
    pub const BYTES: usize = size_of::<NetParts<F>>() + ALL_BUFFERS_LEN + ASSEMBLY_LEN;

    /// Takes the memory of a card that is there. `None` if there is not enough.
    pub fn reserve(memory: &mut BootMemory) -> Option<Self> {
        Some(Self {
            parts: memory.place()?,
            buffers: memory
                .bytes::<ALL_BUFFERS_LEN>()?
                .as_chunks_mut()
                .0
                .as_mut_array()?
                .each_mut(),
            assembly: if ASSEMBLY_LEN != 0 {
                memory.bytes::<ASSEMBLY_LEN>()?
            } else {
                &mut []
            },
        })
    }
}

const ALL_BUFFERS_LEN: usize = RECEIVE_DEPTH * RECEIVE_BUFFER_LEN;

/// Makes receive buffers of static memory.
///
/// They are cleared one by one, since all of them at once would pass over the stack.
pub fn clear(
    memory: &'static mut MaybeUninit<[MaybeUninit<ReceiveBuffer>; RECEIVE_DEPTH]>,
) -> [&'static mut ReceiveBuffer; RECEIVE_DEPTH] {
    memory
        .write([const { MaybeUninit::uninit() }; RECEIVE_DEPTH])
        .each_mut()
        .map(|buffer| buffer.write([0; RECEIVE_BUFFER_LEN]))
}

/// Builds the driver and puts the device into service.
pub struct VirtIONetComponent<F: DmaFence + 'static> {
    slot: Slot,
    fence: F,
    declined: u64,
}

impl<F: DmaFence> VirtIONetComponent<F> {
    /// Drives the network device in `slot`.
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

/// The address of a card that supplies none: locally administered, and the same at each boot.
fn address_for_slot(number: usize) -> [u8; 6] {
    [0x02, b'T', b'o', b'c', b'k', number as u8]
}

impl<F: DmaFence> Component for VirtIONetComponent<F> {
    type StaticInput = NetMemory<F>;
    /// On an error the device is out of service, and boot goes on without it.
    type Output = Result<NetDevice<F>, VirtIOInitializationError>;

    fn finalize(self, memory: Self::StaticInput) -> Self::Output {
        let parts = memory.parts.write(NetParts::EMPTY);
        let device: &'static VirtIOMMIODevice = self.slot.device;
        let receive_queue: &'static ReceiveQueue<F> = parts.receive_queue.write(
            NegotiatedVirtqueue::new(&mut parts.receive_rings, self.fence),
        );
        let transmit_queue: &'static TransmitQueue<F> = parts.transmit_queue.write(
            NegotiatedVirtqueue::new(&mut parts.transmit_rings, self.fence),
        );
        transmit_queue.set_indirect_tables(&mut parts.transmit_tables);
        let control_queue: &'static ControlQueue<F> = parts.control_queue.write(
            NegotiatedVirtqueue::new(&mut parts.control_rings, self.fence),
        );
        let net: &'static Net<F> = parts.net.write(VirtIONet::new(
            receive_queue,
            transmit_queue,
            memory.buffers,
            address_for_slot(self.slot.number),
        ));
        if ASSEMBLY_LEN != 0 {
            net.set_assembly_area(memory.assembly);
        }
        net.set_control_queue(
            control_queue,
            parts.control_memory.write([0; CONTROL_MEMORY_LEN]),
        );
        net.register();
        receive_queue.set_client(net);
        receive_queue.set_transport(device);
        transmit_queue.set_client(net);
        transmit_queue.set_transport(device);
        control_queue.set_client(net);
        control_queue.set_transport(device);
        let queues = parts
            .queues
            .write([receive_queue, transmit_queue, control_queue]);
        device.decline_features(self.declined);
        device.initialize(net, queues)?;
        Ok(NetDevice {
            net,
            receive_queue,
            transmit_queue,
            control_queue,
        })
    }
}
