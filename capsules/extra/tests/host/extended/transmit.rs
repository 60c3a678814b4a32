// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Frames on their way out: the pool, those who wait, and batches.

use super::*;

#[test]
fn a_frame_is_reported_when_it_is_handed_over() {
    let bench @ Bench { card, .. } = &Bench::new();
    let [app] = bench.processes;
    bench.share_frame(app, &frame(ELSEWHERE, 1, 100));
    bench.transmit(app, 60, 77).unwrap();
    assert_eq!(app.upcalls(), [(SENT, (0, 60, 77))]);
    assert_eq!(bench.sent(app), (1, 60));
    assert_eq!(card.flushes.get(), 1);
    assert_eq!(card.take_wire(), [&frame(ELSEWHERE, 1, 100)[..60]]);
    // Nothing more is heard of it.
    assert_eq!(app.upcalls(), []);
    assert_eq!(bench.sent(app), (1, 60));
}

#[test]
fn as_many_frames_as_there_are_buffers_are_on_their_way_and_the_next_one_waits() {
    let bench @ Bench { card, .. } = &Bench::new();
    let [app] = bench.processes;
    bench.share_frame(app, &frame(ELSEWHERE, 1, 60));
    for id in 0..POOL {
        bench.transmit(app, 60, id).unwrap();
    }
    assert_eq!(card.in_flight(), POOL);
    assert_eq!(of_kind(app.upcalls(), SENT).len(), POOL);
    bench.transmit(app, 60, 100).unwrap();
    assert_eq!(app.upcalls(), []);
    assert_eq!(bench.transmit(app, 60, 101), Err(ErrorCode::BUSY));
    card.finish_one();
    assert_eq!(app.upcalls(), [(SENT, (0, 60, 100))]);
    // Now the card is done with all, and says so only when it is asked.
    card.send();
    bench.transmit(app, 60, 102).unwrap();
    assert_eq!(app.upcalls(), [(SENT, (0, 60, 102))]);
    card.finish();
    assert_eq!(bench.sent(app), (POOL as u32 + 2, 60 * (POOL as u32 + 2)));
}

#[test]
fn a_full_ring_makes_frames_wait_as_an_empty_pool_does() {
    let bench @ Bench { card, .. } = &Bench::new();
    let [app] = bench.processes;
    card.depth.set(2);
    bench.share_frame(app, &frame(ELSEWHERE, 1, 60));
    for id in 0..3 {
        bench.transmit(app, 60, id).unwrap();
    }
    assert_eq!(of_kind(app.upcalls(), SENT).len(), 2);
    assert_eq!(bench.transmit(app, 60, 3), Err(ErrorCode::BUSY));
    card.finish();
    assert_eq!(app.upcalls(), [(SENT, (0, 60, 2))]);
}

#[test]
fn a_ring_full_of_the_frames_of_others_is_tried_again_by_the_timer() {
    let bench @ Bench { card, .. } = &Bench::new();
    let [app] = bench.processes;
    card.depth.set(0);
    bench.send(app, &frame(ELSEWHERE, 1, 60)).unwrap();
    // Its next command tries too, and finds no room either.
    assert_eq!(bench.transmit(app, 60, 0), Err(ErrorCode::BUSY));
    // Less and less often, while nothing moves.
    let delays: Vec<_> = (0..6).map(|_| bench.wait().unwrap()).collect();
    assert_eq!(delays, [1, 2, 4, 8, 16, 16]);
    card.depth.set(1);
    assert_eq!(bench.wait(), Some(16));
    assert_eq!(app.upcalls(), [(SENT, (0, 60, 0))]);
    assert_eq!(bench.wait(), None);
}

#[test]
fn processes_that_wait_are_served_in_turn() {
    let bench @ Bench { card, .. } = &Bench::new();
    let [a, b, c] = bench.processes;
    for (process, mark) in [(a, b'a'), (b, b'b'), (c, b'c')] {
        bench.share_frame(process, &frame(ELSEWHERE, mark, 60));
    }
    for _ in 0..POOL {
        bench.transmit(a, 60, 0).unwrap();
    }
    for process in [b, c, a] {
        bench.transmit(process, 60, 0).unwrap();
    }
    for _ in 0..6 {
        card.finish_one();
        // `b` never pauses and still waits for the others.
        let _ = bench.transmit(b, 60, 0);
    }
    card.finish();
    card.finish();
    let sent = marks(&card.take_wire());
    assert_eq!(sent[POOL..][..5], *b"bcabb");
}

