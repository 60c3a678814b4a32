// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Starts itself anew as fast as it can, each time with memory shared, an alarm armed, a frame on its way
//! and upcalls about to come.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use tock_app::trespass::calls::{Caller, class};
use tock_app::{ErrorCode, restart};

tock_app::entry!(main, stack = 1024, heap = 256);

const ALARM: usize = 0x0;
const CONSOLE: usize = 0x1;
const TAP: usize = 0x30007;
const RNG: usize = 0x40001;

fn main() -> Result<(), ErrorCode> {
    let mut caller = Caller::new(256)?;
    let (arena, upcall) = (caller.arena().start, caller.upcall());
    for (class, arguments) in [
        (class::ALLOW_READ_WRITE, [TAP, 0, arena, 256]),
        (class::ALLOW_READ_ONLY, [TAP, 0, arena, 64]),
        (class::COMMAND, [TAP, 3, 64, 1]),
        (class::SUBSCRIBE, [ALARM, 0, upcall, 0]),
        (class::COMMAND, [ALARM, 5, 1, 0]),
        (class::ALLOW_READ_WRITE, [CONSOLE, 1, arena, 64]),
        (class::COMMAND, [CONSOLE, 2, 64, 0]),
        (class::ALLOW_READ_ONLY, [CONSOLE, 1, arena + 64, 1]),
        (class::COMMAND, [CONSOLE, 1, 1, 0]),
        (class::ALLOW_READ_WRITE, [RNG, 0, arena, 64]),
        (class::COMMAND, [RNG, 1, 64, 0]),
    ] {
        caller.call(class, arguments);
    }
    restart(0)
}
