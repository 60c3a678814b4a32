// SPDX-License-Identifier: Apache-2.0 OR MIT

//! This project's split queue.

use std::cell::Cell;
use std::hint::black_box;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::sync::atomic::{Ordering, compiler_fence};

use kernel::platform::dma_fence::DmaFence;
use virtio::devices::{VirtIODeviceDriver, VirtIODeviceType};
use virtio::features::EVENT_IDX;
use virtio::queues::split_queue::{SplitVirtqueue, SplitVirtqueueClient, VirtqueueReturnBuffer};
use virtio::queues::{BufferQueue, QueueMemory, Virtqueue};
use virtio::transports::{VirtIOInitializationError, VirtIOTransport};

use crate::device::Device;
use crate::shape::Shape;

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

/// Keeps what comes back for the next round, and counts notifications.
#[derive(Default)]
struct Desk {
    /// Buffers by the context of their chain.
    spare: [Cell<Option<&'static mut [u8]>>; 16],
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

struct Rig<const SIZE: usize> {
    queue: SplitVirtqueue<'static, 'static, SIZE, Fence>,
    desk: &'static Desk,
}

/// What is counted: nothing but the calls that a driver makes, for chains whose shape it knows.
impl<const SIZE: usize> Rig<SIZE> {
    #[inline(never)]
    fn counted_add_one(&self) {
        self.add(0);
        self.queue.announce();
    }

    #[inline(never)]
    fn counted_add_two(&self) {
        if let Some(frame) = self.desk.spare[0].take() {
            let provided = self.queue.provide_readable(&HEADER, frame, 64, 0);
            assert!(provided.is_ok());
        }
        self.queue.announce();
    }

    #[inline(never)]
    fn counted_add_batch(&self, chains: Range<usize>) {
        for chain in chains {
            self.add(chain);
        }
        self.queue.announce();
    }

    /// Takes back what was used.
    #[inline(never)]
    fn counted_pop(&self) {
        self.queue.take_used(self.desk);
    }

    /// The same for a driver that the queue knows by its trait.
    #[inline(never)]
    fn counted_pop_through_object(&self) {
        self.queue.used_interrupt();
    }

    #[inline(always)]
    fn add(&self, chain: usize) {
        if let Some(buffer) = self.desk.spare[chain].take() {
            let provided = self.queue.provide_writable(buffer, chain);
            assert!(provided.is_ok());
        }
    }
}

/// Runs `rounds` of a shape; `through_object` says whether the driver's type is hidden from the queue.
pub fn run<const SIZE: usize>(shape: Shape, rounds: u32, through_object: bool) {
    let desk: &'static Desk = Box::leak(Box::default());
    for place in &desk.spare {
        place.set(Some(Box::leak(Box::new([0; 64]))));
    }
    let memory = Box::leak(Box::new(MaybeUninit::<QueueMemory<'static, SIZE>>::uninit()));
    let queue = SplitVirtqueue::new(memory, Fence);
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
    let rig = Rig { queue, desk };
    let mut position = 0_u16;
    let mut serve_and_pop = |rig: &Rig<SIZE>, count| {
        // SAFETY: the queue says where its rings are, and has no references to them.
        unsafe { device.serve(position, count) };
        position = position.wrapping_add(count);
        if through_object {
            rig.counted_pop_through_object();
        } else {
            rig.counted_pop();
        }
    };
    for _ in 0..rounds {
        let rig = black_box(&rig);
        match shape {
            Shape::One => {
                rig.counted_add_one();
                serve_and_pop(rig, 1);
            }
            Shape::Two => {
                rig.counted_add_two();
                serve_and_pop(rig, 1);
            }
            Shape::Batch => {
                for first in (0..16).step_by(SIZE) {
                    let chains = first..(first + SIZE).min(16);
                    let count = chains.len() as u16;
                    rig.counted_add_batch(chains);
                    serve_and_pop(rig, count);
                }
            }
        }
    }
    let back = desk.spare.iter().filter(|place| place.take().is_some());
    assert_eq!(back.count(), 16, "every buffer came back");
    assert!(desk.notified.get() >= rounds, "every batch was announced");
}
