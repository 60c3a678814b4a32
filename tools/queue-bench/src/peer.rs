// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The queue of `virtio-drivers`, with EVENT_IDX, without indirect tables, and with memory at its own
//! address.

use std::alloc::{Layout, alloc_zeroed};
use std::hint::black_box;
use std::ops::Range;
use std::ptr::NonNull;

use virtio_drivers::queue::VirtQueue;
use virtio_drivers::transport::{DeviceStatus, DeviceType, InterruptStatus, Transport};
use virtio_drivers::{BufferDirection, Hal, PAGE_SIZE, PhysAddr};

use crate::device::Device;
use crate::shape::{Buffers, Shape};

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
    place: usize,
}

impl Chain {
    const fn new(place: usize) -> Self {
        Self {
            input: [0; 64],
            output: [0; 64],
            token: 0,
            place,
        }
    }
}

struct Rig<const SIZE: usize> {
    queue: VirtQueue<Identity, SIZE>,
    registers: Registers,
    /// Chains that the driver has, and by token those that the device has, of a driver that finds a chain
    /// by what comes back.
    spare: [Option<&'static mut Chain>; 16],
    lent: [Option<&'static mut Chain>; SIZE],
}

/// What is counted of a driver that knows which chain comes back next.
impl<const SIZE: usize> Rig<SIZE> {
    #[inline(never)]
    fn counted_add<const LINKS: usize>(&mut self, chain: &mut Chain) {
        self.add::<LINKS>(chain);
        self.notify();
    }

    #[inline(never)]
    fn counted_pop<const LINKS: usize>(&mut self, chain: &mut Chain) -> Option<u32> {
        self.pop::<LINKS>(chain)
    }

    #[inline(never)]
    fn counted_add_batch(&mut self, chains: &mut [Chain]) {
        for chain in chains {
            self.add::<1>(chain);
        }
        self.notify();
    }

    #[inline(never)]
    fn counted_pop_batch(&mut self, chains: &mut [Chain]) -> Option<u32> {
        let mut last = None;
        for chain in chains {
            last = Some(self.pop::<1>(chain)?);
        }
        last
    }

    #[inline(always)]
    fn add<const LINKS: usize>(&mut self, chain: &mut Chain) {
        let (input, output) = (&chain.input[..], &mut chain.output[..]);
        // SAFETY: the buffers stay where they are and are not touched until they are popped.
        let added = unsafe {
            if LINKS == 1 {
                self.queue.add(&[], &mut [output])
            } else {
                self.queue.add(&[input], &mut [output])
            }
        };
        chain.token = added.expect("room");
    }

    #[inline(always)]
    fn pop<const LINKS: usize>(&mut self, chain: &mut Chain) -> Option<u32> {
        if !self.queue.can_pop() {
            return None;
        }
        let (input, output) = (&chain.input[..], &mut chain.output[..]);
        // SAFETY: these are the buffers that were added under this token.
        let popped = unsafe {
            if LINKS == 1 {
                self.queue.pop_used(chain.token, &[], &mut [output])
            } else {
                self.queue.pop_used(chain.token, &[input], &mut [output])
            }
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

/// What is counted of a driver that hands its buffers over, and finds them by what comes back.
impl<const SIZE: usize> Rig<SIZE> {
    #[inline(never)]
    fn counted_hand<const LINKS: usize>(&mut self, chains: Range<usize>) {
        for place in chains {
            self.hand::<LINKS>(place);
        }
        self.notify();
    }

    #[inline(never)]
    fn counted_hand_one<const LINKS: usize>(&mut self, place: usize) {
        self.hand::<LINKS>(place);
        self.notify();
    }

    #[inline(never)]
    fn counted_collect<const LINKS: usize>(&mut self) {
        while let Some(token) = self.queue.peek_used() {
            let Some(chain) = self.lent.get_mut(usize::from(token)).and_then(Option::take) else {
                return;
            };
            if self.pop::<LINKS>(chain).is_some()
                && let Some(spare) = self.spare.get_mut(chain.place)
            {
                *spare = Some(chain);
            }
        }
    }

    #[inline(always)]
    fn hand<const LINKS: usize>(&mut self, place: usize) {
        if let Some(chain) = self.spare[place].take() {
            self.add::<LINKS>(chain);
            let token = usize::from(chain.token);
            if let Some(lent) = self.lent.get_mut(token) {
                *lent = Some(chain);
            }
        }
    }
}

/// Runs `rounds` of a shape; `hands_over` says whether the driver finds chains by what comes back.
pub fn run<const SIZE: usize>(shape: Shape, buffers: Buffers, rounds: u32, hands_over: bool) {
    let mut registers = Registers::default();
    let queue = VirtQueue::new(&mut registers, 0, false, true).expect("a queue");
    let device = Device {
        available: registers.available,
        used: registers.used,
        size: SIZE as u16,
    };
    let mut rig = Rig::<SIZE> {
        queue,
        registers,
        spare: std::array::from_fn(|place| Some(Box::leak(Box::new(Chain::new(place))))),
        lent: [const { None }; SIZE],
    };
    let mut all = std::array::from_fn::<_, 16, _>(Chain::new);
    let mut position = 0_u16;
    let mut serve = |count: usize| {
        // SAFETY: the queue said where its rings are; between two calls nothing refers to them.
        unsafe { device.serve(position, count as u16) };
        position = position.wrapping_add(count as u16);
    };
    for round in 0..rounds {
        let place = black_box(buffers.at(round));
        let (rig, all) = (black_box(&mut rig), black_box(&mut all));
        match (shape, hands_over) {
            (Shape::One, false) => {
                rig.counted_add::<1>(&mut all[place]);
                serve(1);
                assert!(rig.counted_pop::<1>(&mut all[place]).is_some());
            }
            (Shape::Two, false) => {
                rig.counted_add::<2>(&mut all[place]);
                serve(1);
                assert!(rig.counted_pop::<2>(&mut all[place]).is_some());
            }
            (Shape::Batch, false) => {
                for chains in all.chunks_mut(SIZE) {
                    rig.counted_add_batch(chains);
                    serve(chains.len());
                    assert!(rig.counted_pop_batch(chains).is_some());
                }
            }
            (Shape::One, true) => {
                rig.counted_hand_one::<1>(place);
                serve(1);
                rig.counted_collect::<1>();
            }
            (Shape::Two, true) => {
                rig.counted_hand_one::<2>(place);
                serve(1);
                rig.counted_collect::<2>();
            }
            (Shape::Batch, true) => {
                for first in (0..16).step_by(SIZE) {
                    let chains = first..(first + SIZE).min(16);
                    let count = chains.len();
                    rig.counted_hand::<1>(chains);
                    serve(count);
                    rig.counted_collect::<1>();
                }
            }
        }
    }
    assert_eq!(rig.queue.available_desc(), SIZE, "every chain came back");
    assert!(rig.spare.iter().all(Option::is_some), "to its driver");
    assert!(
        rig.registers.notified >= rounds,
        "every batch was announced"
    );
}
