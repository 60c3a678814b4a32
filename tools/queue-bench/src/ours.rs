// SPDX-License-Identifier: Apache-2.0 OR MIT

//! This project's queue, which is split here, though it might be packed.

use std::cell::Cell;
use std::hint::black_box;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::sync::atomic::{Ordering, compiler_fence};

use kernel::platform::dma_fence::DmaFence;
use virtio::devices::{VirtIODeviceDriver, VirtIODeviceType};
use virtio::features::EVENT_IDX;
use virtio::queues::negotiated_queue::NegotiatedVirtqueue;
use virtio::queues::split_queue::{SplitVirtqueueClient, VirtqueueReturnBuffer};
use virtio::queues::{BufferQueue, DrivenQueue, QueueMemory, Served, Virtqueue};
use virtio::transports::{VirtIOInitializationError, VirtIOTransport};

use crate::device::Device;
use crate::shape::{Buffers, Shape};

/// What the device reads before each frame.
static HEADER: [u8; 12] = [0; 12];

#[derive(Clone, Copy, Debug)]
struct Fence;

// SAFETY: the only device is a function of this thread, which a compiler fence orders.
unsafe impl DmaFence for Fence {
    fn release<T>(self, _buf: *mut [T]) {
        compiler_fence(Ordering::SeqCst);
    }

    fn acquire<T>(self, _buf: *mut [T]) {
        compiler_fence(Ordering::SeqCst);
    }
}

/// Where a buffer is kept.
type Place = Cell<Option<&'static mut [u8]>>;

/// Keeps what comes back for the next round, and counts notifications.
#[derive(Default)]
struct Desk {
    /// Buffers by the context of their chain.
    spare: [Place; 16],
    notified: Cell<u32>,
}

impl Desk {
    #[inline(always)]
    fn keep(&self, context: usize, buffer: &'static mut [u8]) {
        if let Some(place) = self.spare.get(context) {
            place.set(Some(buffer));
        }
    }
}

impl SplitVirtqueueClient<'static> for Desk {
    fn buffer_chain_ready(
        &self,
        _queue: u32,
        _chain: &mut [Option<VirtqueueReturnBuffer<'static>>],
        _used: usize,
    ) {
        unreachable!("all chains come back by the other methods");
    }

    fn buffer_written(
        &self,
        _queue: u32,
        context: usize,
        buffer: &'static mut [u8],
        _written: usize,
    ) -> Option<&'static mut [u8]> {
        self.keep(context, buffer);
        None
    }

    fn buffer_read(&self, _queue: u32, context: usize, buffer: &'static mut [u8], _len: usize) {
        self.keep(context, buffer);
    }
}

impl VirtIOTransport for Desk {
    fn initialize(
        &self,
        _driver: &'static dyn VirtIODeviceDriver,
        _queues: &'static [&'static dyn Virtqueue],
    ) -> Result<VirtIODeviceType, VirtIOInitializationError> {
        Err(VirtIOInitializationError::NotAVirtIODevice)
    }

    fn queue_notify(&self, _queue: u32) {
        self.notified.set(self.notified.get() + 1);
    }
}

type Queue<const SIZE: usize> = NegotiatedVirtqueue<'static, 'static, SIZE, Fence>;

/// A driver with its queue: of type `Q`, or an object.
struct Rig<Q: ?Sized + 'static> {
    queue: &'static Q,
    /// The queue as the transport has it.
    object: &'static dyn Virtqueue,
    desk: &'static Desk,
}

/// What is counted: nothing but the calls that the network and the entropy driver make.
impl<Q: DrivenQueue<'static> + ?Sized> Rig<Q> {
    #[inline(never)]
    fn counted_add_one(&self, place: &Place, chain: usize) {
        self.add(place, chain);
        self.queue.announce();
    }

    #[inline(never)]
    fn counted_add_two(&self, place: &Place, chain: usize) {
        if let Some(frame) = place.take() {
            let provided = self.queue.provide_readable(&HEADER, frame, 64, chain);
            assert!(provided.is_ok());
        }
        self.queue.announce();
    }

    #[inline(never)]
    fn counted_add_batch(&self, chains: Range<usize>) {
        for (chain, place) in chains.clone().zip(&self.desk.spare[chains]) {
            self.add(place, chain);
        }
        self.queue.announce();
    }

    /// Takes back what was used, as on an interrupt.
    #[inline(never)]
    fn counted_pop(&self) -> Served {
        self.queue.serve_for(self.desk, self.object)
    }

    #[inline(always)]
    fn add(&self, place: &Place, chain: usize) {
        if let Some(buffer) = place.take() {
            let provided = self.queue.provide_writable(buffer, chain);
            assert!(provided.is_ok());
        }
    }

    fn run(&self, shape: Shape, buffers: Buffers, rounds: u32, device: Device) {
        let mut position = 0_u16;
        let mut serve_and_pop = |rig: &Self, count| {
            // SAFETY: the queue says where its rings are, and has no references to them.
            unsafe { device.serve(position, count) };
            position = position.wrapping_add(count);
            assert_eq!(rig.counted_pop(), Served::Something);
        };
        for round in 0..rounds {
            let rig = black_box(self);
            let chain = black_box(buffers.at(round));
            let place = &self.desk.spare[chain];
            match shape {
                Shape::One => {
                    rig.counted_add_one(place, chain);
                    serve_and_pop(rig, 1);
                }
                Shape::Two => {
                    rig.counted_add_two(place, chain);
                    serve_and_pop(rig, 1);
                }
                Shape::Batch => {
                    let size = usize::from(device.size);
                    for first in (0..16).step_by(size) {
                        let chains = first..(first + size).min(16);
                        let count = chains.len() as u16;
                        rig.counted_add_batch(chains);
                        serve_and_pop(rig, count);
                    }
                }
            }
        }
    }
}

/// Runs `rounds` of a shape; `as_objects` says whether driver and queue know each other as trait objects.
pub fn run<const SIZE: usize>(shape: Shape, buffers: Buffers, rounds: u32, as_objects: bool) {
    let desk: &'static Desk = Box::leak(Box::default());
    for place in &desk.spare {
        place.set(Some(Box::leak(Box::new([0; 64]))));
    }
    let memory = Box::leak(Box::new(MaybeUninit::<QueueMemory<'static, SIZE>>::uninit()));
    let queue: &'static Queue<SIZE> = Box::leak(Box::new(Queue::new(memory, Fence)));
    queue.set_client(desk);
    queue.set_transport(desk);
    queue.set_features(EVENT_IDX);
    queue.initialize(0, SIZE);
    let addresses = queue.physical_addresses();
    let device = Device {
        available: addresses.driver_area,
        used: addresses.device_area,
        size: SIZE as u16,
    };
    let object = black_box(queue as &dyn Virtqueue);
    if as_objects {
        let queue = black_box(queue as &dyn BufferQueue<'static>);
        let rig = Rig {
            queue,
            object,
            desk,
        };
        rig.run(shape, buffers, rounds, device);
    } else {
        let rig = Rig {
            queue,
            object,
            desk,
        };
        rig.run(shape, buffers, rounds, device);
    }
    let back = desk.spare.iter().filter(|place| place.take().is_some());
    assert_eq!(back.count(), 16, "every buffer came back");
    assert!(desk.notified.get() >= rounds, "every batch was announced");
}
