// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Frames on their way in: full slices, and who waits for whom.

use super::*;

#[test]
fn a_slice_that_its_process_has_set_back_is_an_empty_one() {
    let bench @ Bench { card, .. } = &Bench::new();
    let [app] = bench.processes;
    let slice = bench.share_slice(app, 200);
    for mark in [1, 2, 3] {
        card.arrive(&frame(CARD, mark, 60));
        card.arrive(&frame(CARD, mark + 10, 60));
        assert_eq!(marks(&slice.frames()), [mark, mark + 10]);
        // One announcement for what came together.
        assert_eq!(app.upcalls(), [(RECEIVED, (0, 0, 0))]);
        slice.0.write(4, &[0; 4]);
    }
    assert_eq!(bench.received(app), (6, 360, 0));
}

#[test]
fn a_burst_waits_for_a_process_that_swaps_its_slices() {
    let bench @ Bench { card, .. } = &Bench::new();
    let [app] = bench.processes;
    let mut slice = bench.share_slice(app, 8192 - 8);
    for i in 0..64 {
        card.arrive(&frame(CARD, i, 1514));
    }
    let mut got = Vec::new();
    while got.len() < 64 {
        assert!(card.is_held());
        assert!(slice.is_exceeded());
        let upcalls = of_kind(app.upcalls(), RECEIVED);
        assert!(!upcalls.is_empty(), "nothing wakes the process");
        got.extend(slice.frames());
        slice = bench.share_slice(app, 8192 - 8);
        assert_eq!(bench.wait(), Some(1));
        if got.len() + slice.frames().len() == 64 {
            got.extend(slice.frames());
        }
    }
    assert_eq!(marks(&got), (0..64).collect::<Vec<u8>>());
    assert!(got.iter().all(|frame| frame.len() == 1514));
    assert_eq!(bench.received(app), (64, 64 * 1514, 0));
    assert_eq!(bench.drops(app, 0), (0, 0, 0));
    assert_eq!(bench.wait(), None);
}

#[test]
fn held_frames_go_on_at_the_next_command_of_anyone() {
    let bench @ Bench { card, .. } = &Bench::new();
    let [a, b] = bench.processes;
    bench.share_slice(a, 100);
    card.arrive(&frame(CARD, 1, 60));
    card.arrive(&frame(CARD, 2, 60));
    assert!(card.is_held());
    let slice = bench.share_slice(a, 100);
    bench.command(b, 2, 0, 0);
    assert_eq!(marks(&slice.frames()), [2]);
    assert!(!card.is_held());
    // The timer that was armed comes for nothing, and is not armed again.
    assert_eq!(bench.wait(), Some(1));
    assert_eq!(bench.wait(), None);
}

#[test]
fn the_timer_slows_down_while_nothing_changes() {
    let bench @ Bench { card, .. } = &Bench::new();
    let [app] = bench.processes;
    bench.share_slice(app, 100);
    card.arrive(&frame(CARD, 1, 60));
    card.arrive(&frame(CARD, 2, 60));
    let delays: Vec<_> = (0..7).map(|_| bench.wait().unwrap()).collect();
    assert_eq!(delays, [1, 2, 4, 8, 16, 16, 16]);
    assert_eq!(bench.drops(app, 0), (0, 0, 0));
    // It is woken once, for the first frame and for the miss.
    assert_eq!(of_kind(app.upcalls(), RECEIVED).len(), 2);
}

#[test]
fn a_slow_process_does_not_hold_up_one_that_wants_the_same_frames() {
    let bench @ Bench { card, .. } = &Bench::new();
    let [slow, quick] = bench.processes;
    bench.share_slice(slow, 100);
    let slice = bench.share_slice(quick, 4000);
    for i in 0..20 {
        card.arrive(&frame(CARD, i, 60));
    }
    assert!(!card.is_held());
    assert_eq!(marks(&slice.frames()), (0..20).collect::<Vec<u8>>());
    assert_eq!(bench.drops(slow, 0), (19, 0, 0));
    assert_eq!(bench.received(slow), (1, 60, 19));
    assert_eq!(bench.drops(quick, 0), (0, 0, 0));
}

