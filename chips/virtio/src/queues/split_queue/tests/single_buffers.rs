// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Buffers that are lent one at a time, with a header or without, in either layout.

use core::cell::{Cell, RefCell};
use core::mem::MaybeUninit;
use std::vec::Vec;

use crate::features::{EVENT_IDX, INDIRECT_DESC, RING_PACKED};
use crate::queues::split_queue::{SplitVirtqueueClient, VirtqueueReturnBuffer};
use crate::queues::{BufferQueue, DrivenQueue, QueueError, Served, Violation, Virtqueue};
use crate::testing::barriers::Probe;
use crate::testing::fence::NoFence;
use crate::testing::leak;
use crate::testing::packed_device::PackedDevice;
use crate::testing::queue_rig::EitherQueue;
use crate::testing::shared_memory;
use crate::testing::split_device::{DeviceChain, SplitDevice};

const SIZE: usize = 8;

static HEADER: [u8; 3] = *b"hdr";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Written,
    Read,
    Reclaimed,
}

/// How a buffer came back, with its context, a length and the buffer.
type Note = (How, usize, usize, &'static mut [u8]);

/// A client that notes what comes back, and what it does with it.
#[derive(Default)]
struct Clerk {
    back: RefCell<Vec<Note>>,
    /// Returns buffers that were written, to be lent again.
    recycles: Cell<bool>,
    /// Returns this one instead.
    substitute: Cell<Option<&'static mut [u8]>>,
    /// Has the device reset while it is called for a buffer.
    resets: Cell<Option<&'static EitherQueue<SIZE>>>,
    /// Initializes the queue again while it is called for the last buffer, and lends another.
    restarts: Cell<Option<&'static EitherQueue<SIZE>>>,
}

impl Clerk {
    fn note(&self, how: How, context: usize, len: usize, buffer: &'static mut [u8]) {
        self.back.borrow_mut().push((how, context, len, buffer));
    }

    fn notes(&self) -> Vec<(How, usize, usize)> {
        let back = self.back.borrow();
        back.iter().map(|note| (note.0, note.1, note.2)).collect()
    }
}

impl SplitVirtqueueClient<'static> for Clerk {
    fn buffer_chain_ready(
        &self,
        _queue_number: u32,
        _buffer_chain: &mut [Option<VirtqueueReturnBuffer<'static>>],
        _bytes_used: usize,
    ) {
        panic!("only single buffers are lent here");
    }

    fn buffer_written(
        &self,
        _queue_number: u32,
        context: usize,
        buffer: &'static mut [u8],
        written: usize,
    ) -> Option<&'static mut [u8]> {
        if let Some(queue) = self.resets.take() {
            // SAFETY: the device is this test, which is waiting here.
            unsafe { queue.device_was_reset() };
        }
        if let Some(other) = self.substitute.take() {
            self.note(How::Written, context, written, buffer);
            return Some(other);
        }
        if self.recycles.get() {
            return Some(buffer);
        }
        self.note(How::Written, context, written, buffer);
        None
    }

    fn buffer_read(
        &self,
        _queue_number: u32,
        context: usize,
        buffer: &'static mut [u8],
        len: usize,
    ) {
        self.note(How::Read, context, len, buffer);
    }

    fn buffer_reclaimed(
        &self,
        _queue_number: u32,
        context: usize,
        buffer: &'static mut [u8],
        len: usize,
    ) {
        self.note(How::Reclaimed, context, len, buffer);
        if let Some(queue) = self.restarts.take() {
            queue.initialize(0, SIZE);
            assert!(queue.provide_writable(bytes(7), 70).is_ok());
            queue.announce();
        }
    }
}

enum Device {
    Split(SplitDevice),
    Packed(PackedDevice),
}

impl Device {
    fn pop(&self) -> Option<DeviceChain> {
        match self {
            Self::Split(device) => device.pop(),
            Self::Packed(device) => device.pop(),
        }
    }

    fn return_used(&self, chain: &DeviceChain, len: u32) {
        match self {
            Self::Split(device) => device.return_used(chain.head.into(), len),
            Self::Packed(device) => device.return_used(chain.head, len),
        }
    }

