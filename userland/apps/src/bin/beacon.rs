// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Sends a numbered frame to everyone a hundred times a second, and tells what becomes of the link.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use tock_app::ethernet::{
    Buffers, Filter, LINK_CHANGED, RECEIVE_MINIMUM, Tap, claim_mac, set_filter, take_link_change,
    watch_link,
};
use tock_app::{ErrorCode, Singleton, alarm, println};

tock_app::entry!(main, stack = 2048);

const INTERVAL_MS: u32 = 10;

static BUFFERS: Singleton<Buffers<RECEIVE_MINIMUM>> = Singleton::new(Buffers::new());

fn main() -> Result<(), ErrorCode> {
    let buffers = BUFFERS.take().ok_or(ErrorCode::Already)?;
    let Tap {
        mut transmitter, ..
    } = Tap::open(buffers)?;
    let own = claim_mac()?;
    set_filter(Filter::NOTHING)?;
    let mut is_up = watch_link()?.is_up;
    println!("beacon: link {}", word(is_up));
    let mut refused = None;
    for number in 0u32.. {
        let sent = transmitter
            .transmit_with(60, |frame| {
                // To everyone, with the ethertype for local experiments.
                let header = [0xFF; 6].into_iter().chain(own).chain([0x88, 0xB5]);
                let all = header.chain(number.to_be_bytes());
                for (to, from) in frame.iter_mut().zip(all.chain([0; 42])) {
                    *to = from;
                }
            })
            .and_then(|()| transmitter.flush());
        if sent.err() != refused {
            refused = sent.err();
            match refused {
                Some(error) => println!("beacon: {number} and following: {error:?}"),
                None => println!("beacon: {number} and following: sent"),
            }
        }
        alarm::wait_any(&[&LINK_CHANGED], Some(INTERVAL_MS))?;
        if let Some(state) = take_link_change()
            && state.is_up != is_up
        {
            is_up = state.is_up;
            println!("beacon: link {}", word(is_up));
        }
    }
    Ok(())
}

fn word(is_up: bool) -> &'static str {
    if is_up { "up" } else { "down" }
}
