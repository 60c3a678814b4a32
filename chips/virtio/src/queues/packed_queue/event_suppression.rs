// SPDX-License-Identifier: Apache-2.0 OR MIT

//! When each side of a packed queue wants to be notified (VirtIO 1.2, 2.8.10 and 2.8.14).
//!
//! A structure is one word of 32 bits and is read and written as such, so that place and flags belong
//! together.

use super::position::Position;
use crate::queues::memory::RingMemory;
use crate::queues::shared;

const ENABLE: u32 = 0;
const DISABLE: u32 = 1;
/// Notifications are wanted for one descriptor, with EVENT_IDX.
const DESCRIPTOR: u32 = 2;

/// The driver's structure, which the device reads, and the device's, which it writes.
pub(super) struct EventSuppression {
    driver: *mut u32,
    device: *mut u32,
}

impl EventSuppression {
    /// # Safety
    ///
    /// As for [`Ring::new`](crate::queues::ring::Ring::new).
    pub(super) unsafe fn new(memory: RingMemory) -> Self {
        Self {
            // The parts of a split queue that lie there are aligned to four bytes and longer.
            driver: memory.available.cast(),
            device: memory.used.cast(),
        }
    }

    /// Clears both, before the device knows them.
    pub(super) fn clear(&self) {
        // SAFETY: by the promise to `new`, both words may be written.
        unsafe {
            self.driver.write_volatile(ENABLE);
            self.device.write_volatile(ENABLE);
        }
    }

    pub(super) fn driver_address(&self) -> u64 {
        self.driver.expose_provenance() as u64
    }

    pub(super) fn device_address(&self) -> u64 {
        self.device.expose_provenance() as u64
    }

    /// Whether the device wants to be notified.
    ///
    /// It may name a place, but is notified wherever that is: QEMU's network card names the place from
    /// which it catches up with the driver, and sleeps when it has, beyond that place. A notification too
    /// many costs a little, one too few stops the queue.
    #[inline]
    pub(super) fn device_wants_notification(&self) -> bool {
        // SAFETY: by the promise to `new`, the word may be read.
        let word = unsafe { shared::load(self.device.cast_const()) };
        word >> 16 & 3 != DISABLE
    }

    /// Asks to be notified of any used descriptor, or of none.
    #[inline]
    pub(super) fn set_wanted(&self, wanted: bool) {
        self.set(if wanted { ENABLE } else { DISABLE } << 16);
    }

    /// Asks to be notified when the device gets to a descriptor. Only with EVENT_IDX.
    #[inline]
    pub(super) fn set_event(&self, position: Position, size: u16) {
        self.set(DESCRIPTOR << 16 | u32::from(position.event_word(size)));
    }

    #[inline(always)]
    fn set(&self, word: u32) {
        // SAFETY: by the promise to `new`, the word may be written.
        unsafe { shared::store(self.driver, word) };
    }
}