    /// As a device that says in either layout that it has written something.
    fn return_written(&self, chain: &DeviceChain, len: u32) {
        match self {
            Self::Split(device) => device.return_used(chain.head.into(), len),
            Self::Packed(device) => device.return_written(chain.head, len),
        }
    }
}

struct Office {
    queue: &'static EitherQueue<SIZE>,
    clerk: &'static Clerk,
    device: Device,
}

impl Office {
    fn new(features: u64) -> Self {
        let memory = leak(MaybeUninit::uninit());
        let queue: &'static EitherQueue<SIZE> =
            leak(EitherQueue::with_barriers(memory, NoFence, Probe::new()));
        let clerk: &'static Clerk = leak(Clerk::default());
        queue.set_client(clerk);
        queue.set_indirect_tables(leak(MaybeUninit::uninit()));
        queue.set_features(features);
        queue.initialize(0, SIZE);
        Self {
            queue,
            clerk,
            device: Self::device(queue, features),
        }
    }

    fn device(queue: &EitherQueue<SIZE>, features: u64) -> Device {
        let parts = queue.physical_addresses();
        if features & RING_PACKED != 0 {
            Device::Packed(PackedDevice::new(parts, SIZE as u16))
        } else {
            Device::Split(SplitDevice::new(parts, SIZE as u16))
        }
    }

    /// Lends a buffer to be written.
    fn post(&self, context: usize, len: usize) -> Result<(), QueueError> {
        let provided = self.queue.provide_writable(bytes(len), context);
        provided.map_err(|(error, _)| error)
    }

    /// Lends four of six bytes to be read.
    fn send(&self, context: usize) -> Result<(), QueueError> {
        let provided = self.queue.provide_readable(&HEADER, bytes(6), 4, context);
        provided.map_err(|(error, _)| error)
    }

    fn reset(&self) {
        // SAFETY: the device is this test, and it is done.
        unsafe { self.queue.device_was_reset() };
    }
}

fn bytes(len: usize) -> &'static mut [u8] {
    (0..len as u8).collect::<Vec<_>>().leak()
}

/// Either layout, with notifications by index.
const LAYOUTS: [u64; 2] = [EVENT_IDX, EVENT_IDX | RING_PACKED];

#[test]
fn a_written_buffer_comes_back_alone_with_its_context() {
    for features in LAYOUTS {
        let office = Office::new(features);
        office.post(7, 10).unwrap();
        office.queue.announce();
        let chain = office.device.pop().unwrap();
        assert_eq!((chain.buffers.len(), chain.buffers[0].len), (1, 10));
        let len = chain.fill(b"answer");
        office.device.return_used(&chain, len);
        office.queue.used_interrupt();
        let back = office.clerk.back.take();
        assert_eq!((back[0].0, back[0].1, back[0].2), (How::Written, 7, 6));
        assert_eq!(&*back[0].3, b"answer\x06\x07\x08\x09");
        assert_eq!(office.queue.free(), SIZE);
    }
}

#[test]
fn a_frame_is_read_behind_its_header_and_comes_back_whole() {
    for features in LAYOUTS {
        let office = Office::new(features);
        office.send(3).unwrap();
        office.queue.announce();
        let chain = office.device.pop().unwrap();
        let read: Vec<_> = chain.buffers.iter().map(|buffer| buffer.read()).collect();
        assert_eq!(read, [&b"hdr"[..], &[0, 1, 2, 3]]);
        assert!(chain.buffers.iter().all(|buffer| !buffer.writable));
        office.device.return_used(&chain, 0);
        office.queue.used_interrupt();
        let back = office.clerk.back.take();
        assert_eq!((back[0].0, back[0].1, back[0].2), (How::Read, 3, 4));
        assert_eq!(&*back[0].3, [0, 1, 2, 3, 4, 5]);
        assert_eq!(office.queue.free(), SIZE);
    }
}

