// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The queue of `virtio-drivers`, with EVENT_IDX, without indirect tables, and with memory at its own
//! address.

use std::alloc::{Layout, alloc_zeroed};
use std::hint::black_box;
use std::ptr::NonNull;

use virtio_drivers::queue::VirtQueue;
use virtio_drivers::transport::{DeviceStatus, DeviceType, InterruptStatus, Transport};
use virtio_drivers::{BufferDirection, Hal, PAGE_SIZE, PhysAddr};

use crate::device::Device;
use crate::shape::Shape;

struct Identity;

// SAFETY: pages come zeroed from the allocator and are not given out twice, and every address is its own
// translation.
unsafe impl Hal for Identity {
    fn dma_alloc(pages: usize, _direction: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        let layout = Layout::from_size_align(pages * PAGE_SIZE, PAGE_SIZE).expect("whole pages");
        // SAFETY: a queue has at least one page.
        let memory = NonNull::new(unsafe { alloc_zeroed(layout) }).expect("memory");
        (memory.as_ptr().expose_provenance() as PhysAddr, memory)
    }

    unsafe fn dma_dealloc(_paddr: PhysAddr, _vaddr: NonNull<u8>, _pages: usize) -> i32 {
        // The process ends soon.
        0
    }

    unsafe fn mmio_phys_to_virt(paddr: PhysAddr, _size: usize) -> NonNull<u8> {
        let place = std::ptr::with_exposed_provenance_mut(paddr as usize);
        NonNull::new(place).expect("no register is at zero")
    }

    unsafe fn share(buffer: NonNull<[u8]>, _direction: BufferDirection) -> PhysAddr {
        buffer.as_ptr().expose_provenance() as PhysAddr
    }

    unsafe fn unshare(_paddr: PhysAddr, _buffer: NonNull<[u8]>, _direction: BufferDirection) {}
}

/// Learns where a queue is, and counts notifications.
#[derive(Default)]
struct Registers {
    available: u64,
    used: u64,
    notified: u32,
}

impl Transport for Registers {
    fn device_type(&self) -> DeviceType {
        DeviceType::EntropySource
    }

    fn read_device_features(&mut self) -> u64 {
        0
    }

    fn write_driver_features(&mut self, _features: u64) {}

    fn max_queue_size(&mut self, _queue: u16) -> u32 {
        1024
    }

    fn notify(&mut self, _queue: u16) {
        self.notified += 1;
    }

    fn get_status(&self) -> DeviceStatus {
        DeviceStatus::empty()
    }

    fn set_status(&mut self, _status: DeviceStatus) {}

    fn set_guest_page_size(&mut self, _size: u32) {}

    fn requires_legacy_layout(&self) -> bool {
        false
    }

    fn queue_set(
        &mut self,
        _queue: u16,
        _size: u32,
        _descriptors: PhysAddr,
        driver_area: PhysAddr,
        device_area: PhysAddr,
    ) {
        self.available = driver_area;
        self.used = device_area;
    }

    fn queue_unset(&mut self, _queue: u16) {}

    fn queue_used(&mut self, _queue: u16) -> bool {
        false
    }

    fn ack_interrupt(&mut self) -> InterruptStatus {
        InterruptStatus::empty()
    }

    fn read_config_generation(&self) -> u32 {
        0
    }

    fn read_config_space<T: zerocopy::FromBytes + zerocopy::IntoBytes>(
        &self,
        _offset: usize,
    ) -> virtio_drivers::Result<T> {
        Err(virtio_drivers::Error::ConfigSpaceMissing)
    }

    fn write_config_space<T: zerocopy::IntoBytes + zerocopy::Immutable>(
        &mut self,
        _offset: usize,
        _value: T,
    ) -> virtio_drivers::Result<()> {
        Err(virtio_drivers::Error::ConfigSpaceMissing)
    }
}

/// One chain's buffers, and its token while it is in the queue.
struct Chain {
    input: [u8; 64],
    output: [u8; 64],
    token: u16,
}

impl Chain {
    const fn new() -> Self {
        Self {
            input: [0; 64],
            output: [0; 64],
            token: 0,
        }
    }
}

