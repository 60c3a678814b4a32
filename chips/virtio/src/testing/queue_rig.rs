// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A split queue with a device on one side and a client on the other.

use core::cell::{Cell, RefCell};
use core::mem::MaybeUninit;
use std::vec::Vec;

use kernel::utilities::leasable_buffer::{SubSliceMut, SubSliceMutImmut};

use super::barriers::Probe;
use super::fence::NoFence;
use super::leak;
use super::packed_device::PackedDevice;
use super::split_device::SplitDevice;
use crate::devices::{VirtIODeviceDriver, VirtIODeviceType};
use crate::features;
use crate::queues::negotiated_queue::NegotiatedVirtqueue;
use crate::queues::split_queue::{
    SplitVirtqueue, SplitVirtqueueClient, VirtqueueBuffer, VirtqueueReturnBuffer,
};
use crate::queues::{BufferQueue, Virtqueue};
use crate::transports::{VirtIOInitializationError, VirtIOTransport};

/// A chain that came back.
pub(crate) struct Returned {
    pub(crate) context: usize,
    pub(crate) bytes_used: usize,
    pub(crate) buffers: Vec<VirtqueueReturnBuffer<'static>>,
    /// Whether the queue was reclaimed, rather than the chain used.
    pub(crate) reclaimed: bool,
}

impl Returned {
    /// What the device wrote, buffer by buffer.
    pub(crate) fn written(&self) -> Vec<Vec<u8>> {
        self.buffers
            .iter()
            .map(|returned| match &returned.virtqueue_buffer {
                VirtqueueBuffer::DeviceWriteable(buffer) => {
                    buffer.as_slice()[..returned.device_len].to_vec()
                }
                VirtqueueBuffer::DeviceReadable(_) => Vec::new(),
            })
            .collect()
    }
}

/// A client that keeps what it gets.
#[derive(Default)]
pub(crate) struct Collector {
    pub(crate) returned: RefCell<Vec<Returned>>,
    pub(crate) runs: Cell<usize>,
    /// Provides the buffers of used chains again, to this queue, rather than keep them.
    pub(crate) reposts: Cell<Option<&'static dyn BufferQueue<'static>>>,
}

impl Collector {
    pub(crate) fn take(&self) -> Vec<Returned> {
        self.returned.take()
    }

    pub(crate) fn contexts(&self) -> Vec<usize> {
        let returned = self.returned.borrow();
        returned.iter().map(|chain| chain.context).collect()
    }

    fn keep(
        &self,
        context: usize,
        bytes_used: usize,
        chain: &mut [Option<VirtqueueReturnBuffer<'static>>],
        reclaimed: bool,
    ) {
        let buffers = chain
            .iter_mut()
            .map(|buffer| buffer.take().expect("no gaps in a returned chain"))
            .collect();
        self.returned.borrow_mut().push(Returned {
            context,
            bytes_used,
            buffers,
            reclaimed,
        });
    }
}

impl SplitVirtqueueClient<'static> for Collector {
    fn buffer_chain_ready(
        &self,
        _queue_number: u32,
        _buffer_chain: &mut [Option<VirtqueueReturnBuffer<'static>>],
        _bytes_used: usize,
    ) {
        panic!("the queue knows contexts");
    }

    fn chain_used(
        &self,
        _queue_number: u32,
        context: usize,
        chain: &mut [Option<VirtqueueReturnBuffer<'static>>],
        bytes_used: usize,
    ) {
        if let Some(queue) = self.reposts.get() {
            let mut again = chain
                .iter_mut()
                .map(|buffer| buffer.take().map(|returned| returned.virtqueue_buffer))
                .collect::<Vec<_>>();
            queue.provide(&mut again, context).unwrap();
            queue.publish();
            queue.notify();
            return;
        }
        self.keep(context, bytes_used, chain, false);
    }

    fn chains_served(&self, _queue_number: u32) {
        self.runs.set(self.runs.get() + 1);
    }

    fn chain_reclaimed(
        &self,
        _queue_number: u32,
        context: usize,
        chain: &mut [Option<VirtqueueReturnBuffer<'static>>],
    ) {
        self.keep(context, 0, chain, true);
    }
}

/// A transport that only counts notifications.
#[derive(Default)]
pub(crate) struct Bell {
    pub(crate) rung: Cell<usize>,
}

impl VirtIOTransport for Bell {
    fn initialize(
        &self,
        _driver: &'static dyn VirtIODeviceDriver,
        _queues: &'static [&'static dyn Virtqueue],
    ) -> Result<VirtIODeviceType, VirtIOInitializationError> {
        Err(VirtIOInitializationError::NotAVirtIODevice)
    }

    fn queue_notify(&self, _queue_id: u32) {
        self.rung.set(self.rung.get() + 1);
    }
}

pub(crate) type TestQueue<const N: usize> = SplitVirtqueue<'static, 'static, N, NoFence, Probe>;

/// A queue in either layout.
pub(crate) type EitherQueue<const N: usize> =
    NegotiatedVirtqueue<'static, 'static, N, NoFence, Probe>;

/// A packed queue with a device on one side and a client on the other.
pub(crate) struct PackedRig<const N: usize> {
    pub(crate) queue: &'static EitherQueue<N>,
    pub(crate) device: &'static PackedDevice,
    pub(crate) client: &'static Collector,
    pub(crate) bell: &'static Bell,
    pub(crate) probe: Probe,
}

impl<const N: usize> PackedRig<N> {
    pub(crate) fn new(features: u64) -> Self {
        let probe = Probe::new();
        let queue: &'static EitherQueue<N> = leak(EitherQueue::with_barriers(
            leak(MaybeUninit::uninit()),
            NoFence,
            probe,
        ));
        let client: &'static Collector = leak(Collector::default());
        let bell: &'static Bell = leak(Bell::default());
        queue.set_indirect_tables(leak(MaybeUninit::uninit()));
        queue.set_client(client);
        queue.set_transport(bell);
        queue.set_features(features | features::RING_PACKED);
        queue.initialize(0, N);
        Self {
            queue,
            device: leak(PackedDevice::new(queue.physical_addresses(), N as u16)),
            client,
            bell,
            probe,
        }
    }

