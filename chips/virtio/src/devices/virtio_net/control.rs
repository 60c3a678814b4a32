// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The control queue (VirtIO 1.2, 5.1.6.5): what the device is told apart from frames.
//!
//! One request is on its way at a time. What is to be said is kept as what the device should know, and
//! not as a list of requests: so nothing has to wait for room, a newer wish replaces an older one, and
//! after a reset the device is told all of it again.

use core::cell::Cell;

use kernel::utilities::leasable_buffer::{SubSliceMut, SubSliceMutImmut};

use super::features;
use super::receive_filter::{MAX_TABLE_LEN, StoredFilter};
use crate::counters::NetEvents;
use crate::devices::Progress;
use crate::devices::chain_watch::ChainWatch;
use crate::queues::BufferQueue;
use crate::queues::split_queue::{VirtqueueBuffer, VirtqueueReturnBuffer};

/// Class and command.
const PREFIX_LEN: usize = 2;

/// The memory that requests take: the longest one, and an answer in a word of its own.
pub const CONTROL_MEMORY_LEN: usize = (PREFIX_LEN + MAX_TABLE_LEN).next_multiple_of(4) + ANSWER_LEN;

const ANSWER_LEN: usize = 4;

/// The answers that the standard defines.
const OK: u8 = 0;
const ERR: u8 = 1;

/// How many times in a row the device is reset for a request that it does not answer. After that it
/// is not told anything any more, so that frames get through.
const PATIENCE: u8 = 3;

/// What stands in the place of the answer before there is one.
const NO_ANSWER: u8 = 0xA5;

/// What the device can be told, in the order in which it is: addresses before the mode that makes them
/// matter.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Topic {
    OwnAddress,
    Table,
    AllMulticast,
    Promiscuous,
    Announced,
}

const TOPICS: [Topic; 5] = [
    Topic::OwnAddress,
    Topic::Table,
    Topic::AllMulticast,
    Topic::Promiscuous,
    Topic::Announced,
];

/// Topics, one bit each.
const FILTER: u8 = Topic::Table.bit() | Topic::AllMulticast.bit() | Topic::Promiscuous.bit();

impl Topic {
    const fn bit(self) -> u8 {
        1 << self as u8
    }

    /// Class and command.
    fn prefix(self) -> [u8; PREFIX_LEN] {
        match self {
            Self::Promiscuous => [0, 0],
            Self::AllMulticast => [0, 1],
            Self::Table => [1, 0],
            Self::OwnAddress => [1, 1],
            Self::Announced => [3, 0],
        }
    }

    /// The feature without which the device does not listen.
    fn feature(self) -> u64 {
        match self {
            Self::Promiscuous | Self::AllMulticast | Self::Table => features::CTRL_RX,
            Self::OwnAddress => features::CTRL_MAC_ADDR,
            Self::Announced => features::GUEST_ANNOUNCE,
        }
    }
}

/// The driver's half of the control queue, if it has one.
pub(super) struct Control<'a> {
    queue: Cell<Option<&'a dyn BufferQueue<'static>>>,
    /// Where requests and answers are written, while none is on its way.
    request: Cell<Option<&'static mut [u8]>>,
    answer: Cell<Option<&'static mut [u8]>>,
    /// The features in use.
    features: Cell<u64>,
    /// Whether the device listens.
    running: Cell<bool>,
    /// What it has not been told, or not since that changed.
    untold: Cell<u8>,
    /// What it is being told.
    current: Cell<Option<Topic>>,
    /// Whether the client has chosen a filter. Before that the device's own is left alone.
    filters: Cell<bool>,
    filter: StoredFilter,
    /// Whether the device refused a part of the filter, and has to pass everything instead.
    filter_failed: Cell<bool>,
    own_address: Cell<[u8; 6]>,
    watch: ChainWatch,
    /// How many times a request has stalled since the last answer.
    stalls: Cell<u8>,
}

