// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Sends every frame back to where it came from.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use tock_app::ethernet::{Buffers, Tap, exists, transmit_bytes};
use tock_app::{ErrorCode, Singleton, println};

tock_app::entry!(main, stack = 2048);

/// Room for several frames of any size, so that a burst survives while one is sent.
const RECEIVE_BYTES: usize = 16 * 1024;

/// Room for what may leave together.
const TRANSMIT_BYTES: usize = transmit_bytes(8);

static BUFFERS: Singleton<Buffers<RECEIVE_BYTES, TRANSMIT_BYTES>> = Singleton::new(Buffers::new());

fn main() -> Result<(), ErrorCode> {
    if !exists() {
        println!("echo: no network card; start the board with NET=user or another network");
        return Err(ErrorCode::NoDevice);
    }
    let buffers = BUFFERS.take().ok_or(ErrorCode::Already)?;
    let mut tap = Tap::open(buffers)?;
    println!("echo: returning every frame to its sender");
    let mut failed = 0;
    loop {
        tap.receiver.wait();
        while let Some(sent) = tap.forward(swap_addresses) {
            if let Err(error) = sent {
                println!("echo: frames were not sent ({error:?})");
            }
        }
        // The card's reason for losing frames is worth a line, too.
        if let Err(error) = tap.transmitter.flush() {
            println!("echo: frames were lost ({error:?})");
        }
        // Those of a batch before others have no other witness.
        let now_failed = tap.transmitter.failed();
        if now_failed != failed {
            failed = now_failed;
            println!("echo: {failed} frames were lost in all");
        }
    }
}

/// Makes the sender the receiver; frames without both are not sent.
fn swap_addresses(frame: &mut [u8]) -> bool {
    let Some((addresses, _)) = frame.split_at_mut_checked(12) else {
        return false;
    };
    addresses.rotate_left(6);
    true
}
