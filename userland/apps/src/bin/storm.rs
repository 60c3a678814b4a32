// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Starts itself anew as fast as it can, each time with memory shared, an alarm armed and an upcall
//! about to come.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use tock_app::trespass::calls::{Caller, class};
use tock_app::{ErrorCode, restart};

tock_app::entry!(main, stack = 1024, heap = 256);

fn main() -> Result<(), ErrorCode> {
    let mut caller = Caller::new(256)?;
    let (arena, upcall) = (caller.arena().start, caller.upcall());
    for (class, arguments) in [
        (class::SUBSCRIBE, [0x0, 0, upcall, 0]),
        (class::COMMAND, [0x0, 5, 1, 0]),
        (class::ALLOW_READ_WRITE, [0x1, 1, arena, 64]),
        (class::COMMAND, [0x1, 2, 64, 0]),
        (class::ALLOW_READ_ONLY, [0x1, 1, arena + 64, 1]),
        (class::COMMAND, [0x1, 1, 1, 0]),
        (class::ALLOW_READ_WRITE, [0x40001, 0, arena, 64]),
        (class::COMMAND, [0x40001, 1, 64, 0]),
    ] {
        caller.call(class, arguments);
    }
    restart(0)
}
