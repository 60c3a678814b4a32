// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The network device (VirtIO 1.2, 5.1) behind the interfaces `EthernetAdapterDatapath` and, with the
//! feature `ethernet-adapter`, `EthernetAdapter`.
//!
//! A received frame lies in one buffer with the device's header in front of it, and stays there until
//! the client is done with it. A frame to send is lent as it is. Headers and lengths from the device
//! are checked here; `configuration` judges what it says of itself.

#[cfg(feature = "ethernet-adapter")]
mod adapter;
mod checksum;
mod client;
mod configuration;
mod control;
mod datapath;
mod features;
mod header;
mod irregular;
mod pair;
mod receive;
mod receive_filter;
mod received;
mod transmit;
mod waiting_frames;

use core::cell::Cell;
use core::marker::PhantomData;

use kernel::ErrorCode;
use kernel::deferred_call::{DeferredCall, DeferredCallClient};
#[cfg(feature = "ethernet-adapter")]
use kernel::hil::ethernet_adapter::Link;
use kernel::platform::dma_fence::DmaFence;
use kernel::utilities::cells::OptionalCell;

use self::client::Client;
use self::configuration::{ETHERNET_MTU, NetConfiguration, NetStatus};
pub use self::control::CONTROL_MEMORY_LEN;
use self::control::Control;
use self::header::{FRAME_OVERHEAD, HEADER_LEN, HeaderFormat, longest_frame};
use self::waiting_frames::WaitingFrames;
use super::buffer_stack::BufferStack;
use super::chain_watch::ChainWatch;
use super::{Progress, VirtIODeviceDriver, VirtIODeviceType, serve_each};
use crate::counters::{NetCounters, NetEvents};
use crate::features::{ANY_LAYOUT, VERSION_1};
use crate::queues::split_queue::{SplitVirtqueueClient, VirtqueueReturnBuffer};
use crate::queues::{BufferQueue, DrivenQueue, Served, Virtqueue};
use crate::transports::configuration::Configuration;

/// The number of the queue of received frames (5.1.2).
const RECEIVE_QUEUE: u32 = 0;

/// The number of the queue of requests, if there is one. Each pair of others would come before it, but
/// only one is ever agreed on.
const CONTROL_QUEUE: u32 = 2;

/// What a receive buffer has at least if the device cannot use several for a frame (5.1.6.3.1).
const SMALLEST_SINGLE_BUFFER: usize = 1526;

/// The length of a receive buffer for every frame of Ethernet: the header, and the longest frame,
/// rounded up to whole words.
pub const RECEIVE_BUFFER_LEN: usize =
    (HEADER_LEN + FRAME_OVERHEAD + ETHERNET_MTU as usize).next_multiple_of(4);

/// The largest MTU, in whole words, of which each frame has room in `len` bytes.
const fn largest_mtu(len: usize) -> u16 {
    let mtu = len.saturating_sub(FRAME_OVERHEAD) & !3;
    if mtu > u16::MAX as usize {
        u16::MAX
    } else {
        mtu as u16
    }
}

/// The MTU where the device has none to give.
const fn default_mtu(largest: u16) -> u16 {
    if largest < ETHERNET_MTU {
        largest
    } else {
        ETHERNET_MTU
    }
}

/// The driver of a network device, with up to `DEPTH` receive buffers.
///
/// Its queues are objects, or of type `Q` for a board that gives both the same one:
/// [at less cost](crate::queues::DrivenQueue).
pub struct VirtIONet<
    'a,
    F: DmaFence,
    const DEPTH: usize = 16,
    Q: ?Sized = dyn BufferQueue<'static> + 'a,
