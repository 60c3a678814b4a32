// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Sends every frame back to where it came from, with nothing but what the Ethernet tap has on other boards
//! too: two slices that change places, a frame at a time with a callback at its end, and statistics.
//!
//! With each frame it draws random numbers, in as plain a way. An answer that is not as it should be ends the app with a line
//! that says WRONG.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use tock_app::trespass::calls::{Caller, class};
use tock_app::upcall::Upcall;
use tock_app::{ErrorCode, println, syscall};

tock_app::entry!(main, stack = 4096, heap = ARENA);

const TAP: usize = 0x30007;
const RECEIVE_STATISTICS: usize = 1;
const TRANSMIT_STATISTICS: usize = 2;
const TRANSMIT: usize = 3;
/// Read-only and read-write: frame to send, slice for frames, time of transmission.
const FRAME: usize = 0;
const SLICE: usize = 0;
const TIME: usize = 1;

const RNG: usize = 0x40001;
const GET: usize = 1;
const BYTES: usize = 0;

static RECEIVED: Upcall = Upcall::new(TAP, 0);
static SENT: Upcall = Upcall::new(TAP, 1);
static DRAWN: Upcall = Upcall::new(RNG, 0);

/// Where things are in the arena.
const SLICE_BYTES: usize = 4096;
const SLICES: [usize; 2] = [0, SLICE_BYTES];
const FRAME_AT: usize = 2 * SLICE_BYTES;
const FRAME_BYTES: usize = 1520;
const TIME_AT: usize = FRAME_AT + FRAME_BYTES;
const TIME_BYTES: usize = 8;
const RANDOM_AT: usize = TIME_AT + TIME_BYTES;
const RANDOM_BYTES: usize = 16;
const ARENA: usize = RANDOM_AT + RANDOM_BYTES;

/// Headers of a slice and of a frame in it.
const SLICE_HEADER: usize = 8;
const CHUNK_HEADER: usize = 12;

/// Frames between two lines with the kernel's counts.
const REPORT: u32 = 100;

fn main() -> Result<(), ErrorCode> {
    let mut echo = Echo {
        caller: Caller::new(ARENA)?,
        with_kernel: 0,
        sent: 0,
    };
    let outcome = echo.run();
    if let Err(error) = outcome {
        println!("plain_echo: WRONG after {} frames: {error:?}", echo.sent);
    }
    outcome
}

struct Echo {
    caller: Caller,
    /// Which slice the kernel has.
    with_kernel: usize,
    sent: u32,
}

impl Echo {
    fn run(&mut self) -> Result<(), ErrorCode> {
        for upcall in [&RECEIVED, &SENT, &DRAWN] {
            upcall.enable()?;
        }
        let empty = [0; SLICE_HEADER];
        self.caller.store(SLICES[0], &empty)?;
        self.allow(
            class::ALLOW_READ_WRITE,
            [TAP, SLICE],
            SLICES[0],
            SLICE_BYTES,
        )?;
        self.allow(class::ALLOW_READ_WRITE, [TAP, TIME], TIME_AT, TIME_BYTES)?;
        self.allow(
            class::ALLOW_READ_WRITE,
            [RNG, BYTES],
            RANDOM_AT,
            RANDOM_BYTES,
        )?;
        println!("plain_echo: returning every frame to its sender");
        loop {
            RECEIVED.wait();
            // What comes from here on goes to the other slice, and has an upcall of its own.
            let (full, other) = (SLICES[self.with_kernel], 1 - self.with_kernel);
            self.caller.store(SLICES[other], &empty)?;
            let back = self.allow(
                class::ALLOW_READ_WRITE,
                [TAP, SLICE],
                SLICES[other],
                SLICE_BYTES,
            )?;
            ensure(back == [self.caller.arena().start + full, SLICE_BYTES])?;
            self.with_kernel = other;
            self.return_frames(full)?;
        }
    }

