// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Taking chains back: from a device that has used them, or after it was reset.

use kernel::platform::dma_fence::DmaFence;

use super::Violation;
use super::chain_table::ChainSlot;
use super::client::SplitVirtqueueClient;
use super::queue_core::{HELD, QueueCore, READY, SCANNING};
use super::returned_chain::ReturnedChain;
use super::ring::Ring;
use crate::barriers::Barriers;

impl<'b, F: DmaFence, R: Ring, B: Barriers> QueueCore<'_, 'b, F, R, B> {
    /// Takes all chains that the device has returned, and arms the notification for the next ones.
    ///
    /// Afterwards each chain that the device returns is announced, at once or as late as the driver
    /// asked for: what it returned before it knew of that is found by the last look. Returns whether
    /// there were any.
    pub(super) fn scan_used(&self) -> bool {
        self.events.scans.bump();
        if self.state.get() != READY {
            return false;
        }
        let advance = self.ring.look(self.taken.get());
        if advance == 0 {
            self.events.empty_scans.bump();
            return false;
        }
        let Some(client) = self.client.get() else {
            return false;
        };
        self.serve(client, advance);
        true
    }

    fn serve(&self, client: &dyn SplitVirtqueueClient<'b>, mut advance: u16) {
        self.state.set(READY | SCANNING);
        self.ring.quiet();
        while advance != 0 {
            match self.take(client, advance) {
                Err(violation) => {
                    self.events.rejected.bump();
                    self.violation.set(Some(violation));
                    self.state.set(0);
                    client.chains_served(self.number.get());
                    return;
                }
                // A client had the device reset, and this is another life of the queue.
                Ok(false) => return,
                Ok(true) => {}
            }
            advance = self.ring.look_on();
            if advance == 0 && self.arm() {
                // The wish before the look at the ring, lest both sides wait (2.7.7.1).
                self.barriers.full();
                advance = self.ring.look(self.taken.get());
            }
        }
        let held = self.state.replace(READY) & HELD != 0;
        client.chains_served(self.number.get());
        if held {
            self.publish();
            self.notify();
        }
    }

    /// Hands the client the next `advance` used chains. Returns whether the queue is still the same.
    fn take(&self, client: &dyn SplitVirtqueueClient<'b>, advance: u16) -> Result<bool, Violation> {
        // Lossless: no more chains are outstanding than there are descriptors.
        let outstanding = self.published.get().wrapping_sub(self.taken.get()) as u16;
        if advance > outstanding {
            return Err(Violation::IndexJump {
                advance,
                outstanding,
            });
        }
        // What announces the entries and buffers before themselves (2.7.14).
        self.barriers.acquire();
        for _ in 0..advance {
            let taken = self.taken.get();
            let element = self.ring.element(taken);
            let slot = self
                .chains
                .used(element.id, self.published.get(), self.provided.get())?;
            // Lossless: the identifier was found to be an index.
            let mut chain = self.view(element.id as u16, slot, element.len, true);
            let writable = chain.acquire(self.fence);
            if element.len > writable {
                return Err(Violation::Overrun {
                    written: element.len,
                    writable,
                });
            }
            self.chains.take(slot);
            self.ring.advance(chain.links());
            self.taken.set(taken.wrapping_add(1));
            client.chain_returned(self.number.get(), &mut chain);
            let goes_on = self.state.get() & SCANNING != 0;
            if chain.goes_again() {
                if goes_on {
                    self.lend_again(&chain);
                    continue;
                }
                chain.turn_back();
                client.chain_returned(self.number.get(), &mut chain);
            }
            chain.finish();
            if !goes_on {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The chain at `head`, with its buffers where they are.
    #[inline(always)]
    fn view<'q>(
        &'q self,
        head: u16,
        slot: &'q ChainSlot<'b>,
        written: u32,
        used: bool,
    ) -> ReturnedChain<'q, 'b> {
        let table = if slot.is_indirect() {
            self.tables.get().map(|tables| tables.lent(head))
        } else {
            None
        };
        ReturnedChain::new(&self.chains, head, slot, table, written, used)
    }

    /// Gives every chain back, whether or not the device knew of it.
    ///
    /// # Safety
    ///
    /// The device does not access the queue or its buffers any more.
    pub(super) unsafe fn reclaim(&self) {
        self.state.set(0);
        self.violation.set(None);
        let mut from = 0;
        while let Some(head) = self.chains.any(from) {
            from = head;
            self.events.reclaimed.bump();
            let slot = self.chains.slot(head);
            let mut chain = self.view(head, slot, 0, false);
            chain.acquire(self.fence);
            self.chains.take(slot);
            if let Some(client) = self.client.get() {
                client.chain_returned(self.number.get(), &mut chain);
            }
            chain.finish();
        }
    }
}