> {
    receive_queue: &'a Q,
    transmit_queue: &'a Q,
    client: OptionalCell<Client<'a>>,

    // Received frames.
    receiving: Cell<bool>,
    /// Receive buffers that neither the device has nor a frame waits in.
    spare: BufferStack<'static, DEPTH>,
    /// The first bytes of each receive buffer, if the device wants the header in a buffer of its own.
    spare_headers: BufferStack<'static, DEPTH>,
    headers_apart: Cell<bool>,
    format: Cell<HeaderFormat>,
    /// The length of a receive buffer.
    buffer_len: usize,
    /// The largest MTU of which each frame fits into one, and into as many as it takes.
    mtu_in_one: u16,
    largest_mtu: Cell<u16>,
    /// The longest frame that is sent or received, in bytes.
    longest_frame: Cell<usize>,
    /// Whether the client was offered a frame since it was last told that there are no more.
    offering: Cell<bool>,
    /// Buffers with frames that the client is to be offered.
    waiting: WaitingFrames<DEPTH>,
    /// Whether the client had no room for the first one of these.
    refused: Cell<bool>,
    /// Whether the client has room again.
    resume: Cell<bool>,
    /// Of a frame that comes in several buffers: how many are yet to come, how many wait, and how many
    /// bytes have come. If none wait, the frame is dropped.
    missing: Cell<u16>,
    parts: Cell<u16>,
    total: Cell<usize>,
    /// Where such a frame is put together, and how much room is there.
    assembly: Cell<Option<&'static mut [u8]>>,
    assembly_len: Cell<usize>,

    // Frames to send.
    /// The longest frame that is accepted now.
    longest_to_send: Cell<usize>,
    /// Whether the device is to be notified of frames from a deferred call.
    flush_is_due: Cell<bool>,
    /// Whether the client waits for a buffer.
    awaited: Cell<bool>,
    /// Whether the transport asks about progress by itself.
    watched: Cell<bool>,
    /// How long frames have been on their way.
    transmit_watch: ChainWatch,

    // The device.
    control: Control<'a, Q>,
    running: Cell<bool>,
    mtu_is_usable: Cell<bool>,
    status: Cell<NetStatus>,
    mac: Cell<[u8; 6]>,
    /// The address used if the device has none to give.
    own_mac: [u8; 6],
    mtu: Cell<u16>,
    /// What the client knows of the link.
    #[cfg(feature = "ethernet-adapter")]
    told_link: Cell<Option<Link>>,

    /// Runs after frames were handed in one by one, and when the client has room again.
    deferred_call: DeferredCall,
    events: NetEvents,
    fence: PhantomData<F>,
}