impl<'a> Control<'a> {
    pub(super) const fn new() -> Self {
        Self {
            queue: Cell::new(None),
            request: Cell::new(None),
            answer: Cell::new(None),
            features: Cell::new(0),
            running: Cell::new(false),
            untold: Cell::new(0),
            current: Cell::new(None),
            filters: Cell::new(false),
            filter: StoredFilter::new(),
            filter_failed: Cell::new(false),
            own_address: Cell::new([0; 6]),
            watch: ChainWatch::new(),
            stalls: Cell::new(0),
        }
    }

    pub(super) fn set_queue(
        &self,
        queue: &'a dyn BufferQueue<'static>,
        memory: &'static mut [u8; CONTROL_MEMORY_LEN],
    ) {
        let (request, answer) = memory.split_at_mut(CONTROL_MEMORY_LEN - ANSWER_LEN);
        self.request.set(Some(request));
        self.answer.set(Some(answer));
        self.queue.set(Some(queue));
    }

    /// Whether there is a queue, and no reason to expect that the device leaves it alone.
    pub(super) fn has_queue(&self) -> bool {
        self.queue.get().is_some() && self.stalls.get() < PATIENCE
    }

    /// Notes the features agreed on. Without the control queue there are none here.
    pub(super) fn features_agreed(&self, features: u64) {
        self.features.set(features);
    }

    pub(super) fn is_in_use(&self) -> bool {
        self.features.get() & features::CTRL_VQ != 0
    }

    /// Whether the queue has no room for a request and its answer.
    pub(super) fn has_cramped_queue(&self) -> bool {
        self.is_in_use() && self.queue.get().is_some_and(|queue| queue.size() < 2)
    }

    /// Notes that the device listens, and tells it what it should know. `own_address` is an address
    /// that it does not know.
    pub(super) fn started(&self, own_address: Option<[u8; 6]>) {
        self.running.set(true);
        self.watch.restart();
        self.current.set(None);
        self.filter_failed.set(false);
        let mut untold = if self.filters.get() { FILTER } else { 0 };
        if let Some(address) = own_address {
            self.own_address.set(address);
            untold |= Topic::OwnAddress.bit();
        }
        self.untold.set(0);
        self.tell(untold);
    }

    pub(super) fn stopped(&self) {
        self.running.set(false);
    }

    /// Whether the device can be told which frames to pass.
    #[cfg(feature = "ethernet-adapter")]
    pub(super) fn can_filter(&self) -> bool {
        self.features.get() & features::CTRL_RX != 0
    }

    /// Sets which frames the device is to pass.
    #[cfg(feature = "ethernet-adapter")]
    pub(super) fn set_filter(&self, filter: &kernel::hil::ethernet_adapter::ReceiveFilter<'_>) {
        self.filter.store(filter);
        self.filters.set(true);
        self.filter_failed.set(false);
        self.tell(FILTER);
    }

    /// Whether the device has not been told yet that an announcement was made.
    pub(super) fn is_announcing(&self) -> bool {
        let bit = Topic::Announced.bit();
        self.untold.get() & bit != 0 || self.current.get() == Some(Topic::Announced)
    }

    /// Tells the device that an announcement was made.
    pub(super) fn announced(&self) {
        self.tell(Topic::Announced.bit());
    }

    /// Tells the device about some topics, as far as it listens.
    fn tell(&self, topics: u8) {
        self.untold.set(self.untold.get() | topics);
        self.send_next();
    }

