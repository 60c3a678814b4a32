// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What a queue does with the memory that it shares with the device, word by word.
//!
//! A test can count the accesses, act before any of them, and keep stores back as a processor's store
//! buffer does, so that the device sees them later than it should.

use core::cell::{Cell, RefCell};
use core::hash::{Hash, Hasher};
use core::ptr::with_exposed_provenance_mut;
use std::boxed::Box;
use std::collections::VecDeque;
use std::thread_local;

/// What a witness is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The queue is about to read or write a word.
    Access,
    /// It has read this.
    Read(u32),
}

/// A store that the device does not see yet.
#[derive(Clone, Copy, Hash)]
struct Store {
    address: usize,
    bytes: usize,
    value: u32,
}

type Witness = Box<dyn Fn(Event)>;

thread_local! {
    static TOUCHES: Cell<usize> = const { Cell::new(0) };
    static DELAYS: Cell<bool> = const { Cell::new(false) };
    static BUFFER: RefCell<VecDeque<Store>> = const { RefCell::new(VecDeque::new()) };
    static WITNESS: RefCell<Option<Witness>> = const { RefCell::new(None) };
}

fn tell(event: Event) {
    WITNESS.with_borrow(|witness| {
        if let Some(witness) = witness {
            witness(event);
        }
    });
}

fn touch() {
    TOUCHES.set(TOUCHES.get() + 1);
    tell(Event::Access);
}

pub(crate) fn before_load() {
    touch();
}

pub(crate) fn after_load(value: u32) {
    tell(Event::Read(value));
}

/// Whether the store was kept back.
pub(crate) fn delay_store(address: usize, bytes: usize, value: u32) -> bool {
    touch();
    let delays = DELAYS.get();
    if delays {
        BUFFER.with_borrow_mut(|buffer| {
            buffer.push_back(Store {
                address,
                bytes,
                value,
            });
        });
    }
    delays
}

/// Counts accesses since the last call.
pub(crate) fn take_touches() -> usize {
    TOUCHES.take()
}

/// Calls `witness` at each access from now on.
pub(crate) fn watch(witness: impl Fn(Event) + 'static) {
    WITNESS.set(Some(Box::new(witness)));
}

/// Keeps stores back from now on, or does so no longer.
pub(crate) fn set_delays(delays: bool) {
    DELAYS.set(delays);
}

/// Ends all watching and delaying; stores kept back are lost.
pub(crate) fn reset() {
    DELAYS.set(false);
    BUFFER.take();
    WITNESS.set(None);
}

/// Whether there are stores that the device does not see.
pub(crate) fn holds_stores() -> bool {
    BUFFER.with_borrow(|buffer| !buffer.is_empty())
}

pub(crate) fn hash_stores(hasher: &mut impl Hasher) {
    BUFFER.with_borrow(|buffer| buffer.hash(hasher));
}

/// Lets the device see the oldest store that was kept back; says whether there was one.
pub(crate) fn drain_one() -> bool {
    let Some(store) = BUFFER.with_borrow_mut(VecDeque::pop_front) else {
        return false;
    };
    // SAFETY: the queue exposed the address of a word that it may write, in memory that is leaked.
    unsafe {
        if store.bytes == 2 {
            with_exposed_provenance_mut::<u16>(store.address)
                .write_volatile((store.value as u16).to_le());
        } else {
            with_exposed_provenance_mut::<u32>(store.address).write_volatile(store.value.to_le());
        }
    }
    true
}

/// Lets the device see all stores, as a full barrier does.
pub(crate) fn drain() {
    while drain_one() {}
}