#[test]
fn a_driver_of_known_type_gets_what_the_client_behind_a_trait_object_would() {
    for features in LAYOUTS {
        let office = Office::new(features);
        office.clerk.recycles.set(true);
        for round in 0..3 * SIZE {
            if round == 0 {
                office.post(7, 10).unwrap();
            }
            office.send(round).unwrap();
            office.queue.announce();
            // What was lent again is shown only now, before the frame.
            let (posted, sent) = (office.device.pop().unwrap(), office.device.pop().unwrap());
            assert_eq!((posted.buffers.len(), sent.buffers.len()), (1, 2));
            office.device.return_used(&posted, 5);
            office.device.return_used(&sent, 0);
            let served = office.queue.serve_for(office.clerk, office.queue);
            assert_eq!(served, Served::Something);
            assert_eq!(office.clerk.notes(), [(How::Read, round, 4)]);
            office.clerk.back.take();
        }
        assert_eq!(office.queue.free(), SIZE - 1);
        assert_eq!(office.queue.counters().used as usize, 6 * SIZE);
        office.post(8, 1).unwrap();
        office.queue.announce();
        let (_, chain) = (office.device.pop().unwrap(), office.device.pop().unwrap());
        office.device.return_used(&chain, 2);
        let served = office.queue.serve_for(office.clerk, office.queue);
        assert_eq!(served, Served::Broken);
        let violation = Violation::Overrun {
            written: 2,
            writable: 1,
        };
        assert_eq!(office.queue.violation(), Some(violation));
        assert_eq!(office.clerk.notes(), []);
        office.reset();
        let back = office.clerk.notes();
        assert_eq!(back.len(), 2);
        assert!(back.iter().all(|note| note.0 == How::Reclaimed));
    }
}

#[test]
fn a_queue_smaller_than_its_memory_is_full_at_its_size_and_knows_no_head_beyond() {
    for features in LAYOUTS {
        let office = Office::new(features);
        office.reset();
        office.queue.initialize(0, SIZE / 2);
        for context in 0..SIZE / 2 {
            office.post(context, 1).unwrap();
        }
        assert_eq!(office.post(9, 1), Err(QueueError::Full));
        assert_eq!(office.send(9), Err(QueueError::Full));
        assert_eq!(office.queue.counters().full, 2);
    }
    let office = Office::new(EVENT_IDX);
    office.reset();
    office.queue.initialize(0, SIZE / 2);
    for context in 0..SIZE / 2 {
        office.post(context, 1).unwrap();
    }
    office.queue.announce();
    let parts = office.queue.physical_addresses();
    SplitDevice::new(parts, SIZE as u16 / 2).return_used(SIZE as u32 / 2, 0);
    office.queue.used_interrupt();
    let beyond = Violation::UnknownHead(SIZE as u32 / 2);
    assert_eq!(office.queue.violation(), Some(beyond));
}

#[test]
fn frames_go_in_tables_once_a_queue_fills_up() {
    for features in LAYOUTS.map(|layout| layout | INDIRECT_DESC) {
        let office = Office::new(features);
        for round in 0..5 {
            let sent = (0..).take_while(|context| office.send(*context).is_ok());
            assert_eq!(sent.count(), 3 + 2, "two descriptors each, then one");
            office.queue.announce();
            for context in 0..5 {
                let chain = office.device.pop().unwrap();
                let read: Vec<_> = chain.buffers.iter().map(|buffer| buffer.read()).collect();
                assert_eq!(read, [&b"hdr"[..], &[0, 1, 2, 3]], "{round} {context}");
                office.device.return_used(&chain, 0);
            }
            office.queue.used_interrupt();
            let expected: Vec<_> = (0..5).map(|context| (How::Read, context, 4)).collect();
            assert_eq!(office.clerk.notes(), expected);
            let back = office.clerk.back.take();
            assert!(
                back.iter()
                    .all(|(.., buffer)| **buffer == [0, 1, 2, 3, 4, 5])
            );
            assert_eq!(office.queue.free(), SIZE);
        }
    }
}

#[test]
fn frames_in_tables_are_reclaimed() {
    for features in LAYOUTS.map(|layout| layout | INDIRECT_DESC) {
        let office = Office::new(features);
        while office.send(1).is_ok() {}
        office.reset();
        assert_eq!(office.clerk.notes(), [(How::Reclaimed, 1, 4); 5]);
        let back = office.clerk.back.take();
        assert!(
            back.iter()
                .all(|(.., buffer)| **buffer == [0, 1, 2, 3, 4, 5])
        );
        assert_eq!(office.queue.free(), SIZE);
    }
}