#[test]
fn a_slow_process_holds_up_one_that_wants_other_frames_once_and_not_for_long() {
    let bench @ Bench { card, .. } = &Bench::new();
    let [slow, quick] = bench.processes;
    let (to_slow, to_quick) = (bench.claim(slow), bench.claim(quick));
    bench.share_slice(slow, 100);
    let slice = bench.share_slice(quick, 4000);
    card.arrive(&frame(to_slow, 0, 60));
    card.arrive(&frame(to_slow, 1, 60));
    card.arrive(&frame(to_quick, 2, 60));
    assert!(card.is_held());
    let mut waited = 0;
    while card.is_held() {
        waited += bench.wait().unwrap();
    }
    assert_eq!(waited, 15);
    assert_eq!(marks(&slice.frames()), [2]);
    // What was offered again and again counts once.
    assert_eq!(bench.drops(slow, 0), (1, 1, 0));
    assert_eq!(bench.drops(quick, 0), (0, 2, 0));
    // From then on it costs others nothing.
    for i in 3..10 {
        card.arrive(&frame(to_slow, i, 60));
        card.arrive(&frame(to_quick, i, 60));
        assert!(!card.is_held());
    }
    assert_eq!(bench.drops(slow, 0), (8, 8, 0));
    assert_eq!(slice.frames().len(), 8);
    // Until it makes room: then it is worth waiting for again.
    bench.share_slice(slow, 100);
    card.arrive(&frame(to_slow, 10, 60));
    card.arrive(&frame(to_slow, 11, 60));
    assert!(card.is_held());
}

/// Frames for each of `processes` once a millisecond, of whom all but the last make room for a frame
/// only every `pause` milliseconds, in turn; returns for how long frames were held.
fn held_by_slow_processes<const N: usize>(bench: &Bench<N>, pause: u32, millis: u32) -> u32 {
    let Bench { card, timer, .. } = bench;
    let macs = bench.processes.map(|process| bench.claim(process));
    let (quick, slow) = bench.processes.split_last().unwrap();
    let mut slice = bench.share_slice(quick, 1000);
    slow.iter().for_each(|process| {
        bench.share_slice(process, 100);
    });
    let (mut held, mut due) = (0, None);
    for now in 1..=millis {
        for (process, index) in slow.iter().zip(0..) {
            if now % pause == index {
                bench.share_slice(process, 100);
            }
        }
        if !slice.frames().is_empty() {
            slice = bench.share_slice(quick, 1000);
        }
        timer.pass(1000);
        due = due.or(timer.armed.take().map(|delay| now + delay));
        if due.take_if(|due| *due <= now).is_some() {
            bench.tap.look_again();
            card.run_deferred();
        }
        // What came for nobody else is lost before it reaches the card.
        held += u32::from(card.is_held());
        if !card.is_held() {
            macs.iter().for_each(|mac| card.arrive(&frame(*mac, 0, 60)));
        }
    }
    held
}

#[test]
fn a_process_that_makes_room_at_the_last_moment_again_and_again_does_not_hold_up_others() {
    let bench = &Bench::new();
    let [slow, quick] = bench.processes;
    let held = held_by_slow_processes(bench, 14, 10_000);
    // What it has ahead, a 128th of the time, and what it took to notice.
    assert!((60..=60 + 80 + 10).contains(&held), "{held} ms");
    // It is not given up: it gets what it makes room for, and the rest is counted.
    let (frames, _, dropped) = bench.received(slow);
    assert!((700..=715).contains(&frames), "{frames} frames");
    assert_eq!(frames + dropped, bench.received(quick).0);
    assert_eq!(bench.drops(quick, 0).0, 0);
}

#[test]
fn many_slow_processes_together_do_not_hold_up_others_either() {
    let bench: &Bench<8> = &Bench::new();
    let held = held_by_slow_processes(bench, 14, 6000);
    let ahead = 7 * 60;
    assert!(held <= ahead + 6000 / 16, "{held} ms of 6 s");
    let quick = bench.processes[7];
    assert_eq!(bench.drops(quick, 0).0, 0);
}

