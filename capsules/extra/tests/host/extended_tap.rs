// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The Ethernet tap over a card that keeps frames, takes several, and has a link.

use crate::extended_card::{CARD, Card};
use crate::process::{FakeProcess, Host, Memory, Upcall, leak};
use capsules_extra::ethernet_tap::{
    DRIVER_NUM, EthernetTapDriver, Extended, LookAgain, MAX_MTU, Retry,
};
use core::cell::RefCell;
use core::num::NonZeroU32;
use kernel::ErrorCode;
use kernel::hil::ethernet_adapter::EthernetAdapter;
use kernel::process::ShortId;
use kernel::syscall::{CommandReturn, SyscallDriver};

pub const POOL: usize = 8;

pub type Tap = EthernetTapDriver<'static, Card, Extended, 8>;

/// The delays that the tap has asked for.
#[derive(Default)]
pub struct Timer {
    armed: RefCell<Vec<u32>>,
}

impl Retry for Timer {
    fn arm(&self, delay_ms: u32) {
        self.armed.borrow_mut().push(delay_ms);
    }
}

/// A tap on a board with `N` processes.
pub struct Bench<const N: usize> {
    pub card: &'static Card,
    pub tap: &'static Tap,
    pub timer: &'static Timer,
    pub processes: [&'static FakeProcess; N],
}

impl<const N: usize> Bench<N> {
    pub fn new() -> Self {
        let host = Host::new();
        let card: &'static Card = leak(Card::new());
        let buffers: [&'static mut [u8]; POOL] =
            core::array::from_fn(|_| &mut Box::leak(Box::new([0; MAX_MTU]))[..]);
        let tap = leak(Tap::with_pool(card, host.grant(DRIVER_NUM), buffers));
        let timer: &'static Timer = leak(Timer::default());
        tap.set_retry(timer);
        card.set_adapter_client(tap);
        tap.initialize();
        Bench {
            card,
            tap,
            timer,
            processes: host.processes,
        }
    }

    /// Lets the timer fire if it is armed, and what it causes happen; returns its delay.
    pub fn wait(&self) -> Option<u32> {
        let delay = self.timer.armed.borrow_mut().pop()?;
        assert!(self.timer.armed.borrow().is_empty(), "armed twice");
        self.tap.look_again();
        self.card.run_deferred();
        Some(delay)
    }

    pub fn command(
        &self,
        process: &FakeProcess,
        number: usize,
        a: usize,
        b: usize,
    ) -> CommandReturn {
        let answer = self.tap.command(number, a, b, process.id());
        self.card.run_deferred();
        answer
    }

    pub fn simple(
        &self,
        process: &FakeProcess,
        number: usize,
        a: usize,
        b: usize,
    ) -> Result<(), ErrorCode> {
        let answer = self.command(process, number, a, b);
        assert!(answer.is_success() || answer.is_failure());
        answer.get_failure().map_or(Ok(()), Err)
    }

    fn share_frame(&self, process: &FakeProcess, frame: &[u8]) {
        process.allow_ro((self.tap, DRIVER_NUM), 0, Memory::of(frame));
    }

    fn share_batch(&self, process: &FakeProcess, frames: &[&[u8]]) -> usize {
        let entry = |frame: &&[u8]| [&(frame.len() as u16).to_ne_bytes(), *frame].concat();
        let bytes: Vec<u8> = frames.iter().flat_map(entry).collect();
        process.allow_ro((self.tap, DRIVER_NUM), 1, Memory::of(&bytes));
        bytes.len()
    }

    /// Shares an empty slice with `room` bytes behind its header.
    pub fn share_slice(&self, process: &FakeProcess, room: usize) -> Slice {
        let memory = Memory::zeroed(8 + room);
        process.allow_rw((self.tap, DRIVER_NUM), 0, memory);
        Slice(memory)
    }

    fn transmit(&self, process: &FakeProcess, len: usize, id: usize) -> Result<(), ErrorCode> {
        self.simple(process, TRANSMIT, len, id)
    }

    /// Sends a whole frame.
    fn send(&self, process: &FakeProcess, frame: &[u8]) -> Result<(), ErrorCode> {
        self.share_frame(process, frame);
        self.transmit(process, frame.len(), 0)
    }

    fn claim(&self, process: &FakeProcess) -> [u8; 6] {
        octets(
            self.command(process, CLAIM, 1, 0)
                .get_success_u64()
                .unwrap(),
        )
    }

    fn drops(&self, process: &FakeProcess, direction: usize) -> (u32, u32, u32) {
        let answer = self.command(process, DROPS, direction, 0);
        answer.get_success_3_u32().unwrap()
    }

    fn received(&self, process: &FakeProcess) -> (u32, u32, u32) {
        let answer = self.command(process, 1, 0, 0);
        answer.get_success_3_u32().unwrap()
    }

    fn sent(&self, process: &FakeProcess) -> (u32, u32) {
        let answer = self.command(process, 2, 0, 0);
        answer.get_success_2_u32().unwrap()
    }
}

/// A streaming slice as its process reads it.
#[derive(Clone, Copy)]
pub struct Slice(Memory);

impl Slice {
    pub fn frames(self) -> Vec<Vec<u8>> {
        let bytes = self.0.bytes();
        let used = u32::from_ne_bytes(bytes[4..8].try_into().unwrap()) as usize;
        let mut data = &bytes[8..8 + used];
        let mut frames = Vec::new();
        while !data.is_empty() {
            let len = usize::from(u16::from_ne_bytes([data[2], data[3]]));
            frames.push(data[12..12 + len].to_vec());
            data = &data[12 + len..];
        }
        frames
    }

