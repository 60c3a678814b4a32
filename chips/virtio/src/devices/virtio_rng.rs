// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The entropy device (VirtIO 1.2, 5.4) behind the interfaces `Rng`, `Entropy32` and, with the
//! feature `rng-bytes`, `RandomBytes`.
//!
//! The driver keeps several buffers with the device, so that random bytes are usually there before
//! they are asked for; while nobody waits, they go there and come back several at a time. What the
//! bytes are worth is up to the host: the driver checks how many there are and that they vary
//! (`entropy_health`), nothing can check what they are.

#[cfg(feature = "rng-bytes")]
mod bytes;
mod entropy;

use core::cell::Cell;
use core::marker::PhantomData;

use kernel::ErrorCode;
use kernel::deferred_call::{DeferredCall, DeferredCallClient};
use kernel::hil::entropy::Client32;
use kernel::hil::rng::{Client, Continue, Rng};
use kernel::platform::dma_fence::DmaFence;
use kernel::utilities::cells::OptionalCell;

use super::buffer_stack::BufferStack;
use super::entropy_health::HealthTests;
use super::random_pool::RandomPool;
use super::{Progress, VirtIODeviceDriver, VirtIODeviceType};
use crate::counters::{RngCounters, RngEvents};
use crate::queues::BufferQueue;
use crate::queues::split_queue::{SplitVirtqueueClient, VirtqueueReturnBuffer};
use crate::transports::POLLS_IN_A_SECOND;

/// What can be expected of the device.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Off,
    Running,
    /// It was reset after it broke the rules, or asked for a reset.
    Failed,
}

