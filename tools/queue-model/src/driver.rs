// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What a device driver does with a queue: chains of all shapes, and an account of each.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};

use kernel::utilities::leasable_buffer::{SubSliceMut, SubSliceMutImmut};
use virtio::devices::{VirtIODeviceDriver, VirtIODeviceType};
use virtio::features::RING_PACKED;
use virtio::queues::negotiated_queue::NegotiatedVirtqueue;
use virtio::queues::split_queue::{
    SplitVirtqueue, SplitVirtqueueClient, VirtqueueBuffer, VirtqueueReturnBuffer,
};
use virtio::queues::{BufferQueue, IndirectMemory, QueueError, QueueMemory, Violation, Virtqueue};
use virtio::transports::{VirtIOInitializationError, VirtIOTransport};

use crate::device::{assert_run, run};
use crate::memory::{Coherent, SharedMemory};
use crate::random::Random;

/// The length of each buffer; what is lent of it varies.
const BUFFER_LEN: usize = 48;

/// The longest chain that a queue takes.
const LONGEST_CHAIN: usize = 4;

/// What was provided and has not come back: the lengths of the buffers, and which are readable.
type Lent = Vec<(usize, bool)>;

/// A queue in either layout.
pub trait Queue: Virtqueue + BufferQueue<'static> {
    /// How the device broke the rules, if it did.
    fn violation(&self) -> Option<Violation>;
}

