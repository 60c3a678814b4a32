// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The Ethernet tap over a card that keeps frames, takes several, and has a link.

pub mod card;
#[cfg(test)]
mod commands;
#[cfg(test)]
mod on_board;
#[cfg(test)]
mod random;
#[cfg(test)]
mod receive;
#[cfg(test)]
mod switching;
#[cfg(test)]
mod transmit;
pub mod world;

use capsules_extra::ethernet_tap::{
    DRIVER_NUM, EthernetTapDriver, Extended, LookAgain, MAX_MTU, Retry,
};
use card::{CARD, Card};
use core::cell::Cell;
use kernel::ErrorCode;
use kernel::hil::ethernet_adapter::EthernetAdapter;
use kernel::syscall::{CommandReturn, SyscallDriver};
use kernel::testing::{FakeProcess, Host, Memory, Upcall, forever};

pub const POOL: usize = 8;

pub type Tap = EthernetTapDriver<'static, Card, Extended, 8>;

/// The delay that the tap has asked for, and a clock.
#[derive(Default)]
pub struct Timer {
    armed: Cell<Option<u32>>,
    micros: Cell<u32>,
    lap_began: Cell<u32>,
}

impl Timer {
    fn pass(&self, micros: u32) {
        self.micros.set(self.micros.get().wrapping_add(micros));
    }
}

impl Retry for Timer {
    fn arm(&self, delay_ms: u32) {
        let sooner = self.armed.get().is_none_or(|armed| delay_ms < armed);
        assert!(sooner, "armed twice");
        self.armed.set(Some(delay_ms));
    }

    fn lap(&self) -> u32 {
        let now = self.micros.get();
        now.wrapping_sub(self.lap_began.replace(now))
    }

    fn ticks_per_ms(&self) -> u32 {
        1000
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
        let card: &'static Card = forever(Card::new());
        let buffers: [&'static mut [u8]; POOL] =
            core::array::from_fn(|_| &mut Box::leak(Box::new([0; MAX_MTU]))[..]);
        let tap = forever(Tap::with_pool(card, host.grant(DRIVER_NUM), buffers));
        let timer: &'static Timer = forever(Timer::default());
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
        let delay = self.timer.armed.take()?;
        self.timer.pass(1000 * delay);
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
        self.frames_from(0)
    }

    /// How many bytes frames and their headers take.
    pub fn used(self) -> usize {
        let offset = self.0.first(8).bytes()[4..8].try_into().unwrap();
        u32::from_ne_bytes(offset) as usize
    }

    /// The frames behind a place between two.
    pub fn frames_from(self, start: usize) -> Vec<Vec<u8>> {
        let bytes = self.0.bytes();
        let mut data = &bytes[8 + start..8 + self.used()];
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
const AT_ONCE: usize = 0x107;

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