struct Rig<const SIZE: usize> {
    queue: VirtQueue<Identity, SIZE>,
    registers: Registers,
}

/// What is counted: nothing but the calls that a driver makes, for chains whose shape it knows.
impl<const SIZE: usize> Rig<SIZE> {
    #[inline(never)]
    fn counted_add_one(&mut self, chain: &mut Chain) {
        self.add(chain);
        self.notify();
    }

    #[inline(never)]
    fn counted_pop_one(&mut self, chain: &mut Chain) -> Option<u32> {
        self.pop(chain)
    }

    #[inline(never)]
    fn counted_add_two(&mut self, chain: &mut Chain) {
        // SAFETY: the buffers stay where they are and are not touched until they are popped.
        let added = unsafe { self.queue.add(&[&chain.input], &mut [&mut chain.output]) };
        chain.token = added.expect("room");
        self.notify();
    }

    #[inline(never)]
    fn counted_pop_two(&mut self, chain: &mut Chain) -> Option<u32> {
        if !self.queue.can_pop() {
            return None;
        }
        // SAFETY: these are the buffers that were added under this token.
        let popped = unsafe {
            self.queue
                .pop_used(chain.token, &[&chain.input], &mut [&mut chain.output])
        };
        popped.ok()
    }

    #[inline(never)]
    fn counted_add_batch(&mut self, chains: &mut [Chain]) {
        for chain in chains {
            self.add(chain);
        }
        self.notify();
    }

    #[inline(never)]
    fn counted_pop_batch(&mut self, chains: &mut [Chain]) -> Option<u32> {
        let mut last = None;
        for chain in chains {
            last = Some(self.pop(chain)?);
        }
        last
    }

    #[inline(always)]
    fn add(&mut self, chain: &mut Chain) {
        // SAFETY: as above.
        let added = unsafe { self.queue.add(&[], &mut [&mut chain.output]) };
        chain.token = added.expect("room");
    }

    #[inline(always)]
    fn pop(&mut self, chain: &mut Chain) -> Option<u32> {
        if !self.queue.can_pop() {
            return None;
        }
        // SAFETY: as above.
        let popped = unsafe {
            self.queue
                .pop_used(chain.token, &[], &mut [&mut chain.output])
        };
        popped.ok()
    }

    #[inline(always)]
    fn notify(&mut self) {
        if self.queue.should_notify() {
            self.registers.notify(0);
        }
    }
}

/// Runs `rounds` of a shape.
pub fn run<const SIZE: usize>(shape: Shape, rounds: u32) {
    let mut registers = Registers::default();
    let queue = VirtQueue::new(&mut registers, 0, false, true).expect("a queue");
    let device = Device {
        available: registers.available,
        used: registers.used,
        size: SIZE as u16,
    };
    let mut rig = Rig::<SIZE> { queue, registers };
    let mut all = [const { Chain::new() }; 16];
    let mut position = 0_u16;
    let mut serve = |count| {
        // SAFETY: the queue said where its rings are; between two calls nothing refers to them.
        unsafe { device.serve(position, count) };
        position = position.wrapping_add(count);
    };
    for _ in 0..rounds {
        let (rig, all) = (black_box(&mut rig), black_box(&mut all));
        let popped = match shape {
            Shape::One => {
                rig.counted_add_one(&mut all[0]);
                serve(1);
                rig.counted_pop_one(&mut all[0])
            }
            Shape::Two => {
                rig.counted_add_two(&mut all[0]);
                serve(1);
                rig.counted_pop_two(&mut all[0])
            }
            Shape::Batch => all
                .chunks_mut(SIZE)
                .map(|chains| {
                    rig.counted_add_batch(chains);
                    serve(chains.len() as u16);
                    rig.counted_pop_batch(chains)
                })
                .fold(Some(0), Option::and),
        };
        assert_eq!(popped, Some(0), "the chains come back");
    }
    assert_eq!(rig.queue.available_desc(), SIZE, "every chain came back");
    assert!(
        rig.registers.notified >= rounds,
        "every batch was announced"
    );
}