    /// Provides, publishes and announces a chain of one writable buffer.
    pub(crate) fn post(&self, len: usize, context: usize) {
        let mut chain = [Some(writable(len))];
        self.queue.provide(&mut chain, context).unwrap();
        self.publish();
    }

    pub(crate) fn publish(&self) {
        self.queue.publish();
        self.queue.notify();
    }
}

/// Makes a queue in leaked memory.
pub(crate) fn queue<const N: usize>(probe: Probe) -> &'static TestQueue<N> {
    let memory = leak(MaybeUninit::uninit());
    leak(SplitVirtqueue::with_barriers(memory, NoFence, probe))
}

/// The whole arrangement, with a queue of `N` descriptors in use.
pub(crate) struct Rig<const N: usize> {
    pub(crate) queue: &'static TestQueue<N>,
    pub(crate) device: &'static SplitDevice,
    pub(crate) client: &'static Collector,
    pub(crate) bell: &'static Bell,
    pub(crate) probe: Probe,
}

impl<const N: usize> Rig<N> {
    pub(crate) fn new() -> Self {
        Self::with_features(0)
    }

    pub(crate) fn with_features(features: u64) -> Self {
        let probe = Probe::new();
        let queue = queue::<N>(probe);
        if features & features::INDIRECT_DESC != 0 {
            queue.set_indirect_tables(leak(MaybeUninit::uninit()));
        }
        queue.set_features(features);
        let client: &'static Collector = leak(Collector::default());
        let bell: &'static Bell = leak(Bell::default());
        queue.set_client(client);
        queue.set_transport(bell);
        queue.initialize(0, N);
        Self {
            queue,
            device: leak(SplitDevice::new(queue.physical_addresses(), N as u16)),
            client,
            bell,
            probe,
        }
    }

    /// Provides and publishes a chain of one writable buffer.
    pub(crate) fn post(&self, len: usize, context: usize) {
        let mut chain = [Some(writable(len))];
        self.queue.provide(&mut chain, context).unwrap();
        self.publish();
    }

    /// Publishes what was provided and notifies the device.
    pub(crate) fn publish(&self) {
        self.queue.publish();
        self.queue.notify();
    }
}

pub(crate) fn writable(len: usize) -> VirtqueueBuffer<'static> {
    let bytes: &'static mut [u8] = std::vec![0xEE; len].leak();
    VirtqueueBuffer::DeviceWriteable(SubSliceMut::new(bytes))
}

pub(crate) fn readable(bytes: &'static [u8]) -> VirtqueueBuffer<'static> {
    VirtqueueBuffer::DeviceReadable(SubSliceMutImmut::from(bytes))
}
