// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The Ethernet tap, as processes use it.

use capsules_extra::ethernet_tap::{DRIVER_NUM, EthernetTapDriver, MAX_MTU};
use core::cell::{Cell, RefCell};
use kernel::ErrorCode;
use kernel::hil::ethernet::{EthernetAdapterDatapath, EthernetAdapterDatapathClient};
use kernel::syscall::SyscallDriver;
use kernel::testing::{FakeProcess, Host, Memory, forever};
use kernel::utilities::cells::OptionalCell;

struct InFlight {
    buffer: &'static mut [u8],
    len: u16,
    id: usize,
}

/// A card with room for one frame.
#[derive(Default)]
struct Card {
    client: OptionalCell<&'static dyn EthernetAdapterDatapathClient>,
    receiving: Cell<bool>,
    in_flight: RefCell<Option<InFlight>>,
    sent: RefCell<Vec<Vec<u8>>>,
    refuse: Cell<Option<ErrorCode>>,
}

impl EthernetAdapterDatapath<'static> for Card {
    fn set_client(&self, client: &'static dyn EthernetAdapterDatapathClient) {
        self.client.set(client);
    }

    fn enable_receive(&self) {
        self.receiving.set(true);
    }

    fn disable_receive(&self) {
        self.receiving.set(false);
    }

    fn transmit_frame(
        &self,
        frame_buffer: &'static mut [u8],
        len: u16,
        transmission_identifier: usize,
    ) -> Result<(), (ErrorCode, &'static mut [u8])> {
        if let Some(code) = self.refuse.get() {
            return Err((code, frame_buffer));
        }
        let mut in_flight = self.in_flight.borrow_mut();
        assert!(in_flight.is_none());
        *in_flight = Some(InFlight {
            buffer: frame_buffer,
            len,
            id: transmission_identifier,
        });
        Ok(())
    }
}

impl Card {
    /// Finishes the frame in flight; false when there is none.
    fn finish(&self, outcome: Result<(), ErrorCode>, timestamp: Option<u64>) -> bool {
        let Some(frame) = self.in_flight.take() else {
            return false;
        };
        let bytes = frame.buffer[..usize::from(frame.len)].to_vec();
        self.sent.borrow_mut().push(bytes);
        self.client.map(|client| {
            client.transmit_frame_done(outcome, frame.buffer, frame.len, frame.id, timestamp);
        });
        true
    }

    /// Finishes all frames; returns the first byte of each.
    fn drain(&self) -> Vec<u8> {
        while self.finish(Ok(()), None) {}
        self.sent.take().iter().map(|frame| frame[0]).collect()
    }

    fn arrive(&self, frame: &[u8]) {
        assert!(self.receiving.get());
        self.client.map(|client| client.received_frame(frame, None));
    }
}

type Tap = EthernetTapDriver<'static, Card>;

