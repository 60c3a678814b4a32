// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The far end of the board's network cable: sends frames as the app orders.
//!
//! Frames travel as datagrams over Unix sockets, which neither drop nor reorder.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// Ethertype of orders: the first one for local experiments.
const ORDER: [u8; 2] = [0x88, 0xB5];
/// Where the order starts in its frame.
const HEADER: usize = 14;
/// Destination, source and ethertype of the frames sent: QEMU's address for the first card, a locally
/// administered one, and the second ethertype for local experiments.
const FRAME_HEADER: [u8; HEADER] = [
    0x52, 0x54, 0x00, 0x12, 0x34, 0x56, 0x02, 0, 0, 0, 0, 1, 0x88, 0xB6,
];
/// Longest frame of a card without offloads.
const LONGEST: usize = 1514;
/// Pause before a frame that is to find the board asleep.
const PACE: Duration = Duration::from_millis(5);

/// What an app wants to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Order {
    flow: Flow,
    length: usize,
    count: u32,
}

/// In which rhythm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    /// One for each that comes back, with so many under way. One alone finds the board asleep.
    Echo { in_flight: u32 },
    /// One after the other with pauses.
    Paced,
    /// All at once.
    Burst,
}

impl Order {
    /// Reads an order; any other frame gives `None`.
    fn parse(frame: &[u8]) -> Option<Order> {
        let (header, order) = frame.split_first_chunk::<HEADER>()?;
        if !header.ends_with(&ORDER) {
            return None;
        }
        let [flow, l0, l1, f0, f1, c0, c1, c2, c3] = *order.first_chunk()?;
        Some(Order {
            flow: match flow {
                1 => Flow::Echo {
                    in_flight: u16::from_be_bytes([f0, f1]).into(),
                },
                2 => Flow::Paced,
                3 => Flow::Burst,
                _ => return None,
            },
            length: usize::from(u16::from_be_bytes([l0, l1])).clamp(HEADER, LONGEST),
            count: u32::from_be_bytes([c0, c1, c2, c3]),
        })
    }

    /// The frame to send each time.
    fn frame(&self) -> Vec<u8> {
        let mut frame = FRAME_HEADER.to_vec();
        frame.resize(self.length, 0);
        frame
    }
}

/// Starts a peer with its sockets in `directory`; returns QEMU's arguments for a card on its cable.
///
/// The peer serves until the program ends: its cable makes no sound once QEMU is gone.
///
/// # Errors
///
/// The socket cannot be made.
pub fn start(directory: &Path) -> io::Result<Vec<String>> {
    let (board, peer) = (directory.join("board"), directory.join("peer"));
    let socket = UnixDatagram::bind(&peer)?;
    let netdev = format!(
        "dgram,id=cable,local.type=unix,local.path={},remote.type=unix,remote.path={}",
        board.display(),
        peer.display()
    );
    thread::spawn(move || serve(&Cable { socket, board }));
    let arguments = [
        "-netdev",
        &netdev,
        "-device",
        "virtio-net-device,netdev=cable",
    ];
    Ok(arguments.map(str::to_owned).into())
}

/// One end of the cable.
struct Cable {
    socket: UnixDatagram,
    board: PathBuf,
}

impl Cable {
    fn send(&self, frame: &[u8]) -> io::Result<()> {
        self.socket.send_to(frame, &self.board).map(drop)
    }
}

/// Obeys orders until QEMU is gone.
fn serve(cable: &Cable) {
    let mut bytes = [0; LONGEST + 1];
    let (mut frame, mut unsent, mut alone) = (Vec::new(), 0, false);
    while let Ok(length) = cable.socket.recv(&mut bytes) {
        let sent = match Order::parse(&bytes[..length]) {
            Some(order) => {
                frame = order.frame();
                let first = match order.flow {
                    Flow::Echo { in_flight } => order.count.min(in_flight),
                    Flow::Paced | Flow::Burst => order.count,
                };
                unsent = order.count - first;
                alone = first == 1;
                (0..first).try_for_each(|_| {
                    if order.flow == Flow::Paced {
                        thread::sleep(PACE);
                    }
                    cable.send(&frame)
                })
            }
            None if unsent > 0 => {
                unsent -= 1;
                if alone {
                    thread::sleep(PACE);
                }
                cable.send(&frame)
            }
            None => Ok(()),
        };
        if sent.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(words: [u8; 9]) -> Vec<u8> {
        let mut frame = vec![0xFF; 12];
        frame.extend(ORDER);
        frame.extend(words);
        frame
    }

    #[test]
    fn orders_are_told_from_other_frames() {
        let echo = Order {
            flow: Flow::Echo { in_flight: 8 },
            length: 1514,
            count: 1025,
        };
        assert_eq!(
            Order::parse(&order([1, 5, 0xEA, 0, 8, 0, 0, 4, 1])),
            Some(echo)
        );
        assert_eq!(Order::parse(&FRAME_HEADER), None);
        assert_eq!(Order::parse(&order([9; 9])), None);
        assert_eq!(Order::parse(&[]), None);
    }

    #[test]
    fn an_echo_order_keeps_its_frames_under_way_until_all_are_sent() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        start(directory.path()).expect("a socket");
        let board = UnixDatagram::bind(directory.path().join("board")).expect("a socket");
        board
            .set_read_timeout(Some(Duration::from_secs(20)))
            .expect("a deadline");
        let to_peer = |frame: &[u8]| {
            board
                .send_to(frame, directory.path().join("peer"))
                .expect("the peer listens");
        };
        to_peer(&order([1, 0, 60, 0, 2, 0, 0, 0, 3]));
        let mut bytes = [0; LONGEST];
        let mut received = || board.recv(&mut bytes).expect("a frame");
        assert_eq!([received(), received()], [60, 60]);
        to_peer(&FRAME_HEADER);
        assert_eq!(received(), 60);
        // Nothing is left to send, so the next frame belongs to the next order.
        to_peer(&FRAME_HEADER);
        to_peer(&order([3, 0, 70, 0, 0, 0, 0, 0, 1]));
        assert_eq!(received(), 70);
    }
}
