// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The network device (VirtIO 1.2, 5.1) behind the interfaces `EthernetAdapterDatapath` and, with the
//! feature `ethernet-adapter`, `EthernetAdapter`.
//!
//! A received frame lies in one buffer with the device's header in front of it, and stays there until
//! the client is done with it. A frame to send is lent as it is. Headers and lengths from the device
//! are checked here; `configuration` judges what it says of itself.

#[cfg(feature = "ethernet-adapter")]
mod adapter;
mod client;
mod configuration;
mod datapath;
mod header;
mod held_frames;
mod receive;
mod receive_buffer;
mod transmit;

use core::cell::Cell;
use core::marker::PhantomData;

use kernel::ErrorCode;
use kernel::deferred_call::{DeferredCall, DeferredCallClient};
#[cfg(feature = "ethernet-adapter")]
use kernel::hil::ethernet_adapter::Link;
use kernel::platform::dma_fence::DmaFence;
use kernel::utilities::cells::OptionalCell;

use self::client::Client;
use self::configuration::{
    ETHERNET_MTU, FEATURE_MAC, FEATURE_MTU, FEATURE_STATUS, NetConfiguration,
};
use self::header::{HEADER_LEN, LEGACY_HEADER_LEN, RECEIVE_OVERHEAD, longest_frame};
use self::held_frames::HeldFrames;
use self::receive_buffer::ReceiveBuffer;
use super::buffer_stack::BufferStack;
use super::chain_watch::ChainWatch;
use super::{Progress, VirtIODeviceDriver, VirtIODeviceType};
use crate::counters::{NetCounters, NetEvents};
use crate::features;
use crate::queues::BufferQueue;
use crate::queues::split_queue::{SplitVirtqueueClient, VirtqueueReturnBuffer};
use crate::transports::configuration::Configuration;

/// The number of the queue of received frames (5.1.2).
const RECEIVE_QUEUE: u32 = 0;

/// The length of a receive buffer: the header, and the longest frame, rounded up to whole words.
pub const RECEIVE_BUFFER_LEN: usize =
    (RECEIVE_OVERHEAD + ETHERNET_MTU as usize).next_multiple_of(4);

/// The driver of a network device, with up to `DEPTH` receive buffers.
pub struct VirtIONet<'a, F: DmaFence, const DEPTH: usize = 16> {
    receive_queue: &'a dyn BufferQueue<'static>,
    transmit_queue: &'a dyn BufferQueue<'static>,
    client: OptionalCell<Client<'a>>,
    /// Receive buffers that neither the device has nor the client waits for.
    spare: BufferStack<'static, DEPTH>,
    /// The first bytes of each receive buffer, if the device wants the header in a buffer of its own.
    spare_headers: BufferStack<'static, DEPTH>,
    headers_apart: Cell<bool>,
    header_len: Cell<usize>,
    /// Frames that the client is to be offered again.
    held: HeldFrames<DEPTH>,
    /// Whether the client asked for them.
    resume: Cell<bool>,
    /// Whether the client was offered a frame since it was last told that there are no more.
    offering: Cell<bool>,
    /// Whether the device is to be notified of frames from a deferred call.
    flush_is_due: Cell<bool>,
    /// The longest frame that may be sent or is expected, in bytes.
    longest_frame: Cell<usize>,
    /// The address used if the device has none to give.
    own_mac: [u8; 6],
    accepted: Cell<u64>,
    mtu_is_usable: Cell<bool>,
    configuration: Cell<NetConfiguration>,
    /// What the client knows of the link.
    #[cfg(feature = "ethernet-adapter")]
    told_link: Cell<Option<Link>>,
    running: Cell<bool>,
    receiving: Cell<bool>,
    /// How long frames have been on their way.
    transmit_watch: ChainWatch,
    /// Runs after frames were handed in one by one, and after a client asked for frames it had no room
    /// for.
    deferred_call: DeferredCall,
    events: NetEvents,
    fence: PhantomData<F>,
}

