// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Frames that stay on the board, whatever the card does with those that do not.

use super::*;

/// A card that sends nothing, because it has all buffers or takes nothing, and a frame of the first
/// process that waits for it. The third process has an address and a slice.
fn jammed(depth: usize) -> (Bench<3>, [u8; 6], Slice) {
    let bench = Bench::new();
    let [a, _, c] = bench.processes;
    bench.card.depth.set(depth);
    bench.share_frame(a, &frame(ELSEWHERE, b'a', 60));
    for id in 0..depth.min(POOL) {
        bench.transmit(a, 60, id).unwrap();
    }
    a.upcalls();
    bench.transmit(a, 60, 100).unwrap();
    assert_eq!(a.upcalls(), [], "it waits");
    let to_c = bench.claim(c);
    let slice = bench.share_slice(c, 60_000);
    (bench, to_c, slice)
}

/// No buffer, no room in the ring, and neither.
const JAMS: [usize; 3] = [16, 4, 0];

#[test]
fn a_frame_that_stays_needs_no_buffer_and_no_room_in_the_ring() {
    for depth in JAMS {
        let (bench, to_c, slice) = jammed(depth);
        let [a, b, _] = bench.processes;
        for id in 1..=3 {
            bench.share_frame(b, &frame(to_c, id, 60 + 500 * usize::from(id)));
            let len = 60 + 500 * usize::from(id);
            bench.transmit(b, len.min(1518), id.into()).unwrap();
            assert_eq!(b.upcalls(), [(SENT, (0, len.min(1518), id.into()))]);
        }
        let at_once = frame(to_c, 4, 61);
        b.allow_ro((bench.tap, DRIVER_NUM), 1, Memory::of(&at_once));
        assert_eq!(bench.simple(b, AT_ONCE, 61, 0), Ok(()));
        let (five, six) = (frame(to_c, 5, 62), frame(to_c, 6, 1514));
        let bytes = bench.share_batch(b, &[&five, &six]);
        assert_eq!(bench.simple(b, BATCH, bytes, 0), Ok(()));
        assert_eq!(b.upcalls(), [(BATCH_DONE, (0, 2, bytes))]);
        let got = slice.frames();
        assert_eq!(marks(&got), [1, 2, 3, 4, 5, 6], "{depth}");
        assert_eq!(got[3..], [at_once, five, six]);
        assert_eq!(bench.sent(b).0, 6);
        assert_eq!(bench.drops(b, 1), (0, 0, 0));
        // The other still waits, and has its turn.
        assert_eq!(a.upcalls(), []);
        bench.card.depth.set(16);
        bench.card.finish();
        bench.wait();
        assert_eq!(a.upcalls(), [(SENT, (0, 60, 100))]);
    }
}

#[test]
fn a_batch_goes_on_as_far_as_it_stays_and_no_frame_overtakes_another() {
    for depth in JAMS {
        let (bench, to_c, slice) = jammed(depth);
        let [a, b, _] = bench.processes;
        let all: Vec<Vec<u8>> = [to_c, to_c, ELSEWHERE, to_c]
            .into_iter()
            .zip(1..)
            .map(|(to, mark)| frame(to, mark, 60))
            .collect();
        let all: Vec<&[u8]> = all.iter().map(Vec::as_slice).collect();
        let bytes = bench.share_batch(b, &all);
        assert_eq!(bench.simple(b, BATCH, bytes, 0), Ok(()));
        assert_eq!(marks(&slice.frames()), [1, 2]);
        for _ in 0..3 {
            bench.wait();
        }
        assert_eq!(marks(&slice.frames()), [1, 2]);
        assert_eq!(b.upcalls(), []);
        bench.card.depth.set(16);
        bench.card.finish();
        bench.wait();
        assert_eq!(marks(&slice.frames()), [1, 2, 4]);
        assert_eq!(b.upcalls(), [(BATCH_DONE, (0, 4, bytes))]);
        assert_eq!(a.upcalls(), [(SENT, (0, 60, 100))]);
        let mut wire = marks(&bench.card.take_wire());
        let mut last = wire.split_off(depth.min(POOL));
        last.sort();
        assert_eq!(last, [3, b'a']);
    }
}

#[test]
fn a_batch_too_long_for_one_turn_goes_on_behind_one_that_waits_for_the_wire() {
    for depth in JAMS {
        let (bench, to_c, _) = jammed(depth);
        let [a, b, _] = bench.processes;
        let bytes = bench.share_batch(b, &[&frame(to_c, 1, 14)[..]; 300]);
        bench.simple(b, BATCH, bytes, 0).unwrap();
        let mut progress = vec![];
        while b.upcalls().is_empty() {
            assert!(progress.len() < 10, "{progress:?}");
            progress.push(bench.sent(b).0);
            bench.wait();
        }
        assert_eq!(bench.sent(b).0, 300);
        // The kernel takes breaks, and the other is where it was.
        assert!(progress.is_sorted_by(|before, after| (1..=64 * 2).contains(&(after - before))));
        assert_eq!(a.upcalls(), []);
    }
}

