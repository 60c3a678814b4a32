// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The far end of the board's network cable: sends frames as the app orders.
//!
//! Frames travel as datagrams over Unix sockets, which neither drop nor reorder. What the board drops
//! is sent again after a while, and counted, so that the app comes to an end.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
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

/// How long nothing comes from a board that waits for a frame which was dropped.
const SILENCE: Duration = Duration::from_secs(4);

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

/// A peer that serves a board.
pub struct Peer {
    /// QEMU's arguments for a card on the peer's cable.
    pub arguments: Vec<String>,
    /// How many frames had to be sent again.
    resent: Arc<AtomicU32>,
}

impl Peer {
    /// Counts the frames that had to be sent again, because the board did not get on.
    #[must_use]
    pub fn resent(&self) -> u32 {
        self.resent.load(Relaxed)
    }
}

/// Starts a peer with its sockets in `directory`.
///
/// The peer serves until the program ends: its cable makes no sound once QEMU is gone.
///
/// # Errors
///
/// The socket cannot be made.
pub fn start(directory: &Path) -> io::Result<Peer> {
    serve_after(directory, SILENCE)
}

fn serve_after(directory: &Path, silence: Duration) -> io::Result<Peer> {
    let (board, peer) = (directory.join("board"), directory.join("peer"));
    let socket = UnixDatagram::bind(&peer)?;
    socket.set_read_timeout(Some(silence))?;
    let netdev = format!(
        "dgram,id=cable,local.type=unix,local.path={},remote.type=unix,remote.path={}",
        board.display(),
        peer.display()
    );
    let resent = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&resent);
    thread::spawn(move || serve(&Cable { socket, board }, &counter));
    let arguments = [
        "-netdev",
        &netdev,
        "-device",
        "virtio-net-device,netdev=cable",
    ];
    Ok(Peer {
        arguments: arguments.map(str::to_owned).into(),
        resent,
    })
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

/// What is left of an order.
struct Task {
    order: Order,
    frame: Vec<u8>,
    unsent: u32,
    /// Frames that are to come back; of a flow without that, one until the next order.
    awaited: u32,
}

impl Task {
    /// Takes an order and sends what is to be sent at once.
    fn begin(order: Order, cable: &Cable) -> io::Result<Task> {
        let (first, awaited) = match order.flow {
            Flow::Echo { in_flight } => (order.count.min(in_flight), order.count),
            Flow::Paced | Flow::Burst => (order.count, 1),
        };
        let task = Task {
            order,
            frame: order.frame(),
            unsent: order.count - first,
            awaited,
        };
        for _ in 0..first {
            if order.flow == Flow::Paced {
                thread::sleep(PACE);
            }
            cable.send(&task.frame)?;
        }
        Ok(task)
    }

    /// Takes a frame that came back.
    fn go_on(&mut self, cable: &Cable) -> io::Result<()> {
        let Flow::Echo { in_flight } = self.order.flow else {
            return Ok(());
        };
        self.awaited = self.awaited.saturating_sub(1);
        if self.unsent == 0 {
            return Ok(());
        }
        self.unsent -= 1;
        if in_flight.min(self.order.count) == 1 {
            thread::sleep(PACE);
        }
        cable.send(&self.frame)
    }
}

/// Obeys orders until QEMU is gone.
fn serve(cable: &Cable, resent: &AtomicU32) {
    let mut bytes = [0; LONGEST + 1];
    let mut task: Option<Task> = None;
    loop {
        let served = match cable.socket.recv(&mut bytes) {
            Ok(length) => match (Order::parse(&bytes[..length]), &mut task) {
                (Some(order), task) => Task::begin(order, cable).map(|begun| *task = Some(begun)),
                (None, Some(task)) => task.go_on(cable),
                (None, None) => Ok(()),
            },
            Err(error) if is_timeout(&error) => match &task {
                Some(task) if task.awaited > 0 => {
                    resent.fetch_add(1, Relaxed);
                    cable.send(&task.frame)
                }
                _ => Ok(()),
            },
            Err(error) => Err(error),
        };
        if served.is_err() {
            return;
        }
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
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

    /// The board's end of a cable whose peer waits for `silence` before it sends again.
    fn board(directory: &Path, silence: Duration) -> (Peer, UnixDatagram) {
        let peer = serve_after(directory, silence).expect("a socket");
        let board = UnixDatagram::bind(directory.join("board")).expect("a socket");
        board
            .set_read_timeout(Some(Duration::from_secs(20)))
            .expect("a deadline");
        (peer, board)
    }

    #[test]
    fn a_frame_that_does_not_come_back_is_sent_again() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (peer, board) = board(directory.path(), Duration::from_millis(20));
        let to_peer = |frame: &[u8]| {
            board
                .send_to(frame, directory.path().join("peer"))
                .expect("the peer listens");
        };
        let mut bytes = [0; LONGEST];
        let mut received = || board.recv(&mut bytes).expect("a frame");
        to_peer(&order([1, 0, 60, 0, 2, 0, 0, 0, 2]));
        assert_eq!([received(), received()], [60, 60]);
        assert_eq!(peer.resent(), 0);
        // The board returns neither: each silence brings one more.
        assert_eq!([received(), received()], [60, 60]);
        assert!(peer.resent() >= 2);
        // It returns both, and that is all: the next frame is that of the next order.
        to_peer(&FRAME_HEADER);
        to_peer(&FRAME_HEADER);
        to_peer(&order([3, 0, 70, 0, 0, 0, 0, 0, 1]));
        while received() == 60 {}
    }

    #[test]
    fn an_echo_order_keeps_its_frames_under_way_until_all_are_sent() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (_, board) = board(directory.path(), SILENCE);
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