    fn is_exceeded(self) -> bool {
        self.0.bytes()[3] & 1 != 0
    }
}

const TRANSMIT: usize = 3;
const LINK: usize = 0x100;
const CLAIM: usize = 0x101;
const FILTER: usize = 0x102;
const JOIN: usize = 0x103;
const LEAVE: usize = 0x104;
const DROPS: usize = 0x105;
const BATCH: usize = 0x106;

const RECEIVED: usize = 0;
const SENT: usize = 1;
const LINK_CHANGED: usize = 2;
const BATCH_DONE: usize = 3;

const BROADCAST: [u8; 6] = [0xFF; 6];
const GROUP: [u8; 6] = [0x33, 0x33, 0, 0, 0, 1];
const ELSEWHERE: [u8; 6] = [0x52, 0x54, 0, 9, 9, 9];
const IPV4: u16 = 0x0800;

fn octets(number: u64) -> [u8; 6] {
    assert_eq!(number >> 48, 0);
    number.to_le_bytes()[..6].try_into().unwrap()
}

fn parts([a, b, c, d, e, f]: [u8; 6]) -> (usize, usize) {
    let low = u32::from_le_bytes([a, b, c, d]);
    (low as usize, u16::from_le_bytes([e, f]).into())
}

fn frame(to: [u8; 6], mark: u8, len: usize) -> Vec<u8> {
    let mut frame = vec![mark; len];
    frame[..6].copy_from_slice(&to);
    frame[12..14].copy_from_slice(&IPV4.to_be_bytes());
    frame
}

/// The mark of each frame.
fn marks(frames: &[Vec<u8>]) -> Vec<u8> {
    frames.iter().map(|frame| frame[6]).collect()
}

fn of_kind(upcalls: Vec<Upcall>, kind: usize) -> Vec<(usize, usize, usize)> {
    upcalls
        .into_iter()
        .filter(|(number, _)| *number == kind)
        .map(|(_, arguments)| arguments)
        .collect()
}

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
    card.depth.set(1);
    assert_eq!(bench.wait(), Some(1));
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
fn a_claim_is_kept_until_it_is_released() {
    let bench = &Bench::new();
    let [a, b] = bench.processes;
    let claimed = bench.claim(a);
    assert_eq!(claimed[0] & 3, 2, "locally administered, and no group");
    assert_eq!(bench.claim(a), claimed);
    assert_ne!(bench.claim(b), claimed);
    assert_eq!(
        *bench.card.filter.borrow(),
        crate::extended_card::Filter {
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
    a.restart_as(20);
    assert_eq!(bench.claim(a), first);
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
fn a_process_that_only_shares_a_slice_receives() {
    let bench = &Bench::new();
    let [app] = bench.processes;
    let slice = bench.share_slice(app, 1000);
    bench.card.arrive(&frame(CARD, 1, 60));
    assert_eq!(slice.frames().len(), 1);
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
    a.restart_as(9);
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
fn unknown_commands_and_arguments_are_refused() {
    let bench = &Bench::new();
    let [app] = bench.processes;
    for unknown in [4, 0xFF, 0x107, usize::MAX] {
        let refused = bench.simple(app, unknown, 0, 0);
        assert_eq!(refused, Err(ErrorCode::NOSUPPORT), "{unknown}");
    }
    assert_eq!(bench.simple(app, DROPS, 2, 0), Err(ErrorCode::INVAL));
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

/// Keeps the helper honest: a bench without a timer holds nothing.
#[test]
fn without_a_timer_frames_are_dropped_and_not_held() {
    let host = Host::<1>::new();
    let card: &'static Card = leak(Card::new());
    let buffers: [&'static mut [u8]; 1] = [Box::leak(Box::new([0; MAX_MTU]))];
    let tap = leak(Tap::with_pool(card, host.grant(DRIVER_NUM), buffers));
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