/// Makes a queue of the type, in shared memory and between both parts of a desk.
macro_rules! queue_of {
    ($type:ident, $memory:ident, $desk:ident) => {{
        let rings = $memory.take::<QueueMemory<'static, SIZE>>();
        let queue: &'static $type<'static, 'static, SIZE, Coherent> =
            Box::leak(Box::new($type::new(rings, Coherent)));
        queue.set_indirect_tables($memory.take::<IndirectMemory<'static, SIZE>>());
        queue.set_client($desk);
        queue.set_transport($desk);
        queue
    }};
}

impl<const SIZE: usize> Queue for SplitVirtqueue<'static, 'static, SIZE, Coherent> {
    fn violation(&self) -> Option<Violation> {
        self.violation()
    }
}

impl<const SIZE: usize> Queue for NegotiatedVirtqueue<'static, 'static, SIZE, Coherent> {
    fn violation(&self) -> Option<Violation> {
        self.violation()
    }
}

/// The driver's side of a queue.
pub struct Driver<const SIZE: usize> {
    queue: &'static dyn Queue,
    desk: &'static Desk,
    /// All bytes in order, twice: any run of bytes.
    runs: &'static [u8],
}

/// Where chains come back, and notifications go out.
#[derive(Default)]
struct Desk {
    spare: RefCell<Vec<&'static mut [u8]>>,
    lent: RefCell<HashMap<usize, Lent>>,
    next: Cell<usize>,
    returned: Cell<usize>,
    notified: Cell<bool>,
    /// Whether the device may have written anything.
    distrusts: Cell<bool>,
    /// Chains that were lent again when they came back; each is once at most.
    recycled: RefCell<HashSet<usize>>,
}

impl Desk {
    /// Notes that the chain is back.
    fn settle(&self, context: usize) -> Lent {
        let lent = self.lent.borrow_mut().remove(&context);
        self.returned.set(self.returned.get() + 1);
        lent.expect("a chain that is outstanding")
    }
}

impl SplitVirtqueueClient<'static> for Desk {
    fn buffer_chain_ready(
        &self,
        _queue: u32,
        _chain: &mut [Option<VirtqueueReturnBuffer<'static>>],
        _used: usize,
    ) {
        panic!("chains of this driver have a context");
    }

    fn chain_used(
        &self,
        _queue: u32,
        context: usize,
        chain: &mut [Option<VirtqueueReturnBuffer<'static>>],
        used: usize,
    ) {
        let lent = self.settle(context);
        assert_eq!(chain.len(), lent.len(), "as many buffers as were lent");
        let mut written = Vec::new();
        for (buffer, (len, readable)) in chain.iter_mut().zip(lent) {
            let buffer = buffer.take().expect("no gaps");
            assert_eq!(
                buffer.virtqueue_buffer.len(),
                len,
                "the window that was lent"
            );
            let slice = match buffer.virtqueue_buffer {
                VirtqueueBuffer::DeviceReadable(SubSliceMutImmut::Mutable(window)) if readable => {
                    assert_eq!(buffer.device_len, 0);
                    window.take()
                }
                VirtqueueBuffer::DeviceWriteable(window) if !readable => {
                    let share = &window.as_slice()[..buffer.device_len];
                    // Buffers are filled in order, so only the last one may be short.
                    assert!(share.is_empty() || written.len() + share.len() <= used);
                    written.extend_from_slice(share);
                    window.take()
                }
                _ => panic!("another kind of buffer than was lent"),
            };
            self.spare.borrow_mut().push(slice);
        }
        assert_eq!(written.len(), used, "every byte belongs to a buffer");
        if !self.distrusts.get() {
            assert_run(&written);
        }
    }

    fn buffer_written(
        &self,
        _queue: u32,
        context: usize,
        buffer: &'static mut [u8],
        written: usize,
    ) -> Option<&'static mut [u8]> {
        if !self.distrusts.get() {
            assert_run(&buffer[..written]);
        }
        if context.is_multiple_of(3) && self.recycled.borrow_mut().insert(context) {
            return Some(buffer);
        }
        assert_eq!(self.settle(context), [(buffer.len(), false)]);
        self.spare.borrow_mut().push(buffer);
        None
    }

    fn buffer_read(&self, _queue: u32, context: usize, buffer: &'static mut [u8], len: usize) {
        assert_eq!(
            self.settle(context)[1],
            (len, true),
            "the frame that was lent"
        );
        assert_eq!(buffer.len(), BUFFER_LEN);
        self.spare.borrow_mut().push(buffer);
    }

    fn buffer_reclaimed(&self, _queue: u32, context: usize, buffer: &'static mut [u8], len: usize) {
        assert_eq!(self.settle(context).last().map(|lent| lent.0), Some(len));
        self.spare.borrow_mut().push(buffer);
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
        self.notified.set(true);
    }
}

impl<const SIZE: usize> Driver<SIZE> {
    /// Sets up a queue in `memory`, with `features` agreed on: one that is always split, or as boards have
    /// it, if it is to be packed.
    ///
    /// # Panics
    ///
    /// The memory is too small.
    pub fn new(memory: &mut SharedMemory, features: u64) -> Driver<SIZE> {
        let desk: &'static Desk = Box::leak(Box::default());
        let queue: &'static dyn Queue = if features & RING_PACKED == 0 {
            queue_of!(SplitVirtqueue, memory, desk)
        } else {
            queue_of!(NegotiatedVirtqueue, memory, desk)
        };
        for _ in 0..SIZE * LONGEST_CHAIN {
            let buffer = memory.take_buffer::<BUFFER_LEN>();
            desk.spare.borrow_mut().push(buffer);
        }
        let runs = memory.take_buffer::<512>();
        runs.copy_from_slice(&run(0, 512));
        let driver = Driver { queue, desk, runs };
        driver.start(features);
        driver
    }

    fn start(&self, features: u64) {
        self.queue.set_features(features);
        self.queue.delay_interrupts(1);
        self.queue.initialize(0, SIZE);
    }

    /// Begins anew with other features, in the same layout, as if nothing had been before.
    ///
    /// # Safety
    ///
    /// The device that knows the queue does not access it, nor any buffer, from now on.
    pub unsafe fn restart(&self, features: u64) {
        // SAFETY: passed on to the caller.
        unsafe { self.queue.device_was_reset() };
        let desk = self.desk;
        desk.lent.borrow_mut().clear();
        desk.recycled.borrow_mut().clear();
        desk.next.set(0);
        desk.returned.set(0);
        desk.notified.set(false);
        self.start(features);
    }

    /// The queue.
    #[must_use]
    pub fn queue(&self) -> &'static dyn Queue {
        self.queue
    }

    /// Takes no notice of what comes back, only of how much.
    pub fn distrust(&self) {
        self.desk.distrusts.set(true);
    }

    /// Provides a chain of a random shape; says whether the queue had room for it.
    ///
    /// # Panics
    ///
    /// The queue refuses it for any reason but want of room.
    pub fn provide(&self, random: &mut Random) -> bool {
        if random.below(3) == 0 {
            return self.provide_single(random);
        }
        let context = self.desk.next.get();
        let buffers = 1 + random.below(LONGEST_CHAIN);
        let readable = random.below(buffers + 1);
        let mut chain: [Option<VirtqueueBuffer<'static>>; LONGEST_CHAIN] = [const { None }; _];
        let mut lent = Vec::new();
        let mut position = 0;
        for (index, place) in chain.iter_mut().take(buffers).enumerate() {
            let Some(buffer) = self.desk.spare.borrow_mut().pop() else {
                break;
            };
            let len = 1 + random.below(BUFFER_LEN);
            let is_readable = index < readable;
            if is_readable {
                let first = context.wrapping_mul(7).wrapping_add(position);
                buffer[..len].copy_from_slice(&run(first.to_le_bytes()[0], len));
                position += len;
            }
            let mut window = SubSliceMut::new(buffer);
            window.slice(..len);
            *place = Some(if is_readable {
                VirtqueueBuffer::DeviceReadable(SubSliceMutImmut::Mutable(window))
            } else {
                VirtqueueBuffer::DeviceWriteable(window)
            });
            lent.push((len, is_readable));
        }
        if lent.is_empty() {
            return false;
        }
        let provided = self.queue.provide(&mut chain, context);
        self.note(
            provided.map_err(|error| (error, chain)),
            context,
            lent,
            |chain| {
                self.keep(chain);
            },
        )
    }

    /// Provides a buffer to be written, or a frame to be read behind a header.
    fn provide_single(&self, random: &mut Random) -> bool {
        let context = self.desk.next.get();
        let Some(buffer) = self.desk.spare.borrow_mut().pop() else {
            return false;
        };
        let keep = |buffer| self.desk.spare.borrow_mut().push(buffer);
        if random.below(2) == 0 {
            let lent = vec![(buffer.len(), false)];
            let provided = self.queue.provide_writable(buffer, context);
            return self.note(provided, context, lent, keep);
        }
        let (header_len, len) = (1 + random.below(20), 1 + random.below(BUFFER_LEN));
        let first = usize::from(context.wrapping_mul(7).to_le_bytes()[0]);
        let header = &self.runs[first..][..header_len];
        let second = first.wrapping_add(header_len).to_le_bytes()[0];
        buffer[..len].copy_from_slice(&run(second, len));
        let lent = vec![(header_len, true), (len, true)];
        let provided = self.queue.provide_readable(header, buffer, len, context);
        self.note(provided, context, lent, keep)
    }

    /// Notes what became of a chain, and keeps it if it was refused.
    fn note<C>(
        &self,
        provided: Result<(), (QueueError, C)>,
        context: usize,
        lent: Lent,
        keep: impl FnOnce(C),
    ) -> bool {
        match provided {
            Ok(()) => {
                self.desk.lent.borrow_mut().insert(context, lent);
                self.desk.next.set(context + 1);
                true
            }
            Err((QueueError::Full | QueueError::Broken, left)) => {
                keep(left);
                false
            }
            Err((error, _)) => panic!("{error:?}"),
        }
    }

    fn keep(&self, chain: [Option<VirtqueueBuffer<'static>>; LONGEST_CHAIN]) {
        for buffer in chain.into_iter().flatten() {
            let slice = match buffer {
                VirtqueueBuffer::DeviceReadable(SubSliceMutImmut::Mutable(window))
                | VirtqueueBuffer::DeviceWriteable(window) => window.take(),
                VirtqueueBuffer::DeviceReadable(_) => panic!("not lent here"),
            };
            self.desk.spare.borrow_mut().push(slice);
        }
    }

    /// Publishes, and says whether the device was notified.
    #[must_use]
    pub fn publish(&self) -> bool {
        self.queue.publish();
        self.queue.notify();
        self.desk.notified.take()
    }

    /// How many chains are with the queue.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.desk.lent.borrow().len()
    }

    /// How many chains came back.
    #[must_use]
    pub fn returned(&self) -> usize {
        self.desk.returned.get()
    }
}