#[test]
fn frames_lost_after_hand_over_are_counted_for_their_process() {
    let bench @ Bench { card, .. } = &Bench::new();
    let [a, b] = bench.processes;
    bench.send(a, &frame(ELSEWHERE, 1, 60)).unwrap();
    bench.send(a, &frame(ELSEWHERE, 1, 60)).unwrap();
    bench.send(b, &frame(ELSEWHERE, 1, 60)).unwrap();
    card.reset();
    assert_eq!(bench.drops(a, 1), (0, 2, 0));
    assert_eq!(bench.drops(b, 1), (0, 1, 0));
    // All buffers are back.
    for _ in 0..POOL {
        bench.send(b, &frame(ELSEWHERE, 1, 60)).unwrap();
    }
    assert_eq!(card.in_flight(), POOL);
}

#[test]
fn refusals_are_counted_by_cause() {
    let bench @ Bench { card, .. } = &Bench::new();
    let [app] = bench.processes;
    bench.share_frame(app, &frame(ELSEWHERE, 1, 2000));
    for len in [1519, 65_535, 65_536, 65_596, usize::MAX] {
        assert_eq!(bench.transmit(app, len, 0), Err(ErrorCode::SIZE), "{len}");
    }
    for len in [0, 13] {
        assert_eq!(bench.transmit(app, len, 0), Err(ErrorCode::SIZE), "{len}");
    }
    card.set_link(false);
    assert_eq!(bench.transmit(app, 60, 0), Err(ErrorCode::NODEVICE));
    assert_eq!(bench.drops(app, 1), (3, 0, 5));
    assert_eq!(bench.sent(app), (0, 0));
    card.set_link(true);
    assert_eq!(bench.transmit(app, 1518, 0), Ok(()));
}

#[test]
fn frames_of_a_batch_that_are_refused_are_counted_by_cause_like_single_ones() {
    let bench @ Bench { card, .. } = &Bench::new();
    let [a, b] = bench.processes;
    let own = frame(bench.claim(b), 1, 60);
    let out = frame(ELSEWHERE, 2, 60);
    // Before a frame has left.
    for (len, drops) in [(1519, (0, 0, 1)), (13, (1, 0, 1)), (1600, (1, 0, 2))] {
        let bytes = bench.share_batch(a, &[&own, &vec![0; len]]);
        assert_eq!(bench.simple(a, BATCH, bytes, 0), Err(ErrorCode::SIZE));
        assert_eq!(bench.drops(a, 1), drops, "{len}");
    }
    let bytes = bench.share_batch(a, &[&own, &out]);
    let cut = bench.simple(a, BATCH, bytes - 1, 0);
    assert_eq!(cut, Err(ErrorCode::INVAL));
    assert_eq!(bench.drops(a, 1), (2, 0, 2));
    // Behind one that has, within the command.
    card.set_link(false);
    assert_eq!(bench.simple(a, BATCH, bytes, 0), Ok(()));
    let nodevice = usize::from(ErrorCode::NODEVICE);
    let done = of_kind(a.upcalls(), BATCH_DONE);
    assert_eq!(done, [(nodevice, 1, 62)]);
    assert_eq!(bench.drops(a, 1), (3, 0, 2));
    // And later, in a buffer that has changed.
    card.set_link(true);
    card.depth.set(0);
    assert_eq!(bench.simple(a, BATCH, bytes, 0), Ok(()));
    bench.share_batch(a, &[&own, &vec![0; 1519]]);
    card.depth.set(16);
    bench.wait();
    assert_eq!(bench.drops(a, 1), (3, 0, 3));
    assert_eq!(bench.sent(a), (2, 120));
    assert_eq!(card.take_wire().len(), 0);
}