#[test]
fn a_process_whose_frames_stay_does_not_change_whose_turn_it_is() {
    let bench = Bench::<4>::new();
    let [a, b, c, d] = bench.processes;
    let to_d = bench.claim(d);
    bench.card.depth.set(0);
    for (process, mark) in [(a, b'a'), (c, b'c')] {
        bench.send(process, &frame(ELSEWHERE, mark, 60)).unwrap();
    }
    for _ in 0..10 {
        // Between the two in turn, it has frames for every time that the others are looked at.
        let bytes = bench.share_batch(b, &[&frame(to_d, 1, 14)[..]; 1000]);
        let _ = bench.simple(b, BATCH, bytes, 0);
        bench.card.depth.set(1);
        bench.wait();
        let _ = bench.transmit(a, 60, 0);
        let _ = bench.transmit(c, 60, 0);
        bench.card.finish();
        b.upcalls();
    }
    let wire = bench.card.wire.take();
    let count = |mark| wire.iter().filter(|frame| frame[6] == mark).count();
    assert!(wire.len() >= 10, "{}", wire.len());
    assert!(count(b'a').abs_diff(count(b'c')) <= 1, "{:?}", marks(&wire));
}

#[test]
fn a_frame_to_a_group_waits_for_the_wire_and_those_that_stay_pass_it() {
    let (bench, to_c, slice) = jammed(0);
    let [_, b, _] = bench.processes;
    let (group, own) = (frame(BROADCAST, 1, 60), frame(to_c, 2, 60));
    b.allow_ro((bench.tap, DRIVER_NUM), 1, Memory::of(&group));
    assert_eq!(bench.simple(b, AT_ONCE, 60, 0), Err(ErrorCode::BUSY));
    bench.send(b, &own).unwrap();
    bench.send(b, &group).unwrap();
    assert_eq!(marks(&slice.frames()), [2]);
    bench.card.depth.set(2);
    bench.wait();
    assert_eq!(marks(&slice.frames()), [2, 1]);
    assert_eq!(marks(&bench.card.take_wire()), [1, b'a']);
}

#[test]
fn those_that_wait_for_the_wire_have_their_turns_in_order() {
    let (bench, _, _) = jammed(0);
    let [_, b, c] = bench.processes;
    bench.send(b, &frame(ELSEWHERE, b'b', 60)).unwrap();
    bench.send(c, &frame(ELSEWHERE, b'c', 60)).unwrap();
    for depth in 1..=3 {
        bench.card.depth.set(depth);
        bench.wait();
        assert_eq!(bench.card.in_flight(), depth);
    }
    // In the order of their numbers, beginning behind the first.
    assert_eq!(marks(&bench.card.take_wire()), *b"cba");
}

#[test]
fn one_that_finds_no_room_is_not_overtaken_by_the_next_for_whom_there_is() {
    let (bench, _, _) = jammed(0);
    let [_, b, _] = bench.processes;
    bench.send(b, &frame(ELSEWHERE, b'b', 60)).unwrap();
    bench.card.depth.set(16);
    bench.card.late.set(1);
    bench.wait();
    assert_eq!(bench.card.in_flight(), 0);
    bench.wait();
    assert_eq!(marks(&bench.card.take_wire()), *b"ba");
}

/// A tap without a timer, over a card whose first `used` buffers are not back.
fn without_a_timer(used: usize) -> (&'static Card, &'static Tap, [&'static FakeProcess; 3]) {
    let host = Host::new();
    let card: &'static Card = forever(Card::new());
    let buffers: [&'static mut [u8]; 1] = [Box::leak(Box::new([0; MAX_MTU]))];
    let tap = forever(Tap::with_pool(card, host.grant(DRIVER_NUM), buffers));
    card.set_adapter_client(tap);
    tap.initialize();
    let out = frame(ELSEWHERE, b'0', 60);
    for _ in 0..used {
        host.processes[2].allow_ro((tap, DRIVER_NUM), 1, Memory::of(&out));
        let answer = tap.command(AT_ONCE, 60, 0, host.processes[2].id());
        assert!(answer.is_success());
    }
    (card, tap, host.processes)
}

#[test]
fn without_a_timer_a_long_batch_does_not_keep_others_from_sending() {
    // The batch begins at once, or waits for a buffer with its first frame, and then goes on.
    for used in [0, 1] {
        let (card, tap, [a, b, c]) = without_a_timer(used);
        let claimed = tap.command(CLAIM, 1, 0, b.id()).get_success_u64();
        let to_b = frame(octets(claimed.unwrap()), 1, 60);
        let mut batch = vec![];
        for frame in core::iter::repeat_n(&frame(ELSEWHERE, b'a', 60), used)
            .chain(core::iter::repeat_n(&to_b, 200))
        {
            batch.extend((frame.len() as u16).to_ne_bytes());
            batch.extend(frame);
        }
        a.allow_ro((tap, DRIVER_NUM), 1, Memory::of(&batch));
        assert!(tap.command(BATCH, batch.len(), 0, a.id()).is_success());
        card.finish();
        let done = (0, 200 + used, batch.len());
        assert_eq!(a.upcalls(), [(BATCH_DONE, done)], "nothing goes on with it");
        card.finish();
        card.wire.take();
        c.allow_ro(
            (tap, DRIVER_NUM),
            0,
            Memory::of(&frame(ELSEWHERE, b'c', 60)),
        );
        assert!(tap.command(TRANSMIT, 60, 7, c.id()).is_success());
        assert_eq!(c.upcalls(), [(SENT, (0, 60, 7))], "the card is idle");
        assert_eq!(marks(&card.take_wire()), [b'c']);
    }
}
