// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Sends, receives and returns frames for `tools/bench`, which is the other end of the cable.
//!
//! Before a window in which frames come in, the app sends an order that says which and how many.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use tock_app::ethernet::{
    Buffers, ReceiveDrops, Receiver, Tap, Transmitter, receive_drops, transmit_bytes,
};
use tock_app::syscall::{command, wait_for};
use tock_app::{ErrorCode, Singleton, println, share};
use tock_bench::{done, window};

tock_app::entry!(main, stack = 4096);

const TAP: usize = 0x30007;

/// Room for what rings and sockets hold when a busy host has stopped the board for a while.
const RECEIVE_BYTES: usize = 48 * 1024;

/// Ethertype of orders to the peer: the first one for local experiments.
const ORDER: [u8; 2] = [0x88, 0xB5];
/// Ethertype of everything else that is sent here: the second one.
const PAYLOAD: [u8; 2] = [0x88, 0xB6];

/// Bytes of a frame before its payload.
const HEADER: usize = 14;

/// What the peer is to do.
#[derive(Clone, Copy)]
enum Flow {
    /// Keep so many frames under way that the app returns each.
    Echo { in_flight: u16 },
    /// Send one frame after the other with long pauses.
    Paced,
    /// Send all frames at once.
    Burst,
}

const FRAMES: u32 = 1024;
/// Frames in a batch, and their bytes with the length before each.
const BATCH: u32 = 8;
const BATCH_BYTES: usize = BATCH as usize * (2 + 60);
const PACED_FRAMES: u32 = 128;
const BURSTS: u32 = 8;
const BURST_FRAMES: u32 = 100;

/// Room for what is echoed together.
const TRANSMIT_BYTES: usize = transmit_bytes(8);

static BUFFERS: Singleton<Buffers<RECEIVE_BYTES, TRANSMIT_BYTES>> = Singleton::new(Buffers::new());

fn main() -> Result<(), ErrorCode> {
    let mut frame = [0; 1514];
    if let Some(start) = frame.first_chunk_mut() {
        *start = header(PAYLOAD);
    }
    for (name, length) in [
        ("transmit-60", 60),
        ("transmit-512", 512),
        ("transmit-1514", 1514),
    ] {
        share::read_only(TAP, 0, &frame, || {
            window(name, FRAMES, 1, || transmit(length))
        })??;
    }
    transmit_batches()?;
    let buffers = BUFFERS.take().ok_or(ErrorCode::Already)?;
    let mut tap = Tap::open(buffers)?;
    for (name, length, in_flight, frames) in [
        ("echo-60-window-1", 60, 1, PACED_FRAMES),
        ("echo-60-window-8", 60, 8, FRAMES),
        ("echo-1514-window-1", 1514, 1, PACED_FRAMES),
        ("echo-1514-window-8", 1514, 8, FRAMES),
    ] {
        let flow = Flow::Echo { in_flight };
        order(&mut tap.transmitter, flow, length, frames + 1)?;
        window(name, frames, 1, || echo(&mut tap))?;
        tap.transmitter.flush()?;
    }
    let Tap {
        mut receiver,
        mut transmitter,
    } = tap;
    for (name, length) in [("receive-60", 60), ("receive-1514", 1514)] {
        order(&mut transmitter, Flow::Paced, length, PACED_FRAMES + 1)?;
        window(name, PACED_FRAMES, 1, || {
            take(&mut receiver);
            Ok(())
        })?;
    }
    // With the order inside the window: the burst begins before the order is over.
    window("receive-burst", BURSTS, BURST_FRAMES, || {
        order(&mut transmitter, Flow::Burst, 60, BURST_FRAMES)?;
        (0..BURST_FRAMES).for_each(|_| take(&mut receiver));
        Ok(())
    })?;
    check_drops();
    done();
    Ok(())
}

/// Frames were lost between the card and the app, if the kernel knows: that is an error, whatever the
/// peer made up for.
fn check_drops() {
    match receive_drops() {
        Ok(drops) if drops != ReceiveDrops::default() => {
            println!("bench: receive dropped: {drops:?}")
        }
        _ => {}
    }
}

/// The header of a frame from the card's usual address to everyone.
fn header(ethertype: [u8; 2]) -> [u8; HEADER] {
    let [high, low] = ethertype;
    [
        0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x52, 0x54, 0x00, 0x12, 0x34, 0x56, high, low,
    ]
}

/// Sends the first bytes of the buffer shared before and waits until the card has them.
fn transmit(length: usize) -> Result<(), ErrorCode> {
    command(TAP, 3, length, 0)?;
    match wait_for(TAP, 1) {
        [0, ..] => Ok(()),
        [code, ..] => Err(ErrorCode::from_number(code as usize)),
    }
}

/// Transmits frames of 60 bytes in batches, on a kernel that has this command.
fn transmit_batches() -> Result<(), ErrorCode> {
    let mut batch = [0; BATCH_BYTES];
    for entry in batch.chunks_exact_mut(2 + 60) {
        let start = 60u16.to_ne_bytes().into_iter().chain(header(PAYLOAD));
        for (byte, value) in entry.iter_mut().zip(start) {
            *byte = value;
        }
    }
    share::read_only(TAP, 1, &batch, || {
        if command(TAP, 0x106, 0, 0) == Err(ErrorCode::NoSupport) {
            return Ok(());
        }
        window("batch-60", FRAMES / BATCH, BATCH, || {
            command(TAP, 0x106, BATCH_BYTES, 0)?;
            match wait_for(TAP, 3) {
                [0, BATCH, _] => Ok(()),
                [0, ..] => Err(ErrorCode::Size),
                [code, ..] => Err(ErrorCode::from_number(code as usize)),
            }
        })
    })
    // A kernel without batches refuses their buffer already.
    .unwrap_or(Ok(()))
}

/// Tells the peer what to do next.
fn order(
    transmitter: &mut Transmitter,
    flow: Flow,
    length: u16,
    count: u32,
) -> Result<(), ErrorCode> {
    let (number, in_flight) = match flow {
        Flow::Echo { in_flight } => (1, in_flight),
        Flow::Paced => (2, 0),
        Flow::Burst => (3, 0),
    };
    let ([length_0, length_1], [flight_0, flight_1]) =
        (length.to_be_bytes(), in_flight.to_be_bytes());
    let [count_0, count_1, count_2, count_3] = count.to_be_bytes();
    let words = [
        number, length_0, length_1, flight_0, flight_1, count_0, count_1, count_2, count_3,
    ];
    transmitter.transmit_with(60, |bytes| {
        let values = header(ORDER).into_iter().chain(words).chain([0; 37]);
        for (byte, value) in bytes.iter_mut().zip(values) {
            *byte = value;
        }
    })?;
    transmitter.flush()
}

/// Returns one frame to its sender. Those that came together leave together.
fn echo(tap: &mut Tap) -> Result<(), ErrorCode> {
    loop {
        if let Some(sent) = tap.forward(|_| true) {
            return sent;
        }
        tap.transmitter.submit()?;
        tap.receiver.wait();
    }
}

/// Takes one frame.
fn take(receiver: &mut Receiver) {
    while receiver.receive().is_none() {
        receiver.wait();
    }
}
