// SPDX-License-Identifier: Apache-2.0 OR MIT

//! When buffers change hands between processor and device, in either layout.

use core::cell::{Cell, RefCell};
use core::mem::MaybeUninit;
use std::vec::Vec;

use kernel::platform::dma_fence::DmaFence;
use kernel::utilities::leasable_buffer::SubSliceMut;

use crate::features::{EVENT_IDX, INDIRECT_DESC, RING_PACKED};
use crate::queues::negotiated_queue::NegotiatedVirtqueue;
use crate::queues::split_queue::{SplitVirtqueueClient, VirtqueueBuffer, VirtqueueReturnBuffer};
use crate::queues::{BufferQueue, QueueError, Virtqueue};
use crate::testing::barriers::Probe;
use crate::testing::leak;
use crate::testing::packed_device::PackedDevice;
use crate::testing::queue_rig::readable;
use crate::testing::split_device::{DeviceChain, SplitDevice};

const SIZE: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    /// The device may have a piece of memory from now on: address and length.
    Released(u64, usize),
    /// The processor has it again.
    Acquired(u64, usize),
    /// The client is called with a chain.
    Returned,
}

std::thread_local! {
    static STEPS: RefCell<Vec<Step>> = const { RefCell::new(Vec::new()) };
}

fn note(step: Step) {
    STEPS.with_borrow_mut(|steps| steps.push(step));
}

fn steps() -> Vec<Step> {
    STEPS.take()
}

/// A fence that notes what it is called for.
#[derive(Clone, Copy, Debug)]
struct Noting;

// SAFETY: as for `NoFence`, one thread sees its own accesses in order.
unsafe impl DmaFence for Noting {
    fn release<T>(self, buf: *mut [T]) {
        note(Step::Released(buf.addr() as u64, buf.len()));
    }

    fn acquire<T>(self, buf: *mut [T]) {
        note(Step::Acquired(buf.addr() as u64, buf.len()));
    }
}

#[derive(Default)]
struct Noter {
    recycles: Cell<bool>,
}

impl SplitVirtqueueClient<'static> for Noter {
    fn buffer_chain_ready(
        &self,
        _queue_number: u32,
        _buffer_chain: &mut [Option<VirtqueueReturnBuffer<'static>>],
        _bytes_used: usize,
    ) {
        note(Step::Returned);
    }

    fn buffer_written(
        &self,
        _queue_number: u32,
        _context: usize,
        buffer: &'static mut [u8],
        _written: usize,
    ) -> Option<&'static mut [u8]> {
        note(Step::Returned);
        self.recycles.get().then_some(buffer)
    }
}

type Queue = NegotiatedVirtqueue<'static, 'static, SIZE, Noting, Probe>;

struct Desk {
    queue: &'static Queue,
    client: &'static Noter,
    pop: std::boxed::Box<dyn Fn() -> Option<DeviceChain>>,
    give_back: std::boxed::Box<dyn Fn(&DeviceChain)>,
}

impl Desk {
    fn new(features: u64) -> Self {
        let memory = leak(MaybeUninit::uninit());
        let queue: &'static Queue = leak(Queue::with_barriers(memory, Noting, Probe::new()));
        let client: &'static Noter = leak(Noter::default());
        queue.set_client(client);
        queue.set_indirect_tables(leak(MaybeUninit::uninit()));
        queue.set_features(features);
        queue.initialize(0, SIZE);
        steps();
        let parts = queue.physical_addresses();
        if features & RING_PACKED != 0 {
            let device: &'static PackedDevice = leak(PackedDevice::new(parts, SIZE as u16));
            Self {
                queue,
                client,
                pop: std::boxed::Box::new(|| device.pop()),
                give_back: std::boxed::Box::new(|chain| device.return_used(chain.head, 0)),
            }
        } else {
            let device: &'static SplitDevice = leak(SplitDevice::new(parts, SIZE as u16));
            Self {
                queue,
                client,
                pop: std::boxed::Box::new(|| device.pop()),
                give_back: std::boxed::Box::new(|chain| {
                    device.return_used(chain.head.into(), 0);
                }),
            }
        }
    }

