// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The interrupt controller (PLIC), as seen by machine mode of hart 0.
//!
//! QEMU's model latches a request until it is claimed, even when the device has dropped its line,
//! and does not look at the lines again on completion. So a claim may find nothing to do, and a
//! device is served before completion, never after.

use crate::memory_map::PLIC_REGISTERS;
use core::cell::Cell;
use core::num::NonZeroU32;
use kernel::utilities::registers::interfaces::{Readable, Writeable};
use kernel::utilities::registers::{ReadOnly, ReadWrite, register_structs};
use virtio::transports::InterruptLine;

/// Sources the driver knows: 1 to 95. QEMU has no more on this machine.
pub const SOURCES: u32 = 96;
const WORDS: usize = SOURCES as usize / 32;

/// Priority of a source unless it is urgent.
const ORDINARY: u32 = 1;
/// Priority of a source that is never put off.
const URGENT: u32 = 2;

register_structs! {
    /// Registers of the controller.
    pub PlicRegisters {
        /// Priority of each source; 0 silences it.
        (0x000000 => priority: [ReadWrite<u32>; 1024]),
        /// Pending sources, one bit each.
        (0x001000 => pending: [ReadOnly<u32>; 32]),
        (0x001080 => _reserved0),
        /// Sources enabled for machine mode of hart 0, one bit each.
        (0x002000 => enable: [ReadWrite<u32>; 32]),
        (0x002080 => _reserved1),
        /// Only sources of a higher priority are delivered.
        (0x200000 => threshold: ReadWrite<u32>),
        /// Reading claims a source, writing completes it.
        (0x200004 => claim: ReadWrite<u32>),
        (0x200008 => @END),
    }
}

/// What the driver needs of the registers.
pub trait PlicAccess {
    /// Sets the priority of a source.
    fn set_priority(&self, source: u32, priority: u32);
    /// Reads the enable bits of sources `32 * word` and following.
    fn enabled(&self, word: usize) -> u32;
    /// Sets the enable bits of sources `32 * word` and following.
    fn set_enabled(&self, word: usize, bits: u32);
    /// Sets the threshold.
    fn set_threshold(&self, threshold: u32);
    /// Claims a source; 0 for none.
    fn claim(&self) -> u32;
    /// Completes a source.
    fn complete(&self, source: u32);
}

/// The registers of the machine: where they are is known when this is compiled.
#[derive(Clone, Copy)]
pub struct HartPlic;

impl PlicAccess for HartPlic {
    fn set_priority(&self, source: u32, priority: u32) {
        if let Some(register) = PLIC_REGISTERS.priority.get(source as usize) {
            register.set(priority);
        }
    }

    fn enabled(&self, word: usize) -> u32 {
        PLIC_REGISTERS
            .enable
            .get(word)
            .map_or(0, |register| register.get())
    }

    fn set_enabled(&self, word: usize, bits: u32) {
        if let Some(register) = PLIC_REGISTERS.enable.get(word) {
            register.set(bits);
        }
    }

    fn set_threshold(&self, threshold: u32) {
        PLIC_REGISTERS.threshold.set(threshold);
    }

    fn claim(&self) -> u32 {
        PLIC_REGISTERS.claim.get()
    }

    fn complete(&self, source: u32) {
        PLIC_REGISTERS.claim.set(source);
    }
}

/// What went unexpectedly, counted since start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlicCounters {
    /// The controller asked for service and then had no source.
    pub empty_claims: u32,
    /// A source that no driver serves; it was masked.
    pub unknown_sources: u32,
}

/// The interrupt controller.
pub struct Plic<A: PlicAccess = HartPlic> {
    registers: A,
    enabled: [Cell<u32>; WORDS],
    threshold: Cell<u32>,
    counters: Cell<PlicCounters>,
}

impl<A: PlicAccess> Plic<A> {
    /// Creates the driver without touching the device.
    pub const fn new(registers: A) -> Self {
        Plic {
            registers,
            enabled: [const { Cell::new(0) }; WORDS],
            threshold: Cell::new(0),
            counters: Cell::new(PlicCounters {
                empty_claims: 0,
                unknown_sources: 0,
            }),
        }
    }

