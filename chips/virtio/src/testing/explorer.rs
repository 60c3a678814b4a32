// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Runs a driver against a [`StepDevice`] in every order in which their steps can come.
//!
//! The driver is real code, so each order is a run from the start. Before each of its accesses to
//! shared memory there is a choice: go on, let the device take a step, or let the device see one more
//! of the driver's stores, which a processor may keep back until a barrier. A run that comes to a
//! state that an earlier one has been in is not followed further. The state of the driver is what it
//! has read so far, since it depends on nothing else.

use core::cell::{Cell, RefCell};
use core::hash::{Hash, Hasher};
use std::collections::HashSet;
use std::hash::DefaultHasher;
use std::vec::Vec;

use super::barriers::{Kind, Probe};
use super::shared_memory::{self, Event};
use super::step_device::StepDevice;

/// What can happen at a choice.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Move {
    GoOn,
    Device,
    Drain,
}

/// The way through all orders.
#[derive(Default)]
pub(crate) struct Explorer {
    /// The choices of this run: which, out of how many.
    path: RefCell<Vec<(usize, usize)>>,
    /// How many of them were made so far.
    made: Cell<usize>,
    /// Whether this run has come to a known state.
    known: Cell<bool>,
    visited: RefCell<HashSet<u64>>,
    /// What the driver did and read so far.
    history: RefCell<DefaultHasher>,
    device: RefCell<Option<&'static StepDevice>>,
    pub(crate) runs: Cell<usize>,
}

impl Explorer {
    /// Begins a run with a fresh driver and `device`; `barriers` are the driver's.
    ///
    /// Without `full_barriers` the driver's do nothing, to see what happens then.
    pub(crate) fn begin(
        &'static self,
        device: &'static StepDevice,
        barriers: Probe,
        full_barriers: bool,
    ) {
        shared_memory::reset();
        self.made.set(0);
        self.known.set(false);
        self.history.replace(DefaultHasher::new());
        self.device.replace(Some(device));
        self.runs.set(self.runs.get() + 1);
        shared_memory::set_delays(true);
        shared_memory::watch(move |event| self.accessed(event));
        barriers.watch(move |kind| {
            if kind == Kind::Full && full_barriers {
                shared_memory::drain();
            }
        });
    }

    /// Goes to the next order; says whether there is one.
    pub(crate) fn next(&self) -> bool {
        shared_memory::reset();
        let mut path = self.path.borrow_mut();
        path.truncate(self.made.get());
        while let Some((choice, of)) = path.pop() {
            if choice + 1 < of {
                path.push((choice + 1, of));
                return true;
            }
        }
        false
    }

    fn device(&self) -> &'static StepDevice {
        self.device.borrow().expect("a run has begun")
    }

    fn accessed(&self, event: Event) {
        match event {
            Event::Access => {
                while self.choose(&[Move::GoOn]) != Move::GoOn {}
                true.hash(&mut *self.history.borrow_mut());
            }
            Event::Read(value) => value.hash(&mut *self.history.borrow_mut()),
        }
    }

    /// Notes that the driver has learned of an interrupt, which it does not read from shared memory.
    pub(crate) fn interrupted(&self) {
        "interrupted".hash(&mut *self.history.borrow_mut());
    }

    /// Lets others act while the driver sleeps; says whether any did.
    pub(crate) fn sleep(&self) -> bool {
        self.choose(&[]) != Move::GoOn
    }

    fn choose(&self, always: &[Move]) -> Move {
        let mut moves = always.to_vec();
        if self.device().can_step() {
            moves.push(Move::Device);
        }
        if shared_memory::holds_stores() {
            moves.push(Move::Drain);
        }
        let chosen = match moves.len() {
            0 => return Move::GoOn,
            1 => moves[0],
            of => moves[self.pick(of)],
        };
        match chosen {
            Move::GoOn => {}
            Move::Device => self.device().step(),
            Move::Drain => _ = shared_memory::drain_one(),
        }
        chosen
    }

    fn pick(&self, of: usize) -> usize {
        let at = self.made.get();
        if let Some((choice, _)) = self.path.borrow().get(at) {
            self.made.set(at + 1);
            return *choice;
        }
        if self.known.get() || !self.visited.borrow_mut().insert(self.state()) {
            self.known.set(true);
            // Any way to the end will do. The device comes first, so that there is an end.
            return of - 1;
        }
        self.path.borrow_mut().push((0, of));
        self.made.set(at + 1);
        0
    }

    fn state(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.history.borrow().finish().hash(&mut hasher);
        self.device().hash(&mut hasher);
        shared_memory::hash_stores(&mut hasher);
        hasher.finish()
    }
}
