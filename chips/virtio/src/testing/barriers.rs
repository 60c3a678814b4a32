// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Barriers that let a test look at shared memory at the moment they execute.

use core::cell::RefCell;
use std::boxed::Box;
use std::vec::Vec;

use super::leak;
use crate::barriers::Barriers;

/// Which barrier was executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Release,
    Acquire,
    Full,
    Doorbell,
    RegistersAndMemory,
}

type Witness = Box<dyn Fn(Kind)>;

/// Barriers that do nothing but tell.
#[derive(Clone, Copy)]
pub(crate) struct Probe {
    log: &'static RefCell<Vec<Kind>>,
    witness: &'static RefCell<Option<Witness>>,
}

impl Probe {
    pub(crate) fn new() -> Self {
        Self {
            log: leak(RefCell::new(Vec::new())),
            witness: leak(RefCell::new(None)),
        }
    }

    /// Calls `witness` at each barrier from now on.
    pub(crate) fn watch(self, witness: impl Fn(Kind) + 'static) {
        *self.witness.borrow_mut() = Some(Box::new(witness));
    }

    pub(crate) fn take_log(self) -> Vec<Kind> {
        self.log.take()
    }

    fn execute(self, kind: Kind) {
        self.log.borrow_mut().push(kind);
        if let Some(witness) = &*self.witness.borrow() {
            witness(kind);
        }
    }
}

impl Barriers for Probe {
    fn release(self) {
        self.execute(Kind::Release);
    }

    fn acquire(self) {
        self.execute(Kind::Acquire);
    }

    fn full(self) {
        self.execute(Kind::Full);
    }

    fn doorbell(self) {
        self.execute(Kind::Doorbell);
    }

    fn registers_and_memory(self) {
        self.execute(Kind::RegistersAndMemory);
    }
}
