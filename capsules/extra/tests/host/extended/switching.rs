// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Claims, filters and groups: who gets which frame.

use super::*;
use core::num::NonZeroU32;
use kernel::process::ShortId;

#[test]
fn a_claim_is_kept_until_it_is_released() {
    let bench = &Bench::new();
    let [a, b] = bench.processes;
    let claimed = bench.claim(a);
    assert_eq!(claimed[0] & 3, 2, "locally administered, and no group");
    assert_eq!(bench.claim(a), claimed);
    assert_ne!(bench.claim(b), claimed);
    assert_eq!(
        *bench.card.filter.borrow(),
        super::card::Filter {
            promiscuous: false,
            all_multicast: true,
            unicast: vec![claimed, bench.claim(b)],
            multicast: vec![],
        }
    );
    let release = |process| bench.command(process, CLAIM, 0, 0).get_success_u64();
    assert_eq!(release(a).map(octets), Some(claimed));
    assert_eq!(release(a), Some(0));
    assert!(bench.card.filter.borrow().promiscuous);
    assert_eq!(bench.simple(a, CLAIM, 2, 0), Err(ErrorCode::INVAL));
    assert_eq!(bench.claim(a), claimed);
}

#[test]
fn a_fixed_identifier_makes_the_address_and_a_taken_one_is_passed_over() {
    let bench = &Bench::new();
    let [a, b, c] = bench.processes;
    let fixed = |id| ShortId::Fixed(NonZeroU32::new(id).unwrap());
    a.short_id.set(fixed(0xA1B2_C3D4));
    b.short_id.set(fixed(0xA1B2_C3D4));
    let (first, second) = (bench.claim(a), bench.claim(b));
    assert_eq!(first[2..], [0xA1, 0xB2, 0xC3, 0xD4]);
    assert_eq!(second[2..], [0xA1, 0xB2, 0xC3, 0xD5]);
    assert_eq!(bench.claim(c)[2..], [0, 0, 0, 2]);
    // A restart finds its own address again.
    a.restart();
    assert_eq!(bench.claim(a), first);
}

#[test]
fn claims_outlast_restarts_of_processes_with_fixed_identifiers_only() {
    let bench = &Bench::new();
    let [a, b, c, d] = bench.processes;
    let fixed = |id| ShortId::Fixed(NonZeroU32::new(id).unwrap());
    a.short_id.set(fixed(0xA1B2_C3D4));
    b.short_id.set(fixed(0xB1B2_C3D4));
    let claims = [a, b, c, d].map(|process| bench.claim(process));
    for process in [a, b, c, d] {
        process.end();
    }
    // They come back in the opposite order.
    for process in [a, b, c, d] {
        process.restart();
    }
    let again = [d, c, b, a].map(|process| bench.claim(process));
    assert_eq!((again[3], again[2]), (claims[0], claims[1]));
    // The others go by the lowest free number.
    assert_eq!([claims[2][5], claims[3][5]], [2, 3]);
    assert_eq!([again[0][5], again[1][5]], [0, 1]);
    // Of which one that starts anew alone finds its own free.
    c.restart();
    assert_eq!(bench.claim(c), again[1]);
}

#[test]
fn claims_end_with_their_processes() {
    let bench = &Bench::new();
    let [a, b] = bench.processes;
    let claimed = bench.claim(a);
    bench.claim(b);
    a.end();
    // The first frame that should reach it shows that it is gone.
    bench.card.arrive(&frame(claimed, 1, 60));
    assert!(!bench.card.filter.borrow().unicast.contains(&claimed));
    bench.send(b, &frame(claimed, 1, 60)).unwrap();
    assert_eq!(bench.card.take_wire().len(), 1);
}

