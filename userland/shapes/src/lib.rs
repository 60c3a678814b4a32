// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What both apps check, once their start-up code has brought them this far.

#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

use core::hint::black_box;
use core::sync::atomic::{AtomicU32, Ordering};
use tock_app::trespass::calls::{Caller, class};
use tock_app::{alarm, memory, println};

/// What the start-up code found in the registers, in the order of a C function's arguments.
pub struct Entry {
    /// `a0`: where the binary starts.
    pub binary: usize,
    /// `a1`: where the process's memory starts.
    pub ram: usize,
    /// `a2`: how long it is, with the kernel's part.
    pub length: usize,
    /// `a3`: how far it can be accessed.
    pub app_break: usize,
    /// `sp`.
    pub stack: usize,
    /// `ra`.
    pub back: usize,
    /// All registers without a meaning, or'ed together.
    pub others: usize,
}

/// Where the runtime's linker script puts the app.
pub struct Place {
    /// Start of the binary in flash.
    pub binary: usize,
    /// Start of RAM.
    pub ram: usize,
}

const INITIAL: u32 = 0x5EED_0F0C;

static DATA: AtomicU32 = AtomicU32::new(INITIAL);
static ZEROED: [AtomicU32; 16] = [const { AtomicU32::new(0) }; 16];

const CONSOLE: usize = 0x1;

/// Checks that the process began as its runtime counts on, and tells the outcome on the console.
pub fn check(name: &str, place: Place, entry: Entry, own: bool) {
    let Entry {
        binary,
        ram,
        length,
        app_break,
        stack,
        back,
        others,
    } = entry;
    let ram_end = ram.wrapping_add(length);
    let checks = [
        ("a0 is the binary", binary == place.binary),
        ("a1 is the RAM", ram == place.ram),
        (
            "a2 reaches the RAM's end",
            memory::ram() == Ok(ram..ram_end),
        ),
        ("a3 is the first break", app_break == ram),
        ("sp is the RAM", stack == ram),
        ("ra is zero", back == 0),
        ("all else is zero", others == 0),
        (
            "data is in place",
            black_box(&DATA).load(Ordering::Relaxed) == INITIAL,
        ),
        (
            "the rest is zero",
            ZEROED
                .iter()
                .all(|word| black_box(word).load(Ordering::Relaxed) == 0),
        ),
        ("the runtime's own", own),
        ("calls keep registers", calls_keep_registers()),
        ("the alarm fires", alarm::sleep_ms(10).is_ok()),
    ];
    for (what, _) in checks.iter().filter(|(_, right)| !right) {
        println!("{name}: WRONG: {what}");
    }
    let right = checks.iter().filter(|(_, right)| *right).count();
    println!("{name}: {right} of {} checks", checks.len());
}

/// Makes a call of each class that answers at once, with a mark in every other register.
fn calls_keep_registers() -> bool {
    let Ok(mut caller) = Caller::new(64) else {
        return false;
    };
    let (arena, upcall) = (caller.arena().start, caller.upcall());
    [
        (class::YIELD, [99, 0, 0, 0]),
        (class::SUBSCRIBE, [CONSOLE, 2, upcall, 7]),
        (class::SUBSCRIBE, [CONSOLE, 2, 0, 0]),
        (class::COMMAND, [CONSOLE, 0, 0, 0]),
        (class::ALLOW_READ_WRITE, [CONSOLE, 1, arena, 64]),
        (class::ALLOW_READ_WRITE, [CONSOLE, 1, 0, 0]),
        (class::ALLOW_READ_ONLY, [CONSOLE, 1, arena, 64]),
        (class::ALLOW_READ_ONLY, [CONSOLE, 1, 0, 0]),
        (class::MEMOP, [2, 0, 0, 0]),
        (class::EXIT, [99, 0, 0, 0]),
    ]
    .into_iter()
    .all(|(class, arguments)| {
        caller
            .call(class, arguments)
            .is_some_and(|answer| answer.intact)
    })
}