#[test]
fn a_frame_longer_than_the_link_allows_counts_as_oversize() {
    let bench @ Bench { card, .. } = &Bench::new();
    let [app] = bench.processes;
    card.mtu.set(1000);
    bench.share_frame(app, &frame(ELSEWHERE, 1, 1518));
    assert_eq!(bench.transmit(app, 1018, 0), Ok(()));
    assert_eq!(bench.transmit(app, 1019, 0), Err(ErrorCode::SIZE));
    let long = frame(ELSEWHERE, 2, 1019);
    let bytes = bench.share_batch(app, &[&long]);
    assert_eq!(bench.simple(app, BATCH, bytes, 0), Err(ErrorCode::SIZE));
    assert_eq!(
        bench.simple(app, AT_ONCE, 1019, 2),
        Err(ErrorCode::SIZE),
        "at once"
    );
    assert_eq!(bench.drops(app, 1), (0, 0, 3));
    // One that is not all there, but could leave, is no longer than that.
    assert_eq!(bench.simple(app, AT_ONCE, 1018, 4), Err(ErrorCode::SIZE));
    assert_eq!(bench.drops(app, 1), (1, 0, 3));
    // Behind one that waits, as well.
    card.finish();
    for id in 0..POOL {
        bench.transmit(app, 60, id).unwrap();
    }
    app.upcalls();
    bench.transmit(app, 1019, 100).unwrap();
    card.finish();
    let size = usize::from(ErrorCode::SIZE);
    assert_eq!(app.upcalls(), [(SENT, (size, 1019, 100))]);
    assert_eq!(bench.drops(app, 1), (1, 0, 4));
}

#[test]
fn a_frame_sent_at_once_leaves_from_anywhere_in_the_batch_buffer_without_a_report() {
    let bench @ Bench { card, .. } = &Bench::new();
    let [app] = bench.processes;
    let bytes: Vec<u8> = (0..2000).map(|byte| byte as u8).collect();
    app.allow_ro((bench.tap, DRIVER_NUM), 1, Memory::of(&bytes));
    for (len, offset) in [(60, 0), (14, 7), (1518, 482), (60, 1940)] {
        assert_eq!(bench.simple(app, AT_ONCE, len, offset), Ok(()));
        assert_eq!(card.take_wire(), [&bytes[offset..][..len]]);
    }
    assert_eq!(card.flushes.get(), 4);
    assert_eq!(app.upcalls(), []);
    assert_eq!(bench.sent(app), (4, 60 + 14 + 1518 + 60));
    assert_eq!(bench.drops(app, 1), (0, 0, 0));
}

#[test]
fn a_frame_that_cannot_leave_at_once_is_refused_and_does_not_wait() {
    let bench @ Bench { card, .. } = &Bench::new();
    let [app] = bench.processes;
    app.allow_ro((bench.tap, DRIVER_NUM), 1, Memory::zeroed(60));
    for _ in 0..POOL {
        assert_eq!(bench.simple(app, AT_ONCE, 60, 0), Ok(()));
    }
    for _ in 0..3 {
        let refused = bench.simple(app, AT_ONCE, 60, 0);
        assert_eq!(refused, Err(ErrorCode::BUSY));
    }
    // Nothing waits, so nothing is to be told, and the timer has nothing to do.
    assert_eq!(bench.wait(), None);
    card.finish();
    assert_eq!((card.in_flight(), app.upcalls()), (0, vec![]));
    assert_eq!(bench.sent(app), (POOL as u32, 60 * POOL as u32));
    // It comes again in another way, so it is not lost yet.
    assert_eq!(bench.drops(app, 1), (0, 0, 0));
    card.depth.set(0);
    assert_eq!(
        bench.simple(app, AT_ONCE, 60, 0),
        Err(ErrorCode::BUSY),
        "no room in the ring"
    );
    assert_eq!(bench.wait(), None);
}

#[test]
fn a_frame_does_not_overtake_those_that_wait() {
    let bench @ Bench { card, .. } = &Bench::new();
    let [a, b] = bench.processes;
    card.depth.set(0);
    bench.send(a, &frame(ELSEWHERE, b'a', 60)).unwrap();
    card.depth.set(2);
    for process in [a, b] {
        let late = frame(ELSEWHERE, b'b', 60);
        process.allow_ro((bench.tap, DRIVER_NUM), 1, Memory::of(&late));
    }
    // Its command serves `a` first.
    assert_eq!(bench.simple(b, AT_ONCE, 60, 0), Ok(()));
    assert_eq!(marks(&card.take_wire()), *b"ab");
    bench.send(a, &frame(ELSEWHERE, b'a', 60)).unwrap();
    card.depth.set(0);
    bench.send(a, &frame(ELSEWHERE, b'a', 60)).unwrap();
    for process in [a, b] {
        let refused = bench.simple(process, AT_ONCE, 60, 0);
        assert_eq!(refused, Err(ErrorCode::BUSY));
    }
}

