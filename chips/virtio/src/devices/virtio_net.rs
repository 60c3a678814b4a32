// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The network device (VirtIO 1.2, 5.1) behind the Ethernet interface.
//!
//! A received frame lies in one buffer with the device's header in front of it. A frame to send is
//! lent as it is, behind a header of zeros that all frames share. The device is notified of frames to
//! send once for all that come together, and asked to interrupt only when it has sent the last one:
//! those sent earlier are found when the next one is handed in. Headers and lengths from the device
//! are checked here; `net_configuration` judges what it says of itself.

use core::cell::Cell;
use core::marker::PhantomData;

use kernel::ErrorCode;
use kernel::deferred_call::{DeferredCall, DeferredCallClient};
use kernel::hil::ethernet::{EthernetAdapterDatapath, EthernetAdapterDatapathClient};
use kernel::platform::dma_fence::DmaFence;
use kernel::utilities::cells::OptionalCell;
use kernel::utilities::leasable_buffer::{SubSliceMut, SubSliceMutImmut};

use super::buffer_stack::BufferStack;
use super::chain_watch::ChainWatch;
use super::net_configuration::{
    ETHERNET_MTU, FEATURE_MAC, FEATURE_MTU, FEATURE_STATUS, NetConfiguration,
};
use super::{Progress, VirtIODeviceDriver, VirtIODeviceType};
use crate::counters::{NetCounters, NetEvents};
use crate::features;
use crate::queues::BufferQueue;
use crate::queues::split_queue::{SplitVirtqueueClient, VirtqueueBuffer, VirtqueueReturnBuffer};
use crate::transports::configuration::Configuration;

/// The number of the queue of received frames (5.1.2).
const RECEIVE_QUEUE: u32 = 0;

/// The length of the device's header (5.1.6).
const HEADER_LEN: usize = 12;

/// Its length with a legacy device, which has no field for merged buffers (5.1.6.1).
const LEGACY_HEADER_LEN: usize = 10;

/// The header of each frame to send: nothing is left to the device (5.1.6.2).
static TRANSMIT_HEADER: [u8; HEADER_LEN] = [0; HEADER_LEN];

/// Header flag: the checksum is yet to be filled in. Only with features that are never accepted.
const NEEDS_CSUM: u8 = 1;

/// Destination, source and type.
const ETHERNET_HEADER_LEN: usize = 14;

/// A VLAN tag may come on top of the MTU.
const VLAN_TAG_LEN: usize = 4;

/// The length of a receive buffer: the header, and the longest frame, rounded up to whole words.
pub const RECEIVE_BUFFER_LEN: usize = {
    let longest = ETHERNET_HEADER_LEN + VLAN_TAG_LEN + ETHERNET_MTU as usize;
    (HEADER_LEN + longest).next_multiple_of(4)
};

/// A buffer for one received frame: in one piece, or with the header in a piece of its own.
struct ReceiveBuffer {
    header: Option<&'static mut [u8]>,
    rest: &'static mut [u8],
}

impl ReceiveBuffer {
    /// Puts a buffer together again from the pieces that were lent.
    fn from_chain(chain: impl Iterator<Item = VirtqueueBuffer<'static>>) -> Option<Self> {
        let mut pieces = chain.filter_map(|buffer| match buffer {
            VirtqueueBuffer::DeviceWriteable(window) => Some(window.take()),
            VirtqueueBuffer::DeviceReadable(_) => None,
        });
        let first = pieces.next()?;
        Some(match pieces.next() {
            None => Self {
                header: None,
                rest: first,
            },
            Some(rest) => Self {
                header: Some(first),
                rest,
            },
        })
    }

    fn from_returned(chain: &mut [Option<VirtqueueReturnBuffer<'static>>]) -> Option<Self> {
        let buffers = chain.iter_mut().filter_map(Option::take);
        Self::from_chain(buffers.map(|returned| returned.virtqueue_buffer))
    }
}

/// Why a received buffer holds no frame for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Drop {
    Runt,
    Overlong,
    Malformed,
}

