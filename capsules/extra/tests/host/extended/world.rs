// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Commands, buffers, frames, links and ends of processes in any order, and what must always hold.
//!
//! Tests generate events (`random.rs`), and so does a fuzz target (`tools/capsule-model`).

use super::*;
use std::collections::{HashMap, VecDeque};

/// Processes that use the tap.
pub const APPS: usize = 3;

/// What happens next.
#[derive(Clone, Debug)]
pub enum Event {
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
    /// Looks at the counters.
    Count {
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
pub enum Bytes {
    All,
    Exactly(usize),
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
    /// How much of that slice was looked at.
    seen: usize,
    /// The address that it has claimed.
    claim: Option<[u8; 6]>,
    /// Frames taken out of slices.
    received: usize,
    /// Whether a slice was shared that does not tell how many frames it holds.
    unknown: bool,
    /// Frames and bytes that the app was told have been sent.
    sent: (u32, u32),
    /// The counters when they were last looked at.
    counted: Vec<u32>,
}

impl Knowledge {
    fn of_a_start() -> Self {
        Knowledge {
            alive: true,
            ..Knowledge::default()
        }
    }
}

/// Room of a process for its buffers, which are shared in part.
struct Room {
    frame: Memory,
    batch: Memory,
    slice: Memory,
    info: Memory,
}

impl Room {
    fn new() -> Self {
        Room {
            frame: Memory::zeroed(1600),
            batch: Memory::zeroed(12 * 2002),
            slice: Memory::zeroed(5008),
            info: Memory::zeroed(12),
        }
    }
}

/// Bytes that a process has for grants.
const ROOM: usize = 4096;

/// What frames from the wire are full of.
const FROM_OUTSIDE: u8 = 8;

/// What each frame of an app is full of.
fn mark_of(app: usize) -> u8 {
    0xA0 + app as u8
}

/// A frame whose bytes behind the first six say who sends it.
fn marked(mark: u8, to: [u8; 6], len: usize) -> Vec<u8> {
    let mut frame = vec![mark; len];
    if let Some(place) = frame.first_chunk_mut() {
        *place = to;
    }
    frame
}

/// A board whose card and processes do as events say. It can be used again after [`settle`](Self::settle).
pub struct World {
    bench: Bench<APPS>,
    known: [Knowledge; APPS],
    rooms: [Room; APPS],
    claims: Vec<[u8; 6]>,
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    pub fn new() -> Self {
        World {
            bench: Bench::new(),
            known: core::array::from_fn(|_| Knowledge::of_a_start()),
            rooms: core::array::from_fn(|_| Room::new()),
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

    pub fn handle(&mut self, event: Event) {
        let before = self.known.each_ref().map(|known| known.claim);
        self.carry_out(event);
        self.look_at_new_frames(before);
    }

    fn carry_out(&mut self, event: Event) {
        let Bench { card, tap, .. } = self.bench;
        let bench = &self.bench;
        match event {
            Event::Command { app, number, a, b } => {
                let answer = bench.command(bench.processes[app], number, a, b);
                if number == CLAIM
                    && let Some(claim) = answer.get_success_u64()
                {
                    self.known[app].claim = (a == 1).then_some(octets(claim));
                    self.claims.extend(self.known[app].claim);
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
                let process = bench.processes[app];
                if !known.alive {
                    return;
                }
                let mut batch = vec![];
                for len in lengths.into_iter().filter(|len| *len < 2000) {
                    batch.extend((len as u16).to_ne_bytes());
                    batch.extend(marked(mark_of(app), GROUP, len));
                }
                let all = batch.len();
                let memory = self.rooms[app].batch.first(all);
                memory.write(0, &batch);
                process.allow_ro((tap, DRIVER_NUM), 1, memory);
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
                    let frame = marked(mark_of(app), self.address(to), len);
                    let memory = self.rooms[app].frame.first(len);
                    memory.write(0, &frame);
                    bench.processes[app].allow_ro((tap, DRIVER_NUM), 0, memory);
                }
            }
            Event::ShareSlice { app, room, header } => {
                self.take_slice(app);
                let known = &mut self.known[app];
                if known.alive {
                    let memory = self.rooms[app].slice.first(8 + room);
                    memory.write(0, &header);
                    self.bench.processes[app].allow_rw((tap, DRIVER_NUM), 0, memory);
                    known.slice = (header == [0; 8]).then_some(Slice(memory));
                    known.seen = 0;
                    known.unknown |= header != [0; 8];
                }
            }
            Event::ShareInfo { app, len } => {
                if self.known[app].alive {
                    let memory = self.rooms[app].info.first(len);
                    self.bench.processes[app].allow_rw((tap, DRIVER_NUM), 1, memory);
                }
            }
            Event::Arrive { to, len } => {
                card.arrive(&marked(FROM_OUTSIDE, self.address(to), len));
            }
            Event::TakeUpcalls { app } => self.take_upcalls(app),
            Event::Count { app } => self.count(app),
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

    /// Looks at frames that came while apps went from the claims `before` to those of now: no app with a
    /// claim gets unicast frames to the claim of another.
    fn look_at_new_frames(&mut self, before: [Option<[u8; 6]>; APPS]) {
        let kept = core::array::from_fn::<_, APPS, _>(|app| {
            // A command takes effect at some time during the event.
            self.known[app]
                .claim
                .filter(|claim| before[app] == Some(*claim))
        });
        for app in 0..APPS {
            let known = &mut self.known[app];
            let Some(slice) = known.slice else { continue };
            let used = slice.used();
            if used == known.seen {
                continue;
            }
            let new = slice.frames_from(known.seen);
            known.seen = used;
            if kept[app].is_none() {
                continue;
            }
            for frame in new {
                let owner = (0..APPS)
                    .filter(|other| *other != app)
                    .find(|other| kept[*other].is_some_and(|claim| frame.starts_with(&claim)));
                assert_eq!(owner, None, "{app} gets a frame of another: {frame:?}");
            }
        }
    }

    /// Takes the frames out of the slice that the tap has.
    fn take_slice(&mut self, app: usize) {
        let known = &mut self.known[app];
        if let Some(slice) = known.slice.take() {
            let frames = slice.frames();
            for frame in &frames {
                assert!(frame.len() >= 14, "{} bytes are no frame", frame.len());
                // One that is cut out of a batch may end with something else than marks.
                let is_own = frame.iter().rev().take(8).all(|byte| *byte == mark_of(app));
                assert!(!is_own, "it comes back to its sender");
            }
            known.received += frames.len();
        }
    }

    /// Looks at the counters of an app, which never go back.
    fn count(&mut self, app: usize) {
        if !self.known[app].alive {
            return;
        }
        let process = self.bench.processes[app];
        let ((a, b, c), (d, e)) = (self.bench.received(process), self.bench.sent(process));
        let [(f, g, h), (i, j, k)] = [0, 1].map(|way| self.bench.drops(process, way));
        let now = vec![a, b, c, d, e, f, g, h, i, j, k];
        let before = core::mem::replace(&mut self.known[app].counted, now.clone());
        let back = before.iter().zip(&now).any(|(before, now)| before > now);
        assert!(!back, "{before:?} became {now:?}");
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
    pub fn settle(&mut self) {
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
        self.look_at_new_frames(self.known.each_ref().map(|known| known.claim));
        for app in 0..APPS {
            let process = self.bench.processes[app];
            self.take_slice(app);
            self.count(app);
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
            for app in 0..APPS {
                if self.known[app].alive {
                    let memory = self.rooms[app].slice.first(5000);
                    memory.write(0, &[0; 8]);
                    self.bench.processes[app].allow_rw((tap, DRIVER_NUM), 0, memory);
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
        let memory = self.rooms[0].frame.first(60);
        memory.write(0, &frame(ELSEWHERE, 1, 60));
        process.allow_ro((tap, DRIVER_NUM), 0, memory);
        for id in 0..POOL {
            self.bench.transmit(process, 60, id).unwrap();
        }
        assert_eq!(card.in_flight(), POOL);
        self.begin_anew();
    }

    /// Has every process start with nothing.
    fn begin_anew(&mut self) {
        let Bench { card, tap, .. } = self.bench;
        drop(card.take_wire());
        self.claims.clear();
        for (process, known) in self.bench.processes.iter().zip(&mut self.known) {
            process.room.set(ROOM);
            process.restart();
            *known = Knowledge::of_a_start();
        }
        // The tap notices at the next command.
        let last = self.bench.processes[0].id();
        assert!(tap.command(0, 0, 0, last).is_success());
    }
}
