// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Random commands, buffers, frames, links and ends of processes, against what must always hold.

use super::*;
use proptest::prelude::*;
use std::collections::{HashMap, VecDeque};

const APPS: usize = 3;

/// What happens next.
#[derive(Clone, Debug)]
enum Event {
    Command {
        app: usize,
        number: usize,
        a: usize,
        b: usize,
    },
    Transmit {
        app: usize,
        len: usize,
    },
    Batch {
        app: usize,
        lengths: Vec<usize>,
        bytes: Bytes,
    },
    AtOnce {
        app: usize,
        len: usize,
        offset: usize,
    },
    ShareFrame {
        app: usize,
        len: usize,
        to: u8,
    },
    ShareSlice {
        app: usize,
        room: usize,
        header: [u8; 8],
    },
    ShareInfo {
        app: usize,
        len: usize,
    },
    Arrive {
        to: u8,
        len: usize,
    },
    TakeUpcalls {
        app: usize,
    },
    FillQueue {
        app: usize,
    },
    End {
        app: usize,
        restart: bool,
    },
    SendAll,
    FinishOne,
    Finish,
    Reset,
    Link {
        up: bool,
    },
    Depth {
        depth: usize,
    },
    FilterBusy {
        busy: bool,
    },
    Timer,
}

/// How much of its batch an app names.
#[derive(Clone, Copy, Debug)]
enum Bytes {
    All,
    Exactly(usize),
}

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

/// What an app knows.
#[derive(Default)]
struct Knowledge {
    alive: bool,
    /// The number of the next frame.
    next_id: usize,
    /// Frames that were accepted and not reported, by number.
    accepted: HashMap<usize, usize>,
    /// Batches that were accepted and not reported, by their bytes.
    batches: VecDeque<usize>,
    /// The slice that the tap has, if its header was sound.
    slice: Option<Slice>,
    /// Frames taken out of slices.
    received: usize,
    /// Whether a slice was shared that does not tell how many frames it holds.
    unknown: bool,
    /// Frames and bytes that the app was told have been sent.
    sent: (u32, u32),
}

struct World {
    bench: Bench<APPS>,
    known: [Knowledge; APPS],
    claims: Vec<[u8; 6]>,
}

impl World {
    fn new() -> Self {
        World {
            bench: Bench::new(),
            known: core::array::from_fn(|_| Knowledge {
                alive: true,
                ..Knowledge::default()
            }),
            claims: vec![],
        }
    }

    /// An address out of a few that matter.
    fn address(&self, choice: u8) -> [u8; 6] {
        match choice % 8 {
            0 => BROADCAST,
            1 => GROUP,
            2 => CARD,
            3 => ELSEWHERE,
            _ => {
                let claims = self.claims.len().max(1);
                let claim = self.claims.get(usize::from(choice) % claims);
                claim.copied().unwrap_or(ELSEWHERE)
            }
        }
    }

    fn handle(&mut self, event: Event) {
        let Bench { card, tap, .. } = self.bench;
        let bench = &self.bench;
        match event {
            Event::Command { app, number, a, b } => {
                let answer = bench.command(bench.processes[app], number, a, b);
                if number == CLAIM
                    && let Some(claim) = answer.get_success_u64()
                    && claim != 0
                {
                    self.claims.push(octets(claim));
                }
            }
            Event::Transmit { app, len } => {
                let known = &mut self.known[app];
                known.next_id += 1;
                let id = known.next_id;
                if bench.transmit(bench.processes[app], len, id).is_ok() {
                    assert!((14..=1518).contains(&len), "{len} was accepted");
                    known.accepted.insert(id, len);
                }
            }
            Event::Batch {
                app,
                lengths,
                bytes,
            } => {
                let known = &mut self.known[app];
                let frames: Vec<Vec<u8>> = lengths
                    .iter()
                    .filter(|len| **len < 2000)
                    .map(|len| vec![7; *len])
                    .collect();
                let slices: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
                let process = bench.processes[app];
                if !known.alive {
                    return;
                }
                let all = bench.share_batch(process, &slices);
                let bytes = match bytes {
                    Bytes::All => all,
                    Bytes::Exactly(bytes) => bytes,
                };
                if bench.simple(process, BATCH, bytes, 0).is_ok() {
                    known.batches.push_back(bytes);
                }
            }
            Event::AtOnce { app, len, offset } => {
                let process = bench.processes[app];
                if bench.simple(process, AT_ONCE, len, offset).is_ok() {
                    assert!((14..=1518).contains(&len), "{len} was accepted");
                    let sent = &mut self.known[app].sent;
                    *sent = (sent.0 + 1, sent.1 + len as u32);
                }
            }
            Event::ShareFrame { app, len, to } => {
                if self.known[app].alive {
                    let mut frame = vec![9; len];
                    let to = self.address(to);
                    if let Some(place) = frame.first_chunk_mut::<6>() {
                        *place = to;
                    }
                    bench.share_frame(bench.processes[app], &frame);
                }
            }
            Event::ShareSlice { app, room, header } => {
                self.take_slice(app);
                let known = &mut self.known[app];
                if known.alive {
                    let mut bytes = vec![0; 8 + room];
                    bytes[..8].copy_from_slice(&header);
                    let memory = Memory::of(&bytes);
                    self.bench.processes[app].allow_rw((tap, DRIVER_NUM), 0, memory);
                    known.slice = (header == [0; 8]).then_some(Slice(memory));
                    known.unknown |= header != [0; 8];
                }
            }
            Event::ShareInfo { app, len } => {
                if self.known[app].alive {
                    let memory = Memory::zeroed(len);
                    self.bench.processes[app].allow_rw((tap, DRIVER_NUM), 1, memory);
                }
            }
            Event::Arrive { to, len } => {
                let mut frame = vec![8; len];
                if let Some(place) = frame.first_chunk_mut::<6>() {
                    *place = self.address(to);
                }
                card.arrive(&frame);
            }
            Event::TakeUpcalls { app } => self.take_upcalls(app),
            Event::FillQueue { app } => {
                self.take_upcalls(app);
                self.bench.processes[app].fill_queue();
            }
            Event::End { app, restart } => {
                let process = self.bench.processes[app];
                process.end();
                self.known[app] = Knowledge::default();
                if restart {
                    process.restart();
                    self.known[app].alive = true;
                }
            }
            Event::SendAll => card.send(),
            Event::FinishOne => {
                card.finish_one();
            }
            Event::Finish => card.finish(),
            Event::Reset => card.reset(),
            Event::Link { up } => card.set_link(up),
            Event::Depth { depth } => card.depth.set(depth),
            Event::FilterBusy { busy } => card.filter_busy.set(busy),
            Event::Timer => {
                self.bench.wait();
            }
        }
        assert!(card.in_flight() <= POOL);
    }

