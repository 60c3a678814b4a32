// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A split queue of any size: how its three parts and the table of chains work together.
//!
//! Not generic over the size, so that a board with queues of several sizes has this code once.

use core::cell::Cell;

use kernel::platform::dma_fence::DmaFence;

use super::available_ring::AvailableRing;
use super::chain_table::{ChainTable, TakenChain};
use super::client::SplitVirtqueueClient;
use super::descriptor_table::{Descriptor, DescriptorTable, NEXT, WRITE};
use super::used_ring::UsedRing;
use crate::barriers::Barriers;
use crate::counters::QueueEvents;
use crate::queues::buffer::{LentBuffer, VirtqueueBuffer, VirtqueueReturnBuffer};
use crate::queues::{QueueError, Violation, VirtqueueAddresses};
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
    links: u16,
    writable: u32,
}

pub(super) struct QueueCore<'a, 'b, F: DmaFence, B: Barriers> {
    pub(super) descriptors: DescriptorTable<'a>,
    pub(super) available: AvailableRing<'a>,
    pub(super) used: UsedRing<'a>,
    pub(super) chains: ChainTable<'a, 'b>,
    pub(super) fence: F,
    pub(super) barriers: B,
    pub(super) client: Cell<Option<&'a dyn SplitVirtqueueClient<'b>>>,
    pub(super) transport: Cell<Option<&'a dyn VirtIOTransport>>,
    pub(super) number: Cell<u32>,
    pub(super) state: Cell<State>,
    /// Chains provided and chains published, modulo 2^32; the rings know the low 16 bits.
    pub(super) provided: Cell<u32>,
    pub(super) published: Cell<u32>,
    /// Entries of the used ring that were taken, modulo 2^16.
    pub(super) taken: Cell<u16>,
    /// Chains published and not taken.
    pub(super) outstanding: Cell<u16>,
    /// Set during a scan of the used ring; cleared by `initialize`, which ends the scan.
    pub(super) scanning: Cell<bool>,
    pub(super) events: QueueEvents,
}

