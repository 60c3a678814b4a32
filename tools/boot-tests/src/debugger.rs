// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Writing to a guest's memory behind its back, through QEMU's stub for gdb.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use crate::PATIENCE;

/// A connection to the stub, for which QEMU stops the guest.
pub struct Debugger(UnixStream);

impl Debugger {
    /// Connects, and stops the guest.
    ///
    /// # Errors
    ///
    /// There is no stub at this socket.
    pub fn attach(socket: &Path) -> io::Result<Debugger> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Debugger(stream))
    }

    /// Writes to the guest's memory.
    ///
    /// # Errors
    ///
    /// The stub refuses.
    pub fn write(&mut self, address: u64, bytes: &[u8]) -> io::Result<()> {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        self.ask(&format!("M{address:x},{:x}:{hex}", bytes.len()))
    }

    /// Lets the guest run on.
    ///
    /// # Errors
    ///
    /// The stub refuses.
    pub fn detach(mut self) -> io::Result<()> {
        self.ask("D")
    }

    /// Sends a packet and waits for the answer that all is well.
    fn ask(&mut self, packet: &str) -> io::Result<()> {
        let sum = packet.bytes().fold(0u8, |sum, byte| sum.wrapping_add(byte));
        write!(self.0, "${packet}#{sum:02x}")?;
        let mut answer = self.receive()?;
        // The guest has stopped: that is said unasked.
        while answer.starts_with(b"$T") {
            answer = self.receive()?;
        }
        if answer.starts_with(b"$OK#") {
            return Ok(());
        }
        let answer = String::from_utf8_lossy(&answer).into_owned();
        Err(io::Error::other(format!("{packet}: {answer}")))
    }

    /// Takes the next packet, and acknowledges it.
    fn receive(&mut self) -> io::Result<Vec<u8>> {
        // Acknowledgements aside, a packet is what lies between these two, with a check sum of two.
        let mut packet = Vec::new();
        while packet.len() < 4 || packet[packet.len() - 3] != b'#' {
            let mut byte = [0];
            self.0.read_exact(&mut byte)?;
            if !packet.is_empty() || byte == *b"$" {
                packet.extend(byte);
            }
        }
        self.0.write_all(b"+")?;
        Ok(packet)
    }
}