#[test]
fn time_for_which_frames_were_held_counts_however_short_it_was() {
    let bench @ Bench { card, timer, .. } = &Bench::new();
    let [slow, other] = bench.processes;
    let [to_slow, _] = bench.processes.map(|process| bench.claim(process));
    bench.share_slice(other, 100);
    let mut held = 0;
    while held < 1000 {
        bench.share_slice(slow, 100);
        card.arrive(&frame(to_slow, 1, 60));
        card.arrive(&frame(to_slow, 2, 60));
        if !card.is_held() {
            break;
        }
        held += 1;
        timer.pass(250);
        bench.share_slice(slow, 100);
        bench.command(other, 0, 0, 0);
        assert!(!card.is_held());
    }
    assert!((240..=243).contains(&held), "{held} times a quarter of one");
    // Time brings it back, up to what there was at first.
    let mut again = |seconds: u32| {
        timer.pass(seconds * 1_000_000);
        bench.share_slice(slow, 100);
        card.arrive(&frame(to_slow, 1, 60));
        card.arrive(&frame(to_slow, 2, 60));
        let mut waited = 0;
        while card.is_held() {
            timer.pass(1000);
            bench.command(other, 0, 0, 0);
            waited += 1;
        }
        waited
    };
    assert_eq!([1, 1].map(&mut again), [8, 8]);
}

#[test]
fn a_process_that_starts_anew_again_and_again_does_not_hold_up_others() {
    let bench @ Bench { card, timer, .. } = &Bench::new();
    let [slow, quick] = bench.processes;
    bench.claim(quick);
    bench.share_slice(quick, 100);
    let (mut held, mut now) = (0, 0);
    while now < 2000 {
        slow.room.set(4096);
        slow.restart();
        let to_slow = bench.claim(slow);
        bench.share_slice(slow, 100);
        card.arrive(&frame(to_slow, 1, 60));
        card.arrive(&frame(to_slow, 2, 60));
        while card.is_held() {
            let passed = bench.wait().unwrap();
            held += passed;
            now += passed;
        }
        timer.pass(1000);
        now += 1;
    }
    assert!(held <= 60 + 2000 / 16, "{held} ms of 2 s");
}

#[test]
fn time_for_which_nobody_else_waited_does_not_count() {
    let bench @ Bench { card, timer, .. } = &Bench::new();
    let [slow, other] = bench.processes;
    let [to_slow, _] = bench.processes.map(|process| bench.claim(process));
    for _ in 0..3 {
        bench.share_slice(slow, 100);
        bench.share_slice(other, 100);
        card.arrive(&frame(to_slow, 1, 60));
        card.arrive(&frame(to_slow, 2, 60));
        assert!(card.is_held());
        // The other one does not want frames any more.
        other.allow_rw((bench.tap, DRIVER_NUM), 0, Memory::zeroed(0));
        assert!(bench.wait().is_some() && card.is_held());
        timer.pass(60_000_000);
        bench.share_slice(slow, 100);
        bench.command(other, 0, 0, 0);
        assert!(!card.is_held());
    }
}

#[test]
fn a_full_process_does_not_hold_up_one_whose_slice_is_too_small_for_the_frame() {
    let bench @ Bench { card, .. } = &Bench::new();
    let [full, small] = bench.processes;
    bench.share_slice(full, 200);
    let slice = bench.share_slice(small, 100);
    card.arrive(&frame(CARD, 0, 180));
    card.arrive(&frame(CARD, 1, 180));
    card.arrive(&frame(CARD, 2, 60));
    let mut waited = 0;
    while card.is_held() {
        waited += bench.wait().unwrap();
        assert!(waited <= 15, "held for ever");
    }
    assert_eq!(marks(&slice.frames()), [2]);
    assert_eq!(bench.drops(small, 0), (2, 0, 0));
}

#[test]
fn a_frame_that_no_swap_could_make_fit_is_not_held() {
    let bench @ Bench { card, .. } = &Bench::new();
    let [app] = bench.processes;
    bench.share_slice(app, 71);
    card.arrive(&frame(CARD, 1, 60));
    assert!(!card.is_held());
    assert_eq!(of_kind(app.upcalls(), RECEIVED).len(), 1);
    assert_eq!(bench.drops(app, 0), (1, 0, 0));
    // The same for a slice that is none.
    let memory = Memory::of(&[1; 100]);
    app.allow_rw((bench.tap, DRIVER_NUM), 0, memory);
    card.arrive(&frame(CARD, 1, 60));
    assert!(!card.is_held());
    assert_eq!(memory.bytes(), [1; 100]);
    assert_eq!(bench.drops(app, 0), (2, 0, 0));
}