#[test]
fn a_buffer_that_the_client_returns_goes_round_with_its_context() {
    for features in LAYOUTS {
        let office = Office::new(features);
        office.clerk.recycles.set(true);
        (0..SIZE).for_each(|context| office.post(context, 5).unwrap());
        office.queue.announce();
        for _ in 0..5 * SIZE {
            let chain = office.device.pop().unwrap();
            let len = chain.fill(b"round");
            office.device.return_used(&chain, len);
            office.queue.used_interrupt();
            assert_eq!(office.queue.free(), 0);
            office.queue.announce();
        }
        office.clerk.recycles.set(false);
        for context in 0..SIZE {
            let chain = office.device.pop().unwrap();
            office.device.return_used(&chain, 0);
            office.queue.used_interrupt();
            assert_eq!(office.clerk.notes()[context], (How::Written, context, 0));
        }
        let back = office.clerk.back.take();
        assert!(back.iter().all(|(.., buffer)| &**buffer == b"round"));
    }
}

#[test]
fn a_client_may_return_another_buffer_than_it_got() {
    for features in LAYOUTS {
        let office = Office::new(features);
        office.post(4, 5).unwrap();
        office.queue.announce();
        let chain = office.device.pop().unwrap();
        office.device.return_used(&chain, 2);
        office.clerk.substitute.set(Some(bytes(9)));
        office.queue.used_interrupt();
        office.queue.announce();
        let chain = office.device.pop().unwrap();
        assert_eq!(chain.buffers[0].len, 9);
        let len = chain.fill(b"something");
        office.device.return_used(&chain, len);
        office.queue.used_interrupt();
        let back = office.clerk.back.take();
        assert_eq!((back[0].1, back[0].2, back[0].3.len()), (4, 2, 5));
        assert_eq!((back[1].1, back[1].2), (4, 9));
        assert_eq!(&*back[1].3, b"something");
    }
}

#[test]
fn a_buffer_returned_after_a_reset_comes_back_again() {
    for features in LAYOUTS {
        let office = Office::new(features);
        office.clerk.recycles.set(true);
        (0..2).for_each(|context| office.post(context, 5).unwrap());
        office.queue.announce();
        let chain = office.device.pop().unwrap();
        office.device.return_used(&chain, 1);
        office.clerk.resets.set(Some(office.queue));
        office.queue.used_interrupt();
        let expected = [(How::Reclaimed, 1, 5), (How::Reclaimed, 0, 5)];
        assert_eq!(office.clerk.notes(), expected);
        assert_eq!(office.queue.free(), SIZE);
        office.queue.initialize(0, SIZE);
        let device = Office::device(office.queue, features);
        office.post(8, 3).unwrap();
        office.queue.announce();
        assert!(device.pop().is_some(), "the queue has another life");
    }
}

#[test]
fn a_buffer_lent_from_inside_the_last_return_is_not_returned_with_the_others() {
    for features in LAYOUTS {
        let office = Office::new(features);
        office.clerk.restarts.set(Some(office.queue));
        office.post(1, 5).unwrap();
        office.queue.announce();
        office.reset();
        assert_eq!(office.clerk.notes(), [(How::Reclaimed, 1, 5)]);
        assert_eq!(office.queue.free(), SIZE - 1);
        let device = Office::device(office.queue, features);
        let chain = device.pop().expect("the new device has it");
        assert_eq!(chain.buffers[0].len, 7);
        device.return_used(&chain, 2);
        office.queue.used_interrupt();
        assert_eq!(office.clerk.notes()[1], (How::Written, 70, 2));
    }
}

#[test]
fn going_round_costs_few_ring_accesses_and_no_descriptor() {
    let office = Office::new(EVENT_IDX);
    office.clerk.recycles.set(true);
    (0..SIZE).for_each(|context| office.post(context, 1526).unwrap());
    office.queue.announce();
    for batch in [1, 4] {
        for _ in 0..10 {
            (0..batch).for_each(|_| {
                let chain = office.device.pop().unwrap();
                office.device.return_used(&chain, 0);
            });
            shared_memory::take_touches();
            office.queue.used_interrupt();
            office.queue.announce();
            let touches = shared_memory::take_touches();
            assert!(touches <= 5 + 3 * batch, "{touches} for {batch}");
        }
    }
}

