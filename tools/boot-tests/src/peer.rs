// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The other end of the board's network cable: raw Ethernet frames as datagrams.
//!
//! The datagrams go over a Unix socket, which neither drops nor reorders, so a frame that is
//! missing was lost by the board.

use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::PATIENCE;

/// Longest frame a card without offloads sends.
const LONGEST: usize = 1514;

/// A host on the same cable as one of the board's cards.
pub struct Peer {
    socket: UnixDatagram,
    board: PathBuf,
}

impl Peer {
    /// Takes one end of a cable; QEMU's end is for [`Peer::netdev`] to describe.
    pub(crate) fn new(directory: &Path, id: &str) -> Peer {
        let socket = UnixDatagram::bind(Peer::path(directory, id)).expect("a datagram socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("a deadline");
        socket
            .set_write_timeout(Some(PATIENCE))
            .expect("a deadline");
        Peer {
            socket,
            board: directory.join(id),
        }
    }

    /// QEMU's `-netdev` option for the end of the cable in netdev `id`.
    pub(crate) fn netdev(directory: &Path, id: &str) -> String {
        format!(
            "dgram,id={id},local.type=unix,local.path={},remote.type=unix,remote.path={}",
            directory.join(id).display(),
            Peer::path(directory, id).display()
        )
    }

    fn path(directory: &Path, id: &str) -> PathBuf {
        directory.join(format!("{id}-peer"))
    }

    /// Sends one frame, from the destination address on and without check sequence.
    pub fn send(&self, frame: &[u8]) {
        self.socket
            .send_to(frame, &self.board)
            .expect("QEMU takes the frame");
    }

    /// Has a thread that waits for a frame receive an empty one.
    pub(crate) fn wake(&self) {
        let own = self.socket.local_addr().expect("an address");
        let path = own.as_pathname().expect("an address in the file system");
        self.socket.send_to(&[], path).expect("a wake-up");
    }

    /// Waits for the next frame from the board.
    #[track_caller]
    pub fn receive(&self) -> Vec<u8> {
        self.receive_within(PATIENCE)
            .expect("a frame from the board")
    }

    /// Waits for the next frame; `None` after `limit`.
    pub fn receive_within(&self, limit: Duration) -> Option<Vec<u8>> {
        self.socket
            .set_read_timeout(Some(limit))
            .expect("a deadline");
        let mut frame = vec![0; LONGEST + 1];
        match self.socket.recv(&mut frame) {
            Ok(length) => {
                frame.truncate(length);
                Some(frame)
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                None
            }
            Err(error) => panic!("the cable is broken: {error}"),
        }
    }
}
