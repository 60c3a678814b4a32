// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Numbers that say who came first.

use core::cell::Cell;

/// Hands out numbers in turn. They wrap, and still tell the order of those in use.
pub(super) struct Tickets {
    next: Cell<u32>,
}

impl Tickets {
    pub(super) const fn new() -> Self {
        Tickets { next: Cell::new(0) }
    }

    pub(super) fn take(&self) -> u32 {
        let ticket = self.next.get();
        self.next.set(ticket.wrapping_add(1));
        ticket
    }

    /// How many tickets were handed out since `ticket`: the longer, the earlier it came.
    pub(super) fn age(&self, ticket: u32) -> u32 {
        self.next.get().wrapping_sub(ticket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_to_come_is_the_oldest_across_the_wrap() {
        let tickets = Tickets {
            next: Cell::new(u32::MAX - 1),
        };
        let inline = [(); 4].map(|()| tickets.take());
        assert_eq!(inline, [u32::MAX - 1, u32::MAX, 0, 1]);
        assert_eq!(inline.map(|ticket| tickets.age(ticket)), [4, 3, 2, 1]);
    }
}
