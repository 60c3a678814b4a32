// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The control queue (VirtIO 1.2, 5.1.6.5): what the device is told apart from frames.
//!
//! One request is on its way at a time. What is to be said is kept as what the device should know, and
//! not as a list of requests: so nothing has to wait for room, a newer wish replaces an older one, and
//! after a reset the device is told all of it again.

use core::cell::Cell;

use kernel::utilities::leasable_buffer::{SubSliceMut, SubSliceMutImmut};

use super::features;
use super::pair::{self, Pair};
use super::receive_filter::{MAX_TABLE_LEN, StoredFilter};
use crate::counters::NetEvents;
use crate::devices::Progress;
use crate::devices::chain_watch::ChainWatch;
use crate::queues::BufferQueue;
use crate::queues::split_queue::VirtqueueBuffer;

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
}

/// The driver's half of the control queue, if it has one.
pub(super) struct Control<'a, Q: ?Sized> {
    queue: Cell<Option<&'a Q>>,
    /// Where a request and its answer are written, while none is on its way.
    memory: Cell<Option<Pair>>,
    /// Whether the device has the queue, too.
    in_use: Cell<bool>,
    /// What the device understands.
    understood: Cell<u8>,
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

impl<'a, Q: BufferQueue<'static> + ?Sized> Control<'a, Q> {
    pub(super) const fn new() -> Self {
        Self {
            queue: Cell::new(None),
            memory: Cell::new(None),
            in_use: Cell::new(false),
            understood: Cell::new(0),
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

    pub(super) fn set_queue(&self, queue: &'a Q, memory: &'static mut [u8; CONTROL_MEMORY_LEN]) {
        let (request, answer) = memory.split_at_mut(CONTROL_MEMORY_LEN - ANSWER_LEN);
        self.memory.set(Some([request, answer]));
        self.queue.set(Some(queue));
    }

    /// Whether there is a queue, and no reason to expect that the device leaves it alone.
    pub(super) fn has_queue(&self) -> bool {
        self.queue.get().is_some() && self.stalls.get() < PATIENCE
    }

    /// Notes the features agreed on. Without the control queue there are none here.
    pub(super) fn features_agreed(&self, features: u64) {
        let has = |feature| features & feature != 0;
        self.in_use.set(has(features::CTRL_VQ));
        let mut understood = 0;
        if has(features::CTRL_RX) {
            understood |= FILTER;
        }
        if has(features::CTRL_MAC_ADDR) {
            understood |= Topic::OwnAddress.bit();
        }
        if has(features::GUEST_ANNOUNCE) {
            understood |= Topic::Announced.bit();
        }
        self.understood.set(understood);
    }

    pub(super) fn is_in_use(&self) -> bool {
        self.in_use.get()
    }

    /// Whether the queue has no room for a request and its answer.
    pub(super) fn has_cramped_queue(&self) -> bool {
        self.is_in_use() && self.queue.get().is_some_and(|queue| queue.size() < 2)
    }

    /// Notes that the device listens, and tells it what it should know. `own_address` is an address
    /// that it does not know.
    pub(super) fn started(&self, own_address: Option<[u8; 6]>) {
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

    /// Whether the device can be told which frames to pass.
    #[cfg(feature = "ethernet-adapter")]
    pub(super) fn can_filter(&self) -> bool {
        self.understood.get() & FILTER != 0
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

    /// Tells the device about some topics, as far as it understands them.
    fn tell(&self, topics: u8) {
        let topics = topics & self.understood.get();
        self.untold.set(self.untold.get() | topics);
        self.send_next();
    }

    fn send_next(&self) {
        let untold = self.untold.get();
        let next = TOPICS.into_iter().find(|topic| untold & topic.bit() != 0);
        let (Some(topic), Some(queue)) = (next, self.queue.get()) else {
            return;
        };
        let Some([request, answer]) = self.memory.take() else {
            return;
        };
        let len = self.write(topic, request).unwrap_or(0);
        answer.fill(NO_ANSWER);
        let mut window = SubSliceMut::new(request);
        window.slice(..len);
        let pieces = [
            VirtqueueBuffer::DeviceReadable(SubSliceMutImmut::Mutable(window)),
            VirtqueueBuffer::DeviceWriteable(SubSliceMut::new(answer)),
        ];
        match pair::lend(queue, pieces) {
            Ok(()) => {
                self.untold.set(untold & !topic.bit());
                self.current.set(Some(topic));
                queue.announce();
                queue.watch();
            }
            // The device is out of service: it is told all again when it is back.
            Err(memory) => self.memory.set(Some(memory)),
        }
    }

    /// Writes a request, and returns its length.
    fn write(&self, topic: Topic, request: &mut [u8]) -> Option<usize> {
        let filter = &self.filter;
        let (address, flag, table);
        let data = match topic {
            Topic::OwnAddress => {
                address = self.own_address.get();
                &address[..]
            }
            Topic::AllMulticast | Topic::Promiscuous => {
                let everything = if topic == Topic::AllMulticast {
                    filter.all_multicast.get()
                } else {
                    filter.promiscuous.get() || self.filter_failed.get()
                };
                flag = [everything.into()];
                &flag
            }
            Topic::Table => {
                table = filter.table();
                table.0.get(..table.1)?
            }
            Topic::Announced => &[],
        };
        let (prefix, place) = request.split_first_chunk_mut()?;
        *prefix = topic.prefix();
        place.get_mut(..data.len())?.copy_from_slice(data);
        data.len().checked_add(PREFIX_LEN)
    }

    /// Takes the memory of a request back. Returns the answer if the device wrote one.
    pub(super) fn take_back(&self, memory: Pair, written: usize) -> Option<u8> {
        let [_, answer] = &memory;
        let first = answer.first().copied();
        self.memory.set(Some(memory));
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
        let Some(queue) = self.queue.get() else {
            return Progress::Idle;
        };
        let progress = self.watch.check(queue);
        if progress == Progress::Stalled {
            self.stalls.set(self.stalls.get().saturating_add(1));
        }
        progress
    }
}
