// SPDX-License-Identifier: Apache-2.0 OR MIT

//! For how long each process has had frames held, while others waited behind them.
//!
//! The time is paid for: a process has some ahead, and earns more as time goes by. One that makes room
//! again and again, and each time just before it would be given up, thus slows others down hardly more
//! than one that never does. Nor does one that starts anew instead: who comes next to its place goes on
//! with the account as it is.

use super::retry::Retry;
use super::switching::Ports;
use core::cell::Cell;

/// How long frames are held for a process that comes late for the first time, in milliseconds.
const AHEAD_MS: u32 = 60;

/// The accounts of `N` processes, in parts of a tick.
pub(super) struct HoldTime<const N: usize> {
    owed: [Cell<u32>; N],
    /// Those whose time runs now.
    holders: Cell<Ports>,
}

impl<const N: usize> HoldTime<N> {
    /// All processes together are waited for in a sixteenth of the time, in the long run.
    const PRICE: u32 = 16 * N as u32;

    pub(super) const fn new() -> Self {
        HoldTime {
            owed: [const { Cell::new(0) }; N],
            holders: Cell::new(Ports::NONE),
        }
    }

    /// Whether the time of any process runs.
    #[inline]
    pub(super) fn is_running(&self) -> bool {
        !self.holders.get().is_empty()
    }

    /// Has the time of no process run any more, and returns those who have none left.
    #[inline(never)]
    pub(super) fn settle(&self, clock: Option<&dyn Retry>) -> Ports {
        let mut without = Ports::NONE;
        let Some(clock) = clock else {
            return without;
        };
        let ticks = clock.lap();
        let limit = clock.ticks_per_ms().saturating_mul(AHEAD_MS * Self::PRICE);
        let holders = self.holders.replace(Ports::NONE);
        for (number, owed) in self.owed.iter().enumerate() {
            let mut now = owed.get().saturating_sub(ticks);
            if holders.contains(number) {
                now = now.saturating_add(ticks.saturating_mul(Self::PRICE));
            }
            owed.set(now);
            if now >= limit {
                without.insert(number);
            }
        }
        without
    }

    /// Has the time of these processes alone run from when it was last settled.
    pub(super) fn run(&self, holders: Ports) {
        self.holders.set(holders);
    }
}
