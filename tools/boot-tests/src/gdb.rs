// SPDX-License-Identifier: Apache-2.0 OR MIT

//! QEMU's stub for gdb: what tests do to a machine behind its kernel's back.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use elf::ElfBytes;
use elf::endian::LittleEndian;
use tempfile::TempDir;

use crate::{Board, Guest, PATIENCE};

/// Bytes of memory that one packet carries.
const PACKET: usize = 1024;

/// Registers by their place among those that the stub knows.
pub mod register {
    /// The stack pointer.
    pub const SP: usize = 2;
    /// The first argument of a function.
    pub const A0: usize = 10;
    /// The second.
    pub const A1: usize = 11;
    /// The third.
    pub const A2: usize = 12;
    /// The next instruction.
    pub const PC: usize = 32;
}

/// A machine that stands still, or runs until something it is watched for happens.
pub struct Gdb {
    stub: UnixStream,
    // Holds the socket.
    _directory: TempDir,
}

impl Gdb {
    /// Boots the board; the machine stands still before its first instruction.
    ///
    /// # Panics
    ///
    /// QEMU has no stub.
    #[must_use]
    pub fn boot(board: Board<'_>) -> (Guest, Gdb) {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("gdb");
        let device = format!("unix:{},server=on,wait=off", path.display());
        let guest = board.with(&["-S", "-gdb", &device]).boot();
        let stub = UnixStream::connect(path).expect("QEMU's stub for gdb");
        stub.set_read_timeout(Some(PATIENCE)).expect("a deadline");
        let gdb = Gdb {
            stub,
            _directory: directory,
        };
        (guest, gdb)
    }

    /// Boots `kernel`; the machine stands still in the midst of the kernel's work, in a function that is
    /// called when the serial port has sent something, and calls others.
    ///
    /// # Panics
    ///
    /// As for [`boot`](Self::boot), or the kernel has no such function.
    #[must_use]
    pub fn boot_into_kernel(kernel: &Path, board: Board<'_>) -> (Guest, Gdb) {
        let (guest, mut gdb) = Gdb::boot(board);
        let function = symbol(kernel, |name| {
            name.contains("MuxUart") && name.contains("TransmitClient$GT$18transmitted_buffer")
        });
        gdb.stop_at(function, true);
        gdb.run();
        gdb.wait_for_stop();
        gdb.stop_at(function, false);
        (guest, gdb)
    }

    /// Writes the same byte to `length` bytes of memory.
    #[track_caller]
    pub fn fill(&mut self, address: u32, length: usize, byte: u8) {
        let digits = format!("{byte:02x}").repeat(PACKET);
        for offset in (0..length).step_by(PACKET) {
            let part = PACKET.min(length - offset);
            let address = address as usize + offset;
            self.command(&format!("M{address:x},{part:x}:{}", &digits[..2 * part]));
        }
    }

    /// Sets registers of the machine, which stands still.
    #[track_caller]
    pub fn set(&mut self, values: &[(usize, u32)]) {
        self.send("g");
        let mut registers = self.answer();
        for (register, value) in values {
            let value = format!("{:08x}", value.swap_bytes());
            registers.replace_range(8 * register..8 * (register + 1), &value);
        }
        self.command(&format!("G{registers}"));
    }

    /// Has the machine stop before the instruction at `address`, or no longer.
    #[track_caller]
    pub fn stop_at(&mut self, address: u32, stop: bool) {
        let packet = if stop { 'Z' } else { 'z' };
        self.command(&format!("{packet}1,{address:x},2"));
    }

    /// Has the machine stop when it writes the word at `address`.
    #[track_caller]
    pub fn stop_at_write(&mut self, address: u32) {
        self.command(&format!("Z2,{address:x},4"));
    }

    /// Lets the machine run.
    #[track_caller]
    pub fn run(&mut self) {
        self.send("c");
    }

    /// Waits until the machine has stopped.
    #[track_caller]
    pub fn wait_for_stop(&mut self) {
        let report = self.answer();
        assert!(report.starts_with('T'), "not a stop: {report:.12}");
    }

    /// Sends a packet.
    #[track_caller]
    fn send(&mut self, packet: &str) {
        let sum = packet.bytes().fold(0u8, u8::wrapping_add);
        write!(self.stub, "${packet}#{sum:02x}").expect("the stub takes packets");
        let mut receipt = [0];
        self.stub.read_exact(&mut receipt).expect("a receipt");
        assert_eq!(&receipt, b"+", "the receipt for {packet:.12}");
    }

    /// Reads a packet and returns what is between its borders.
    #[track_caller]
    fn answer(&mut self) -> String {
        let mut packet = Vec::new();
        // It ends with a sum of two digits.
        while packet.iter().rev().nth(2) != Some(&b'#') {
            let mut byte = [0];
            self.stub.read_exact(&mut byte).expect("an answer");
            packet.extend(byte);
        }
        self.stub.write_all(b"+").expect("the stub takes receipts");
        let packet = String::from_utf8_lossy(&packet);
        let content = packet.split_once('#').map_or("", |(content, _)| content);
        content.trim_start_matches('$').to_owned()
    }

    /// Sends a packet that is answered with `OK`.
    #[track_caller]
    fn command(&mut self, packet: &str) {
        self.send(packet);
        assert_eq!(self.answer(), "OK", "the answer to {packet:.12}");
    }
}

/// Address of the only symbol of an ELF file whose name `is_wanted`.
///
/// # Panics
///
/// There is none, or there are several.
#[track_caller]
#[must_use]
pub fn symbol(file: &Path, is_wanted: impl Fn(&str) -> bool) -> u32 {
    let bytes = fs::read(file).expect("the file can be read");
    let file = ElfBytes::<LittleEndian>::minimal_parse(&bytes).expect("an ELF file");
    let table = file.symbol_table().expect("whole symbols");
    let (symbols, names) = table.expect("a symbol table");
    let found: Vec<u64> = symbols
        .iter()
        .filter(|symbol| names.get(symbol.st_name as usize).is_ok_and(&is_wanted))
        .map(|symbol| symbol.st_value)
        .collect();
    match found[..] {
        [address] => address.try_into().expect("an address of 32 bits"),
        _ => panic!("{} symbols of that name", found.len()),
    }
}
