// SPDX-License-Identifier: Apache-2.0 OR MIT

//! This project's split queue.

use std::cell::{Cell, RefCell};
use std::hint::black_box;
use std::mem::MaybeUninit;
use std::sync::atomic::{Ordering, compiler_fence};

use kernel::platform::dma_fence::DmaFence;
use kernel::utilities::leasable_buffer::{SubSliceMut, SubSliceMutImmut};
use virtio::devices::{VirtIODeviceDriver, VirtIODeviceType};
use virtio::features::EVENT_IDX;
use virtio::queues::split_queue::{
    SplitVirtqueue, SplitVirtqueueClient, VirtqueueBuffer, VirtqueueReturnBuffer,
};
use virtio::queues::{BufferQueue, QueueMemory, Virtqueue};
use virtio::transports::{VirtIOInitializationError, VirtIOTransport};

use crate::device::Device;
use crate::shape::Shape;

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
    spare: RefCell<Vec<&'static mut [u8]>>,
    notified: Cell<u32>,
}

impl SplitVirtqueueClient<'static> for Desk {
    fn buffer_chain_ready(
        &self,
        _queue: u32,
        chain: &mut [Option<VirtqueueReturnBuffer<'static>>],
        _used: usize,
    ) {
        let mut spare = self.spare.borrow_mut();
        for returned in chain.iter_mut().filter_map(Option::take) {
            match returned.virtqueue_buffer {
                VirtqueueBuffer::DeviceReadable(SubSliceMutImmut::Mutable(window))
                | VirtqueueBuffer::DeviceWriteable(window) => spare.push(window.take()),
                VirtqueueBuffer::DeviceReadable(_) => {}
            }
        }
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

impl<const SIZE: usize> Rig<SIZE> {
    /// Adds `count` chains, and publishes and notifies once.
    #[inline(never)]
    fn counted_add(&self, shape: Shape, count: u16) {
        for _ in 0..count {
            let mut spare = self.desk.spare.borrow_mut();
            let mut next = || spare.pop().map(SubSliceMut::new);
            let mut chain = if shape.links == 1 {
                [next().map(VirtqueueBuffer::DeviceWriteable), None]
            } else {
                [
                    next().map(|window| {
                        VirtqueueBuffer::DeviceReadable(SubSliceMutImmut::Mutable(window))
                    }),
                    next().map(VirtqueueBuffer::DeviceWriteable),
                ]
            };
            drop(spare);
            let provided = self.queue.provide(&mut chain, 0);
            assert!(provided.is_ok());
        }
        self.queue.publish();
        self.queue.notify();
    }

    /// Takes back what was used.
    #[inline(never)]
    fn counted_pop(&self) {
        self.queue.used_interrupt();
    }
}

/// Runs `rounds` of a shape.
pub fn run<const SIZE: usize>(shape: Shape, rounds: u32) {
    let desk: &'static Desk = Box::leak(Box::default());
    for _ in 0..32 {
        desk.spare.borrow_mut().push(Box::leak(Box::new([0; 64])));
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
    for _ in 0..rounds {
        let mut left = shape.chains;
        while left > 0 {
            let count = left.min(SIZE as u16);
            black_box(&rig).counted_add(shape, count);
            // SAFETY: the queue says where its rings are, and has no references to them.
            unsafe { device.serve(position, count) };
            position = position.wrapping_add(count);
            black_box(&rig).counted_pop();
            left -= count;
        }
    }
    assert_eq!(desk.spare.borrow().len(), 32, "every buffer came back");
    assert!(desk.notified.get() >= rounds, "every batch was announced");
}
