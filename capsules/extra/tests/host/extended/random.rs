// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Random events, against what must always hold.

use super::world::{APPS, Bytes, Event, World};
use super::{AT_ONCE, BATCH, CLAIM, FILTER, TRANSMIT};
use proptest::prelude::*;

fn any_length() -> impl Strategy<Value = usize> {
    prop_oneof![
        4 => 14usize..200,
        2 => 1000usize..1519,
        2 => prop::sample::select(vec![0, 13, 14, 1518, 1519, 65_535, 65_536, 65_596, usize::MAX]),
    ]
}

fn any_number() -> impl Strategy<Value = usize> {
    prop_oneof![
        8 => prop::sample::select(vec![0, 1, 2, 0x100, 0x101, 0x102, 0x103, 0x104, 0x105, 4, 0x108]),
        // The others send frames, which is noted.
        1 => any::<usize>().prop_filter("sends", |number| ![TRANSMIT, BATCH, AT_ONCE].contains(number)),
    ]
}

fn any_argument() -> impl Strategy<Value = usize> {
    prop_oneof![
        6 => 0usize..40,
        1 => any::<usize>(),
        1 => prop::sample::select(vec![0x3333, 0x1_0000, usize::MAX, 0x0800]),
    ]
}

fn any_event() -> impl Strategy<Value = Event> {
    let app = 0..APPS;
    prop_oneof![
        4 => (app.clone(), any_number(), any_argument(), any_argument())
            .prop_map(|(app, number, a, b)| Event::Command { app, number, a, b }),
        // Often enough that several have claims, and some of them want everything.
        3 => (app.clone(), prop::sample::select(vec![(CLAIM, 1), (CLAIM, 1), (CLAIM, 0), (FILTER, 8)]))
            .prop_map(|(app, (number, a))| Event::Command { app, number, a, b: 0 }),
        8 => (app.clone(), any_length()).prop_map(|(app, len)| Event::Transmit { app, len }),
        4 => (
            app.clone(),
            prop::collection::vec(any_length(), 0..12),
            prop_oneof![4 => Just(Bytes::All), 1 => any_length().prop_map(Bytes::Exactly)],
        )
            .prop_map(|(app, lengths, bytes)| Event::Batch { app, lengths, bytes }),
        4 => (app.clone(), any_length(), prop_oneof![4 => 0usize..100, 1 => any_length()])
            .prop_map(|(app, len, offset)| Event::AtOnce { app, len, offset }),
        3 => (app.clone(), 0usize..1600, any::<u8>())
            .prop_map(|(app, len, to)| Event::ShareFrame { app, len, to }),
        4 => (app.clone(), prop_oneof![0usize..100, 100usize..5000])
            .prop_map(|(app, room)| Event::ShareSlice { app, room, header: [0; 8] }),
        1 => (app.clone(), 0usize..200, any::<[u8; 8]>())
            .prop_map(|(app, room, header)| Event::ShareSlice { app, room, header }),
        1 => (app.clone(), 0usize..12).prop_map(|(app, len)| Event::ShareInfo { app, len }),
        8 => (any::<u8>(), prop_oneof![14usize..1519, 0usize..14])
            .prop_map(|(to, len)| Event::Arrive { to, len }),
        6 => app.clone().prop_map(|app| Event::TakeUpcalls { app }),
        2 => app.clone().prop_map(|app| Event::Count { app }),
        1 => app.clone().prop_map(|app| Event::FillQueue { app }),
        1 => (app, any::<bool>()).prop_map(|(app, restart)| Event::End { app, restart }),
        2 => Just(Event::SendAll),
        3 => Just(Event::FinishOne),
        2 => Just(Event::Finish),
        1 => Just(Event::Reset),
        1 => any::<bool>().prop_map(|up| Event::Link { up }),
        1 => (0usize..16).prop_map(|depth| Event::Depth { depth }),
        1 => any::<bool>().prop_map(|busy| Event::FilterBusy { busy }),
        3 => Just(Event::Timer),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_told_twice_or_stuck(events in prop::collection::vec(any_event(), 1..150)) {
        let mut world = World::new();
        for event in events {
            world.handle(event);
        }
        world.settle();
    }
}