    /// Sends all frames of a slice.
    fn return_frames(&mut self, slice: usize) -> Result<(), ErrorCode> {
        let mut header = [0; SLICE_HEADER];
        self.caller.load(slice, &mut header)?;
        let [version_low, version_high, flags_high, flags_low, used @ ..] = header;
        // The last bit says that a frame found no room. It may come into the other slice then.
        ensure([version_low, version_high, flags_high, flags_low & !1] == [0; 4])?;
        let end = slice + SLICE_HEADER + u32::from_ne_bytes(used) as usize;
        ensure(end <= slice + SLICE_BYTES)?;
        let mut at = slice + SLICE_HEADER;
        while at < end {
            let mut header = [0; CHUNK_HEADER];
            self.caller.load(at, &mut header)?;
            let [_, _, low, high, ..] = header;
            let length = usize::from(u16::from_ne_bytes([low, high]));
            at += CHUNK_HEADER;
            ensure(at + length <= end && length <= FRAME_BYTES)?;
            let mut bytes = [0; FRAME_BYTES];
            let frame = bytes.get_mut(..length).ok_or(ErrorCode::Size)?;
            self.caller.load(at, frame)?;
            at += length;
            let (addresses, _) = frame.split_at_mut_checked(12).ok_or(ErrorCode::Size)?;
            addresses.rotate_left(6);
            self.send(frame)?;
            self.draw()?;
            if self.sent.is_multiple_of(REPORT) {
                report()?;
            }
        }
        ensure(at == end)
    }

    /// Sends a frame and waits for its end.
    fn send(&mut self, frame: &[u8]) -> Result<(), ErrorCode> {
        self.caller.store(FRAME_AT, frame)?;
        self.caller.store(TIME_AT, &[0xA5; TIME_BYTES])?;
        self.allow(class::ALLOW_READ_ONLY, [TAP, FRAME], FRAME_AT, frame.len())?;
        let id = 0xE000_0000 | self.sent;
        syscall::command(TAP, TRANSMIT, frame.len(), id as usize)?;
        let [status, flags_and_length, told_id] = SENT.wait();
        ErrorCode::check_status(status)?;
        ensure(told_id == id && (flags_and_length & 0xFFFF) as usize == frame.len())?;
        let mut time = [0; TIME_BYTES];
        self.caller.load(TIME_AT, &mut time)?;
        let has_time = flags_and_length >> 16 & 1 == 1;
        ensure(has_time || time == [0; TIME_BYTES])?;
        self.allow(class::ALLOW_READ_ONLY, [TAP, FRAME], 0, 0)?;
        self.sent += 1;
        Ok(())
    }

    /// Draws random numbers and waits for them.
    fn draw(&mut self) -> Result<(), ErrorCode> {
        syscall::command(RNG, GET, RANDOM_BYTES, 0)?;
        let [status, count, _] = DRAWN.wait();
        ErrorCode::check_status(status)?;
        ensure(count as usize == RANDOM_BYTES)
    }

    /// Shares a part of the arena, and returns what the driver had before.
    fn allow(
        &mut self,
        class: usize,
        [driver, number]: [usize; 2],
        offset: usize,
        length: usize,
    ) -> Result<[usize; 2], ErrorCode> {
        let address = self.caller.arena().start + offset;
        let arguments = [driver, number, address, length];
        let answer = self.caller.call(class, arguments);
        match answer.as_ref().and_then(|answer| answer.values(arguments)) {
            Some(&[address, length]) => Ok([address, length]),
            _ => Err(ErrorCode::BadReturn),
        }
    }
}

/// Tells the kernel's counts.
fn report() -> Result<(), ErrorCode> {
    let [received, received_bytes, missed] = syscall::command_3_u32(TAP, RECEIVE_STATISTICS, 0, 0)?;
    let [sent, sent_bytes] = syscall::command_2_u32(TAP, TRANSMIT_STATISTICS, 0, 0)?;
    println!(
        "plain_echo: in {received} frames, {received_bytes} bytes, {missed} missed; out {sent} frames, {sent_bytes} bytes"
    );
    Ok(())
}

fn ensure(holds: bool) -> Result<(), ErrorCode> {
    if holds {
        Ok(())
    } else {
        Err(ErrorCode::BadReturn)
    }
}
