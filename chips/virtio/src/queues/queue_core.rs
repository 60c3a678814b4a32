// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The state of a queue, whatever its layout: where chains are between driver and device, and what
//! the device is told of them. `lending` fills the queue, `taking` empties it.
//!
//! Not generic over the size, so that a board with queues of several sizes has this code once.

use core::cell::Cell;

use kernel::platform::dma_fence::DmaFence;

use super::chain_table::ChainTable;
use super::client::SplitVirtqueueClient;
use super::indirect_tables::IndirectTables;
use super::nobody::Nobody;
use super::ring::{Ring, Style};
use super::{QueueError, Violation};
use crate::barriers::Barriers;
use crate::counters::{QueueCounters, QueueEvents};
use crate::features;
use crate::transports::VirtIOTransport;

/// The longest chain; bounds the stack that a returning chain takes.
pub(super) const MAX_CHAIN: usize = 4;

// The state says what keeps a call from the usual way, which takes one test of several bits.

/// State: no chains may be provided: before initialization, after a reset, and after a violation.
pub(super) const DOWN: u8 = 1;

/// State: used chains are being taken.
pub(super) const SCANNING: u8 = 2;

/// State: chains are to be published when that is over.
pub(super) const HELD: u8 = 4;

/// State: nobody is there to take chains back, so they stay.
const UNATTENDED: u8 = 8;

/// State: the device is asked by index to interrupt for a chain after the next, or for none, or it is
/// asked in another way, as the ring's style says.
pub(super) const LATER: u8 = 16;
pub(super) const NEVER: u8 = 32;
pub(super) const OTHERWISE: u8 = 64;

/// State: the ring is not laid out as a split queue.
pub(super) const NOT_SPLIT: u8 = 128;

/// What the ring has to do with the state.
pub(super) const OF_THE_RING: u8 = LATER | NEVER | OTHERWISE | NOT_SPLIT;

/// In C's order, so that what is used most often can be reached by the shortest instructions.
#[repr(C)]
pub(super) struct QueueCore<'a, 'b, F: DmaFence, R: Ring, B: Barriers> {
    pub(super) chains: ChainTable<'a, 'b>,
    /// Chains provided, published, of which the device was notified if it cares, and taken back as used,
    /// modulo 2^32; the rings know the low 16 bits.
    pub(super) provided: Cell<u32>,
    pub(super) published: Cell<u32>,
    pub(super) notified: Cell<u32>,
    pub(super) taken: Cell<u32>,
    pub(super) number: Cell<u32>,
    pub(super) client: Cell<&'a dyn SplitVirtqueueClient<'b>>,
    pub(super) transport: Cell<&'a dyn VirtIOTransport>,
    pub(super) ring: R,
    pub(super) state: Cell<u8>,
    /// Whether indirect tables may be used.
    pub(super) indirect: Cell<bool>,
    /// The number of free descriptors at which a chain of two buffers goes into a table, if there are any,
    /// or does not go.
    pub(super) scarce: Cell<u16>,
    /// How many chains the device should use before it interrupts; zero if it should not.
    pub(super) delay: Cell<u16>,
    /// Whether something was found without an interrupt: used chains, for which one may be under way, or
    /// a violation.
    pub(super) due: Cell<bool>,
    attended: Cell<bool>,
    /// Whether a device may know the queue: from an initialization to the reset that ends it.
    known: Cell<bool>,
    pub(super) events: QueueEvents,
    /// How many chains had been published when the device did not want to be notified the last time.
    withheld: Cell<u32>,
    pub(super) tables: Cell<Option<IndirectTables<'a>>>,
    /// What stopped the queue: the buffers stay until the device has been reset.
    pub(super) violation: Cell<Option<Violation>>,
    pub(super) features: Cell<u64>,
    pub(super) fence: F,
    pub(super) barriers: B,
}

impl<'a, 'b, F: DmaFence, R: Ring, B: Barriers> QueueCore<'a, 'b, F, R, B> {
    pub(super) fn new(ring: R, chains: ChainTable<'a, 'b>, fence: F, barriers: B) -> Self {
        Self {
            ring,
            chains,
            tables: Cell::new(None),
            fence,
            barriers,
            client: Cell::new(&Nobody),
            transport: Cell::new(&Nobody),
            due: Cell::new(false),
            attended: Cell::new(false),
            number: Cell::new(0),
            features: Cell::new(0),
            state: Cell::new(DOWN),
            indirect: Cell::new(false),
            scarce: Cell::new(1),
            delay: Cell::new(1),
            provided: Cell::new(0),
            published: Cell::new(0),
            notified: Cell::new(0),
            taken: Cell::new(0),
            known: Cell::new(false),
            withheld: Cell::new(u32::MAX),
            violation: Cell::new(None),
            events: QueueEvents::new(),
        }
    }

    pub(super) fn set_client(&self, client: &'a dyn SplitVirtqueueClient<'b>) {
        self.client.set(client);
        self.attended.set(true);
        self.state.set(self.state.get() & !UNATTENDED);
    }

    /// Whether the queue can be initialized: no device knows it, and there is nothing in it.
    pub(super) fn is_free(&self) -> bool {
        !self.known.get() && self.chains.is_empty()
    }

    /// No device knows the queue from now on, until it is initialized again.
    pub(super) fn forgotten(&self) {
        self.known.set(false);
    }

