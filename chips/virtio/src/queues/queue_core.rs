// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What a queue does, whatever its layout: how a ring and the table of chains work together.
//!
//! Not generic over the size, so that a board with queues of several sizes has this code once.

use core::cell::Cell;

use kernel::platform::dma_fence::DmaFence;

use super::buffer::{LentBuffer, VirtqueueBuffer, VirtqueueReturnBuffer};
use super::chain_table::{ChainTable, TakenChain};
use super::client::SplitVirtqueueClient;
use super::indirect_tables::IndirectTables;
use super::returned_chain::ReturnedChain;
use super::ring::{INDIRECT, Link, NEXT, Ring, WRITE};
use super::{QueueError, Violation};
use crate::barriers::Barriers;
use crate::counters::QueueEvents;
use crate::features;
use crate::transports::VirtIOTransport;

/// The longest chain; bounds the stack that a returning chain takes.
pub(super) const MAX_CHAIN: usize = 4;

/// Whether chains may be provided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Not initialized, or the device was reset since.
    Down,
    /// In use.
    Ready,
    /// Stopped by a violation: the buffers stay until the device has been reset.
    Broken(Violation),
}

/// The number of buffers in a chain and the number of bytes the device may write.
struct Shape {
    buffers: u16,
    writable: u32,
}

pub(super) struct QueueCore<'a, 'b, F: DmaFence, R: Ring, B: Barriers> {
    pub(super) ring: R,
    pub(super) chains: ChainTable<'a, 'b>,
    pub(super) tables: Cell<Option<IndirectTables<'a, 'b>>>,
    /// Whether indirect tables may be used.
    pub(super) indirect: Cell<bool>,
    pub(super) fence: F,
    pub(super) barriers: B,
    pub(super) client: Cell<Option<&'a dyn SplitVirtqueueClient<'b>>>,
    pub(super) transport: Cell<Option<&'a dyn VirtIOTransport>>,
    pub(super) number: Cell<u32>,
    pub(super) features: Cell<u64>,
    pub(super) state: Cell<State>,
    /// Chains provided, chains published, and chains of which the device was notified if it cares,
    /// modulo 2^32; the rings know the low 16 bits.
    pub(super) provided: Cell<u32>,
    pub(super) published: Cell<u32>,
    pub(super) notified: Cell<u32>,
    /// Chains published and not taken.
    pub(super) outstanding: Cell<u16>,
    /// How many chains the device should use before it interrupts; zero if it should not.
    pub(super) delay: Cell<u16>,
    /// Set during a scan for used chains; cleared by `initialize`, which ends the scan.
    pub(super) scanning: Cell<bool>,
    /// Whether chains are to be published when the scan is over.
    pub(super) held: Cell<bool>,
    pub(super) events: QueueEvents,
}