#[test]
fn a_frame_sent_at_once_has_a_length_and_a_place() {
    let bench @ Bench { card, .. } = &Bench::new();
    let [app] = bench.processes;
    assert_eq!(
        bench.simple(app, AT_ONCE, 60, 0),
        Err(ErrorCode::SIZE),
        "nothing is shared"
    );
    app.allow_ro((bench.tap, DRIVER_NUM), 1, Memory::zeroed(2000));
    for (len, offset) in [
        (0, 0),
        (13, 0),
        (1519, 0),
        (65_596, 0),
        (usize::MAX, 0),
        (60, 1941),
        (60, 2000),
        (60, 2001),
        (60, usize::MAX),
        (60, usize::MAX - 59),
    ] {
        let refused = bench.simple(app, AT_ONCE, len, offset);
        assert_eq!(refused, Err(ErrorCode::SIZE), "{len} at {offset}");
    }
    card.set_link(false);
    assert_eq!(bench.simple(app, AT_ONCE, 60, 0), Err(ErrorCode::NODEVICE));
    assert!(card.take_wire().is_empty());
    assert_eq!(bench.drops(app, 1), (9, 0, 3));
    card.set_link(true);
    // All buffers are there.
    for _ in 0..POOL {
        assert_eq!(bench.simple(app, AT_ONCE, 60, 1940), Ok(()));
    }
    card.reset();
    assert_eq!(bench.drops(app, 1).1, POOL as u32);
}

#[test]
fn a_frame_sent_at_once_is_switched_like_any_other() {
    let bench @ Bench { card, .. } = &Bench::new();
    let [a, b] = bench.processes;
    let slice = bench.share_slice(b, 200);
    let to = bench.claim(b);
    for (to, is_on_wire) in [(to, false), (BROADCAST, true)] {
        let sent = frame(to, 1, 60);
        a.allow_ro((bench.tap, DRIVER_NUM), 1, Memory::of(&sent));
        assert_eq!(bench.simple(a, AT_ONCE, 60, 0), Ok(()));
        assert_eq!(slice.frames().last(), Some(&sent));
        assert_eq!(card.take_wire().len(), usize::from(is_on_wire));
    }
    assert_eq!(bench.sent(a), (2, 120));
    assert_eq!(a.upcalls(), []);
}

#[test]
fn a_batch_leaves_with_one_flush_and_one_report() {
    let bench @ Bench { card, .. } = &Bench::new();
    let [app] = bench.processes;
    let frames: Vec<_> = (0..POOL)
        .map(|i| frame(ELSEWHERE, i as u8, 14 + i))
        .collect();
    let all: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
    let bytes = bench.share_batch(app, &all);
    assert_eq!(bench.simple(app, BATCH, bytes, 0), Ok(()));
    assert_eq!(card.flushes.get(), 1);
    assert_eq!(app.upcalls(), [(BATCH_DONE, (0, POOL, bytes))]);
    assert_eq!(bench.sent(app), (8, 8 * 14 + 28));
    assert_eq!(card.take_wire(), frames);
}

#[test]
fn a_batch_longer_than_the_pool_goes_on_when_buffers_return() {
    let bench @ Bench { card, .. } = &Bench::new();
    let [a, b] = bench.processes;
    let frames: Vec<_> = (0..20).map(|i| frame(ELSEWHERE, i, 60)).collect();
    let all: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
    let bytes = bench.share_batch(a, &all);
    assert_eq!(bench.simple(a, BATCH, bytes, 0), Ok(()));
    assert_eq!(card.in_flight(), POOL);
    bench.share_frame(a, &frames[0]);
    assert_eq!(bench.transmit(a, 60, 0), Err(ErrorCode::BUSY));
    assert_eq!(bench.simple(a, BATCH, bytes, 0), Err(ErrorCode::BUSY));
    // Another process has its turn between two frames of the batch.
    bench.send(b, &frame(ELSEWHERE, b'b', 60)).unwrap();
    while card.finish_one() {}
    let mut sent = marks(&card.take_wire());
    let place = sent.iter().position(|mark| *mark == b'b').unwrap();
    assert!(place <= POOL + 1, "{place}");
    sent.remove(place);
    assert_eq!(sent, (0..20).collect::<Vec<u8>>());
    assert_eq!(a.upcalls(), [(BATCH_DONE, (0, 20, bytes))]);
    assert_eq!(b.upcalls(), [(SENT, (0, 60, 0))]);
}