#[test]
fn unicast_between_claims_stays_on_the_board() {
    let bench = &Bench::new();
    let [a, b, sniffer] = bench.processes;
    let (to_a, to_b) = (bench.claim(a), bench.claim(b));
    let slices = [a, b, sniffer].map(|process| bench.share_slice(process, 1000));
    bench.send(a, &frame(to_b, 7, 60)).unwrap();
    assert_eq!(bench.card.take_wire(), Vec::<Vec<u8>>::new());
    assert_eq!(
        slices.map(|slice| marks(&slice.frames())),
        [vec![], vec![7], vec![]]
    );
    assert_eq!(a.upcalls(), [(SENT, (0, 60, 0))]);
    assert_eq!(of_kind(b.upcalls(), RECEIVED).len(), 1);
    assert_eq!((bench.sent(a), bench.received(b)), ((1, 60), (1, 60, 0)));
    // Also without a link, and without room in the card's ring.
    bench.card.set_link(false);
    bench.card.depth.set(0);
    bench.send(b, &frame(to_a, 8, 60)).unwrap();
    assert_eq!(marks(&slices[0].frames()), [8]);
    // Nothing comes back to its sender.
    bench.send(a, &frame(to_a, 9, 60)).unwrap();
    assert_eq!(marks(&slices[0].frames()), [8]);
    assert_eq!(bench.card.take_wire(), Vec::<Vec<u8>>::new());
}

#[test]
fn frames_to_ones_own_claim_go_nowhere_with_others_and_alone() {
    let bench @ Bench { card, .. } = &Bench::new();
    let [a, b] = bench.processes;
    let slice = bench.share_slice(a, 1000);
    let own = bench.claim(a);
    let mut neighbour = own;
    neighbour[2] ^= 0x80;
    let send = |to, on_wire: &[u8]| {
        bench.send(a, &frame(to, 7, 60)).unwrap();
        let bytes = bench.share_batch(a, &[&frame(to, 8, 60)]);
        bench.simple(a, BATCH, bytes, 0).unwrap();
        a.allow_ro((bench.tap, DRIVER_NUM), 1, Memory::of(&frame(to, 9, 60)));
        bench.simple(a, AT_ONCE, 60, 0).unwrap();
        assert_eq!(marks(&card.take_wire()), on_wire);
        assert_eq!(slice.frames().len(), 0);
        a.upcalls();
    };
    send(own, &[]);
    send(neighbour, &[7, 8, 9]);
    bench.command(b, 1, 0, 0);
    send(own, &[]);
    b.end();
    send(own, &[]);
    send(neighbour, &[7, 8, 9]);
    // It is nobody's without the claim, and has to be found elsewhere.
    bench.command(a, CLAIM, 0, 0);
    send(own, &[7, 8, 9]);
    assert_eq!(bench.claim(a), own);
    send(own, &[]);
    assert_eq!(bench.sent(a).0, 7 * 3);
}

#[test]
fn groups_hear_the_board_and_the_wire() {
    let bench = &Bench::new();
    let [a, b, unclaimed] = bench.processes;
    bench.claim(a);
    bench.claim(b);
    for to in [BROADCAST, GROUP] {
        let slices = [a, b, unclaimed].map(|process| bench.share_slice(process, 1000));
        bench.send(a, &frame(to, 3, 60)).unwrap();
        assert_eq!(slices.map(|slice| slice.frames().len()), [0, 1, 1]);
        assert_eq!(bench.card.take_wire().len(), 1);
        bench.card.arrive(&frame(to, 4, 60));
        assert_eq!(slices.map(|slice| slice.frames().len()), [1, 2, 2]);
    }
}

#[test]
fn a_frame_to_a_group_is_not_given_to_processes_before_the_wire_has_room() {
    let bench = &Bench::new();
    let [a, b] = bench.processes;
    bench.card.depth.set(0);
    let slice = bench.share_slice(b, 1000);
    bench.send(a, &frame(BROADCAST, 3, 60)).unwrap();
    assert_eq!(slice.frames().len(), 0);
    bench.card.depth.set(1);
    bench.wait();
    assert_eq!(slice.frames().len(), 1);
    assert_eq!(bench.card.take_wire().len(), 1);
    // Without a link it never has, and the process is told.
    bench.card.set_link(false);
    let refused = bench.send(a, &frame(BROADCAST, 3, 60));
    assert_eq!(refused, Err(ErrorCode::NODEVICE));
    assert_eq!(slice.frames().len(), 2);
}