    /// Lends a chain to be read and written, by two windows.
    fn ask(&self) -> Result<(), QueueError> {
        let mut window = SubSliceMut::new(leak([0; 9]));
        window.slice(2..7);
        let answer = VirtqueueBuffer::DeviceWriteable(window);
        self.queue
            .provide(&mut [Some(readable(b"ask")), Some(answer)], 0)
    }

    fn send(&self) -> Result<(), QueueError> {
        let sent = self.queue.provide_readable(b"hdr", leak([0; 6]), 4, 0);
        sent.map_err(|(error, _)| error)
    }

    fn post(&self) -> Result<(), QueueError> {
        let posted = self.queue.provide_writable(leak([0; 8]), 0);
        posted.map_err(|(error, _)| error)
    }

    /// Fills the queue with chains of all kinds; if there are tables, the last ones are in tables.
    fn fill(&self) {
        self.post().unwrap();
        self.send().unwrap();
        self.ask().unwrap();
        while self.ask().is_ok() {
            if self.send().is_err() {
                break;
            }
        }
        while self.post().is_ok() {}
    }

    fn chains(&self) -> Vec<DeviceChain> {
        self.queue.announce();
        core::iter::from_fn(|| (self.pop)()).collect()
    }
}

/// What is due before the client gets a chain: all that the device could write.
fn return_of(chain: &DeviceChain) -> Vec<Step> {
    let writable = chain.buffers.iter().filter(|buffer| buffer.writable);
    writable
        .map(|buffer| Step::Acquired(buffer.address, buffer.len as usize))
        .chain([Step::Returned])
        .collect()
}

const FEATURES: [u64; 4] = [
    EVENT_IDX,
    EVENT_IDX | RING_PACKED,
    EVENT_IDX | INDIRECT_DESC,
    EVENT_IDX | RING_PACKED | INDIRECT_DESC,
];

#[test]
fn what_the_device_sees_was_released_to_it_and_nothing_else_was() {
    for features in FEATURES {
        let desk = Desk::new(features);
        desk.fill();
        let released = steps();
        let seen: Vec<_> = desk
            .chains()
            .iter()
            .flat_map(|chain| &chain.buffers)
            .map(|buffer| Step::Released(buffer.address, buffer.len as usize))
            .collect();
        assert_eq!(released, seen);
        assert_eq!(desk.queue.free(), 0);
        // Neither refusals nor publication hand over anything.
        assert_eq!(desk.ask(), Err(QueueError::Full));
        assert_eq!(desk.send(), Err(QueueError::Full));
        assert_eq!(desk.post(), Err(QueueError::Full));
        assert_eq!(steps(), []);
    }
}

#[test]
fn what_the_device_could_write_is_acquired_before_the_client_gets_it() {
    for features in FEATURES {
        let desk = Desk::new(features);
        desk.fill();
        let chains = desk.chains();
        steps();
        for chain in &chains {
            (desk.give_back)(chain);
            desk.queue.used_interrupt();
            assert_eq!(steps(), return_of(chain));
        }
        assert_eq!(desk.queue.free(), SIZE);
    }
}

#[test]
fn what_a_device_that_was_reset_could_write_is_acquired_before_the_client_gets_it() {
    for features in FEATURES {
        let desk = Desk::new(features);
        desk.fill();
        let mut expected: Vec<_> = desk.chains().iter().map(return_of).collect();
        steps();
        // SAFETY: the device is this test, and it is done.
        unsafe { desk.queue.device_was_reset() };
        let steps = steps();
        let mut returns: Vec<_> = steps
            .split_inclusive(|step| *step == Step::Returned)
            .map(<[Step]>::to_vec)
            .collect();
        returns.sort();
        expected.sort();
        assert_eq!(returns, expected);
    }
}

#[test]
fn a_buffer_that_goes_round_changes_hands_each_time() {
    for features in [EVENT_IDX, EVENT_IDX | RING_PACKED] {
        let desk = Desk::new(features);
        desk.client.recycles.set(true);
        desk.post().unwrap();
        for _ in 0..2 * SIZE {
            let chain = desk.chains().remove(0);
            steps();
            (desk.give_back)(&chain);
            desk.queue.used_interrupt();
            let (address, len) = (chain.buffers[0].address, chain.buffers[0].len as usize);
            let expected = [
                Step::Acquired(address, len),
                Step::Returned,
                Step::Released(address, len),
            ];
            assert_eq!(steps(), expected);
        }
    }
}
