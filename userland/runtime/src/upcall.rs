// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Upcalls as flags: the kernel's callback notes that an event happened, the app looks later.
//!
//! A callback that ran app code could meet half-changed state. This one stores its arguments and
//! raises a flag, nothing else. As callbacks run only inside a yield, testing flags and then yielding
//! loses no event: one that arrives in between is queued, and the yield returns at once.

use crate::error::ErrorCode;
use crate::raw;
use crate::syscall::SUCCESS_2_U32;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// The latest event of one (driver, upcall number) pair.
///
/// The process has one subscription for each pair: enabling a second `Upcall` for the same pair takes
/// the events away from the first.
pub struct Upcall {
    driver: usize,
    number: usize,
    enabled: AtomicBool,
    pending: AtomicBool,
    arguments: [AtomicU32; 3],
}

impl Upcall {
    /// Describes upcall `number` of `driver`; nothing arrives before [`enable`](Self::enable).
    pub const fn new(driver: usize, number: usize) -> Self {
        Self {
            driver,
            number,
            enabled: AtomicBool::new(false),
            pending: AtomicBool::new(false),
            arguments: [const { AtomicU32::new(0) }; 3],
        }
    }

    /// Subscribes; does nothing when that is done already.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::NoDevice`] without the driver, [`ErrorCode::NoMemory`] without room for its state.
    pub fn enable(&'static self) -> Result<(), ErrorCode> {
        if self.enabled.load(Ordering::Relaxed) {
            return Ok(());
        }
        let function: extern "C" fn(u32, u32, u32, usize) = deliver;
        // SAFETY: `deliver` has the signature of an upcall and wants a `'static` Upcall as userdata.
        unsafe {
            raw::subscribe(
                self.driver,
                self.number,
                function as *const (),
                core::ptr::from_ref(self).expose_provenance(),
            )
        }
        .expect(SUCCESS_2_U32)?;
        self.enabled.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Ends the subscription and forgets what is pending.
    pub fn disable(&self) {
        if self.enabled.swap(false, Ordering::Relaxed) {
            // SAFETY: the null function is never called.
            unsafe { raw::subscribe(self.driver, self.number, core::ptr::null(), 0) };
        }
        self.clear();
    }

    /// Tells whether an event has arrived since the last [`take`](Self::take).
    pub fn is_pending(&self) -> bool {
        self.pending.load(Ordering::Relaxed)
    }

    /// Takes the latest event; earlier ones that were not taken are merged into it.
    pub fn take(&self) -> Option<[u32; 3]> {
        // Not a swap, which takes a loop for a byte: callbacks run only while the process yields.
        if !self.pending.load(Ordering::Relaxed) {
            return None;
        }
        self.clear();
        let [first, second, third] = &self.arguments;
        Some([first, second, third].map(|argument| argument.load(Ordering::Relaxed)))
    }

    /// Forgets what is pending.
    pub fn clear(&self) {
        self.pending.store(false, Ordering::Relaxed);
    }

    /// Sleeps until an event arrives and takes it. Other upcalls run meanwhile.
    pub fn wait(&self) -> [u32; 3] {
        loop {
            if let Some(arguments) = self.take() {
                return arguments;
            }
            raw::yield_wait();
        }
    }
}

/// Notes an event. Called by the kernel inside a yield.
extern "C" fn deliver(first: u32, second: u32, third: u32, userdata: usize) {
    let upcall = core::ptr::with_exposed_provenance::<Upcall>(userdata);
    // SAFETY: `enable` gives the kernel this function only together with the exposed address of a
    // `'static` Upcall, and the kernel returns the userdata as it was given.
    let upcall = unsafe { &*upcall };
    // Not a loop, which is not unrolled for size.
    let [slot_0, slot_1, slot_2] = &upcall.arguments;
    slot_0.store(first, Ordering::Relaxed);
    slot_1.store(second, Ordering::Relaxed);
    slot_2.store(third, Ordering::Relaxed);
    upcall.pending.store(true, Ordering::Relaxed);
}

/// Lets queued upcalls run without sleeping.
pub fn poll() {
    while raw::yield_no_wait() {}
}

/// Sleeps until at least one of `events` is pending.
pub fn wait_any(events: &[&Upcall]) {
    while !events.iter().any(|event| event.is_pending()) {
        raw::yield_wait();
    }
}