#[test]
fn claims_about_single_buffers_are_checked_and_all_come_back_after_a_reset() {
    for features in LAYOUTS {
        for (frames_first, written, writable) in [(false, 6, 5), (true, 1, 0)] {
            let office = Office::new(features);
            for context in [0, 1] {
                let provided = if frames_first == (context == 0) {
                    office.send(context)
                } else {
                    office.post(context, 5)
                };
                provided.unwrap();
            }
            office.queue.announce();
            let chain = office.device.pop().unwrap();
            office.device.return_written(&chain, written);
            office.queue.used_interrupt();
            let overrun = Violation::Overrun { written, writable };
            assert_eq!(office.queue.violation(), Some(overrun));
            assert_eq!(office.post(2, 1), Err(QueueError::Broken));
            assert_eq!(office.send(2), Err(QueueError::Broken));
            assert_eq!(office.clerk.notes(), []);
            office.reset();
            let mut notes = office.clerk.notes();
            notes.sort_by_key(|note| note.1);
            let lens = if frames_first { [4, 5] } else { [5, 4] };
            let expected = [(How::Reclaimed, 0, lens[0]), (How::Reclaimed, 1, lens[1])];
            assert_eq!(notes, expected);
            assert_eq!(office.queue.free(), SIZE);
        }
    }
}

#[test]
fn a_buffer_that_is_refused_comes_back_with_the_reason() {
    let office = Office::new(EVENT_IDX);
    let queue = office.queue;
    let refused = |answer: Result<(), (QueueError, &'static mut [u8])>| {
        let (error, buffer) = answer.unwrap_err();
        (error, buffer.len())
    };
    let empty = refused(queue.provide_writable(&mut [], 0));
    assert_eq!(empty, (QueueError::EmptyBuffer, 0));
    let empty = refused(queue.provide_readable(&HEADER, bytes(3), 0, 0));
    assert_eq!(empty, (QueueError::EmptyBuffer, 3));
    let empty = refused(queue.provide_readable(&[], bytes(3), 3, 0));
    assert_eq!(empty, (QueueError::EmptyBuffer, 3));
    let long = refused(queue.provide_readable(&HEADER, bytes(3), 4, 0));
    assert_eq!(long, (QueueError::TooLong, 3));
    (1..SIZE).for_each(|context| office.post(context, 1).unwrap());
    let full = refused(queue.provide_readable(&HEADER, bytes(3), 3, 0));
    assert_eq!(full, (QueueError::Full, 3));
    office.post(0, 1).unwrap();
    let full = refused(queue.provide_writable(bytes(5), 0));
    assert_eq!(full, (QueueError::Full, 5));
    office.reset();
    let down = refused(queue.provide_writable(bytes(5), 0));
    assert_eq!(down, (QueueError::NotReady, 5));
}

/// A client that knows nothing of single buffers.
#[derive(Default)]
struct Plain(RefCell<Vec<(usize, usize, usize)>>);

impl SplitVirtqueueClient<'static> for Plain {
    fn buffer_chain_ready(
        &self,
        _queue_number: u32,
        buffer_chain: &mut [Option<VirtqueueReturnBuffer<'static>>],
        bytes_used: usize,
    ) {
        let [Some(returned)] = buffer_chain else {
            panic!("one buffer");
        };
        let window = returned.virtqueue_buffer.len();
        let mut seen = self.0.borrow_mut();
        seen.push((window, returned.device_len, bytes_used));
    }
}

#[test]
fn a_client_without_the_methods_gets_chains_of_one_buffer() {
    for features in LAYOUTS {
        let office = Office::new(features);
        let plain: &'static Plain = leak(Plain::default());
        office.queue.set_client(plain);
        office.post(0, 9).unwrap();
        office.send(1).unwrap();
        office.post(2, 8).unwrap();
        office.queue.announce();
        for len in [5, 0] {
            let chain = office.device.pop().unwrap();
            office.device.return_used(&chain, len);
        }
        office.queue.used_interrupt();
        office.reset();
        assert_eq!(plain.0.take(), [(9, 5, 5), (4, 0, 0), (8, 0, 0)]);
    }
}
