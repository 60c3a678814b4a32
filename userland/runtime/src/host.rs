// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The system call functions on the host, answered by a stand-in kernel that a test installs.
//!
//! Same names and duties as the `ecall` functions of the target. Without an installed kernel every
//! call fails with NODEVICE, and a wait panics: nothing could ever end it.

use crate::error::ErrorCode;
use crate::syscall::Return;
use std::cell::RefCell;
use std::collections::VecDeque;

/// A C function that the kernel calls back.
pub type UpcallFunction = extern "C" fn(u32, u32, u32, usize);

/// Memory shared with the kernel, by address and length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shared {
    /// First byte.
    pub address: *mut u8,
    /// Number of bytes.
    pub length: usize,
}

/// The drivers behind the system calls.
pub trait Kernel {
    /// Carries out a command; events for the process go to `events`.
    fn command(
        &mut self,
        driver: usize,
        number: usize,
        arguments: [usize; 2],
        events: &mut VecDeque<Event>,
    ) -> Return;

    /// Takes over a buffer and returns the one it replaces.
    fn allow(
        &mut self,
        writable: bool,
        driver: usize,
        number: usize,
        buffer: Shared,
    ) -> Result<Shared, ErrorCode>;

    /// Called when the process sleeps and no event can wake it: the place to let something happen.
    fn idle(&mut self, events: &mut VecDeque<Event>);
}

/// An upcall on its way to the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// Driver number.
    pub driver: usize,
    /// Subscribe number.
    pub number: usize,
    /// The driver's three arguments.
    pub arguments: [u32; 3],
}

struct Subscription {
    driver: usize,
    number: usize,
    function: usize,
    userdata: usize,
}

#[derive(Default)]
struct Process {
    kernel: Option<Box<dyn Kernel>>,
    events: VecDeque<Event>,
    subscriptions: Vec<Subscription>,
}

thread_local! {
    static PROCESS: RefCell<Process> = RefCell::default();
}

/// Makes `kernel` answer the system calls of this thread, with a fresh event queue.
pub fn install(kernel: impl Kernel + 'static) {
    PROCESS.with_borrow_mut(|process| {
        *process = Process {
            kernel: Some(Box::new(kernel)),
            ..Process::default()
        };
    });
}

/// Ends the subscriptions of drivers: their [`Upcall`](crate::upcall::Upcall) statics are shared by all
/// threads, while each thread is a process of its own. For tests that run one after the other.
pub fn reset_events() {
    crate::alarm::FIRED.disable();
    crate::ethernet::reset_events();
    crate::rng::reset_events();
}

/// Lets tests run one after the other that use the same [`Upcall`](crate::upcall::Upcall) statics: each
/// test thread is a process of its own, but the statics are shared by all of them.
#[cfg(test)]
pub(crate) fn take_turn() -> std::sync::MutexGuard<'static, ()> {
    static TURN: std::sync::Mutex<()> = std::sync::Mutex::new(());
    TURN.lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn failure(error: ErrorCode) -> Return {
    Return {
        variant: 0,
        values: [error as usize, 0, 0],
    }
}

/// See the function of this name in `raw`.
pub fn command(driver: usize, number: usize, first: usize, second: usize) -> Return {
    PROCESS.with_borrow_mut(|process| {
        let events = &mut process.events;
        match &mut process.kernel {
            Some(kernel) => kernel.command(driver, number, [first, second], events),
            None => failure(ErrorCode::NoDevice),
        }
    })
}

fn allow(writable: bool, driver: usize, number: usize, buffer: Shared) -> Return {
    PROCESS.with_borrow_mut(|process| {
        let answer = match &mut process.kernel {
            Some(kernel) => kernel.allow(writable, driver, number, buffer),
            None => Err(ErrorCode::NoDevice),
        };
        match answer {
            Ok(old) => Return {
                variant: 130,
                values: [old.address.addr(), old.length, 0],
            },
            Err(error) => Return {
                variant: 2,
                values: [error as usize, buffer.address.addr(), buffer.length],
            },
        }
    })
}

/// See the function of this name in `raw`.
///
/// # Safety
///
/// As on the target; the installed kernel may read and write the memory.
pub unsafe fn allow_read_write(
    driver: usize,
    number: usize,
    address: *mut u8,
    length: usize,
) -> Return {
    allow(true, driver, number, Shared { address, length })
}

/// See the function of this name in `raw`.
///
/// # Safety
///
/// As on the target; the installed kernel may read the memory.
pub unsafe fn allow_read_only(
    driver: usize,
    number: usize,
    address: *const u8,
    length: usize,
) -> Return {
    allow(
        false,
        driver,
        number,
        Shared {
            address: address.cast_mut(),
            length,
        },
    )
}

/// See the function of this name in `raw`.
///
/// # Safety
///
/// As on the target.
pub unsafe fn subscribe(
    driver: usize,
    number: usize,
    function: *const (),
    userdata: usize,
) -> Return {
    PROCESS.with_borrow_mut(|process| {
        let same = |entry: &Subscription| entry.driver == driver && entry.number == number;
        process.subscriptions.retain(|entry| !same(entry));
        process
            .events
            .retain(|event| event.driver != driver || event.number != number);
        let function = function.expose_provenance();
        process.subscriptions.push(Subscription {
            driver,
            number,
            function,
            userdata,
        });
        Return {
            variant: 130,
            values: [0, 0, 0],
        }
    })
}

/// Takes the first queued event with a function to run, dropping those without.
fn next_upcall() -> Option<(UpcallFunction, Event, usize)> {
    PROCESS.with_borrow_mut(|process| {
        while let Some(event) = process.events.pop_front() {
            let subscription = process.subscriptions.iter().find(|entry| {
                entry.driver == event.driver && entry.number == event.number && entry.function != 0
            });
            if let Some(entry) = subscription {
                let function = core::ptr::with_exposed_provenance::<()>(entry.function);
                // SAFETY: `subscribe` asks its caller for a function of this very type.
                let function =
                    unsafe { core::mem::transmute::<*const (), UpcallFunction>(function) };
                return Some((function, event, entry.userdata));
            }
        }
        None
    })
}

fn idle() {
    PROCESS.with_borrow_mut(|process| {
        let events = &mut process.events;
        match &mut process.kernel {
            Some(kernel) => kernel.idle(events),
            None => panic!("the process sleeps and no kernel is installed to wake it"),
        }
    });
}

/// See the function of this name in `raw`.
pub fn yield_no_wait() -> bool {
    match next_upcall() {
        Some((function, event, userdata)) => {
            let [first, second, third] = event.arguments;
            function(first, second, third, userdata);
            true
        }
        None => false,
    }
}

/// See the function of this name in `raw`.
pub fn yield_wait() {
    while !yield_no_wait() {
        idle();
    }
}

/// See the function of this name in `raw`.
pub fn yield_wait_for(driver: usize, number: usize) -> [u32; 3] {
    loop {
        let found = PROCESS.with_borrow_mut(|process| {
            let same = |event: &Event| event.driver == driver && event.number == number;
            let position = process.events.iter().position(same)?;
            process.events.remove(position)
        });
        match found {
            Some(event) => return event.arguments,
            None => idle(),
        }
    }
}

/// See the function of this name in `raw`. The stand-in has no memory to manage.
///
/// # Safety
///
/// As on the target.
pub unsafe fn memop(_operation: usize, _argument: usize) -> Return {
    failure(ErrorCode::NoSupport)
}

/// See the function of this name in `raw`: ends the test instead of the process.
pub fn exit(which: usize, code: u32) -> ! {
    panic!("the process ended itself: exit {which} with code {code}")
}