#[test]
fn frames_from_the_card_go_by_claims() {
    let bench = &Bench::new();
    let [a, b, unclaimed] = bench.processes;
    let to_a = bench.claim(a);
    bench.claim(b);
    let slices = [a, b, unclaimed].map(|process| bench.share_slice(process, 1000));
    bench.card.arrive(&frame(to_a, 1, 60));
    bench.card.arrive(&frame(CARD, 2, 60));
    bench.card.arrive(&frame(ELSEWHERE, 3, 60));
    let got = slices.map(|slice| marks(&slice.frames()));
    assert_eq!(got, [vec![1], vec![], vec![1, 2, 3]]);
    assert_eq!(bench.drops(a, 0), (0, 2, 0));
    assert_eq!(bench.drops(b, 0), (0, 3, 0));
    // Even one that wants everything does not get what others claimed.
    bench.simple(b, FILTER, 1 << 3, 0).unwrap();
    bench.card.arrive(&frame(to_a, 4, 60));
    bench.card.arrive(&frame(ELSEWHERE, 5, 60));
    assert_eq!(marks(&slices[1].frames()), [5]);
}

#[test]
fn the_cards_address_is_where_processes_without_a_claim_are_reached() {
    let bench = &Bench::new();
    let [a, b] = bench.processes;
    bench.claim(a);
    let slice = bench.share_slice(b, 1000);
    bench.send(a, &frame(CARD, 1, 60)).unwrap();
    assert_eq!(slice.frames().len(), 1);
    assert_eq!(bench.card.take_wire().len(), 0);
    bench.claim(b);
    bench.send(a, &frame(CARD, 1, 60)).unwrap();
    assert_eq!(slice.frames().len(), 1);
    assert_eq!(bench.card.take_wire().len(), 1);
}

#[test]
fn filters_pass_what_they_name() {
    let bench = &Bench::new();
    let [app] = bench.processes;
    let own = bench.claim(app);
    let others = [BROADCAST, GROUP, ELSEWHERE];
    for (bits, passed) in [
        (0, [false; 4]),
        (1, [true, false, false, false]),
        (2, [false, true, false, false]),
        (4, [false, false, true, false]),
        (8, [true; 4]),
        (1 | 2 | 4, [true, true, true, false]),
        (8 | 16, [false; 4]),
    ] {
        bench.simple(app, FILTER, bits, 0x86DD).unwrap();
        let slice = bench.share_slice(app, 1000);
        let all = [own].into_iter().chain(others);
        let got: Vec<bool> = all
            .map(|to| {
                let before = slice.frames().len();
                bench.card.arrive(&frame(to, 1, 60));
                slice.frames().len() > before
            })
            .collect();
        assert_eq!(got, passed, "{bits}");
        assert_eq!(bench.card.filter.borrow().promiscuous, bits & 8 != 0);
        assert_eq!(bench.card.filter.borrow().all_multicast, bits & 4 != 0);
    }
    bench.simple(app, FILTER, 8 | 16, IPV4.into()).unwrap();
    let slice = bench.share_slice(app, 1000);
    bench.card.arrive(&frame(BROADCAST, 1, 60));
    assert_eq!(slice.frames().len(), 1);
    for (bits, ethertype) in [(32, 0), (usize::MAX, 0), (16, 0x1_0000)] {
        let refused = bench.simple(app, FILTER, bits, ethertype);
        assert_eq!(refused, Err(ErrorCode::INVAL), "{bits} {ethertype}");
    }
}