    /// Takes the frames out of the slice that the tap has.
    fn take_slice(&mut self, app: usize) {
        let known = &mut self.known[app];
        if let Some(slice) = known.slice.take() {
            known.received += slice.frames().len();
        }
    }

    fn take_upcalls(&mut self, app: usize) {
        let known = &mut self.known[app];
        for (number, (status, second, third)) in self.bench.processes[app].upcalls() {
            match number {
                SENT => {
                    let len = known.accepted.remove(&third).expect("reported once");
                    assert_eq!(second, len);
                    if status == 0 {
                        known.sent.0 += 1;
                        known.sent.1 += len as u32;
                    }
                }
                BATCH_DONE => {
                    let bytes = known.batches.pop_front().expect("reported once");
                    assert!(third <= bytes);
                    assert_eq!(third == bytes, status == 0);
                    known.sent.0 += second as u32;
                    known.sent.1 += (third - 2 * second) as u32;
                }
                RECEIVED | LINK_CHANGED => {}
                other => panic!("upcall {other}"),
            }
        }
    }

    /// Lets everything come to its end, and checks that nothing is left or lost.
    fn settle(&mut self) {
        let Bench { card, tap, .. } = self.bench;
        card.filter_busy.set(false);
        card.depth.set(16);
        card.set_link(true);
        for app in 0..APPS {
            self.take_upcalls(app);
        }
        for _ in 0..40 {
            card.finish();
            self.bench.wait();
            // Without a command of theirs: a process may do nothing but wait.
            for app in 0..APPS {
                self.take_upcalls(app);
            }
        }
        for app in 0..APPS {
            let process = self.bench.processes[app];
            self.take_slice(app);
            let known = &self.known[app];
            if !known.alive {
                continue;
            }
            assert_eq!(known.accepted, HashMap::new(), "not reported");
            assert_eq!(known.batches, [], "not reported");
            assert_eq!(self.bench.sent(process), known.sent);
            if !known.unknown {
                assert_eq!(self.bench.received(process).0 as usize, known.received);
            }
        }
        // What waits goes on as apps make room, until nothing waits any more.
        for _ in 0..200 {
            if !card.is_held() {
                break;
            }
            for (process, known) in self.bench.processes.iter().zip(&self.known) {
                if known.alive {
                    process.allow_rw((tap, DRIVER_NUM), 0, Memory::zeroed(5000));
                }
            }
            self.bench.wait();
        }
        assert!(!card.is_held(), "frames wait for nobody");
        for sent in card.take_wire() {
            assert!((14..=1518).contains(&sent.len()));
        }
        // All buffers are there.
        let process = self.bench.processes[0];
        process.end();
        process.restart();
        self.bench.share_frame(process, &frame(ELSEWHERE, 1, 60));
        for id in 0..POOL {
            self.bench.transmit(process, 60, id).unwrap();
        }
        assert_eq!(card.in_flight(), POOL);
    }
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
