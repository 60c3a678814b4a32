// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A station with an address of its own that tells the far end of the cable about each frame it
//! gets, and does what frames ask for.
//!
//! A frame of [`ASK`] has, behind its header, what to do, a number, and an address. A report is a frame of
//! [`REPORT`] with the destination and the source of what came, what to do, and the number. Frames of
//! [`COUNT`] are counted without a report.

use tock_app::ethernet::{
    Buffers, ReceiveStatistics, Tap, TransmitDrops, Transmitter, claim_mac, receive_drops,
    receive_statistics, transmit_drops, transmit_statistics,
};
use tock_app::{ErrorCode, Singleton, alarm, console, println};
use tock_net::hardware::Mac;

/// Small enough that a burst must wait in the ring.
const RECEIVE_BYTES: usize = 8 * 1024;

/// How long a lazy station sleeps after each frame. It makes room when it is through with all that it
/// had room for, which with the longest frames is before the kernel gives it up.
const NAP_MS: u32 = 2;

/// The far end of the cable.
const PEER: [u8; 6] = [0x02, 0, 0, 0, 0, 0x01];
const EVERYONE: [u8; 6] = [0xFF; 6];

/// Ethertype of frames that ask for something.
const ASK: [u8; 2] = [0x88, 0xB5];
/// Ethertype of reports.
const REPORT: [u8; 2] = [0x88, 0xB6];
/// Ethertype of frames to count: one that no other protocol here has.
const COUNT: [u8; 2] = [0x88, 0xB7];

/// What a frame asks for, beside the report.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wish {
    Nothing,
    /// Send a frame that asks for nothing to everyone.
    Broadcast,
    /// Send a frame that asks for nothing to the address.
    Unicast,
    /// Take no more frames until a key is pressed.
    Stall,
    /// Report the number of frames counted, and start counting anew.
    Tell,
    /// Sleep after each frame, from now on.
    Laze,
    /// Report the number of frames that found no room.
    TellMissed,
    /// Print the kernel's counts.
    Print,
}

impl Wish {
    fn from_number(number: u8) -> Self {
        match number {
            1 => Self::Broadcast,
            2 => Self::Unicast,
            3 => Self::Stall,
            4 => Self::Tell,
            5 => Self::Laze,
            6 => Self::TellMissed,
            7 => Self::Print,
            _ => Self::Nothing,
        }
    }
}

/// The parts of a frame.
struct Frame {
    destination: [u8; 6],
    source: [u8; 6],
    kind: [u8; 2],
    wish: u8,
    number: [u8; 4],
    address: [u8; 6],
}

impl Frame {
    fn read(frame: &[u8]) -> Option<Self> {
        let (destination, rest) = frame.split_first_chunk()?;
        let (source, rest) = rest.split_first_chunk()?;
        let (kind, rest) = rest.split_first_chunk()?;
        let (wish, rest) = rest.split_first()?;
        let (number, rest) = rest.split_first_chunk()?;
        Some(Self {
            destination: *destination,
            source: *source,
            kind: *kind,
            wish: *wish,
            number: *number,
            address: *rest.first_chunk()?,
        })
    }
}

static BUFFERS: Singleton<Buffers<RECEIVE_BYTES>> = Singleton::new(Buffers::new());

struct Station {
    transmitter: Transmitter,
    own: [u8; 6],
    counted: u32,
    /// Woken up, and not yet done with what came meanwhile.
    is_waking: bool,
    is_lazy: bool,
}

/// The app.
pub fn main() -> Result<(), ErrorCode> {
    let buffers = BUFFERS.take().ok_or(ErrorCode::Already)?;
    let Tap {
        mut receiver,
        transmitter,
    } = Tap::open(buffers)?;
    let mut station = Station {
        transmitter,
        own: claim_mac()?,
        counted: 0,
        is_waking: false,
        is_lazy: false,
    };
    println!("station: {}", Mac(station.own));
    loop {
        receiver.wait();
        while let Some(frame) = receiver.receive() {
            if let Some(frame) = Frame::read(frame) {
                station.take(&frame)?;
            }
            if station.is_lazy {
                alarm::sleep_ms(NAP_MS)?;
            }
        }
        station.flush();
        if core::mem::take(&mut station.is_waking) {
            println!("station: awake");
        }
    }
}

impl Station {
    fn take(&mut self, frame: &Frame) -> Result<(), ErrorCode> {
        match frame.kind {
            COUNT => {
                self.counted += 1;
                Ok(())
            }
            ASK => self.obey(frame),
            _ => Ok(()),
        }
    }

    fn obey(&mut self, frame: &Frame) -> Result<(), ErrorCode> {
        let wish = Wish::from_number(frame.wish);
        let number = match wish {
            Wish::Tell => core::mem::take(&mut self.counted).to_be_bytes(),
            Wish::TellMissed => receive_drops()?.no_room.to_be_bytes(),
            _ => frame.number,
        };
        let parts = [
            &frame.destination[..],
            &frame.source,
            &[frame.wish],
            &number,
        ];
        self.send(PEER, REPORT, parts);
        let ask = [&[0][..], &frame.number, &[], &[]];
        match wish {
            Wish::Nothing | Wish::Tell | Wish::TellMissed => Ok(()),
            Wish::Laze => {
                self.is_lazy = true;
                Ok(())
            }
            Wish::Broadcast => {
                self.send(EVERYONE, ASK, ask);
                Ok(())
            }
            Wish::Unicast => {
                self.send(frame.address, ASK, ask);
                Ok(())
            }
            Wish::Print => {
                self.flush();
                self.print_counts()
            }
            Wish::Stall => {
                self.flush();
                console::ask(b"station: stalled\n", &mut [0])?;
                self.is_waking = true;
                Ok(())
            }
        }
    }

    fn print_counts(&self) -> Result<(), ErrorCode> {
        let ReceiveStatistics { frames, bytes, .. } = receive_statistics()?;
        let [sent, sent_bytes] = transmit_statistics()?;
        let TransmitDrops {
            refused,
            lost,
            oversize,
        } = transmit_drops()?;
        println!(
            "station {}: in {frames} frames, {bytes} bytes; out {sent} frames, {sent_bytes} bytes; refused {refused}, lost {lost}, too long {oversize}",
            Mac(self.own)
        );
        Ok(())
    }

    /// Has everything sent. What cannot be is missed by whoever waits for it.
    fn flush(&mut self) {
        let _ = self.transmitter.flush();
    }

    fn send(&mut self, to: [u8; 6], kind: [u8; 2], parts: [&[u8]; 4]) {
        let own = self.own;
        self.transmitter.queue_or_drop(60, |frame| {
            let header = to.into_iter().chain(own).chain(kind);
            let bytes = parts.iter().flat_map(|part| part.iter().copied());
            let all = header.chain(bytes).chain(core::iter::repeat(0));
            for (to, from) in frame.iter_mut().zip(all) {
                *to = from;
            }
        });
    }
}
