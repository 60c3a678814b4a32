// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Link, addresses, filters and counts, on kernels with and without them.

use super::super::*;
use super::tap_kernel::{with_tap, with_tap_of};
use crate::alarm::Wake;
use crate::upcall;

#[test]
fn the_link_command_is_taken_apart() {
    with_tap_of(true, |_, _| {
        let mac = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];
        assert_eq!(
            link(),
            Ok(Link {
                mtu: 1500,
                is_up: true,
                mac
            })
        );
    });
}

#[test]
fn an_older_kernel_answers_each_addition_with_no_support() {
    with_tap_of(false, |_, _| {
        const NONE: ErrorCode = ErrorCode::NoSupport;
        assert_eq!(link(), Err(NONE));
        assert_eq!(watch_link(), Err(NONE));
        assert_eq!(claim_mac(), Err(NONE));
        assert_eq!(release_mac(), Err(NONE));
        assert_eq!(set_filter(Filter::EVERYTHING), Err(NONE));
        assert_eq!(join_multicast([1, 0, 0x5E, 0, 0, 1]), Err(NONE));
        assert_eq!(leave_multicast([1, 0, 0x5E, 0, 0, 1]), Err(NONE));
        assert_eq!(receive_drops(), Err(NONE));
        assert_eq!(transmit_drops(), Err(NONE));
        assert_eq!(take_link_change(), None);
    });
}

#[test]
fn the_latest_change_of_the_line_is_taken_once() {
    with_tap_of(true, |mut tap, wire| {
        assert!(watch_link().unwrap().is_up);
        for is_up in [false, true] {
            wire.borrow_mut().is_down = !is_up;
            upcall::wait_any(&[&LINK_CHANGED]);
            assert_eq!(take_link_change(), Some(LinkState { mtu: 1500, is_up }));
            assert_eq!(take_link_change(), None);
        }
        // Beside the wait for frames, too.
        wire.borrow_mut().is_down = true;
        let wake = tap.receiver.wait_any(&[&LINK_CHANGED], None);
        assert_eq!((wake, tap.receiver.is_ready()), (Ok(Wake::Event), false));
        assert!(!take_link_change().unwrap().is_up);
    });
}

#[test]
fn a_claimed_address_has_its_first_octet_first() {
    with_tap_of(true, |_, wire| {
        assert_eq!(claim_mac(), Ok([2, 0, 0, 0, 0, 1]));
        assert_eq!(release_mac(), Ok(()));
        assert_eq!(wire.borrow().calls, [[0x101, 1, 0], [0x101, 0, 0]]);
    });
}

#[test]
fn filters_are_the_bits_of_what_was_chosen() {
    with_tap_of(true, |_, wire| {
        let chosen = Filter::NOTHING.own_unicast().broadcast();
        for (filter, bits, ethertype) in [
            (Filter::NOTHING, 0, 0),
            (Filter::EVERYTHING, 8, 0),
            (chosen, 3, 0),
            (chosen.all_multicast(), 7, 0),
            (chosen.only(0x88B5), 0x13, 0x88B5),
        ] {
            set_filter(filter).unwrap();
            assert_eq!(
                wire.borrow_mut().calls.pop(),
                Some([0x102, bits, ethertype])
            );
        }
        wire.borrow_mut().refusal = Some(ErrorCode::Invalid);
        assert_eq!(set_filter(chosen), Err(ErrorCode::Invalid));
    });
}

#[test]
fn groups_are_named_by_two_numbers() {
    with_tap_of(true, |_, wire| {
        let group = [0x01, 0x00, 0x5E, 0x11, 0x22, 0xFF];
        join_multicast(group).unwrap();
        leave_multicast(group).unwrap();
        let (low, high) = (0x115E_0001, 0xFF22);
        assert_eq!(
            wire.borrow().calls,
            [[0x103, low, high], [0x104, low, high]]
        );
        wire.borrow_mut().refusal = Some(ErrorCode::NoMemory);
        assert_eq!(join_multicast(group), Err(ErrorCode::NoMemory));
    });
}

#[test]
fn drops_are_told_apart_by_direction_and_cause() {
    with_tap_of(true, |_, _| {
        let received = ReceiveDrops {
            no_room: 1,
            filtered: 2,
            malformed: 3,
        };
        let transmitted = TransmitDrops {
            refused: 4,
            lost: 5,
            oversize: 6,
        };
        assert_eq!(receive_drops(), Ok(received));
        assert_eq!(transmit_drops(), Ok(transmitted));
    });
}

#[test]
fn the_old_counts_are_there_on_every_kernel() {
    with_tap(|_, _| {
        let received = ReceiveStatistics {
            frames: 1,
            bytes: 2,
            dropped: 3,
        };
        assert_eq!(receive_statistics(), Ok(received));
        assert_eq!(transmit_statistics(), Ok([1, 2]));
    });
}
