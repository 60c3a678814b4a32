// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Work that a driver puts off until its caller has returned.
//!
//! A driver whose result is there at once must not call its client from within the client's call.
//! It sets a deferred call instead, and the main loop makes it soon after.
//!
//! The state belongs to one thread. A [`DeferredCall`] keeps a reference to it, so setting one
//! takes a few instructions and no check. On a host, where tests run in many threads, each thread
//! that asks for it gets a state of its own.

use core::cell::Cell;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::platform::chip::ThreadIdProvider;
use crate::utilities::cells::OptionalCell;
use crate::utilities::single_thread_value::SingleThreadValue;

/// How many deferred calls there can be: one bit each in a word.
const CALLS: usize = u32::BITS as usize;

/// How many threads can have deferred calls: the kernel's alone.
#[cfg(target_os = "none")]
const THREADS: usize = 1;
/// How many threads can have deferred calls: enough for a test program.
#[cfg(not(target_os = "none"))]
const THREADS: usize = 1024;

static STATES: [SingleThreadValue<State>; THREADS] = [const { SingleThreadValue::new() }; THREADS];

/// The calls that are set, one bit each, for each state. Only the state's thread writes here.
///
/// Kept outside of the states because the main loop looks here after each system call.
static PENDING: [AtomicU32; THREADS] = [const { AtomicU32::new(0) }; THREADS];

/// The deferred calls of one thread.
struct State {
    /// How many calls were created; their numbers are below it.
    created: Cell<usize>,
    /// The calls that are set, one bit each.
    pending: &'static AtomicU32,
    /// Where the search for the next call to make begins, so that each gets its turn.
    next: Cell<u32>,
    clients: [OptionalCell<&'static dyn Handler>; CALLS],
}

/// The half of [`DeferredCallClient`] that can be called through an object.
trait Handler {
    fn handle(&self);
}

impl<T: DeferredCallClient> Handler for T {
    fn handle(&self) {
        self.handle_deferred_call();
    }
}

/// A driver with a deferred call.
pub trait DeferredCallClient: Sized {
    /// Does what was put off.
    fn handle_deferred_call(&self);

    /// Registers the driver with its [`DeferredCall`]. Called once, at boot.
    fn register(&'static self);
}

impl State {
    const fn new(pending: &'static AtomicU32) -> Self {
        Self {
            created: Cell::new(0),
            pending,
            next: Cell::new(0),
            clients: [const { OptionalCell::empty() }; CALLS],
        }
    }

    /// The state of the running thread.
    fn of_thread() -> Option<&'static State> {
        STATES.iter().find_map(SingleThreadValue::get)
    }