#[test]
fn a_batch_that_is_not_sound_sends_nothing() {
    let bench @ Bench { card, .. } = &Bench::new();
    let [app] = bench.processes;
    assert_eq!(bench.simple(app, BATCH, 62, 0), Err(ErrorCode::SIZE));
    let good = frame(ELSEWHERE, 1, 60);
    for (bad, code) in [(13, ErrorCode::SIZE), (1519, ErrorCode::SIZE)] {
        let bytes = bench.share_batch(app, &[&good, &vec![0; bad]]);
        assert_eq!(bench.simple(app, BATCH, bytes, 0), Err(code), "{bad}");
    }
    let bytes = bench.share_batch(app, &[&good, &good]);
    for (cut, code) in [
        (0, ErrorCode::INVAL),
        (bytes - 1, ErrorCode::INVAL),
        (63, ErrorCode::INVAL),
        (bytes + 1, ErrorCode::SIZE),
        (usize::MAX, ErrorCode::SIZE),
    ] {
        assert_eq!(bench.simple(app, BATCH, cut, 0), Err(code), "{cut}");
    }
    assert_eq!(card.in_flight(), 0);
    assert_eq!(app.upcalls(), []);
    assert_eq!(bench.sent(app), (0, 0));
    assert_eq!(bench.simple(app, BATCH, bytes, 0), Ok(()));
}

#[test]
fn a_batch_that_changes_while_it_waits_ends_where_it_is_bad() {
    let bench @ Bench { card, .. } = &Bench::new();
    let [app] = bench.processes;
    let frames: Vec<_> = (0..10).map(|i| frame(ELSEWHERE, i, 60)).collect();
    let all: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
    let bytes = bench.share_batch(app, &all);
    bench.simple(app, BATCH, bytes, 0).unwrap();
    // One more leaves before the process takes the buffer away.
    card.finish_one();
    app.allow_ro((bench.tap, DRIVER_NUM), 1, Memory::of(&[]));
    card.finish();
    let size = usize::from(ErrorCode::SIZE);
    assert_eq!(app.upcalls(), [(BATCH_DONE, (size, 9, 9 * 62))]);
    assert_eq!(bench.sent(app), (9, 540));
    // It is over, and the next one starts afresh.
    let bytes = bench.share_batch(app, &all[..2]);
    assert_eq!(bench.simple(app, BATCH, bytes, 0), Ok(()));
    assert_eq!(app.upcalls(), [(BATCH_DONE, (0, 2, bytes))]);
}

#[test]
fn a_batch_ends_when_the_link_goes_down() {
    let bench @ Bench { card, .. } = &Bench::new();
    let [app] = bench.processes;
    let one = frame(ELSEWHERE, 1, 60);
    let bytes = bench.share_batch(app, &[one.as_slice(); 10]);
    bench.simple(app, BATCH, bytes, 0).unwrap();
    app.upcalls();
    card.set_link(false);
    card.reset();
    let nodevice = usize::from(ErrorCode::NODEVICE);
    let done = of_kind(app.upcalls(), BATCH_DONE);
    assert_eq!(done, [(nodevice, 8, 8 * 62)]);
    assert_eq!(bench.drops(app, 1), (1, 8, 0));
    assert_eq!(bench.simple(app, BATCH, bytes, 0), Err(ErrorCode::NODEVICE));
}

#[test]
fn a_process_that_ends_while_it_waits_is_passed_over() {
    let bench @ Bench { card, .. } = &Bench::new();
    let [a, b] = bench.processes;
    bench.share_frame(a, &frame(ELSEWHERE, b'a', 60));
    for _ in 0..=POOL {
        bench.transmit(a, 60, 0).unwrap();
    }
    bench.send(b, &frame(ELSEWHERE, b'b', 60)).unwrap();
    a.restart();
    card.finish_one();
    assert_eq!(b.upcalls(), [(SENT, (0, 60, 0))]);
    card.reset();
    assert_eq!(a.upcalls(), []);
    // Its frames that were lost are nobody's.
    assert_eq!(bench.drops(a, 1), (0, 0, 0));
    assert_eq!(bench.drops(b, 1), (0, 1, 0));
    for _ in 0..POOL {
        bench.send(a, &frame(ELSEWHERE, b'a', 60)).unwrap();
    }
    assert_eq!(card.in_flight(), POOL);
}