/// The driver of a network device, with up to `DEPTH` receive buffers.
pub struct VirtIONet<'a, F: DmaFence, const DEPTH: usize = 16> {
    receive_queue: &'a dyn BufferQueue<'static>,
    transmit_queue: &'a dyn BufferQueue<'static>,
    client: OptionalCell<&'a dyn EthernetAdapterDatapathClient>,
    /// Receive buffers that the device does not have.
    spare: BufferStack<'static, DEPTH>,
    /// The first bytes of each receive buffer, if the device wants the header in a buffer of its own.
    spare_headers: BufferStack<'static, DEPTH>,
    headers_apart: Cell<bool>,
    header_len: Cell<usize>,
    /// The address used if the device has none to give.
    own_mac: [u8; 6],
    accepted: Cell<u64>,
    mtu_is_usable: Cell<bool>,
    configuration: Cell<NetConfiguration>,
    running: Cell<bool>,
    receiving: Cell<bool>,
    /// How long frames have been on their way.
    transmit_watch: ChainWatch,
    /// Runs after frames were handed in for sending.
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
            own_mac,
            accepted: Cell::new(0),
            mtu_is_usable: Cell::new(false),
            configuration: Cell::new(NetConfiguration {
                mac: None,
                link_up: false,
                mtu: ETHERNET_MTU,
            }),
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

    /// The longest frame that may be sent or is expected, in bytes.
    fn longest_frame(&self) -> usize {
        usize::from(self.mtu()) + ETHERNET_HEADER_LEN + VLAN_TAG_LEN
    }

    /// Gives the device every spare receive buffer that the queue has room for.
    fn post_spare(&self) {
        while let Some(rest) = self.spare.pop() {
            let header = self.spare_headers.pop();
            if !self.post(ReceiveBuffer { header, rest }) {
                break;
            }
        }
        self.show_receive_buffers();
    }

    fn show_receive_buffers(&self) {
        self.receive_queue.publish();
        self.receive_queue.notify();
    }

    /// Gives the device one receive buffer, or keeps it as a spare; says whether it was given.
    fn post(&self, buffer: ReceiveBuffer) -> bool {
        let writable = |buffer| Some(VirtqueueBuffer::DeviceWriteable(SubSliceMut::new(buffer)));
        let mut chain = match buffer.header {
            None => [writable(buffer.rest), None],
            Some(header) => [writable(header), writable(buffer.rest)],
        };
        let provided = self.receive_queue.provide(&mut chain, 0);
        if provided.is_err() {
            let left = chain.into_iter().flatten();
            self.keep(ReceiveBuffer::from_chain(left));
        }
        provided.is_ok()
    }

    fn keep(&self, buffer: Option<ReceiveBuffer>) {
        if let Some(buffer) = buffer {
            if let Some(header) = buffer.header {
                self.spare_headers.push(header);
            }
            self.spare.push(buffer.rest);
        }
    }

    /// Cuts the header off each receive buffer, for good: all are spares now, and any device takes
    /// them like this.
    fn set_headers_apart(&self) {
        if self.headers_apart.replace(true) {
            return;
        }
        let whole = BufferStack::<DEPTH>::new();
        while let Some(buffer) = self.spare.pop() {
            whole.push(buffer);
        }
        while let Some(buffer) = whole.pop() {
            if let Some((header, rest)) = buffer.split_at_mut_checked(self.header_len.get()) {
                self.spare_headers.push(header);
                self.spare.push(rest);
            }
        }
    }

    fn receive(&self, buffer: ReceiveBuffer, used: usize) {
        match self.frame_in(&buffer, used) {
            Ok(frame) => match self.client.get() {
                Some(client) if self.receiving.get() => {
                    self.events.received.bump();
                    client.received_frame(frame, None);
                }
                _ => self.events.dropped_unwanted.bump(),
            },
            Err(Drop::Runt) => self.events.dropped_runt.bump(),
            Err(Drop::Overlong) => self.events.dropped_overlong.bump(),
            Err(Drop::Malformed) => self.events.dropped_malformed.bump(),
        }
        self.post(buffer);
    }

    /// Finds the frame in a buffer of which the device says it has written the first `used` bytes.
    ///
    /// The header field for merged buffers is not looked at: a device need not write it.
    fn frame_in<'f>(&self, buffer: &'f ReceiveBuffer, used: usize) -> Result<&'f [u8], Drop> {
        let apart = buffer.header.as_deref().unwrap_or_default();
        let (header, frame) = used
            .checked_sub(apart.len())
            .and_then(|used| buffer.rest.get(..used))
            .and_then(|rest| {
                rest.split_at_checked(self.header_len.get().saturating_sub(apart.len()))
            })
            .ok_or(Drop::Runt)?;
        let header = if apart.is_empty() { header } else { apart };
        let [flags, gso_type, ..] = header else {
            return Err(Drop::Runt);
        };
        if frame.len() < ETHERNET_HEADER_LEN {
            Err(Drop::Runt)
        } else if flags & NEEDS_CSUM != 0 || *gso_type != 0 {
            Err(Drop::Malformed)
        } else if frame.len() > self.longest_frame() {
            Err(Drop::Overlong)
        } else {
            Ok(frame)
        }
    }

    /// Returns the frame of a transmit chain to the client.
    fn transmitted(
        &self,
        chain: &mut [Option<VirtqueueReturnBuffer<'static>>],
        identifier: usize,
        outcome: Result<(), ErrorCode>,
    ) {
        let frame = chain.get_mut(1).and_then(Option::take);
        if let Some(VirtqueueReturnBuffer {
            virtqueue_buffer: VirtqueueBuffer::DeviceReadable(SubSliceMutImmut::Mutable(frame)),
            ..
        }) = frame
            && let Some(client) = self.client.get()
        {
            // Lossless: the length came as 16 bits.
            let len = frame.len() as u16;
            client.transmit_frame_done(outcome, frame.take(), len, identifier, None);
        }
    }

    fn check_transmit(&self, buffer: &[u8], len: usize) -> Result<(), ErrorCode> {
        if !self.running.get() {
            Err(ErrorCode::OFF)
        } else if !self.link_is_up() {
            Err(ErrorCode::NODEVICE)
        } else if len > buffer.len() || !(ETHERNET_HEADER_LEN..=self.longest_frame()).contains(&len)
        {
            Err(ErrorCode::SIZE)
        } else {
            Ok(())
        }
    }
}