    /// Takes the next call that is set: the first one at or above `next`, wrapping around.
    fn take_pending(&self) -> Option<usize> {
        let pending = self.pending.load(Relaxed);
        if pending == 0 {
            return None;
        }
        let first = self.next.get();
        let call = (pending.rotate_right(first).trailing_zeros() + first) % u32::BITS;
        self.pending.store(pending & !(1 << call), Relaxed);
        self.next.set(call + 1);
        Some(call as usize)
    }
}

/// Gives the running thread, the kernel's, its deferred calls. Called first of all at boot.
///
/// Calling it again from the same thread changes nothing.
///
/// # Panics
///
/// If another thread has them.
#[cfg(target_has_atomic = "ptr")]
pub fn initialize_deferred_call_state<P: ThreadIdProvider>() {
    let mut places = STATES.iter().zip(&PENDING);
    let mut bind =
        || places.any(|(place, pending)| place.bind_to_thread::<P>(State::new(pending)).is_ok());
    if State::of_thread().is_none() && !bind() {
        panic!("deferred calls belong to another thread");
    }
}

/// Does what `initialize_deferred_call_state` does, on targets without atomic operations.
///
/// # Panics
///
/// If another thread has them.
///
/// # Safety
///
/// No other thread or interrupt handler calls it at the same time.
pub unsafe fn initialize_deferred_call_state_unsafe<P: ThreadIdProvider>() {
    let mut places = STATES.iter().zip(&PENDING);
    let mut bind = || {
        places.any(|(place, pending)| {
            // SAFETY: the caller rules out that another thread stores a state now.
            unsafe {
                place
                    .bind_to_thread_unsafe::<P>(State::new(pending))
                    .is_ok()
            }
        })
    };
    if State::of_thread().is_none() && !bind() {
        panic!("deferred calls belong to another thread");
    }
}

/// One driver's right to be called later.
pub struct DeferredCall {
    state: &'static State,
    number: usize,
}

impl DeferredCall {
    /// Creates a deferred call. There can be 32.
    ///
    /// # Panics
    ///
    /// If there are 32 already, or if deferred calls were not initialized in this thread. Both show
    /// at the first boot of a board.
    #[allow(
        clippy::new_without_default,
        reason = "each call takes one of 32 places"
    )]
    pub fn new() -> Self {
        let Some(state) = State::of_thread() else {
            panic!("deferred calls are not initialized in this thread");
        };
        let number = state.created.get();
        if number >= CALLS {
            panic!("more than 32 deferred calls");
        }
        state.created.set(number + 1);
        Self { state, number }
    }

    /// Names the driver to be called. Its [`register`](DeferredCallClient::register) does this.
    pub fn register<T: DeferredCallClient>(&self, client: &'static T) {
        if let Some(place) = self.state.clients.get(self.number) {
            place.set(client);
        }
    }

    /// Asks for the call. Asking again before it is made changes nothing.
    pub fn set(&self) {
        let pending = self.state.pending;
        pending.store(pending.load(Relaxed) | 1 << self.number, Relaxed);
    }

    /// Tells whether the call is asked for and not yet made.
    pub fn is_pending(&self) -> bool {
        self.state.pending.load(Relaxed) >> self.number & 1 != 0
    }

    /// Makes one of the calls that are asked for, each in its turn, and returns its number.
    ///
    /// Returns `None` if there was none, or if this thread has no deferred calls.
    pub fn service_next_pending() -> Option<usize> {
        let state = State::of_thread()?;
        let number = state.take_pending()?;
        if let Some(client) = state.clients.get(number).and_then(OptionalCell::get) {
            client.handle();
        }
        Some(number)
    }

    /// Tells whether any call is asked for.
    pub fn has_tasks() -> bool {
        match PENDING.as_slice() {
            // The kernel's thread, the only one that can set a call, is also the one that asks.
            [pending] => pending.load(Relaxed) != 0,
            _ => State::of_thread().is_some_and(|state| state.pending.load(Relaxed) != 0),
        }
    }

    /// Checks at the end of boot that every deferred call has a client.
    ///
    /// # Panics
    ///
    /// If one has none: its component forgot to register it.
    pub fn verify_setup() {
        let Some(state) = State::of_thread() else {
            return;
        };
        let created = state.clients.iter().take(state.created.get());
        if created.filter(|client| client.is_none()).count() > 0 {
            panic!("a deferred call has no client");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestThread;
    use crate::testing::forever;
    use std::vec::Vec;

    struct Driver {
        call: DeferredCall,
        again: Cell<u32>,
        runs: Cell<u32>,
    }

    impl DeferredCallClient for Driver {
        fn handle_deferred_call(&self) {
            self.runs.set(self.runs.get() + 1);
            if let Some(left) = self.again.get().checked_sub(1) {
                self.again.set(left);
                self.call.set();
            }
        }

        fn register(&'static self) {
            self.call.register(self);
        }
    }

    fn driver() -> &'static Driver {
        initialize_deferred_call_state::<TestThread>();
        let call = DeferredCall::new();
        let driver = Driver {
            call,
            again: Cell::new(0),
            runs: Cell::new(0),
        };
        let driver: &'static Driver = forever(driver);
        driver.register();
        driver
    }

    #[test]
    fn a_call_is_made_once_however_often_it_was_set() {
        let driver = driver();
        assert!(!DeferredCall::has_tasks());
        driver.call.set();
        driver.call.set();
        assert!(driver.call.is_pending() && DeferredCall::has_tasks());
        assert_eq!(DeferredCall::service_next_pending(), Some(0));
        assert_eq!(driver.runs.get(), 1);
        assert!(!driver.call.is_pending());
        assert_eq!(DeferredCall::service_next_pending(), None);
    }

    #[test]
    fn a_call_that_sets_itself_again_leaves_the_others_their_turn() {
        let drivers: Vec<_> = (0..CALLS).map(|_| driver()).collect();
        drivers.iter().for_each(|driver| driver.call.set());
        drivers[3].again.set(100);
        let order: Vec<_> = (0..CALLS)
            .map(|_| DeferredCall::service_next_pending())
            .collect();
        let expected: Vec<_> = (0..CALLS).map(Some).collect();
        assert_eq!(order, expected);
        assert_eq!(DeferredCall::service_next_pending(), Some(3));
        drivers[1].call.set();
        assert_eq!(DeferredCall::service_next_pending(), Some(1));
    }

    #[test]
    fn threads_do_not_see_each_others_calls() {
        let driver = driver();
        driver.call.set();
        std::thread::spawn(|| {
            assert!(!DeferredCall::has_tasks());
            initialize_deferred_call_state::<TestThread>();
            assert!(!DeferredCall::has_tasks());
            assert_eq!(DeferredCall::service_next_pending(), None);
        })
        .join()
        .unwrap();
        assert!(driver.call.is_pending());
    }

    #[test]
    #[should_panic(expected = "has no client")]
    fn a_forgotten_registration_shows_at_boot() {
        driver();
        DeferredCall::verify_setup();
        let _forgotten = DeferredCall::new();
        DeferredCall::verify_setup();
    }

    #[test]
    #[should_panic(expected = "more than 32")]
    fn there_is_a_limit_to_the_number_of_calls() {
        (0..=CALLS).for_each(|_| {
            driver();
        });
    }

    #[test]
    #[should_panic(expected = "not initialized")]
    fn calls_need_an_initialized_thread() {
        DeferredCall::new();
    }
}