    /// Masks every source.
    pub fn initialize(&self) {
        for (word, enabled) in (0u32..).zip(&self.enabled) {
            let mut before = self.registers.enabled(word as usize);
            while before != 0 {
                // After a restart: the previous run may have left it claimed.
                self.registers.complete(32 * word + before.trailing_zeros());
                before &= before - 1;
            }
            enabled.set(0);
            self.registers.set_enabled(word as usize, 0);
        }
        self.release();
    }

    /// Lets interrupts of `source` through for the first time. An urgent one is never put off.
    pub fn connect(&self, source: u32, urgent: bool) {
        let priority = if urgent { URGENT } else { ORDINARY };
        self.registers.set_priority(source, priority);
        self.enable(source);
    }

    /// Puts off all sources but urgent ones. What comes meanwhile is pending afterwards.
    pub fn put_off(&self) {
        self.set_threshold(ORDINARY);
    }

    /// Ends what [`put_off`](Self::put_off) began.
    pub fn release(&self) {
        self.set_threshold(0);
    }

    fn set_threshold(&self, threshold: u32) {
        self.threshold.set(threshold);
        self.registers.set_threshold(threshold);
    }

    /// Lets interrupts of `source`, which is [connected](Self::connect), through again. Numbers without a source are ignored.
    pub fn enable(&self, source: u32) {
        self.change(source, |bits, bit| bits | bit);
    }

    /// Stops interrupts of `source`. What comes meanwhile is pending when it is enabled again.
    pub fn disable(&self, source: u32) {
        self.change(source, |bits, bit| bits & !bit);
    }

    fn change(&self, source: u32, combine: impl Fn(u32, u32) -> u32) {
        let word = source as usize / 32;
        if source != 0
            && let Some(enabled) = self.enabled.get(word)
        {
            enabled.set(combine(enabled.get(), 1 << (source % 32)));
            self.registers.set_enabled(word, enabled.get());
            // An enable bit alone does not make QEMU look at pending sources again.
            self.registers.set_threshold(self.threshold.get());
        }
    }

    /// Claims the next source. It stays claimed until [`complete`](Self::complete).
    pub fn claim(&self) -> Option<NonZeroU32> {
        let source = NonZeroU32::new(self.registers.claim());
        if source.is_none() {
            self.count(|counters| &mut counters.empty_claims);
        }
        source
    }

    /// Gives a claimed source back, after its device was served.
    pub fn complete(&self, source: NonZeroU32) {
        self.registers.complete(source.get());
    }

    /// Silences a claimed source that no driver serves, since it would come again at once.
    pub fn reject(&self, source: NonZeroU32) {
        self.count(|counters| &mut counters.unknown_sources);
        self.disable(source.get());
        self.complete(source);
    }

    /// Returns what went unexpectedly.
    pub fn counters(&self) -> PlicCounters {
        self.counters.get()
    }

    fn count(&self, field: impl Fn(&mut PlicCounters) -> &mut u32) {
        let mut counters = self.counters.get();
        let counter = field(&mut counters);
        *counter = counter.saturating_add(1);
        self.counters.set(counters);
    }
}

/// One source of the controller, for a transport that masks a device by itself.
pub struct PlicLine<'a, A: PlicAccess = HartPlic> {
    plic: &'a Plic<A>,
    source: u32,
}

impl<'a, A: PlicAccess> PlicLine<'a, A> {
    /// Names `source` of `plic`.
    pub const fn new(plic: &'a Plic<A>, source: u32) -> Self {
        PlicLine { plic, source }
    }
}