impl<'b, F: DmaFence, R: Ring, B: Barriers> QueueCore<'_, 'b, F, R, B> {
    pub(super) fn initialize(&self, number: u32, size: u16) {
        self.state.set(State::Down);
        self.scanning.set(false);
        self.held.set(false);
        self.number.set(number);
        if !self.chains.clear(size) {
            return;
        }
        let accepted = self.features.get();
        self.ring.clear(size, accepted);
        if self.delay.get() == 0 {
            self.ring.silence();
        }
        self.indirect.set(accepted & features::INDIRECT_DESC != 0);
        self.provided.set(0);
        self.published.set(0);
        self.notified.set(0);
        self.outstanding.set(0);
        self.state.set(State::Ready);
    }

    #[inline]
    fn check_state(&self) -> Result<(), QueueError> {
        match self.state.get() {
            State::Ready => Ok(()),
            State::Down => Err(QueueError::NotReady),
            State::Broken(_) => Err(QueueError::Broken),
        }
    }

    /// During a scan this waits for its end: what a scan finds is then bounded by what was
    /// outstanding when it began, however fast the device is.
    pub(super) fn publish(&self) {
        if self.scanning.get() {
            self.held.set(true);
            return;
        }
        let provided = self.provided.get();
        let fresh = provided.wrapping_sub(self.published.get());
        if fresh == 0 || self.state.get() != State::Ready {
            return;
        }
        self.ring.show(provided, self.delay.get(), self.barriers);
        self.published.set(provided);
        // Lossless: no more chains are outstanding than there are descriptors.
        self.outstanding
            .set(self.outstanding.get().wrapping_add(fresh as u16));
    }

    pub(super) fn notify(&self) {
        let published = self.published.get();
        if self.notified.get() == published || self.state.get() != State::Ready {
            return;
        }
        self.notified.set(published);
        // What was shown before the look at the device's wish, lest both sides wait (2.7.13.4).
        self.barriers.full();
        if !self.ring.wants_notification() {
            self.events.kicks_suppressed.bump();
        } else if let Some(transport) = self.transport.get() {
            self.events.kicks.bump();
            transport.queue_notify(self.number.get());
        }
    }

    /// A longer delay holds from the next publication or scan on, a shorter one at once.
    pub(super) fn set_delay(&self, delay: u16) {
        let before = self.delay.replace(delay);
        if delay == 0 {
            if before != 0 && self.state.get() == State::Ready {
                self.ring.silence();
            }
        } else if (before == 0 || delay < before)
            && self.state.get() == State::Ready
            && !self.scanning.get()
            && self.ring.arm(delay)
        {
            // The device may have passed the place before it knew that somebody waits there.
            self.barriers.full();
            if self.ring.look() != 0 {
                self.scan_used();
            }
        }
    }

    /// Takes all chains that the device has returned, and arms the notification for the next ones.
    ///
    /// Afterwards each chain that the device returns is announced, at once or as late as the driver
    /// asked for: what it returned before it knew of that is found by the last look. Returns whether
    /// there were any.
    pub(super) fn scan_used(&self) -> bool {
        self.events.scans.bump();
        let Some(client) = self.client.get() else {
            return false;
        };
        if self.state.get() != State::Ready || self.scanning.get() {
            return false;
        }
        let mut advance = self.ring.look();
        if advance == 0 {
            self.events.empty_scans.bump();
            return false;
        }
        self.scanning.set(true);
        self.ring.quiet();
        while advance != 0 {
            if let Err(violation) = self.take(client, advance) {
                self.events.rejected.bump();
                self.state.set(State::Broken(violation));
                break;
            }
            // A client may have had the device reset.
            if !self.scanning.get() {
                return true;
            }
            advance = self.ring.look_on();
            let delay = self.delay.get();
            if advance == 0 && delay != 0 && self.ring.arm(delay) {
                // The wish before the look at the ring, lest both sides wait (2.7.7.1).
                self.barriers.full();
                advance = self.ring.look();
            }
        }
        self.scanning.set(false);
        client.chains_served(self.number.get());
        if self.held.take() {
            self.publish();
            self.notify();
        }
        true
    }

    /// Hands the client the next `advance` used chains.
    fn take(&self, client: &dyn SplitVirtqueueClient<'b>, advance: u16) -> Result<(), Violation> {
        let outstanding = self.outstanding.get();
        if advance > outstanding {
            return Err(Violation::IndexJump {
                advance,
                outstanding,
            });
        }
        // What announces the entries and buffers before themselves (2.7.14).
        self.barriers.acquire();
        for _ in 0..advance {
            let element = self.ring.element();
            let chain = self.chains.take_used(
                element.id,
                element.len,
                self.published.get(),
                self.provided.get(),
            )?;
            self.ring.advance(chain.links);
            self.outstanding.set(self.outstanding.get().wrapping_sub(1));
            self.hand_over(client, chain, element.len);
            if !self.scanning.get() {
                break;
            }
        }
        Ok(())
    }

    fn hand_over(&self, client: &dyn SplitVirtqueueClient<'b>, chain: TakenChain, written: u32) {
        self.events.used.bump();
        // Lossless where pointers have at least 32 bits.
        let written = written as usize;
        // SAFETY: the device has returned this chain.
        unsafe {
            self.return_buffers(chain, written, |buffers| {
                let mut returned = ReturnedChain {
                    buffers,
                    context: chain.context,
                    written,
                    used: true,
                };
                client.chain_returned(self.number.get(), &mut returned);
            });
        }
    }

    /// Gives every chain back, whether or not the device knew of it.
    ///
    /// # Safety
    ///
    /// The device does not access the queue or its buffers any more.
    pub(super) unsafe fn reclaim(&self) {
        self.state.set(State::Down);
        self.scanning.set(false);
        let mut from = 0;
        while let Some(chain) = self.chains.take_any(from) {
            from = chain.head;
            self.events.reclaimed.bump();
            // SAFETY: the caller vouches for the device.
            unsafe {
                self.return_buffers(chain, 0, |buffers| {
                    if let Some(client) = self.client.get() {
                        let mut returned = ReturnedChain {
                            buffers,
                            context: chain.context,
                            written: 0,
                            used: false,
                        };
                        client.chain_returned(self.number.get(), &mut returned);
                    }
                });
            }
        }
    }

    /// Calls `receiver` with the buffers of a chain, once its descriptors are free again.
    ///
    /// # Safety
    ///
    /// The device has finished with the chain.
    unsafe fn return_buffers(
        &self,
        chain: TakenChain,
        written: usize,
        receiver: impl FnOnce(&mut [Option<VirtqueueReturnBuffer<'b>>]),
    ) {
        let mut buffers: [Option<VirtqueueReturnBuffer<'b>>; MAX_CHAIN] = [const { None }; _];
        let mut places = buffers.iter_mut();
        let mut unaccounted = written;
        let mut put = |lent: LentBuffer<'b>| {
            if let Some(place) = places.next() {
                // SAFETY: passed on to the caller.
                *place = Some(unsafe { lent.take(self.fence, &mut unaccounted) });
            }
        };
        if chain.is_indirect()
            && let Some(tables) = self.tables.get()
        {
            tables.take(chain.head, &mut put);
        }
        self.chains.take_buffers(chain, put);
        if let Some(buffers) = buffers.get_mut(..usize::from(chain.buffers)) {
            receiver(buffers);
        }
    }
}

impl<F: DmaFence, R: Ring, B: Barriers> QueueCore<'_, 'static, F, R, B> {
    pub(super) fn provide(
        &self,
        chain: &mut [Option<VirtqueueBuffer<'static>>],
        context: usize,
    ) -> Result<(), QueueError> {
        self.check_state()?;
        let shape = measure(chain)?;
        let head = self.chains.next_head();
        let links = match self.tables_for(&shape) {
            Some(tables) => self.provide_indirect(tables, chain, head, &shape)?,
            None => self.provide_direct(chain, head, &shape)?,
        };
        let position = self.provided.get();
        self.chains.close(
            head,
            links,
            shape.buffers,
            shape.writable,
            position,
            context,
        );
        self.ring.close(head, position);
        self.provided.set(position.wrapping_add(1));
        Ok(())
    }

    /// The indirect tables, if they should be used for a chain: if it has several buffers, and no more
    /// than half of the descriptors are free. Before that a table would only be a detour.
    #[inline]
    fn tables_for(&self, shape: &Shape) -> Option<IndirectTables<'_, 'static>> {
        if shape.buffers > 1 && self.indirect.get() && self.chains.free() <= self.chains.size() / 2
        {
            self.tables.get()
        } else {
            None
        }
    }

    fn check_room(&self, links: u16) -> Result<(), QueueError> {
        if links > self.chains.free() {
            self.events.full.bump();
            return Err(QueueError::Full);
        }
        Ok(())
    }

    /// Lends the buffers with one descriptor for each, and says how many.
    #[inline]
    fn provide_direct(
        &self,
        chain: &mut [Option<VirtqueueBuffer<'static>>],
        head: u16,
        shape: &Shape,
    ) -> Result<u16, QueueError> {
        self.check_room(shape.buffers)?;
        let mut links_after = shape.buffers;
        for buffer in chain.iter_mut().map_while(Option::take) {
            let (lent, len, writable) = self.lend(buffer);
            let address = lent.address() as u64;
            links_after = links_after.wrapping_sub(1);
            let (slot, next) = self.chains.append(Some(lent)).ok_or(QueueError::Full)?;
            let direction = if writable { WRITE } else { 0 };
            let continuation = if links_after == 0 { 0 } else { NEXT };
            self.ring.write(Link {
                slot,
                next,
                head,
                address,
                len,
                flags: direction | continuation,
            });
        }
        Ok(shape.buffers)
    }

    /// Lends the buffers with one descriptor for all.
    fn provide_indirect(
        &self,
        tables: IndirectTables<'_, 'static>,
        chain: &mut [Option<VirtqueueBuffer<'static>>],
        head: u16,
        shape: &Shape,
    ) -> Result<u16, QueueError> {
        self.check_room(1)?;
        let by_index = self.ring.links_by_index();
        let buffers = chain
            .iter_mut()
            .map_while(Option::take)
            .map(|buffer| self.lend(buffer));
        let (address, len) = tables
            .fill(head, buffers, shape.buffers, by_index)
            .ok_or(QueueError::Full)?;
        let (slot, next) = self.chains.append(None).ok_or(QueueError::Full)?;
        self.ring.write(Link {
            slot,
            next,
            head,
            address,
            len,
            flags: INDIRECT,
        });
        Ok(1)
    }

    /// Hands a buffer over, with its length and whether the device may write it.
    #[inline]
    fn lend(&self, buffer: VirtqueueBuffer<'static>) -> (LentBuffer<'static>, u32, bool) {
        // Lossless: `measure` has seen that the sum of the lengths fits.
        let len = buffer.len() as u32;
        let writable = matches!(buffer, VirtqueueBuffer::DeviceWriteable(_));
        (LentBuffer::lend(buffer, self.fence), len, writable)
    }
}

/// Checks that a chain can be lent and returned, before any part of it is taken.
fn measure(chain: &[Option<VirtqueueBuffer<'_>>]) -> Result<Shape, QueueError> {
    let mut buffers: u16 = 0;
    let mut readable: u32 = 0;
    let mut writable: u32 = 0;
    for buffer in chain.iter().map_while(Option::as_ref) {
        let len = u32::try_from(buffer.len()).map_err(|_| QueueError::TooLong)?;
        if len == 0 {
            return Err(QueueError::EmptyBuffer);
        }
        let sum = match buffer {
            VirtqueueBuffer::DeviceReadable(_) if writable != 0 => {
                return Err(QueueError::ReadableAfterWriteable);
            }
            VirtqueueBuffer::DeviceReadable(_) => &mut readable,
            VirtqueueBuffer::DeviceWriteable(_) => &mut writable,
        };
        *sum = sum.checked_add(len).ok_or(QueueError::TooLong)?;
        buffers = buffers.wrapping_add(1);
        if usize::from(buffers) > MAX_CHAIN {
            return Err(QueueError::TooLong);
        }
    }
    if buffers == 0 {
        return Err(QueueError::EmptyChain);
    }
    Ok(Shape { buffers, writable })
}