/// Who waits for random numbers, and in which form.
#[derive(Clone, Copy)]
enum Receiver<'a> {
    Words(&'a dyn Client),
    Entropy(&'a dyn Client32),
    #[cfg(feature = "rng-bytes")]
    Bytes(&'a dyn kernel::hil::rng_bytes::RandomBytesClient),
}

/// The driver of an entropy device, with `DEPTH` buffers: at least four.
///
/// Its queue is an object, or of type `Q`, at less cost.
pub struct VirtIORng<
    'a,
    'b,
    F: DmaFence,
    const DEPTH: usize = 4,
    Q: ?Sized = dyn BufferQueue<'b> + 'a,
> {
    queue: &'a Q,
    client: OptionalCell<Receiver<'a>>,
    pool: RandomPool<'b, DEPTH>,
    /// Buffers without random bytes that the device does not have.
    spare: BufferStack<'b, DEPTH>,
    state: Cell<State>,
    /// Whether the client waits to be called.
    waiting: Cell<bool>,
    /// For how many polls it has.
    waited: Cell<u8>,
    /// Whether the device returned a buffer without a byte to hand out while the client waits.
    came_in_vain: Cell<bool>,
    /// Whether the device is to interrupt for a single buffer, since the client waits for it.
    hurries: Cell<bool>,
    health: HealthTests,
    deferred_call: DeferredCall,
    events: RngEvents,
    fence: PhantomData<F>,
}

impl<'a, 'b, F: DmaFence, const DEPTH: usize, Q: BufferQueue<'b> + ?Sized>
    VirtIORng<'a, 'b, F, DEPTH, Q>
{
    /// Makes a driver for the device whose only queue is `queue`, with `buffers` to fill.
    ///
    /// The queue's client has to be set to this driver, and the driver's deferred call to be
    /// registered, before the device is initialized.
    pub fn new(queue: &'a Q, buffers: [&'b mut [u8]; DEPTH]) -> Self {
        // Fewer buffers could hold a byte each, which is no word, and none be left to fill.
        const { assert!(DEPTH >= size_of::<u32>()) };
        let spare = BufferStack::new();
        buffers.into_iter().for_each(|buffer| spare.push(buffer));
        Self {
            queue,
            client: OptionalCell::empty(),
            pool: RandomPool::new(),
            spare,
            state: Cell::new(State::Off),
            waiting: Cell::new(false),
            waited: Cell::new(0),
            came_in_vain: Cell::new(false),
            hurries: Cell::new(false),
            health: HealthTests::new(),
            deferred_call: DeferredCall::new(),
            events: RngEvents::new(),
            fence: PhantomData,
        }
    }

    /// What has happened so far.
    pub fn counters(&self) -> RngCounters {
        self.events.snapshot()
    }

    /// How many buffers go to the device together, and come back with one interrupt, while nobody
    /// waits for them.
    const BATCH: u16 = (DEPTH / 2) as u16;

    /// Gives the device every spare buffer that the queue has room for, once it is worth it.
    #[inline]
    fn post_spare(&self) {
        let worth_it = self.spare.len() >= usize::from(Self::BATCH);
        if worth_it || self.waiting.get() && !self.can_serve() {
            self.post_all_spare();
        }
    }

    #[inline(never)]
    fn post_all_spare(&self) {
        while let Some(buffer) = self.spare.pop() {
            if let Err((_, buffer)) = self.queue.provide_writable(buffer, 0) {
                self.spare.push(buffer);
                break;
            }
        }
        self.queue.publish();
        self.queue.notify();
    }

    /// Whether there is enough to call the client.
    fn can_serve(&self) -> bool {
        match self.client.get() {
            None | Some(Receiver::Words(_) | Receiver::Entropy(_)) => self.pool.has_word(),
            #[cfg(feature = "rng-bytes")]
            Some(Receiver::Bytes(_)) => self.pool.has_byte(),
        }
    }

    /// Notes that the client wants to be called, and sees to it that it is.
    fn ask(&self) -> Result<(), ErrorCode> {
        match self.state.get() {
            State::Off => Err(ErrorCode::OFF),
            State::Failed => Err(ErrorCode::FAIL),
            State::Running => {
                self.wait();
                // Buffers that came back empty get another chance, at the pace of the client.
                self.post_spare();
                self.deferred_call.set();
                Ok(())
            }
        }
    }

    /// Forgets that the client waits.
    fn withdraw(&self) -> Result<(), ErrorCode> {
        self.waiting.set(false);
        Ok(())
    }

    /// Serves a waiting client, if there is something to tell it.
    fn serve_client(&self) {
        if !self.waiting.get() {
            return;
        }
        if self.can_serve() {
            self.deliver();
        } else if self.came_in_vain.take() {
            self.refuse();
        } else {
            self.hurries.set(true);
            self.queue.delay_interrupts(1);
        }
    }

    /// Has the client wait, but not for ever, and not for what the device failed to do before.
    fn wait(&self) {
        if !self.waiting.replace(true) {
            self.waited.set(0);
            self.came_in_vain.set(false);
        }
        self.queue.watch();
    }

    fn deliver(&self) {
        let Some(receiver) = self.client.get() else {
            return;
        };
        if self.hurries.take() {
            self.queue.delay_interrupts(Self::BATCH);
        }
        // Before the call, since the client may ask again from inside it.
        self.waiting.set(false);
        self.events.deliveries.bump();
        match receiver {
            Receiver::Words(client) => self.deliver_words(|words| {
                client.randomness_available(words, Ok(())) == Continue::More
            }),
            Receiver::Entropy(client) => self.deliver_words(|words| {
                client.entropy_available(words, Ok(())) == entropy::Continue::More
            }),
            #[cfg(feature = "rng-bytes")]
            Receiver::Bytes(client) => client.bytes_available(Ok(())),
        }
    }

    /// Hands words to the client, which says whether it wants more.
    fn deliver_words(&self, client: impl FnOnce(&mut dyn Iterator<Item = u32>) -> bool) {
        let before = self.pool.bytes();
        let wants_more = client(&mut self.pool.words(&self.spare));
        self.post_spare();
        if wants_more {
            self.wait();
            // A client that takes nothing is not called again for the same words.
            if self.pool.bytes() != before && self.pool.has_word() {
                self.deferred_call.set();
            }
        }
    }

    /// Ends a waiting client's request with an error.
    fn refuse(&self) {
        if self.waiting.take()
            && let Some(receiver) = self.client.get()
        {
            self.events.failures.bump();
            let error = Err(ErrorCode::FAIL);
            match receiver {
                Receiver::Words(client) => {
                    client.randomness_available(&mut core::iter::empty(), error);
                }
                Receiver::Entropy(client) => {
                    client.entropy_available(&mut core::iter::empty(), error);
                }
                #[cfg(feature = "rng-bytes")]
                Receiver::Bytes(client) => client.bytes_available(error),
            }
        }
    }

    /// Adds what the device has put into a buffer to the stock, if it is fit to be handed out.
    fn keep(&self, buffer: &'b mut [u8], len: usize) {
        let bytes = buffer.get(..len).unwrap_or(buffer);
        if bytes.is_empty() {
            self.events.empty.bump();
        } else if self.health.examine(bytes).is_err() {
            self.events.unhealthy.bump();
            buffer.fill(0);
        } else {
            self.events.filled.bump();
            self.pool.push(buffer, len);
            return;
        }
        self.came_in_vain.set(true);
        self.spare.push(buffer);
    }
}

impl<'a, 'b, F: DmaFence, const DEPTH: usize, Q: BufferQueue<'b> + ?Sized> Rng<'a>
    for VirtIORng<'a, 'b, F, DEPTH, Q>
{
    fn get(&self) -> Result<(), ErrorCode> {
        self.ask()
    }

    fn cancel(&self) -> Result<(), ErrorCode> {
        self.withdraw()
    }

    fn set_client(&self, client: &'a dyn Client) {
        self.client.set(Receiver::Words(client));
    }
}

impl<'b, F: DmaFence, const DEPTH: usize, Q: BufferQueue<'b> + ?Sized> SplitVirtqueueClient<'b>
    for VirtIORng<'_, 'b, F, DEPTH, Q>
{
    /// Never called: buffers are lent one by one.
    fn buffer_chain_ready(
        &self,
        _queue_number: u32,
        _buffer_chain: &mut [Option<VirtqueueReturnBuffer<'b>>],
        _bytes_used: usize,
    ) {
    }

    fn buffer_written(
        &self,
        _queue_number: u32,
        _context: usize,
        buffer: &'b mut [u8],
        written: usize,
    ) -> Option<&'b mut [u8]> {
        self.keep(buffer, written);
        None
    }

    fn chains_served(&self, _queue_number: u32) {
        self.serve_client();
    }

    fn buffer_reclaimed(
        &self,
        _queue_number: u32,
        _context: usize,
        buffer: &'b mut [u8],
        _len: usize,
    ) {
        self.spare.push(buffer);
    }
}

impl<'b, F: DmaFence, const DEPTH: usize, Q: BufferQueue<'b> + ?Sized> VirtIODeviceDriver
    for VirtIORng<'_, 'b, F, DEPTH, Q>
{
    /// The device has no features of its own (5.4.3).
    fn negotiate_features(&self, _offered_features: u64) -> Option<u64> {
        Some(0)
    }

    fn device_type(&self) -> VirtIODeviceType {
        VirtIODeviceType::EntropySource
    }

    fn pre_device_initialization(&self) -> Result<(), ErrorCode> {
        self.queue.delay_interrupts(Self::BATCH);
        self.post_spare();
        Ok(())
    }

    fn device_initialized(&self) -> Result<(), ErrorCode> {
        self.state.set(State::Running);
        if self.waiting.get() {
            self.queue.watch();
        }
        Ok(())
    }

    fn device_stopped(&self) {
        self.state.set(State::Failed);
        self.refuse();
    }

    fn check_progress(&self) -> Progress {
        if !self.waiting.get() {
            return Progress::Idle;
        }
        let waited = self.waited.get();
        if waited >= POLLS_IN_A_SECOND {
            return Progress::Stalled;
        }
        self.waited.set(waited.saturating_add(1));
        Progress::Waiting
    }
}

impl<'b, F: DmaFence, const DEPTH: usize, Q: BufferQueue<'b> + ?Sized> DeferredCallClient
    for VirtIORng<'_, 'b, F, DEPTH, Q>
{
    fn handle_deferred_call(&self) {
        self.queue.reap();
        self.serve_client();
    }

    fn register(&'static self) {
        self.deferred_call.register(self);
    }
}

#[cfg(test)]
mod tests;