impl<A: PlicAccess> InterruptLine for PlicLine<'_, A> {
    fn mask(&self) {
        self.plic.disable(self.source);
    }

    fn unmask(&self) {
        self.plic.enable(self.source);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::cell::RefCell;
    use std::vec::Vec;

    /// QEMU's model: pending is latched, and delivery is decided when the threshold is written.
    #[derive(Default)]
    struct FakePlic {
        priority: RefCell<[[u32; 32]; 3]>,
        enabled: Cell<[u32; 3]>,
        threshold: Cell<u32>,
        pending: RefCell<Vec<u32>>,
        claimed: RefCell<Vec<u32>>,
        delivered: Cell<bool>,
    }

    impl FakePlic {
        fn is_deliverable(&self, source: u32) -> bool {
            self.enabled.get()[source as usize / 32] >> (source % 32) & 1 == 1
                && self.priority.borrow()[source as usize / 32][source as usize % 32]
                    > self.threshold.get()
        }

        fn raise(&self, source: u32) {
            self.pending.borrow_mut().push(source);
            self.evaluate();
        }

        fn evaluate(&self) {
            let pending = self.pending.borrow();
            self.delivered
                .set(pending.iter().any(|source| self.is_deliverable(*source)));
        }
    }

    impl PlicAccess for &FakePlic {
        fn set_priority(&self, source: u32, priority: u32) {
            self.priority.borrow_mut()[source as usize / 32][source as usize % 32] = priority;
        }

        fn enabled(&self, word: usize) -> u32 {
            self.enabled.get()[word]
        }

        fn set_enabled(&self, word: usize, bits: u32) {
            let mut enabled = self.enabled.get();
            enabled[word] = bits;
            self.enabled.set(enabled);
        }

        fn set_threshold(&self, threshold: u32) {
            self.threshold.set(threshold);
            self.evaluate();
        }

        fn claim(&self) -> u32 {
            let at = self
                .pending
                .borrow()
                .iter()
                .position(|source| self.is_deliverable(*source));
            let source = at.map_or(0, |at| self.pending.borrow_mut().remove(at));
            if source != 0 {
                self.claimed.borrow_mut().push(source);
            }
            self.evaluate();
            source
        }

        fn complete(&self, source: u32) {
            self.claimed
                .borrow_mut()
                .retain(|claimed| *claimed != source);
        }
    }

    #[test]
    fn a_request_from_before_enabling_is_delivered() {
        let device = FakePlic::default();
        let plic = Plic::new(&device);
        plic.initialize();
        device.raise(10);
        assert!(!device.delivered.get());
        plic.connect(10, false);
        assert!(device.delivered.get());
        assert_eq!(plic.claim(), NonZeroU32::new(10));
        assert_eq!(plic.claim(), None);
        assert_eq!(plic.counters().empty_claims, 1);
    }

    #[test]
    fn a_source_that_was_claimed_before_a_restart_is_delivered_again() {
        let device = FakePlic::default();
        for source in [10, 64] {
            let before = Plic::new(&device);
            before.connect(source, false);
            device.claimed.borrow_mut().push(source);
        }
        device.enabled.set([1 << 10, 0, 1]);
        let plic = Plic::new(&device);
        plic.initialize();
        assert!(device.claimed.borrow().is_empty());
        assert_eq!(device.enabled.get(), [0; 3]);
    }

    #[test]
    fn masking_one_source_leaves_its_neighbours() {
        let device = FakePlic::default();
        let plic = Plic::new(&device);
        plic.initialize();
        for source in [8, 10, 64] {
            plic.connect(source, false);
        }
        let line = PlicLine::new(&plic, 8);
        line.mask();
        assert_eq!(device.enabled.get(), [1 << 10, 0, 1]);
        device.raise(8);
        assert!(!device.delivered.get());
        line.unmask();
        assert!(device.delivered.get());
    }

    #[test]
    fn ordinary_sources_wait_while_they_are_put_off() {
        let device = FakePlic::default();
        let plic = Plic::new(&device);
        plic.initialize();
        plic.connect(8, false);
        plic.connect(10, true);
        plic.put_off();
        device.raise(8);
        assert!(!device.delivered.get());
        assert_eq!(plic.claim(), None);
        device.raise(10);
        assert_eq!(plic.claim(), NonZeroU32::new(10));
        // Masking and unmasking of others does not end it.
        plic.disable(9);
        plic.enable(9);
        assert!(!device.delivered.get());
        plic.release();
        assert!(device.delivered.get());
        assert_eq!(plic.claim(), NonZeroU32::new(8));
    }

    #[test]
    fn a_source_nobody_serves_is_silenced_and_completed() {
        let device = FakePlic::default();
        let plic = Plic::new(&device);
        plic.initialize();
        plic.connect(33, false);
        device.raise(33);
        plic.reject(plic.claim().unwrap());
        assert_eq!(device.enabled.get(), [0; 3]);
        assert!(device.claimed.borrow().is_empty());
        assert_eq!(plic.counters().unknown_sources, 1);
    }

    #[test]
    fn numbers_that_are_no_source_are_ignored() {
        let device = FakePlic::default();
        let plic = Plic::new(&device);
        plic.initialize();
        for source in [0, SOURCES, 1023, u32::MAX] {
            plic.enable(source);
        }
        assert_eq!(device.enabled.get(), [0; 3]);
    }
}
