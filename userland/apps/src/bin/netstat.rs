// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Prints the state of the card and what has come and gone, whenever something has changed.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use tock_app::alarm::Clock;
use tock_app::ethernet::{
    self, Buffers, LINK_CHANGED, Link, ReceiveDrops, ReceiveStatistics, Receiver, Tap,
    TransmitDrops,
};
use tock_app::{ErrorCode, Singleton, println};
use tock_net::hardware::Mac;

tock_app::entry!(main, stack = 2048);

/// Counters are looked at this often, a change of the link at once.
const INTERVAL_MS: u32 = 1000;

static BUFFERS: Singleton<Buffers<8192>> = Singleton::new(Buffers::new());

/// What there is to tell; parts that the kernel does not know are missing.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Snapshot {
    link: Option<Link>,
    received: ReceiveStatistics,
    receive_drops: Option<ReceiveDrops>,
    transmitted: [u32; 2],
    transmit_drops: Option<TransmitDrops>,
}

impl Snapshot {
    fn take() -> Result<Self, ErrorCode> {
        Ok(Self {
            link: ethernet::link().ok(),
            received: ethernet::receive_statistics()?,
            receive_drops: ethernet::receive_drops().ok(),
            transmitted: ethernet::transmit_statistics()?,
            transmit_drops: ethernet::transmit_drops().ok(),
        })
    }

    /// Prints what differs from `before`.
    fn print_changes(&self, before: &Self) {
        if let Some(link) = self.link
            && self.link != before.link
        {
            let state = if link.is_up { "up" } else { "down" };
            println!(
                "netstat: link {state}, address {}, MTU {}",
                Mac(link.mac),
                link.mtu
            );
        }
        if (self.received, self.receive_drops) != (before.received, before.receive_drops) {
            let ReceiveStatistics {
                frames,
                bytes,
                dropped,
            } = self.received;
            match self.receive_drops {
                Some(drops) => println!(
                    "netstat: in {frames} frames, {bytes} bytes; dropped {} for want of room, {} by filter, {} malformed",
                    drops.no_room, drops.filtered, drops.malformed
                ),
                None => println!("netstat: in {frames} frames, {bytes} bytes; dropped {dropped}"),
            }
        }
        if (self.transmitted, self.transmit_drops) != (before.transmitted, before.transmit_drops) {
            let [frames, bytes] = self.transmitted;
            let drops = self.transmit_drops.unwrap_or_default();
            println!(
                "netstat: out {frames} frames, {bytes} bytes; dropped {} refused, {} lost, {} too long",
                drops.refused, drops.lost, drops.oversize
            );
        }
    }
}

fn main() -> Result<(), ErrorCode> {
    if !ethernet::exists() {
        println!("netstat: no network card; start the board with NET=user or another network");
        return Err(ErrorCode::NoDevice);
    }
    let buffers = BUFFERS.take().ok_or(ErrorCode::Already)?;
    let Tap { mut receiver, .. } = Tap::open(buffers)?;
    if ethernet::watch_link() == Err(ErrorCode::NoSupport) {
        println!("netstat: this kernel does not tell about the link");
    }
    let mut clock = Clock::start()?;
    let mut shown = Snapshot::default();
    loop {
        let now = Snapshot::take()?;
        now.print_changes(&shown);
        shown = now;
        count_frames(&mut receiver, &mut clock)?;
    }
}

/// Takes frames, which the kernel counts, until it is time to look again.
fn count_frames(receiver: &mut Receiver, clock: &mut Clock) -> Result<(), ErrorCode> {
    let end = clock.millis() + u64::from(INTERVAL_MS);
    loop {
        while receiver.receive().is_some() {}
        let left = end.saturating_sub(clock.millis());
        if left == 0 || ethernet::take_link_change().is_some() {
            return Ok(());
        }
        receiver.wait_any(&[&LINK_CHANGED], Some(left as u32))?;
    }
}