#[test]
fn a_halted_slice_holds_frames_too() {
    let bench @ Bench { card, .. } = &Bench::new();
    let [app] = bench.processes;
    let mut bytes = vec![0; 8 + 100];
    bytes[3] = 2;
    app.allow_rw((bench.tap, DRIVER_NUM), 0, Memory::of(&bytes));
    card.arrive(&frame(CARD, 1, 60));
    card.arrive(&frame(CARD, 2, 80));
    card.arrive(&frame(CARD, 3, 14));
    assert!(card.is_held());
    let slice = bench.share_slice(app, 200);
    bench.wait();
    assert_eq!(marks(&slice.frames()), [2, 3]);
    assert_eq!(bench.drops(app, 0), (0, 0, 0));
}

#[test]
fn frames_held_for_a_process_that_ends_are_let_go() {
    let bench @ Bench { card, .. } = &Bench::new();
    let [a, b] = bench.processes;
    bench.share_slice(a, 100);
    card.arrive(&frame(CARD, 1, 60));
    card.arrive(&frame(CARD, 2, 60));
    assert!(card.is_held());
    a.end();
    let slice = bench.share_slice(b, 100);
    bench.wait();
    assert!(!card.is_held());
    assert_eq!(marks(&slice.frames()), [2]);
}

#[test]
fn runts_and_giants_are_counted_as_malformed() {
    let bench @ Bench { card, .. } = &Bench::new();
    let [app] = bench.processes;
    let slice = bench.share_slice(app, 4000);
    card.malformed.set(5);
    card.arrive(&[0; 13]);
    card.arrive(&vec![0; 65_536]);
    assert_eq!(slice.frames().len(), 0);
    assert_eq!(bench.drops(app, 0), (0, 0, 7));
    card.arrive(&[0; 14]);
    assert_eq!(slice.frames().len(), 1);
}

#[test]
fn a_process_that_only_shares_a_slice_receives() {
    let bench = &Bench::new();
    let [app] = bench.processes;
    let slice = bench.share_slice(app, 1000);
    bench.card.arrive(&frame(CARD, 1, 60));
    assert_eq!(slice.frames().len(), 1);
}