    fn send_next(&self) {
        let untold = self.untold.get();
        if untold == 0 || !self.running.get() || !self.is_in_use() {
            return;
        }
        let next = TOPICS.into_iter().find(|topic| untold & topic.bit() != 0);
        let (Some(topic), Some(queue)) = (next, self.queue.get()) else {
            return;
        };
        if self.features.get() & topic.feature() == 0 {
            self.untold.set(untold & !topic.bit());
            return self.send_next();
        }
        let Some((request, answer)) = self.request.take().zip(self.answer.take()) else {
            return;
        };
        let len = self.write(topic, request).unwrap_or(0);
        answer.fill(NO_ANSWER);
        let mut window = SubSliceMut::new(request);
        window.slice(..len);
        let mut chain = [
            Some(VirtqueueBuffer::DeviceReadable(SubSliceMutImmut::Mutable(
                window,
            ))),
            Some(VirtqueueBuffer::DeviceWriteable(SubSliceMut::new(answer))),
        ];
        if queue.provide(&mut chain, 0).is_ok() {
            self.untold.set(untold & !topic.bit());
            self.current.set(Some(topic));
            queue.announce();
            queue.watch();
        } else {
            // It stays untold until the device is there again.
            chain
                .into_iter()
                .flatten()
                .for_each(|buffer| self.keep(buffer));
        }
    }

    /// Writes a request, and returns its length.
    fn write(&self, topic: Topic, request: &mut [u8]) -> Option<usize> {
        let (prefix, data) = request.split_at_mut_checked(PREFIX_LEN)?;
        prefix.copy_from_slice(&topic.prefix());
        let mut put = |bytes: &[u8]| {
            data.get_mut(..bytes.len())?.copy_from_slice(bytes);
            Some(bytes.len())
        };
        let filter = &self.filter;
        let len = match topic {
            Topic::OwnAddress => put(&self.own_address.get())?,
            Topic::AllMulticast => put(&[filter.all_multicast.get().into()])?,
            Topic::Promiscuous => {
                let everything = filter.promiscuous.get() || self.filter_failed.get();
                put(&[everything.into()])?
            }
            Topic::Table => filter.write_table(data)?,
            Topic::Announced => 0,
        };
        len.checked_add(PREFIX_LEN)
    }

    fn keep(&self, buffer: VirtqueueBuffer<'static>) {
        match buffer {
            VirtqueueBuffer::DeviceReadable(SubSliceMutImmut::Mutable(window)) => {
                self.request.set(Some(window.take()));
            }
            VirtqueueBuffer::DeviceReadable(SubSliceMutImmut::Immutable(_)) => {}
            VirtqueueBuffer::DeviceWriteable(window) => self.answer.set(Some(window.take())),
        }
    }

    /// Takes the buffers of a request back. Returns the answer if the device wrote one.
    pub(super) fn take_back(
        &self,
        chain: &mut [Option<VirtqueueReturnBuffer<'static>>],
        written: usize,
    ) -> Option<u8> {
        for returned in chain.iter_mut().filter_map(Option::take) {
            self.keep(returned.virtqueue_buffer);
        }
        let answer = self.answer.take()?;
        let first = answer.first().copied();
        self.answer.set(Some(answer));
        first.filter(|_| written != 0)
    }

    /// Deals with an answer, and goes on with what else is to be said.
    pub(super) fn answered(&self, answer: Option<u8>, events: &NetEvents) {
        events.control_requests.bump();
        self.stalls.set(0);
        let topic = self.current.take();
        if answer != Some(OK) {
            match answer {
                Some(ERR) => events.control_refused.bump(),
                _ => events.control_garbled.bump(),
            }
            // What the device does not filter the client will, unless there is a newer wish.
            if let Some(topic @ (Topic::Table | Topic::AllMulticast)) = topic
                && self.untold.get() & topic.bit() == 0
            {
                self.filter_failed.set(true);
                self.untold
                    .set(self.untold.get() | Topic::Promiscuous.bit());
            }
        }
        self.send_next();
    }

    /// How a request is doing.
    pub(super) fn check(&self) -> Progress {
        match self.queue.get() {
            Some(queue) if self.is_in_use() => {
                let progress = self.watch.check(queue);
                if progress == Progress::Stalled {
                    self.stalls.set(self.stalls.get().saturating_add(1));
                }
                progress
            }
            _ => Progress::Idle,
        }
    }
}