impl<'a, F: DmaFence, const DEPTH: usize> VirtIONet<'a, F, DEPTH> {
    /// Makes a driver for the device whose queues 0 and 1 are those given.
    ///
    /// `own_mac` is used if the device supplies no valid address: one that is locally administered,
    /// and that stays the same over restarts. The driver has to be set as client of both queues, and
    /// its deferred call to be registered, before the device is initialized.
    pub fn new(
        receive_queue: &'a dyn BufferQueue<'static>,
        transmit_queue: &'a dyn BufferQueue<'static>,
        receive_buffers: [&'static mut [u8; RECEIVE_BUFFER_LEN]; DEPTH],
        own_mac: [u8; 6],
    ) -> Self {
        let spare = BufferStack::new();
        receive_buffers
            .into_iter()
            .for_each(|buffer| spare.push(buffer));
        Self {
            receive_queue,
            transmit_queue,
            client: OptionalCell::empty(),
            spare,
            spare_headers: BufferStack::new(),
            headers_apart: Cell::new(false),
            header_len: Cell::new(HEADER_LEN),
            held: HeldFrames::new(),
            resume: Cell::new(false),
            offering: Cell::new(false),
            flush_is_due: Cell::new(false),
            longest_frame: Cell::new(longest_frame(ETHERNET_MTU)),
            own_mac,
            accepted: Cell::new(0),
            mtu_is_usable: Cell::new(false),
            configuration: Cell::new(NetConfiguration {
                mac: None,
                link_up: false,
                mtu: ETHERNET_MTU,
            }),
            #[cfg(feature = "ethernet-adapter")]
            told_link: Cell::new(None),
            running: Cell::new(false),
            receiving: Cell::new(false),
            transmit_watch: ChainWatch::new(),
            deferred_call: DeferredCall::new(),
            events: NetEvents::new(),
            fence: PhantomData,
        }
    }

    /// The card's address: the device's if it supplied a valid one, else the driver's own.
    pub fn mac(&self) -> [u8; 6] {
        self.configuration.get().mac.unwrap_or(self.own_mac)
    }

    /// The largest payload of a frame, in bytes.
    pub fn mtu(&self) -> u16 {
        self.configuration.get().mtu
    }

    /// Whether the device runs and its link is up, or it does not tell.
    pub fn link_is_up(&self) -> bool {
        self.running.get() && self.configuration.get().link_up
    }

    /// What has happened so far.
    pub fn counters(&self) -> NetCounters {
        self.events.snapshot()
    }

    /// Has the device notified soon of frames that were published.
    fn flush_later(&self) {
        self.flush_is_due.set(true);
        self.deferred_call.set();
    }

    #[cfg(not(feature = "ethernet-adapter"))]
    fn tell_link(&self) {}
}

impl<F: DmaFence, const DEPTH: usize> SplitVirtqueueClient<'static> for VirtIONet<'_, F, DEPTH> {
    fn buffer_chain_ready(
        &self,
        queue_number: u32,
        buffer_chain: &mut [Option<VirtqueueReturnBuffer<'static>>],
        bytes_used: usize,
    ) {
        self.chain_used(queue_number, 0, buffer_chain, bytes_used);
    }

    fn chain_used(
        &self,
        queue_number: u32,
        context: usize,
        buffer_chain: &mut [Option<VirtqueueReturnBuffer<'static>>],
        bytes_used: usize,
    ) {
        if queue_number != RECEIVE_QUEUE {
            self.events.transmitted.bump();
            self.give_back(buffer_chain, context, Ok(()));
        } else if let Some(buffer) = ReceiveBuffer::from_returned(buffer_chain) {
            self.receive(buffer, bytes_used);
        }
    }

    fn chains_served(&self, queue_number: u32) {
        if queue_number == RECEIVE_QUEUE {
            self.end_of_offers();
        }
    }

    fn chain_reclaimed(
        &self,
        queue_number: u32,
        context: usize,
        buffer_chain: &mut [Option<VirtqueueReturnBuffer<'static>>],
    ) {
        if queue_number != RECEIVE_QUEUE {
            self.events.lost.bump();
            self.give_back(buffer_chain, context, Err(ErrorCode::FAIL));
        } else {
            self.keep(ReceiveBuffer::from_returned(buffer_chain));
        }
    }
}

impl<F: DmaFence, const DEPTH: usize> VirtIODeviceDriver for VirtIONet<'_, F, DEPTH> {
    fn negotiate_features(&self, offered_features: u64) -> Option<u64> {
        let mut wanted = FEATURE_MAC | FEATURE_STATUS;
        if self.mtu_is_usable.get() {
            wanted |= FEATURE_MTU;
        }
        self.accepted.set(offered_features & wanted);
        Some(self.accepted.get())
    }

    fn device_type(&self) -> VirtIODeviceType {
        VirtIODeviceType::NetworkCard
    }

    /// An MTU is accepted only if the receive buffers can hold what it promises (5.1.4.2).
    fn examine(&self, offered_features: u64, configuration: &Configuration<'_>) {
        let offered = offered_features & FEATURE_MTU != 0;
        self.mtu_is_usable
            .set(offered && NetConfiguration::mtu_is_usable(configuration));
    }

    /// A legacy device has a shorter header, and may want it in a buffer of its own (2.7.4.3, 5.1.6).
    fn features_agreed(&self, agreed: u64) {
        let legacy = agreed & features::VERSION_1 == 0;
        self.header_len.set(if legacy {
            LEGACY_HEADER_LEN
        } else {
            HEADER_LEN
        });
        if legacy && agreed & features::ANY_LAYOUT == 0 {
            self.set_headers_apart();
        }
    }

    fn configure(&self, configuration: &Configuration<'_>) -> Result<(), ErrorCode> {
        match NetConfiguration::read(configuration, self.accepted.get()) {
            Ok(read) => {
                if read.mac.is_none() {
                    self.events.bad_configuration.bump();
                }
                self.configuration.set(read);
                self.longest_frame.set(longest_frame(read.mtu));
                Ok(())
            }
            Err(_) => {
                self.events.bad_configuration.bump();
                Err(ErrorCode::FAIL)
            }
        }
    }

    fn pre_device_initialization(&self) -> Result<(), ErrorCode> {
        self.transmit_watch.restart();
        self.transmit_queue.delay_interrupts(u16::MAX);
        self.post_spare();
        Ok(())
    }

    fn device_initialized(&self) -> Result<(), ErrorCode> {
        self.running.set(true);
        self.tell_link();
        Ok(())
    }

    fn configuration_changed(&self, configuration: &Configuration<'_>) {
        match NetConfiguration::read(configuration, self.accepted.get()) {
            Ok(read) => {
                let before = self.configuration.get();
                if read.link_up != before.link_up {
                    self.events.link_changes.bump();
                }
                // Only the link is to change in service (5.1.4).
                self.configuration.set(NetConfiguration {
                    link_up: read.link_up,
                    ..before
                });
                self.tell_link();
            }
            Err(_) => self.events.bad_configuration.bump(),
        }
    }

    fn device_stopped(&self) {
        self.running.set(false);
        self.tell_link();
    }

    /// Only frames to send: nobody knows when one will be received.
    fn check_progress(&self) -> Progress {
        self.transmit_watch.check(self.transmit_queue)
    }
}

impl<F: DmaFence, const DEPTH: usize> DeferredCallClient for VirtIONet<'_, F, DEPTH> {
    fn handle_deferred_call(&self) {
        if self.flush_is_due.take() {
            // What was sent meanwhile may make room for more.
            self.transmit_queue.reap();
            self.transmit_queue.notify();
            self.transmit_queue.watch();
        }
        if self.resume.take() {
            self.offer_held();
        }
    }

    fn register(&'static self) {
        self.deferred_call.register(self);
    }
}

#[cfg(test)]
mod tests;