    /// Ends a scan that this is called from, and leaves the queue down if a client has not taken all
    /// buffers of a chain yet.
    ///
    /// A queue that a device may know stays as it is: the device would take what is provided next for
    /// other chains, and go on writing to buffers that it has returned.
    pub(super) fn initialize(&self, number: u32, size: u16) {
        if self.known.replace(true) {
            return;
        }
        self.state.set(DOWN);
        self.violation.set(None);
        self.due.set(false);
        self.number.set(number);
        if !self.chains.clear(size) {
            return;
        }
        let accepted = self.features.get();
        self.ring.clear(size, accepted);
        self.ring.set_delay(self.delay.get());
        if self.delay.get() == 0 {
            self.ring.silence(0);
        }
        let indirect = accepted & features::INDIRECT_DESC != 0 && self.tables.get().is_some();
        self.indirect.set(indirect);
        let scarce = if indirect { (size / 4).max(1) } else { 1 };
        self.scarce.set(scarce);
        if let Some(tables) = self.tables.get() {
            tables.clear();
        }
        self.events.used.add(self.taken.get());
        for count in [&self.provided, &self.published, &self.notified, &self.taken] {
            count.set(0);
        }
        self.withheld.set(u32::MAX);
        let attendance = if self.attended.get() { 0 } else { UNATTENDED };
        self.state.set(attendance | self.state_of_ring());
    }

    #[inline(never)]
    fn state_of_ring(&self) -> u8 {
        let layout = if self.ring.split().is_some() {
            0
        } else {
            NOT_SPLIT
        };
        layout
            | match self.ring.style() {
                Style::Each => 0,
                Style::Later => LATER,
                Style::Never => NEVER,
                Style::Other => OTHERWISE,
            }
    }

    pub(super) fn is_up(&self) -> bool {
        self.state.get() & DOWN == 0
    }

    /// What has happened so far.
    pub(super) fn counters(&self) -> QueueCounters {
        let mut counters = self.events.snapshot();
        // What costs nothing to count is added here.
        counters.used = counters.used.wrapping_add(self.taken.get());
        counters.scans = counters.scans.wrapping_add(counters.empty_scans);
        counters
    }

    /// Why the queue takes no chains.
    #[cold]
    pub(super) fn refusal(&self) -> QueueError {
        match self.violation.get() {
            None => QueueError::NotReady,
            Some(_) => QueueError::Broken,
        }
    }

    /// During a scan this waits for its end: what a scan finds is then bounded by what was
    /// outstanding when it began, however fast the device is.
    pub(super) fn publish(&self) {
        let state = self.state.get();
        if state & SCANNING != 0 {
            self.state.set(state | HELD);
        } else if state & DOWN == 0 {
            self.show();
        }
    }

    pub(super) fn notify(&self) {
        let (before, now) = (self.notified.get(), self.published.get());
        if self.is_up() && before != now {
            self.tell(before, now);
        }
    }

    pub(super) fn announce(&self) {
        let now = self.provided.get();
        let is_news = now != self.published.get();
        if !is_news || self.state.get() & !NEVER != 0 {
            return self.announce_otherwise();
        }
        self.ring.show_only(now, self.barriers);
        self.published.set(now);
        let before = self.notified.replace(now);
        // What was shown before the look at the device's wish, lest both sides wait (2.7.13.4).
        self.barriers.full();
        self.tell_if(self.ring.wants_by_index(before, now));
    }

    /// The same with nothing new, or not now, or in another way. Apart, so that the above takes no
    /// stack.
    #[inline(never)]
    fn announce_otherwise(&self) {
        self.publish();
        self.notify();
    }

    /// Shows the device what was provided.
    #[inline(always)]
    fn show(&self) {
        let (before, now) = (self.published.get(), self.provided.get());
        if now != before {
            let taken = self.taken.get();
            self.ring.show(taken, before, now, self.barriers);
            self.published.set(now);
        }
    }

    /// Tells the device that `now` chains were published, rather than `before`, if it wants to know.
    #[inline(always)]
    fn tell(&self, before: u32, now: u32) {
        self.notified.set(now);
        // What was shown before the look at the device's wish, lest both sides wait (2.7.13.4).
        self.barriers.full();
        self.tell_if(self.ring.wants_notification(before, now));
    }

    #[inline(always)]
    fn tell_if(&self, wanted: bool) {
        if wanted {
            self.kick();
        } else {
            self.withheld.set(self.published.get());
            self.events.kicks_suppressed.bump();
        }
    }

    #[inline(always)]
    fn kick(&self) {
        self.events.kicks.bump();
        self.transport.get().queue_notify(self.number.get());
    }

    /// Notifies the device of what it has and did not want to be notified of.
    pub(super) fn remind(&self) {
        let published = self.published.get();
        let outstanding = published != self.taken.get();
        if self.is_up() && outstanding && self.withheld.get() == published {
            // Once.
            self.withheld.set(published.wrapping_sub(1));
            self.kick();
        }
    }

    /// A longer delay holds from the next publication or scan on, a shorter one at once.
    pub(super) fn set_delay(&self, delay: u16) {
        let before = self.delay.replace(delay);
        if delay == before {
            return;
        }
        self.ring.set_delay(delay);
        let state = self.state.get();
        if state & DOWN == 0 {
            self.state.set(state & !OF_THE_RING | self.state_of_ring());
        }
        if delay == 0 {
            if self.is_up() {
                self.ring.silence(self.taken.get());
            }
        } else if (before == 0 || delay < before)
            && self.state.get() & (SCANNING | DOWN) == 0
            && self.ring.arm(self.taken.get(), self.published.get())
        {
            // The device may have passed the place before it knew that somebody waits there.
            self.barriers.full();
            if self.ring.look(self.taken.get()) != 0 {
                self.scan_used();
            }
        }
    }

    /// Whether the device has nothing to interrupt for.
    #[inline]
    pub(super) fn expects_nothing(&self) -> bool {
        !self.due.get() && (self.delay.get() == 0 || self.published.get() == self.taken.get())
    }
}