impl<'b, F: DmaFence, B: Barriers> QueueCore<'_, 'b, F, B> {
    pub(super) fn initialize(&self, number: u32, size: u16) {
        self.state.set(State::Down);
        self.scanning.set(false);
        self.number.set(number);
        if !self.chains.clear(size) {
            return;
        }
        self.descriptors.clear();
        self.available.clear(size);
        self.used.clear(size);
        self.provided.set(0);
        self.published.set(0);
        self.taken.set(0);
        self.outstanding.set(0);
        self.state.set(State::Ready);
    }

    pub(super) fn addresses(&self) -> VirtqueueAddresses {
        VirtqueueAddresses {
            descriptor_area: self.descriptors.address(),
            driver_area: self.available.address(),
            device_area: self.used.address(),
        }
    }

    fn check_state(&self) -> Result<(), QueueError> {
        match self.state.get() {
            State::Ready => Ok(()),
            State::Down => Err(QueueError::NotReady),
            State::Broken(_) => Err(QueueError::Broken),
        }
    }

    pub(super) fn publish(&self) {
        let provided = self.provided.get();
        let fresh = provided.wrapping_sub(self.published.get());
        if fresh == 0 || self.state.get() != State::Ready {
            return;
        }
        // Descriptors and ring entries before the index that shows them (2.7.13.3).
        self.barriers.release();
        self.available.set_index(provided as u16);
        self.published.set(provided);
        // Lossless: no more chains are outstanding than there are descriptors.
        self.outstanding
            .set(self.outstanding.get().wrapping_add(fresh as u16));
        // The index before the look at the device's wish, lest both sides wait (2.7.13.4).
        self.barriers.full();
        if !self.used.wants_notification() {
            self.events.kicks_suppressed.bump();
        } else if let Some(transport) = self.transport.get() {
            self.events.kicks.bump();
            transport.queue_notify(self.number.get());
        }
    }

    /// Takes the chains that the device had returned by the time of the call.
    ///
    /// What it returns meanwhile raises another interrupt, as the last one has been acknowledged, so
    /// the loop is bounded and loses nothing. Returns whether there were any.
    pub(super) fn scan_used(&self) -> bool {
        self.events.scans.bump();
        let Some(client) = self.client.get() else {
            return false;
        };
        if self.state.get() != State::Ready || self.scanning.get() {
            return false;
        }
        let advance = self.used.index().wrapping_sub(self.taken.get());
        if advance == 0 {
            self.events.empty_scans.bump();
            return false;
        }
        let outstanding = self.outstanding.get();
        if advance > outstanding {
            self.reject(Violation::IndexJump {
                advance,
                outstanding,
            });
            return true;
        }
        // The index before the entries and buffers that it announces (2.7.14).
        self.barriers.acquire();
        self.scanning.set(true);
        for _ in 0..advance {
            match self.take_next() {
                Ok((chain, written)) => self.hand_over(client, chain, written),
                Err(violation) => {
                    self.reject(violation);
                    break;
                }
            }
            // A client may have had the device reset.
            if !self.scanning.get() {
                return true;
            }
        }
        self.scanning.set(false);
        client.chains_served(self.number.get());
        true
    }

    fn take_next(&self) -> Result<(TakenChain, u32), Violation> {
        let element = self.used.element(self.taken.get());
        let chain = self.chains.take_used(
            element.id,
            element.len,
            self.published.get(),
            self.provided.get(),
        )?;
        self.taken.set(self.taken.get().wrapping_add(1));
        self.outstanding.set(self.outstanding.get().wrapping_sub(1));
        Ok((chain, element.len))
    }

    fn hand_over(&self, client: &dyn SplitVirtqueueClient<'b>, chain: TakenChain, written: u32) {
        self.events.used.bump();
        // Lossless where pointers have at least 32 bits.
        let written = written as usize;
        // SAFETY: the device has returned this chain.
        unsafe {
            self.return_buffers(chain, written, |buffers| {
                client.chain_used(self.number.get(), chain.context, buffers, written);
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
                        client.chain_reclaimed(self.number.get(), chain.context, buffers);
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
        self.chains.take_buffers(chain, |lent| {
            if let Some(place) = places.next() {
                // SAFETY: passed on to the caller.
                *place = Some(unsafe { lent.take(self.fence, &mut unaccounted) });
            }
        });
        if let Some(buffers) = buffers.get_mut(..usize::from(chain.links)) {
            receiver(buffers);
        }
    }

    fn reject(&self, violation: Violation) {
        self.events.rejected.bump();
        self.state.set(State::Broken(violation));
    }
}

impl<F: DmaFence, B: Barriers> QueueCore<'_, 'static, F, B> {
    pub(super) fn provide(
        &self,
        chain: &mut [Option<VirtqueueBuffer<'static>>],
        context: usize,
    ) -> Result<(), QueueError> {
        self.check_state()?;
        let shape = measure(chain)?;
        if shape.links > self.chains.free() {
            self.events.full.bump();
            return Err(QueueError::Full);
        }
        let head = self.chains.next_head();
        let mut links_after = shape.links;
        for buffer in chain.iter_mut().map_while(Option::take) {
            // Lossless: `measure` has seen that the sum of the lengths fits.
            let len = buffer.len() as u32;
            let direction = match buffer {
                VirtqueueBuffer::DeviceReadable(_) => 0,
                VirtqueueBuffer::DeviceWriteable(_) => WRITE,
            };
            let lent = LentBuffer::lend(buffer, self.fence);
            let address = lent.address() as u64;
            links_after = links_after.wrapping_sub(1);
            let continuation = if links_after == 0 { 0 } else { NEXT };
            let (index, next) = self.chains.append(lent).ok_or(QueueError::Full)?;
            self.descriptors.write(
                index,
                Descriptor {
                    address,
                    len,
                    flags: direction | continuation,
                    next: if links_after == 0 { 0 } else { next },
                },
            );
        }
        let position = self.provided.get();
        self.chains
            .close(head, shape.links, shape.writable, position, context);
        self.available.set_entry(position as u16, head);
        self.provided.set(position.wrapping_add(1));
        Ok(())
    }
}

/// Checks that a chain can be lent and returned, before any part of it is taken.
fn measure(chain: &[Option<VirtqueueBuffer<'_>>]) -> Result<Shape, QueueError> {
    let mut links: u16 = 0;
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
        links = links.wrapping_add(1);
        if usize::from(links) > MAX_CHAIN {
            return Err(QueueError::TooLong);
        }
    }
    if links == 0 {
        return Err(QueueError::EmptyChain);
    }
    Ok(Shape { links, writable })
}
