// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Features of a network device (VirtIO 1.2, 5.1.3), and which of them the driver takes.

/// The device may leave checksums of received frames open, for the driver to fill in.
pub(super) const GUEST_CSUM: u64 = 1 << 1;

/// The device supplies an MTU.
pub(super) const MTU: u64 = 1 << 3;

/// The device supplies a MAC address.
pub(super) const MAC: u64 = 1 << 5;

/// The device may spread a received frame over several buffers.
pub(super) const MRG_RXBUF: u64 = 1 << 15;

/// The device supplies the state of the link.
pub(super) const STATUS: u64 = 1 << 16;

/// There is a control queue.
pub(super) const CTRL_VQ: u64 = 1 << 17;

/// The control queue takes receive modes and a table of addresses.
pub(super) const CTRL_RX: u64 = 1 << 18;

/// The device may ask the driver to send announcements.
pub(super) const GUEST_ANNOUNCE: u64 = 1 << 21;

/// The control queue takes the address of the card.
pub(super) const CTRL_MAC_ADDR: u64 = 1 << 23;

/// What the driver takes if it is offered and can be used.
const WANTED: u64 = GUEST_CSUM | MTU | MAC | MRG_RXBUF | STATUS;

/// What needs the control queue (5.1.3.1).
const WANTED_WITH_CONTROL: u64 = CTRL_VQ | CTRL_RX | GUEST_ANNOUNCE | CTRL_MAC_ADDR;

/// Picks features out of those offered. A device may offer what depends on a control queue without
/// offering that.
pub(super) fn choose(offered: u64, has_control_queue: bool) -> u64 {
    let with_control = if has_control_queue && offered & CTRL_VQ != 0 {
        WANTED_WITH_CONTROL
    } else {
        0
    };
    // An announcement is asked for in the status field.
    let announces = if offered & STATUS == 0 {
        GUEST_ANNOUNCE
    } else {
        0
    };
    offered & (WANTED | with_control) & !announces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_depends_on_the_control_queue_needs_it_on_both_sides() {
        let depends = CTRL_RX | GUEST_ANNOUNCE | CTRL_MAC_ADDR;
        assert_eq!(choose(depends | STATUS, true), STATUS);
        assert_eq!(choose(depends | CTRL_VQ | STATUS, false), STATUS);
        assert_eq!(
            choose(depends | CTRL_VQ, true),
            depends & !GUEST_ANNOUNCE | CTRL_VQ
        );
        let all = depends | CTRL_VQ | STATUS;
        assert_eq!(choose(all, true), all);
    }

    #[test]
    fn offloads_that_the_driver_does_not_know_are_left_alone() {
        let segments = 1 | 1 << 2 | 0b1_1111 << 6 | 0b1_1111 << 10;
        let queues_and_hashes = 1 << 22 | 0b11_1111 << 56 | 1 << 62 | 1 << 63;
        assert_eq!(choose(segments | queues_and_hashes, true), 0);
        let chosen = choose(u64::MAX, true);
        assert_eq!(chosen, WANTED | WANTED_WITH_CONTROL);
        assert_eq!(chosen & (segments | queues_and_hashes), 0);
    }
}