#[test]
fn a_process_that_alone_waited_and_ended_does_not_stop_the_others() {
    let bench @ Bench { card, .. } = &Bench::new();
    let [a, b] = bench.processes;
    card.depth.set(0);
    bench.send(a, &frame(ELSEWHERE, b'a', 60)).unwrap();
    a.end();
    card.depth.set(4);
    bench.send(b, &frame(ELSEWHERE, b'b', 60)).unwrap();
    assert_eq!(marks(&card.take_wire()), [b'b']);
}

#[test]
fn a_report_that_finds_the_queue_full_comes_later() {
    let bench @ Bench { card, .. } = &Bench::new();
    let [app] = bench.processes;
    let one = frame(ELSEWHERE, 1, 60);
    bench.share_frame(app, &one);
    let bytes = bench.share_batch(app, &[&one, &one]);
    for (command, argument, report) in [
        (TRANSMIT, 60, (SENT, (0, 60, 0))),
        (BATCH, bytes, (BATCH_DONE, (0, 2, bytes))),
    ] {
        app.fill_queue();
        assert_eq!(bench.simple(app, command, argument, 0), Ok(()));
        assert_eq!(bench.transmit(app, 60, 1), Err(ErrorCode::BUSY));
        assert_eq!(app.upcalls(), []);
        bench.command(app, 1, 0, 0);
        assert_eq!(app.upcalls(), [report]);
    }
    assert_eq!(card.take_wire().len(), 3);
}

#[test]
fn a_report_that_finds_the_queue_full_comes_to_a_process_that_only_waits() {
    let bench = &Bench::new();
    let [app] = bench.processes;
    bench.share_frame(app, &frame(ELSEWHERE, 1, 60));
    app.fill_queue();
    bench.transmit(app, 60, 7).unwrap();
    // Less and less often, while it takes nothing.
    let delays: Vec<_> = (0..6).map(|_| bench.wait().unwrap()).collect();
    assert_eq!(delays, [1, 2, 4, 8, 16, 16]);
    assert_eq!(app.upcalls(), []);
    assert_eq!(bench.wait(), Some(16));
    assert_eq!(app.upcalls(), [(SENT, (0, 60, 7))]);
    assert_eq!(bench.wait(), None);
}

#[test]
fn frames_that_stay_on_the_board_do_not_keep_the_kernel_busy() {
    let bench = &Bench::new();
    let [app, other] = bench.processes;
    let to_other = frame(bench.claim(other), 1, 14);
    let bytes = bench.share_batch(app, &[&to_other[..]; 300]);
    bench.simple(app, BATCH, bytes, 0).unwrap();
    let mut progress = vec![bench.sent(app).0];
    while let Some(delay) = bench.wait() {
        assert_eq!(delay, 1, "{progress:?}");
        progress.push(bench.sent(app).0);
    }
    assert_eq!(app.upcalls(), [(BATCH_DONE, (0, 300, bytes))]);
    assert_eq!(progress, [64, 128, 192, 256, 300]);
}

#[test]
fn those_who_wait_have_the_card_tell_them_of_the_first_free_buffer() {
    let bench @ Bench { card, .. } = &Bench::new();
    let [app] = bench.processes;
    bench.share_frame(app, &frame(ELSEWHERE, 1, 60));
    for id in 0..=POOL {
        bench.transmit(app, 60, id).unwrap();
    }
    assert_eq!(of_kind(app.upcalls(), SENT).len(), POOL);
    card.send_and_interrupt();
    assert_eq!(app.upcalls(), [(SENT, (0, 60, POOL))]);
}

#[test]
fn a_long_batch_does_not_wait_for_buffers_to_come_back_by_themselves() {
    let bench @ Bench { card, .. } = &Bench::new();
    let [app] = bench.processes;
    let one = frame(ELSEWHERE, 1, 60);
    let bytes = bench.share_batch(app, &[one.as_slice(); 50]);
    bench.simple(app, BATCH, bytes, 0).unwrap();
    for _ in 0..50 / POOL {
        assert_eq!(app.upcalls(), []);
        card.send_and_interrupt();
        bench.wait();
    }
    assert_eq!(app.upcalls(), [(BATCH_DONE, (0, 50, bytes))]);
    assert_eq!(card.take_wire().len(), 50);
    // Nobody waits any more, so the timer rests.
    bench.wait();
    assert_eq!(bench.wait(), None);
}