impl<'a, F: DmaFence, const DEPTH: usize, Q: DrivenQueue<'static> + ?Sized>
    VirtIONet<'a, F, DEPTH, Q>
{
    /// Makes a driver for the device whose queues 0 and 1 are those given.
    ///
    /// The length of the receive buffers limits the MTU. Those shorter than [`RECEIVE_BUFFER_LEN`] only
    /// do for a device that merges buffers, and with [an area](Self::set_assembly_area) to put frames
    /// together in.
    ///
    /// `own_mac` is used if the device supplies no valid address: one that is locally administered,
    /// and that stays the same over restarts. The driver has to be set as client of both queues, and
    /// its deferred call to be registered, before the device is initialized.
    pub fn new<const BUFFER_LEN: usize>(
        receive_queue: &'a Q,
        transmit_queue: &'a Q,
        receive_buffers: [&'static mut [u8; BUFFER_LEN]; DEPTH],
        own_mac: [u8; 6],
    ) -> Self {
        const { assert!(BUFFER_LEN > HEADER_LEN && BUFFER_LEN <= u16::MAX as usize) };
        let spare = BufferStack::new();
        receive_buffers
            .into_iter()
            .for_each(|buffer| spare.push(buffer));
        Self {
            receive_queue,
            transmit_queue,
            client: OptionalCell::empty(),
            receiving: Cell::new(false),
            spare,
            spare_headers: BufferStack::new(),
            headers_apart: Cell::new(false),
            format: Cell::new(HeaderFormat::new(VERSION_1)),
            buffer_len: BUFFER_LEN,
            mtu_in_one: const { largest_mtu(BUFFER_LEN - HEADER_LEN) },
            largest_mtu: Cell::new(const { largest_mtu(BUFFER_LEN - HEADER_LEN) }),
            longest_frame: Cell::new(longest_frame(ETHERNET_MTU)),
            offering: Cell::new(false),
            waiting: WaitingFrames::new(),
            refused: Cell::new(false),
            resume: Cell::new(false),
            missing: Cell::new(0),
            parts: Cell::new(0),
            total: Cell::new(0),
            assembly: Cell::new(None),
            assembly_len: Cell::new(0),
            longest_to_send: Cell::new(0),
            flush_is_due: Cell::new(false),
            awaited: Cell::new(false),
            watched: Cell::new(false),
            transmit_watch: ChainWatch::new(),
            control: Control::new(),
            running: Cell::new(false),
            mtu_is_usable: Cell::new(false),
            status: Cell::new(NetStatus {
                link_up: false,
                announce: false,
            }),
            mac: Cell::new(own_mac),
            own_mac,
            mtu: Cell::new(const { default_mtu(largest_mtu(BUFFER_LEN - HEADER_LEN)) }),
            #[cfg(feature = "ethernet-adapter")]
            told_link: Cell::new(None),
            deferred_call: DeferredCall::new(),
            events: NetEvents::new(),
            fence: PhantomData,
        }
    }

    /// Gives the driver memory to put frames together that the device spread over several buffers, as
    /// long as the longest frame may be. Without it such frames are dropped.
    pub fn set_assembly_area(&self, area: &'static mut [u8]) {
        self.assembly_len.set(area.len());
        self.assembly.set(Some(area));
        let largest = self.mtu_in_one.max(largest_mtu(self.assembly_len.get()));
        self.largest_mtu.set(largest);
        self.mtu.set(default_mtu(largest));
    }

    /// Gives the driver the control queue, which is queue 2 of the device, and memory for requests.
    /// Without it the client gets all frames that the device lets pass by itself.
    ///
    /// To be called before the device is initialized. If the device has no such queue, it is left alone.
    pub fn set_control_queue(&self, queue: &'a Q, memory: &'static mut [u8; CONTROL_MEMORY_LEN]) {
        self.control.set_queue(queue, memory);
    }

    /// The card's address: the device's if it supplied a valid one, else the driver's own.
    #[inline(never)]
    pub fn mac(&self) -> [u8; 6] {
        self.mac.get()
    }

    /// The largest payload of a frame, in bytes: that of the device if it supplied one that the buffers
    /// can hold, else that of Ethernet, or what the buffers can hold.
    pub fn mtu(&self) -> u16 {
        self.mtu.get()
    }

    /// Whether the device runs and its link is up, or it does not tell.
    pub fn link_is_up(&self) -> bool {
        self.running.get() && self.status.get().link_up
    }

    /// What has happened so far.
    pub fn counters(&self) -> NetCounters {
        self.events.snapshot()
    }

    /// Whether the device keeps a queue so small that no chain of two buffers fits: what waits for room
    /// there would wait for ever.
    fn has_cramped_queue(&self) -> bool {
        self.transmit_queue.size() < 2
            || self.headers_apart.get() && self.receive_queue.size() < 2
            || self.control.has_cramped_queue()
    }

    fn set_any_client(&self, client: Client<'a>) {
        self.client.set(client);
        self.choose_transmit_interrupts();
        // What the client before had no room for is this one's.
        self.offer_waiting_later();
    }

    /// Has frames that wait offered soon.
    fn offer_waiting_later(&self) {
        if self.waiting.is_empty() {
            // The frame that was refused is gone, if reception was stopped from inside its offer.
            self.refused.set(false);
        } else {
            self.resume.set(true);
            self.deferred_call.set();
        }
    }

    /// Has the device notified soon of frames that were published.
    fn flush_later(&self) {
        self.flush_is_due.set(true);
        self.deferred_call.set();
    }

    /// Has the client announce itself, and tells the device, unless that is being done.
    fn announce(&self) {
        if !self.control.is_announcing() {
            self.events.announcements.bump();
            if let Some(client) = self.client.get() {
                client.announcement_wanted();
            }
            self.control.announced();
        }
    }

    /// Tells the client what has become of the link.
    fn link_may_have_changed(&self) {
        self.update_longest_to_send();
        #[cfg(feature = "ethernet-adapter")]
        self.tell_link();
    }
}

impl<F: DmaFence, const DEPTH: usize, Q: DrivenQueue<'static> + ?Sized>
    SplitVirtqueueClient<'static> for VirtIONet<'_, F, DEPTH, Q>
{
    /// Never called: the queue knows contexts.
    fn buffer_chain_ready(
        &self,
        _queue_number: u32,
        _buffer_chain: &mut [Option<VirtqueueReturnBuffer<'static>>],
        _bytes_used: usize,
    ) {
    }

    fn buffer_written(
        &self,
        _queue_number: u32,
        _context: usize,
        buffer: &'static mut [u8],
        written: usize,
    ) -> Option<&'static mut [u8]> {
        self.receive(buffer, written)
    }

    fn buffer_read(&self, _queue: u32, context: usize, frame: &'static mut [u8], len: usize) {
        self.give_back(Ok(()), frame, len, context);
    }

    fn buffer_reclaimed(
        &self,
        queue_number: u32,
        context: usize,
        buffer: &'static mut [u8],
        len: usize,
    ) {
        if queue_number == RECEIVE_QUEUE {
            self.spare.push(buffer);
        } else {
            self.give_back(Err(ErrorCode::FAIL), buffer, len, context);
        }
    }

    /// Requests come back like this, and receive buffers whose header is apart.
    fn chain_used(
        &self,
        queue_number: u32,
        _context: usize,
        chain: &mut [Option<VirtqueueReturnBuffer<'static>>],
        bytes_used: usize,
    ) {
        let Some(pieces) = pair::take(chain) else {
            return;
        };
        if queue_number == CONTROL_QUEUE {
            let answer = self.control.take_back(pieces, bytes_used);
            self.control.answered(answer, &self.events);
        } else {
            self.receive_irregular(pieces.into(), bytes_used);
        }
    }

    fn chain_reclaimed(
        &self,
        queue_number: u32,
        _context: usize,
        chain: &mut [Option<VirtqueueReturnBuffer<'static>>],
    ) {
        let Some(pieces) = pair::take(chain) else {
            return;
        };
        if queue_number == CONTROL_QUEUE {
            self.control.take_back(pieces, 0);
        } else {
            self.keep(pieces.into());
        }
    }

    fn chains_served(&self, queue_number: u32) {
        match queue_number {
            RECEIVE_QUEUE => self.end_of_offers(),
            CONTROL_QUEUE => {}
            _ => self.end_of_collection(),
        }
    }
}

impl<F: DmaFence, const DEPTH: usize, Q: DrivenQueue<'static> + ?Sized> VirtIODeviceDriver
    for VirtIONet<'_, F, DEPTH, Q>
{
    /// Buffers too small for a frame need a device that merges them.
    fn negotiate_features(&self, offered_features: u64) -> Option<u64> {
        let mut chosen = features::choose(offered_features, self.control.has_queue());
        if !self.mtu_is_usable.get() {
            chosen &= !features::MTU;
        }
        if chosen & features::MRG_RXBUF == 0 && self.buffer_len < SMALLEST_SINGLE_BUFFER {
            return None;
        }
        Some(chosen)
    }

    fn device_type(&self) -> VirtIODeviceType {
        VirtIODeviceType::NetworkCard
    }

    fn uses_queue(&self, number: usize) -> bool {
        number != CONTROL_QUEUE as usize || self.control.is_in_use()
    }

    /// An MTU is accepted only if the receive buffers can hold what it promises (5.1.4.2).
    fn examine(&self, offered_features: u64, configuration: &Configuration<'_>) {
        let largest = if offered_features & features::MRG_RXBUF != 0 {
            self.largest_mtu.get()
        } else {
            self.mtu_in_one
        };
        // Not if it is not offered: then there is no such field.
        self.mtu_is_usable
            .set(NetConfiguration::mtu_is_usable(configuration, largest));
    }

    /// A legacy device may want the header in a buffer of its own (2.7.4.3).
    fn features_agreed(&self, agreed: u64) {
        self.format.set(HeaderFormat::new(agreed));
        self.control.features_agreed(agreed);
        if agreed & (VERSION_1 | ANY_LAYOUT) == 0 {
            self.headers_apart.set(true);
        }
    }

    fn configure(&self, configuration: &Configuration<'_>) -> Result<(), ErrorCode> {
        let largest = self.largest_mtu.get();
        let Ok(read) = NetConfiguration::read(configuration, largest) else {
            self.events.bad_configuration.bump();
            return Err(ErrorCode::FAIL);
        };
        let mac = read.mac.as_ref().unwrap_or_else(|| {
            self.events.bad_configuration.bump();
            &self.own_mac
        });
        self.mac.set(*mac);
        self.status.set(read.status);
        let mtu = read.mtu.unwrap_or(default_mtu(largest));
        self.mtu.set(mtu);
        self.longest_frame.set(longest_frame(mtu));
        Ok(())
    }

    fn pre_device_initialization(&self) -> Result<(), ErrorCode> {
        if self.has_cramped_queue() {
            return Err(ErrorCode::NOSUPPORT);
        }
        self.transmit_watch.restart();
        // If the device was in service until now, nobody has said that it stopped.
        self.watched.set(false);
        self.abandon_frame();
        self.choose_transmit_interrupts();
        self.post_spare();
        Ok(())
    }

    fn device_initialized(&self) -> Result<(), ErrorCode> {
        self.running.set(true);
        let mac = self.mac.get();
        // A device that has this very address is told what it knows.
        self.control.started((mac == self.own_mac).then_some(mac));
        self.link_may_have_changed();
        if self.status.get().announce {
            self.announce();
        }
        Ok(())
    }

    fn configuration_changed(&self, configuration: &Configuration<'_>) {
        // Only the status is to change in service (5.1.4).
        let Ok(NetConfiguration { status, .. }) = NetConfiguration::read(configuration, 0) else {
            return self.events.bad_configuration.bump();
        };
        if status.link_up != self.status.replace(status).link_up {
            self.events.link_changes.bump();
        }
        self.link_may_have_changed();
        if status.announce {
            self.announce();
        }
    }

    fn device_stopped(&self) {
        self.running.set(false);
        self.watched.set(false);
        self.abandon_frame();
        self.link_may_have_changed();
    }

    fn serve_queues(&self, queues: &[&dyn Virtqueue]) -> Served {
        let [receive_queue, transmit_queue, others @ ..] = queues else {
            return serve_each(queues);
        };
        self.receive_queue
            .serve_for(self, *receive_queue)
            .max(self.transmit_queue.serve_for(self, *transmit_queue))
            .max(serve_each(others))
    }

    fn collect(&self) {
        self.transmit_queue.reap_for(self);
        self.transmit_queue.remind();
    }

    /// Only frames to send and requests: nobody knows when a frame will be received.
    fn check_progress(&self) -> Progress {
        let sending = self.transmit_watch.check(self.transmit_queue);
        self.watched.set(sending == Progress::Waiting);
        sending.max(self.control.check())
    }
}

impl<F: DmaFence, const DEPTH: usize, Q: DrivenQueue<'static> + ?Sized> DeferredCallClient
    for VirtIONet<'_, F, DEPTH, Q>
{
    fn handle_deferred_call(&self) {
        if self.flush_is_due.take() {
            // What was sent meanwhile may make room for more.
            self.transmit_queue.reap_for(self);
            self.send_enqueued();
        }
        if self.resume.take() {
            self.offer_waiting();
            self.end_of_offers();
        }
    }

    fn register(&'static self) {
        self.deferred_call.register(self);
    }
}

#[cfg(test)]
mod tests;
