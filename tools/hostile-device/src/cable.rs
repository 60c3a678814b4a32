// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The cable of an honest network card, with the test at its other end: frames for the driver, worded
//! down to the header and the buffers they go to, and whatever the driver sends.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use virtio_queue::{Queue, QueueT};
use vm_memory::GuestMemoryMmap;

use crate::deception::Chain;
use crate::error::Error;
use crate::network::HEADER_LEN;

/// A frame for the driver, with what the card says of it (VirtIO 1.2, 5.1.6.4).
#[derive(Clone, Debug, Default)]
pub struct Delivery {
    /// From the destination address on, without check sequence.
    pub frame: Vec<u8>,
    /// The flags of the header.
    pub flags: u8,
    /// Where the bytes begin that an open checksum covers.
    pub checksum_start: u16,
    /// Where that checksum goes, from there.
    pub checksum_offset: u16,
    /// How many bytes of the frame go at most to the first buffers, one number each. The others are
    /// filled.
    pub pieces: Vec<usize>,
    /// How many buffers the header speaks of, if that is not how many there are.
    pub claimed_buffers: Option<u16>,
}

impl Delivery {
    /// A frame that nothing is special about.
    #[must_use]
    pub fn plain(frame: Vec<u8>) -> Delivery {
        Delivery {
            frame,
            ..Delivery::default()
        }
    }

    fn header(&self, buffers: usize) -> Vec<u8> {
        let buffers = self.claimed_buffers.unwrap_or(buffers as u16);
        let mut header = vec![self.flags, 0, 0, 0, 0, 0];
        for half in [self.checksum_start, self.checksum_offset, buffers] {
            header.extend(half.to_le_bytes());
        }
        header
    }

    /// Says which bytes of the frame go to which of the buffers next in `queue`. `None` if these do not
    /// do; they are left there then.
    fn place(&self, queue: &mut Queue, memory: &GuestMemoryMmap) -> Result<Option<Spread>, Error> {
        let first = queue.next_avail();
        let mut spread = Vec::new();
        let mut begin = 0;
        loop {
            let Some(chain) = Chain::pop(queue, memory)? else {
                queue.set_next_avail(first);
                return Ok(None);
            };
            let header = if spread.is_empty() { HEADER_LEN } else { 0 };
            let room = (chain.writable() as usize).saturating_sub(header);
            let most = self.pieces.get(spread.len()).copied().unwrap_or(room);
            let end = self.frame.len().min(begin + most.min(room));
            spread.push((chain, begin..end));
            begin = end;
            // Pieces may be left, for buffers without any bytes.
            if begin == self.frame.len() && spread.len() >= self.pieces.len() {
                return Ok(Some(spread));
            }
        }
    }
}

/// Buffers with the bytes of a frame that they take.
type Spread = Vec<(Chain, Range<usize>)>;

/// What the driver has sent.
#[derive(Clone, Debug)]
pub struct Sent {
    /// The header in front of the frame.
    pub header: Vec<u8>,
    /// From the destination address on.
    pub frame: Vec<u8>,
}

/// The test's end of the cable.
pub struct Cable {
    to_driver: Sender<Delivery>,
    from_driver: Receiver<Sent>,
    card: Arc<CardEnd>,
}

impl Cable {
    /// A cable for a card that offers `features`.
    pub(crate) fn new(features: u64) -> (Cable, Arc<CardEnd>) {
        let (to_driver, deliveries) = mpsc::channel();
        let (sent, from_driver) = mpsc::channel();
        let card = Arc::new(CardEnd {
            features,
            accepted: AtomicU64::new(0),
            deliveries: Mutex::new(Some(deliveries)),
            pending: Mutex::default(),
            sent,
        });
        let cable = Cable {
            to_driver,
            from_driver,
            card: card.clone(),
        };
        (cable, card)
    }

    /// Has the card deliver a frame as soon as it has buffers for it.
    pub fn send(&self, delivery: Delivery) {
        // Without a card nobody minds.
        let _ = self.to_driver.send(delivery);
    }

    /// Waits for the next frame from the driver; `None` after `limit`, or when QEMU has gone.
    #[must_use]
    pub fn receive_within(&self, limit: Duration) -> Option<Sent> {
        self.from_driver.recv_timeout(limit).ok()
    }

    /// The features that the driver accepted.
    #[must_use]
    pub fn accepted_features(&self) -> u64 {
        self.card.accepted.load(Ordering::Relaxed)
    }
}

/// The card's end of the cable.
pub(crate) struct CardEnd {
    /// What the card offers besides what concerns all queues.
    pub(crate) features: u64,
    accepted: AtomicU64,
    /// Taken by the thread that waits for deliveries.
    deliveries: Mutex<Option<Receiver<Delivery>>>,
    /// Deliveries that wait for buffers.
    pending: Mutex<VecDeque<Delivery>>,
    sent: Sender<Sent>,
}

impl CardEnd {
    pub(crate) fn accept(&self, features: u64) {
        self.accepted.store(features, Ordering::Relaxed);
    }

    /// Returns the deliveries to wait for, once.
    pub(crate) fn deliveries(&self) -> Option<Receiver<Delivery>> {
        let mut deliveries = self
            .deliveries
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        deliveries.take()
    }

    pub(crate) fn enqueue(&self, delivery: Delivery) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending.push_back(delivery);
    }

    /// Delivers in order as long as there are buffers. Says whether it delivered anything.
    pub(crate) fn deliver(
        &self,
        queue: &mut Queue,
        memory: &GuestMemoryMmap,
    ) -> Result<bool, Error> {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        let mut delivered = false;
        while let Some(delivery) = pending.front() {
            let Some(spread) = delivery.place(queue, memory)? else {
                break;
            };
            let mut bytes = delivery.header(spread.len());
            for (chain, place) in &spread {
                bytes.extend(&delivery.frame[place.clone()]);
                let len = chain.fill(memory, &bytes)?;
                queue.add_used(memory, chain.head, len)?;
                bytes.clear();
            }
            pending.pop_front();
            delivered = true;
        }
        Ok(delivered)
    }

    /// Takes every frame that the driver sends. Says whether there was one.
    pub(crate) fn collect(
        &self,
        queue: &mut Queue,
        memory: &GuestMemoryMmap,
    ) -> Result<bool, Error> {
        let mut served = false;
        while let Some(chain) = Chain::pop(queue, memory)? {
            let mut header = chain.contents(memory)?;
            let frame = header.split_off(HEADER_LEN.min(header.len()));
            queue.add_used(memory, chain.head, 0)?;
            // A test that has seen enough is no concern of the card.
            let _ = self.sent.send(Sent { header, frame });
            served = true;
        }
        Ok(served)
    }
}
