// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The link, and what is refused.

use super::*;

#[test]
fn the_link_is_shown_and_its_changes_are_told() {
    let bench @ Bench { card, .. } = &Bench::new();
    let [a, b] = bench.processes;
    let link = |bench: &Bench<2>| bench.command(a, LINK, 0, 0).get_success_u32_u64().unwrap();
    let (flags, address) = link(bench);
    assert_eq!((flags, octets(address)), (1 << 16 | 1500, CARD));
    bench.command(b, 1, 0, 0);
    card.set_link(false);
    assert_eq!(link(bench).0, 1500);
    // `a` has used the tap by nothing but command 0x100, which needs no state.
    assert_eq!(b.upcalls(), [(LINK_CHANGED, (1500, 0, 0))]);
    card.set_link(true);
    card.set_link(false);
    card.set_link(true);
    assert_eq!(b.upcalls(), [(LINK_CHANGED, (1 << 16 | 1500, 0, 0))]);
    card.ask_for_announcement();
    assert_eq!(b.upcalls(), [(LINK_CHANGED, (1 << 16 | 1500, 0, 0))]);
}

#[test]
fn a_change_of_the_link_that_finds_the_queue_full_is_told_later() {
    let bench @ Bench { card, .. } = &Bench::new();
    let [app] = bench.processes;
    bench.command(app, 1, 0, 0);
    app.fill_queue();
    card.set_link(false);
    assert_eq!(app.upcalls(), []);
    bench.command(app, 1, 0, 0);
    assert_eq!(app.upcalls(), [(LINK_CHANGED, (1500, 0, 0))]);
}

#[test]
fn a_process_too_many_is_refused_and_the_others_go_on() {
    let bench = &Bench::<9>::new();
    let [users @ .., last] = &bench.processes;
    for process in users {
        bench.command(process, 1, 0, 0);
    }
    let refused = bench.command(last, 1, 0, 0).get_failure();
    assert_eq!(refused, Some(ErrorCode::NOMEM));
    // A place becomes free when somebody ends.
    users[3].end();
    assert_eq!(bench.received(last), (0, 0, 0));
    let slice = bench.share_slice(last, 1000);
    bench.card.arrive(&frame(CARD, 1, 60));
    assert_eq!(slice.frames().len(), 1);
}

#[test]
fn unknown_commands_and_arguments_are_refused() {
    let bench = &Bench::new();
    let [app] = bench.processes;
    for unknown in [4, 0xFF, 0x108, usize::MAX] {
        let refused = bench.simple(app, unknown, 0, 0);
        assert_eq!(refused, Err(ErrorCode::NOSUPPORT), "{unknown}");
    }
    assert_eq!(bench.simple(app, DROPS, 2, 0), Err(ErrorCode::INVAL));
}