impl<'a, F: DmaFence, const DEPTH: usize> EthernetAdapterDatapath<'a> for VirtIONet<'a, F, DEPTH> {
    fn set_client(&self, client: &'a dyn EthernetAdapterDatapathClient) {
        self.client.set(client);
    }

    fn enable_receive(&self) {
        self.receiving.set(true);
    }

    fn disable_receive(&self) {
        self.receiving.set(false);
    }

    fn transmit_frame(
        &self,
        frame_buffer: &'static mut [u8],
        len: u16,
        transmission_identifier: usize,
    ) -> Result<(), (ErrorCode, &'static mut [u8])> {
        if let Err(code) = self.check_transmit(frame_buffer, len.into()) {
            self.events.refused.bump();
            return Err((code, frame_buffer));
        }
        let mut frame = SubSliceMut::new(frame_buffer);
        frame.slice(..usize::from(len));
        let mut chain = [
            Some(VirtqueueBuffer::DeviceReadable(SubSliceMutImmut::from(
                TRANSMIT_HEADER
                    .get(..self.header_len.get())
                    .unwrap_or(&TRANSMIT_HEADER),
            ))),
            Some(VirtqueueBuffer::DeviceReadable(SubSliceMutImmut::Mutable(
                frame,
            ))),
        ];
        let provided = self
            .transmit_queue
            .provide(&mut chain, transmission_identifier);
        let [_, left] = chain;
        match (provided, left) {
            (Ok(()), _) => {
                self.transmit_queue.publish();
                self.deferred_call.set();
                Ok(())
            }
            (
                Err(error),
                Some(VirtqueueBuffer::DeviceReadable(SubSliceMutImmut::Mutable(frame))),
            ) => {
                self.events.refused.bump();
                // There may be room once the frames that were sent meanwhile are collected.
                self.deferred_call.set();
                Err((error.into(), frame.take()))
            }
            // A queue that refuses a chain leaves it where it is, so this is never reached.
            (Err(error), _) => Err((error.into(), &mut [])),
        }
    }
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
            self.transmitted(buffer_chain, context, Ok(()));
        } else if let Some(buffer) = ReceiveBuffer::from_returned(buffer_chain) {
            self.receive(buffer, bytes_used);
        }
    }

    fn chains_served(&self, queue_number: u32) {
        if queue_number == RECEIVE_QUEUE {
            self.show_receive_buffers();
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
            self.transmitted(buffer_chain, context, Err(ErrorCode::FAIL));
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
            }
            Err(_) => self.events.bad_configuration.bump(),
        }
    }

    fn device_stopped(&self) {
        self.running.set(false);
    }

    /// Only frames to send: nobody knows when one will be received.
    fn check_progress(&self) -> Progress {
        self.transmit_watch.check(self.transmit_queue)
    }
}

impl<F: DmaFence, const DEPTH: usize> DeferredCallClient for VirtIONet<'_, F, DEPTH> {
    /// Collects frames that were sent meanwhile, which may make room for more, and then notifies the
    /// device of all that came in.
    fn handle_deferred_call(&self) {
        self.transmit_queue.reap();
        self.transmit_queue.notify();
        self.transmit_queue.watch();
    }

    fn register(&'static self) {
        self.deferred_call.register(self);
    }
}

#[cfg(test)]
mod tests;