#[test]
fn without_a_timer_frames_are_dropped_and_not_held() {
    let host = Host::<1>::new();
    let card: &'static Card = forever(Card::new());
    let buffers: [&'static mut [u8]; 1] = [Box::leak(Box::new([0; MAX_MTU]))];
    let tap = forever(Tap::with_pool(card, host.grant(DRIVER_NUM), buffers));
    card.set_adapter_client(tap);
    tap.initialize();
    let [app] = host.processes;
    app.allow_rw((tap, DRIVER_NUM), 0, Memory::zeroed(8 + 100));
    card.arrive(&frame(CARD, 1, 60));
    card.arrive(&frame(CARD, 2, 60));
    assert!(!card.is_held());
    let answer = tap.command(1, 0, 0, app.id()).get_success_3_u32();
    assert_eq!(answer, Some((1, 60, 1)));
}

#[test]
fn a_tap_that_is_to_drop_what_finds_no_room_holds_nothing() {
    let bench @ Bench { card, tap, .. } = &Bench::new();
    let [app] = bench.processes;
    tap.drop_when_full();
    bench.share_slice(app, 100);
    card.arrive(&frame(CARD, 1, 60));
    card.arrive(&frame(CARD, 2, 60));
    assert!(!card.is_held());
    assert_eq!(bench.received(app), (1, 60, 1));
}

#[test]
fn a_frame_is_held_for_its_time_whatever_the_timer_ran_for_before() {
    let bench @ Bench { card, .. } = &Bench::new();
    let [slow, quick, behind] = bench.processes;
    let (to_slow, _) = (bench.claim(slow), bench.claim(quick));
    bench.share_slice(quick, 100);
    bench.share_slice(slow, 100);
    bench.share_frame(behind, &frame(ELSEWHERE, 1, 60));
    let fill = || {
        behind.fill_queue();
        bench.transmit(behind, 60, 0).unwrap();
        for _ in 0..6 {
            bench.wait().unwrap();
        }
    };
    // The timer runs for somebody who takes no upcalls, slowly by now; then for nobody.
    for still_behind in [true, false] {
        fill();
        if !still_behind {
            behind.upcalls();
            assert_eq!((bench.wait(), bench.wait()), (Some(16), None));
        }
        bench.share_slice(slow, 100);
        card.arrive(&frame(to_slow, 1, 60));
        card.arrive(&frame(to_slow, 2, 60));
        let mut waited = 0;
        while card.is_held() {
            waited += bench.wait().unwrap();
        }
        assert_eq!(waited, 15, "{still_behind}");
        behind.upcalls();
        while bench.wait().is_some() {}
        behind.upcalls();
        // So that it has the time again.
        bench.timer.pass(100_000_000);
    }
}

#[test]
fn what_waits_next_begins_with_a_short_wait() {
    let bench @ Bench { card, .. } = &Bench::new();
    let [app] = bench.processes;
    bench.share_frame(app, &frame(ELSEWHERE, 1, 60));
    app.fill_queue();
    bench.transmit(app, 60, 0).unwrap();
    for _ in 0..6 {
        bench.wait().unwrap();
    }
    app.upcalls();
    assert_eq!((bench.wait(), bench.wait()), (Some(16), None));
    card.depth.set(0);
    bench.transmit(app, 60, 1).unwrap();
    assert_eq!(bench.wait(), Some(1));
}

#[test]
fn a_frame_is_held_for_its_time_however_much_others_send_meanwhile() {
    for held_first in [true, false] {
        let bench @ Bench { card, .. } = &Bench::new();
        let [slow, quick, sender] = bench.processes;
        let (to_slow, to_quick) = (bench.claim(slow), bench.claim(quick));
        bench.share_slice(slow, 100);
        let slice = bench.share_slice(quick, 60_000);
        let one = frame(to_quick, 1, 14);
        let bytes = bench.share_batch(sender, &[&one[..]; 640]);
        let hold = || [2, 3].map(|mark| card.arrive(&frame(to_slow, mark, 60)));
        if held_first {
            hold();
        }
        bench.simple(sender, BATCH, bytes, 0).unwrap();
        if !held_first {
            hold();
        }
        assert!(card.is_held());
        let mut delays = vec![];
        while card.is_held() {
            let before = slice.frames().len();
            delays.push(bench.wait().unwrap());
            // Who sends goes on all the same.
            assert_eq!(slice.frames().len(), before + 64);
        }
        assert_eq!(delays, [1, 2, 4, 8]);
        // Afterwards it is as quick as ever.
        assert!(bench.wait().is_some_and(|delay| delay <= 16));
        assert_eq!(bench.wait(), Some(1));
        while bench.wait().is_some() {}
        assert_eq!(sender.upcalls(), [(BATCH_DONE, (0, 640, bytes))]);
        assert_eq!(slice.frames().len(), 640);
    }
}

#[test]
fn time_for_which_nothing_was_held_is_not_charged() {
    let bench @ Bench { card, timer, .. } = &Bench::new();
    let [slow, other] = bench.processes;
    let [to_slow, _] = bench.processes.map(|process| bench.claim(process));
    bench.share_slice(other, 100);
    for _ in 0..3 {
        bench.share_slice(slow, 100);
        card.arrive(&frame(to_slow, 1, 60));
        card.arrive(&frame(to_slow, 2, 60));
        assert!(card.is_held());
        timer.pass(1000);
        bench.share_slice(slow, 100);
        bench.command(other, 0, 0, 0);
        assert!(!card.is_held());
        timer.pass(100_000_000);
    }
}

#[test]
fn a_process_that_was_given_up_stays_so_when_another_one_is() {
    let bench @ Bench { card, .. } = &Bench::new();
    let [first, second, quick] = bench.processes;
    let to_first = bench.claim(first);
    let _ = (bench.claim(second), bench.claim(quick));
    // Frames to the group are for the two alone.
    bench.simple(quick, FILTER, 1, 0).unwrap();
    for process in bench.processes {
        bench.share_slice(process, 80);
    }
    let wait = || {
        let mut waited = 0;
        while card.is_held() {
            waited += bench.wait().unwrap();
        }
        waited
    };
    card.arrive(&frame(GROUP, 1, 60));
    card.arrive(&frame(to_first, 2, 60));
    assert_eq!(wait(), 15);
    card.arrive(&frame(GROUP, 3, 60));
    assert_eq!(wait(), 15, "for the second");
    for to in [to_first, GROUP] {
        card.arrive(&frame(to, 4, 60));
        assert!(!card.is_held());
    }
}