fn bench<const N: usize>() -> (&'static Card, &'static Tap, [&'static FakeProcess; N]) {
    let host = Host::new();
    let card: &'static Card = forever(Card::default());
    let buffer = Box::leak(Box::new([0; MAX_MTU]));
    let tap = forever(EthernetTapDriver::new(card, host.grant(DRIVER_NUM), buffer));
    card.set_client(tap);
    tap.initialize();
    (card, tap, host.processes)
}

fn share_frame(tap: &Tap, process: &FakeProcess, frame: &[u8]) {
    process.allow_ro((tap, DRIVER_NUM), 0, Memory::of(frame));
}

/// Shares an empty slice with `room` bytes behind its header.
fn share_slice(tap: &Tap, process: &FakeProcess, room: usize) -> Memory {
    let memory = Memory::zeroed(8 + room);
    process.allow_rw((tap, DRIVER_NUM), 0, memory);
    memory
}

fn transmit(tap: &Tap, process: &FakeProcess, len: usize, id: usize) -> Result<(), ErrorCode> {
    let answer = tap.command(3, len, id, process.id());
    answer.get_failure().map_or(Ok(()), Err)
}

fn received(tap: &Tap, process: &FakeProcess) -> (u32, u32, u32) {
    let answer = tap.command(1, 0, 0, process.id());
    answer.get_success_3_u32().unwrap()
}

fn sent(tap: &Tap, process: &FakeProcess) -> (u32, u32) {
    let answer = tap.command(2, 0, 0, process.id());
    answer.get_success_2_u32().unwrap()
}

const RECEIVED: usize = 0;
const SENT: usize = 1;
const BATCH_DONE: usize = 3;

#[test]
fn a_frame_sent_at_once_is_not_reported_here_either() {
    let (card, tap, [process]) = bench();
    process.allow_ro((tap, DRIVER_NUM), 1, Memory::of(&[5; 100]));
    let at_once = || {
        let answer = tap.command(0x107, 60, 40, process.id());
        answer.get_failure()
    };
    assert_eq!(at_once(), None);
    // There is one buffer.
    assert_eq!(at_once(), Some(ErrorCode::BUSY));
    share_frame(tap, process, &[6; 60]);
    transmit(tap, process, 60, 7).unwrap();
    card.finish(Ok(()), None);
    assert_eq!(process.upcalls(), []);
    card.finish(Ok(()), None);
    assert_eq!(process.upcalls(), [(SENT, (0, 60, 7))]);
    assert_eq!(card.drain(), [5, 6]);
    assert_eq!(sent(tap, process), (2, 120));
    assert_eq!(at_once(), None);
    card.finish(Err(ErrorCode::FAIL), None);
    assert_eq!(process.upcalls(), []);
    assert_eq!(card.drain(), [5]);
}

#[test]
fn a_frame_goes_out_and_is_reported_and_counted() {
    let (card, tap, [process]) = bench();
    let frame: Vec<u8> = (0..100).collect();
    share_frame(tap, process, &frame);
    transmit(tap, process, 60, 77).unwrap();
    assert_eq!(process.upcalls(), []);
    assert_eq!(sent(tap, process), (0, 0));
    card.finish(Ok(()), None);
    assert_eq!(card.sent.take(), [&frame[..60]]);
    assert_eq!(process.upcalls(), [(SENT, (0, 60, 77))]);
    assert_eq!(sent(tap, process), (1, 60));
}

#[test]
fn lengths_out_of_range_are_refused_and_cost_nothing() {
    let (card, tap, [process]) = bench();
    share_frame(tap, process, &[9; 2000]);
    for len in [0, 13, 1519, 65_535, 65_536, 65_596, usize::MAX] {
        assert_eq!(
            transmit(tap, process, len, 1),
            Err(ErrorCode::SIZE),
            "{len}"
        );
    }
    for len in [14, 1518] {
        assert_eq!(transmit(tap, process, len, 1), Ok(()), "{len}");
        card.finish(Ok(()), None);
    }
}

#[test]
fn a_frame_beyond_what_is_shared_is_refused() {
    let (_, tap, [process]) = bench();
    assert_eq!(transmit(tap, process, 60, 1), Err(ErrorCode::SIZE));
    share_frame(tap, process, &[1; 59]);
    assert_eq!(transmit(tap, process, 60, 1), Err(ErrorCode::SIZE));
    assert_eq!(transmit(tap, process, 59, 1), Ok(()));
}

#[test]
fn only_the_own_pending_frame_is_busy() {
    let (card, tap, [a, b]) = bench();
    share_frame(tap, a, &[b'a'; 60]);
    share_frame(tap, b, &[b'b'; 60]);
    transmit(tap, a, 60, 1).unwrap();
    transmit(tap, b, 60, 2).unwrap();
    assert_eq!(transmit(tap, a, 60, 3), Err(ErrorCode::BUSY));
    assert_eq!(transmit(tap, b, 60, 4), Err(ErrorCode::BUSY));
    assert_eq!(card.drain(), b"ab");
    assert_eq!(a.upcalls(), [(SENT, (0, 60, 1))]);
    assert_eq!(b.upcalls(), [(SENT, (0, 60, 2))]);
    transmit(tap, a, 60, 5).unwrap();
}

#[test]
fn processes_send_in_turn() {
    let (card, tap, [a, b, c]) = bench();
    for (process, mark) in [(a, b'a'), (b, b'b'), (c, b'c')] {
        share_frame(tap, process, &[mark; 60]);
    }
    transmit(tap, b, 60, 0).unwrap();
    transmit(tap, c, 60, 0).unwrap();
    transmit(tap, a, 60, 0).unwrap();
    for _ in 0..3 {
        card.finish(Ok(()), None);
        // `b` never pauses and still waits for the others.
        let _ = transmit(tap, b, 60, 0);
    }
    assert_eq!(card.drain(), b"bcab");
}

#[test]
fn a_waiting_frame_is_read_when_its_turn_comes() {
    let (card, tap, [a, b]) = bench();
    share_frame(tap, a, &[b'a'; 60]);
    share_frame(tap, b, &[b'1'; 60]);
    transmit(tap, a, 60, 1).unwrap();
    transmit(tap, b, 60, 2).unwrap();
    share_frame(tap, b, &[b'2'; 60]);
    assert_eq!(card.drain(), b"a2");
    // Now it has become too short meanwhile.
    transmit(tap, a, 60, 3).unwrap();
    transmit(tap, b, 60, 4).unwrap();
    share_frame(tap, b, &[b'3'; 59]);
    assert_eq!(card.drain(), b"a");
    let size = usize::from(ErrorCode::SIZE);
    assert_eq!(b.upcalls(), [(SENT, (0, 60, 2)), (SENT, (size, 60, 4))]);
    assert_eq!(sent(tap, b), (1, 60));
}

#[test]
fn a_timestamp_reaches_the_info_buffer_big_endian() {
    let (card, tap, [process]) = bench();
    share_frame(tap, process, &[1; 60]);
    let info = Memory::of(&[0xEE; 9]);
    process.allow_rw((tap, DRIVER_NUM), 1, info);
    transmit(tap, process, 60, 5).unwrap();
    card.finish(Ok(()), Some(0x0102_0304_0506_0708));
    assert_eq!(process.upcalls(), [(SENT, (0, 1 << 16 | 60, 5))]);
    assert_eq!(info.bytes(), [1, 2, 3, 4, 5, 6, 7, 8, 0xEE]);
    transmit(tap, process, 60, 6).unwrap();
    card.finish(Ok(()), None);
    assert_eq!(process.upcalls(), [(SENT, (0, 60, 6))]);
    assert_eq!(info.bytes(), [0, 0, 0, 0, 0, 0, 0, 0, 0xEE]);
    let short = Memory::of(&[0xEE; 7]);
    process.allow_rw((tap, DRIVER_NUM), 1, short);
    transmit(tap, process, 60, 7).unwrap();
    card.finish(Ok(()), Some(1));
    assert_eq!(short.bytes(), [0xEE; 7]);
}

#[test]
fn a_failed_transmission_is_reported_and_not_counted() {
    let (card, tap, [process]) = bench();
    share_frame(tap, process, &[1; 60]);
    transmit(tap, process, 60, 1).unwrap();
    card.finish(Err(ErrorCode::FAIL), None);
    let fail = usize::from(ErrorCode::FAIL);
    assert_eq!(process.upcalls(), [(SENT, (fail, 60, 1))]);
    assert_eq!(sent(tap, process), (0, 0));
}

#[test]
fn a_card_that_refuses_is_reported_at_once_or_in_turn() {
    let (card, tap, [a, b]) = bench();
    share_frame(tap, a, &[b'a'; 60]);
    share_frame(tap, b, &[b'b'; 60]);
    card.refuse.set(Some(ErrorCode::NODEVICE));
    assert_eq!(transmit(tap, a, 60, 1), Err(ErrorCode::NODEVICE));
    card.refuse.set(None);
    transmit(tap, a, 60, 2).unwrap();
    transmit(tap, b, 60, 3).unwrap();
    card.refuse.set(Some(ErrorCode::NODEVICE));
    card.finish(Ok(()), None);
    let nodevice = usize::from(ErrorCode::NODEVICE);
    assert_eq!(b.upcalls(), [(SENT, (nodevice, 60, 3))]);
    card.refuse.set(None);
    transmit(tap, b, 60, 4).unwrap();
    card.sent.take();
    assert_eq!(card.drain(), b"b");
}

#[test]
fn a_frame_that_stays_on_the_board_does_not_wait_for_the_only_buffer() {
    let (card, tap, [a, b, c]) = bench();
    share_frame(tap, a, &[b'a'; 60]);
    transmit(tap, a, 60, 1).unwrap();
    share_frame(tap, b, &[b'b'; 60]);
    transmit(tap, b, 60, 2).unwrap();
    let to_b = tap.command(0x101, 1, 0, b.id()).get_success_u64().unwrap();
    let mut frame = [b'c'; 60];
    frame[..6].copy_from_slice(&to_b.to_le_bytes()[..6]);
    share_frame(tap, c, &frame);
    let slice = Memory::zeroed(200);
    b.allow_rw((tap, DRIVER_NUM), 0, slice);
    for id in 3..5 {
        transmit(tap, c, 60, id).unwrap();
        assert_eq!(c.upcalls(), [(SENT, (0, 60, id))]);
    }
    assert_eq!(slice.bytes()[20..80], frame);
    assert_eq!(card.drain(), *b"ab");
    assert_eq!(b.upcalls(), [(RECEIVED, (0, 0, 0)), (SENT, (0, 60, 2))]);
}

#[test]
fn a_long_batch_between_processes_does_not_keep_others_from_the_card() {
    let (card, tap, [a, b, c]) = bench();
    let to_b = tap.command(0x101, 1, 0, b.id()).get_success_u64().unwrap();
    let mut entry = [0; 2 + 60];
    entry[..2].copy_from_slice(&60u16.to_ne_bytes());
    entry[2..8].copy_from_slice(&to_b.to_le_bytes()[..6]);
    let batch = entry.repeat(200);
    a.allow_ro((tap, DRIVER_NUM), 1, Memory::of(&batch));
    assert!(tap.command(0x106, batch.len(), 0, a.id()).is_success());
    share_frame(tap, c, &[b'c'; 60]);
    transmit(tap, c, 60, 1).unwrap();
    assert_eq!(card.drain(), [b'c']);
    assert_eq!(c.upcalls(), [(SENT, (0, 60, 1))]);
    assert_eq!(a.upcalls(), [(BATCH_DONE, (0, 200, batch.len()))]);
}

#[test]
fn a_process_that_ends_in_flight_costs_nobody_anything() {
    let (card, tap, [a, b]) = bench();
    share_frame(tap, a, &[b'a'; 60]);
    share_frame(tap, b, &[b'b'; 60]);
    transmit(tap, a, 60, 1).unwrap();
    transmit(tap, b, 60, 2).unwrap();
    a.restart();
    assert_eq!(card.drain(), b"ab");
    assert_eq!(a.upcalls(), []);
    assert_eq!(b.upcalls(), [(SENT, (0, 60, 2))]);
    // The same while it waits.
    share_frame(tap, a, &[b'A'; 60]);
    transmit(tap, b, 60, 3).unwrap();
    transmit(tap, a, 60, 4).unwrap();
    a.end();
    assert_eq!(card.drain(), b"b");
    transmit(tap, b, 60, 5).unwrap();
}

#[test]
fn a_completion_that_finds_the_queue_full_comes_later() {
    let (card, tap, [process]) = bench();
    share_frame(tap, process, &[1; 60]);
    transmit(tap, process, 60, 1).unwrap();
    process.fill_queue();
    card.finish(Ok(()), None);
    assert_eq!(transmit(tap, process, 60, 2), Err(ErrorCode::BUSY));
    assert_eq!(process.upcalls(), []);
    // The next command delivers it and goes on.
    transmit(tap, process, 60, 2).unwrap();
    assert_eq!(process.upcalls(), [(SENT, (0, 60, 1))]);
}

#[test]
fn every_process_with_a_slice_gets_every_frame() {
    let (card, tap, [a, b, without]) = bench();
    let (first, second) = (share_slice(tap, a, 200), share_slice(tap, b, 100));
    share_frame(tap, without, &[0; 60]);
    card.arrive(&[1; 60]);
    card.arrive(&[2; 70]);
    assert_eq!(a.upcalls(), [(RECEIVED, (0, 0, 0))]);
    let bytes = first.bytes();
    assert_eq!(bytes[4..8], 154u32.to_ne_bytes());
    assert_eq!(bytes[8 + 12..][..60], [1; 60]);
    assert_eq!(bytes[8 + 72..][..4], [0, 0, 70, 0]);
    assert_eq!(bytes[8 + 84..][..70], [2; 70]);
    assert_eq!(received(tap, a), (2, 130, 0));
    // One upcall for the first frame, one for the miss.
    assert_eq!(b.upcalls(), [(RECEIVED, (0, 0, 0)); 2]);
    assert_eq!(received(tap, b), (1, 60, 1));
    assert_eq!(second.bytes()[3], 1);
    assert_eq!(without.upcalls(), []);
    assert_eq!(received(tap, without), (0, 0, 0));
}

#[test]
fn a_fresh_slice_wakes_again() {
    let (card, tap, [process]) = bench();
    for _ in 0..3 {
        share_slice(tap, process, 100);
        card.arrive(&[1; 60]);
        assert_eq!(process.upcalls(), [(RECEIVED, (0, 0, 0))]);
    }
}

#[test]
fn a_first_frame_that_does_not_fit_wakes_too() {
    let (card, tap, [process]) = bench();
    share_slice(tap, process, 50);
    card.arrive(&[1; 60]);
    card.arrive(&[1; 60]);
    assert_eq!(process.upcalls(), [(RECEIVED, (0, 0, 0))]);
    assert_eq!(received(tap, process), (0, 0, 2));
}

#[test]
fn a_wake_up_that_finds_the_queue_full_comes_later() {
    let (card, tap, [process]) = bench();
    share_slice(tap, process, 1000);
    process.fill_queue();
    card.arrive(&[1; 60]);
    assert_eq!(process.upcalls(), []);
    card.arrive(&[1; 60]);
    assert_eq!(process.upcalls(), [(RECEIVED, (0, 0, 0))]);
    share_slice(tap, process, 1000);
    process.fill_queue();
    card.arrive(&[1; 60]);
    assert_eq!(process.upcalls(), []);
    received(tap, process);
    assert_eq!(process.upcalls(), [(RECEIVED, (0, 0, 0))]);
}

#[test]
fn receive_upcalls_that_nobody_took_leave_room_for_the_sent_one() {
    let (card, tap, [process]) = bench();
    share_frame(tap, process, &[1; 60]);
    // A process that takes frames as they come, and never yields.
    for _ in 0..20 {
        share_slice(tap, process, 100);
        card.arrive(&[1; 60]);
    }
    transmit(tap, process, 60, 1).unwrap();
    card.finish(Ok(()), None);
    let upcalls = process.upcalls();
    assert!(upcalls.contains(&(SENT, (0, 60, 1))), "{upcalls:?}");
    assert!(upcalls.contains(&(RECEIVED, (0, 0, 0))), "{upcalls:?}");
}

#[test]
fn drops_are_told_over_a_card_that_knows_of_none() {
    let (card, tap, [process]) = bench();
    share_slice(tap, process, 50);
    card.arrive(&[1; 60]);
    card.arrive(&[1; 13]);
    let drops = |direction| {
        let answer = tap.command(0x105, direction, 0, process.id());
        answer.get_success_3_u32().unwrap()
    };
    assert_eq!([0, 1].map(drops), [(1, 0, 1), (0, 0, 0)]);
}

#[test]
fn unknown_commands_are_refused() {
    let (_, tap, [process]) = bench();
    assert!(tap.command(0, 0, 0, process.id()).is_success());
    for unknown in [4, 0xFF, 0x108, usize::MAX] {
        assert_eq!(
            tap.command(unknown, 0, 0, process.id()).get_failure(),
            Some(ErrorCode::NOSUPPORT)
        );
    }
}

#[test]
fn there_is_no_card_with_a_link_behind_an_adapter_that_does_not_tell() {
    let (_, tap, [process]) = bench();
    assert_eq!(
        tap.command(0x100, 0, 0, process.id()).get_failure(),
        Some(ErrorCode::NODEVICE)
    );
}
