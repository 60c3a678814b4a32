// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Reads the memory of `victim` right after the CPU came from there. Must fault; prints LEAK if it
//! does not.
//!
//! The two run alone, in either order. The board places apps side by side from the start of the pool,
//! so the neighbour lies below this process if there is room, else above.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use tock_app::{ErrorCode, alarm, memory, println, trespass};

tock_app::entry!(main, stack = 2048);

/// Where the board's pool for apps at fixed addresses starts.
const POOL_START: usize = 0x8030_0000;

/// Half of the victim's secret: leads into its middle from either side, past the victim's stack or
/// the kernel's part of its memory.
const DISTANCE: usize = 32 * 1024;

/// How often this process yields to the neighbour first.
const ROUNDS: usize = 20;

fn main() -> Result<(), ErrorCode> {
    let ram = memory::ram()?;
    let below = ram.start.saturating_sub(DISTANCE);
    let target = if below >= POOL_START {
        below
    } else {
        ram.end + DISTANCE
    };
    for _ in 0..ROUNDS {
        alarm::sleep_ms(3)?;
    }
    println!("peek_neighbour: reading {target:#x}");
    let byte = trespass::load_after(target, || {
        // The load is the first thing after the switch back.
        let _ = alarm::sleep_ms(3);
    })?;
    println!("peek_neighbour: LEAK {byte:#04x}");
    Err(ErrorCode::Fail)
}