#[test]
fn joined_groups_pass_and_are_bounded() {
    let bench = &Bench::new();
    let [app, other] = bench.processes;
    bench.claim(app);
    bench.claim(other);
    bench.simple(app, FILTER, 3, 0).unwrap();
    bench.simple(other, FILTER, 3, 0).unwrap();
    let slice = bench.share_slice(app, 1000);
    let groups: Vec<[u8; 6]> = (0..9).map(|i| [0x33, 0x33, 0, 0, 1, i]).collect();
    let call = |command, group| {
        let (low, high) = parts(group);
        bench.simple(app, command, low, high)
    };
    for group in &groups[..8] {
        assert_eq!(call(JOIN, *group), Ok(()));
        assert_eq!(call(JOIN, *group), Ok(()));
    }
    assert_eq!(call(JOIN, groups[8]), Err(ErrorCode::NOMEM));
    assert_eq!(bench.card.filter.borrow().multicast, groups[..8]);
    assert!(!bench.card.filter.borrow().all_multicast);
    bench.card.arrive(&frame(groups[3], 3, 60));
    bench.card.arrive(&frame(groups[8], 8, 60));
    assert_eq!(marks(&slice.frames()), [3]);
    assert_eq!(call(LEAVE, groups[3]), Ok(()));
    assert_eq!(call(LEAVE, groups[3]), Err(ErrorCode::INVAL));
    bench.card.arrive(&frame(groups[3], 3, 60));
    assert_eq!(marks(&slice.frames()), [3]);
    assert_eq!(call(JOIN, groups[8]), Ok(()));
    bench.card.arrive(&frame(groups[8], 8, 60));
    assert_eq!(marks(&slice.frames()), [3, 8]);
    for no_group in [BROADCAST, ELSEWHERE, [0; 6]] {
        assert_eq!(call(JOIN, no_group), Err(ErrorCode::INVAL));
    }
    assert_eq!(bench.simple(app, JOIN, 1, 0x1_0000), Err(ErrorCode::INVAL));
    // Beyond what the tap lists, the card is asked for all.
    for i in 0..8 {
        let (low, high) = parts([0x33, 0x33, 0, 0, 2, i]);
        bench.simple(other, JOIN, low, high).unwrap();
    }
    assert!(!bench.card.filter.borrow().all_multicast);
    assert_eq!(bench.card.filter.borrow().multicast.len(), 16);
}

#[test]
fn a_card_that_is_busy_learns_of_the_filter_later() {
    let bench = &Bench::new();
    let [app] = bench.processes;
    bench.card.filter_busy.set(true);
    let claimed = bench.claim(app);
    assert_ne!(bench.card.filter.borrow().unicast, [claimed]);
    bench.card.filter_busy.set(false);
    bench.command(app, 1, 0, 0);
    assert_eq!(bench.card.filter.borrow().unicast, [claimed]);
}

#[test]
fn a_filter_counts_without_a_claim_too() {
    let bench = &Bench::new();
    let [app] = bench.processes;
    bench.simple(app, FILTER, 2, 0).unwrap();
    let slice = bench.share_slice(app, 1000);
    for (to, mark) in [(CARD, 1), (BROADCAST, 2), (GROUP, 3)] {
        bench.card.arrive(&frame(to, mark, 60));
    }
    assert_eq!(marks(&slice.frames()), [2]);
    assert_eq!(bench.drops(app, 0), (0, 2, 0));
    // An ethertype that is not looked at may be anything.
    bench.simple(app, FILTER, 8, 0x1_0000).unwrap();
    bench.card.arrive(&frame(CARD, 4, 60));
    assert_eq!(marks(&slice.frames()), [2, 4]);
}

#[test]
fn claims_count_where_everybody_wants_everything() {
    let bench = &Bench::new();
    let [a, b] = bench.processes;
    let claims = [a, b].map(|process| {
        let claim = bench.claim(process);
        bench.simple(process, FILTER, 8, 0).unwrap();
        claim
    });
    let slices = [a, b].map(|process| bench.share_slice(process, 1000));
    for (to, mark) in [(claims[0], 1), (claims[1], 2), (ELSEWHERE, 3)] {
        bench.card.arrive(&frame(to, mark, 60));
    }
    let got = slices.map(|slice| marks(&slice.frames()));
    assert_eq!(got, [[1, 3], [2, 3]]);
}

#[test]
fn a_frame_to_the_own_address_goes_nowhere_however_the_address_ends() {
    for id in [1, 0x100, 0xA1B2_C3D4] {
        let bench = &Bench::new();
        let [app] = bench.processes;
        app.short_id
            .set(ShortId::Fixed(NonZeroU32::new(id).unwrap()));
        let own = bench.claim(app);
        bench.send(app, &frame(own, 1, 60)).unwrap();
        assert_eq!(bench.card.take_wire(), Vec::<Vec<u8>>::new(), "{id:x}");
        let mut next = own;
        next[5] ^= 1;
        bench.send(app, &frame(next, 2, 60)).unwrap();
        assert_eq!(marks(&bench.card.take_wire()), [2], "{id:x}");
    }
}
