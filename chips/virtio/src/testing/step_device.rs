// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A device that works in steps, each of which is one look at shared memory or one change of it.
//!
//! It follows the standard's advice on sleeping (VirtIO 1.2, 2.7.10): it asks to be notified, looks
//! once more, and sleeps. So it, too, is free of lost notifications if the driver is.

use core::cell::{Cell, RefCell};
use core::hash::{Hash, Hasher};
use std::collections::VecDeque;

use super::packed_device::PackedDevice;
use super::split_device::SplitDevice;

/// What a device does with one queue, in either layout.
pub(crate) trait Half: 'static {
    fn has_available(&self) -> bool;

    /// Takes the next chain and returns its identifier.
    fn take(&self) -> u16;

    fn give_back(&self, id: u16);

    /// Whether the driver wants to hear of what was given back since this was last asked.
    fn wants_interrupt(&self) -> bool;

    /// Says whether the device wants to be notified of the next chain.
    fn ask(&self, wanted: bool);

    /// Everything that decides what the device does next.
    fn fingerprint(&self, hasher: &mut dyn Hasher);
}

/// The device's half of a split queue.
pub(crate) struct SplitHalf {
    pub(crate) device: SplitDevice,
    pub(crate) by_index: bool,
    pub(crate) asked_at: Cell<u16>,
}

impl Half for SplitHalf {
    fn has_available(&self) -> bool {
        self.device.has_available()
    }

    fn take(&self) -> u16 {
        self.device.pop().expect("there was one").head
    }

    fn give_back(&self, id: u16) {
        self.device.return_used(id.into(), 0);
    }

    fn wants_interrupt(&self) -> bool {
        let now = self.device.used_index();
        let before = self.asked_at.replace(now);
        if self.by_index {
            let event = self.device.used_event();
            now.wrapping_sub(event).wrapping_sub(1) < now.wrapping_sub(before)
        } else {
            self.device.driver_flags() & 1 == 0
        }
    }

    fn ask(&self, wanted: bool) {
        if !self.by_index {
            self.device.set_flags(u16::from(!wanted));
        } else if wanted {
            self.device
                .set_available_event(self.device.next_available());
        }
    }

    fn fingerprint(&self, hasher: &mut dyn Hasher) {
        for word in [
            self.device.next_available(),
            self.device.used_index(),
            self.asked_at.get(),
        ] {
            hasher.write_u16(word);
        }
        self.device.memory(&mut |byte| hasher.write_u8(byte));
    }
}

/// The device's half of a packed queue.
pub(crate) struct PackedHalf {
    pub(crate) device: PackedDevice,
    pub(crate) by_index: bool,
    /// Descriptors given back, and how many of them the driver's wish was last looked at for.
    pub(crate) given: Cell<u32>,
    pub(crate) asked_at: Cell<u32>,
}

impl Half for PackedHalf {
    fn has_available(&self) -> bool {
        self.device.has_available()
    }

    fn take(&self) -> u16 {
        self.device.pop().expect("there was one").head
    }

    fn give_back(&self, id: u16) {
        let before = self.device.next_used.get();
        self.device.return_used(id, 0);
        let after = self.device.next_used.get();
        let size = self.device.size();
        let count = (after.index + size - before.index - 1) % size + 1;
        self.given.set(self.given.get() + u32::from(count));
    }

    fn wants_interrupt(&self) -> bool {
        let fresh = self.given.get() - self.asked_at.replace(self.given.get());
        match self.device.driver_event() {
            (_, 0) => true,
            (_, 1) => false,
            (word, _) => {
                assert!(self.by_index, "no event was agreed on");
                // Walks back over what was given, the long way.
                let mut place = self.device.next_used.get();
                (0..fresh).any(|_| {
                    place = place.back(self.device.size());
                    place.word() == word
                })
            }
        }
    }

    fn ask(&self, wanted: bool) {
        match (wanted, self.by_index) {
            (true, true) => self
                .device
                .set_device_event(self.device.next_available.get().word(), 2),
            (true, false) => self.device.set_device_event(0, 0),
            (false, _) => self.device.set_device_event(0, 1),
        }
    }

    fn fingerprint(&self, hasher: &mut dyn Hasher) {
        hasher.write_u16(self.device.next_available.get().word());
        hasher.write_u16(self.device.next_used.get().word());
        hasher.write_u32(self.given.get() - self.asked_at.get());
        self.device.memory(&mut |byte| hasher.write_u8(byte));
    }
}

/// What the device does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Next {
    Look,
    Take,
    GiveBack,
    Interrupt,
    Ask,
    LookAgain,
    Sleep,
}

/// The device.
pub(crate) struct StepDevice {
    half: std::boxed::Box<dyn Half>,
    /// How many chains it takes before it gives one back, if there are so many.
    hoards: usize,
    next: Cell<Next>,
    held: RefCell<VecDeque<u16>>,
    /// The driver has notified it.
    pub(crate) notified: Cell<bool>,
    /// It has interrupted the driver.
    pub(crate) interrupted: Cell<bool>,
}

impl StepDevice {
    pub(crate) fn new(half: impl Half, hoards: usize) -> Self {
        Self {
            half: std::boxed::Box::new(half),
            hoards,
            next: Cell::new(Next::Sleep),
            held: RefCell::default(),
            notified: Cell::new(false),
            interrupted: Cell::new(false),
        }
    }

    pub(crate) fn can_step(&self) -> bool {
        self.next.get() != Next::Sleep || self.notified.get()
    }

    pub(crate) fn step(&self) {
        let held = self.held.borrow().len();
        let next = match self.next.get() {
            Next::Sleep => {
                self.notified.set(false);
                self.half.ask(false);
                Next::Look
            }
            Next::Look => match (self.half.has_available(), held) {
                (true, _) if held < self.hoards => Next::Take,
                (_, 0) => Next::Ask,
                _ => Next::GiveBack,
            },
            Next::Take => {
                self.held.borrow_mut().push_back(self.half.take());
                Next::Look
            }
            Next::GiveBack => {
                // The last one first, if there are several.
                let id = self.held.borrow_mut().pop_back();
                self.half.give_back(id.expect("one is held"));
                Next::Interrupt
            }
            Next::Interrupt => {
                if self.half.wants_interrupt() {
                    self.interrupted.set(true);
                }
                if held == 0 {
                    Next::Look
                } else {
                    Next::GiveBack
                }
            }
            Next::Ask => {
                self.half.ask(true);
                Next::LookAgain
            }
            Next::LookAgain if self.half.has_available() => {
                self.half.ask(false);
                Next::Look
            }
            Next::LookAgain => Next::Sleep,
        };
        self.next.set(next);
    }
}

impl Hash for StepDevice {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.next.get().hash(hasher);
        self.held.borrow().hash(hasher);
        (self.notified.get(), self.interrupted.get()).hash(hasher);
        self.half.fingerprint(hasher);
    }
}