#[test]
fn buffers_of_frames_that_are_out_are_taken_back_before_they_are_missed() {
    let bench @ Bench { card, .. } = &Bench::new();
    let [app] = bench.processes;
    app.allow_ro((bench.tap, DRIVER_NUM), 1, Memory::zeroed(60));
    for _ in 0..POOL {
        assert_eq!(bench.simple(app, AT_ONCE, 60, 0), Ok(()));
    }
    card.send();
    assert_eq!(bench.simple(app, AT_ONCE, 60, 0), Ok(()));
    // A batch takes all back that are out, so it leaves in one go.
    card.send();
    let one = frame(ELSEWHERE, 1, 60);
    let bytes = bench.share_batch(app, &[one.as_slice(); POOL]);
    card.flushes.set(0);
    assert_eq!(bench.simple(app, BATCH, bytes, 0), Ok(()));
    assert_eq!((card.flushes.get(), card.in_flight()), (1, POOL));
}

#[test]
fn a_batch_of_which_the_card_refuses_a_frame_ends_before_it() {
    let bench @ Bench { card, .. } = &Bench::new();
    let [app] = bench.processes;
    card.longest.set(1000);
    let (short, long) = (frame(ELSEWHERE, 1, 60), frame(ELSEWHERE, 2, 1514));
    let bytes = bench.share_batch(app, &[&short, &short, &long, &short]);
    assert_eq!(bench.simple(app, BATCH, bytes, 0), Ok(()));
    let size = usize::from(ErrorCode::SIZE);
    assert_eq!(app.upcalls(), [(BATCH_DONE, (size, 2, 2 * 62))]);
    assert_eq!(
        (bench.sent(app), bench.drops(app, 1)),
        ((2, 120), (1, 0, 0))
    );
    // If it is the first, there is nothing to report.
    let bytes = bench.share_batch(app, &[&long, &short]);
    assert_eq!(bench.simple(app, BATCH, bytes, 0), Err(ErrorCode::SIZE));
    assert_eq!(app.upcalls(), []);
    assert_eq!(bench.drops(app, 1), (2, 0, 0));
}

#[test]
fn the_longest_frame_beyond_what_is_shared_is_not_too_long() {
    let bench = &Bench::new();
    let [app] = bench.processes;
    bench.share_frame(app, &frame(ELSEWHERE, 1, 60));
    assert_eq!(bench.transmit(app, 1518, 0), Err(ErrorCode::SIZE));
    assert_eq!(bench.drops(app, 1), (1, 0, 0));
    assert_eq!(bench.transmit(app, 1519, 0), Err(ErrorCode::SIZE));
    assert_eq!(bench.drops(app, 1), (1, 0, 1));
}

#[test]
fn those_who_wait_for_room_in_the_ring_have_the_card_tell_them_of_it() {
    let bench @ Bench { card, .. } = &Bench::new();
    let [app] = bench.processes;
    card.depth.set(2);
    bench.share_frame(app, &frame(ELSEWHERE, 1, 60));
    for id in 0..3 {
        bench.transmit(app, 60, id).unwrap();
    }
    assert_eq!(of_kind(app.upcalls(), SENT).len(), 2);
    card.send_and_interrupt();
    assert_eq!(app.upcalls(), [(SENT, (0, 60, 2))]);
}

#[test]
fn nothing_waits_any_more_when_all_who_waited_have_ended() {
    let bench @ Bench { card, .. } = &Bench::new();
    let [a, b] = bench.processes;
    b.allow_ro((bench.tap, DRIVER_NUM), 1, Memory::zeroed(60));
    for _ in 0..POOL {
        assert_eq!(bench.simple(b, AT_ONCE, 60, 0), Ok(()));
    }
    bench.send(a, &frame(ELSEWHERE, b'a', 60)).unwrap();
    a.end();
    assert_eq!((bench.wait(), bench.wait()), (Some(1), None));
    assert_eq!(card.in_flight(), POOL);
}
