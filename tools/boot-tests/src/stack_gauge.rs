// SPDX-License-Identifier: Apache-2.0 OR MIT

//! How deep the kernel's stack has been: it is painted before the first instruction, and what is
//! left of the paint is read from outside. The kernel does not know.

use std::fs;
use std::ops::Range;
use std::path::Path;

use serde_json::json;

use crate::{Board, Gdb, Guest, symbol};

/// No value that the kernel leaves on its stack by the page.
const PAINT: u8 = 0xC5;

/// The register that ends QEMU.
const TEST_DEVICE: u32 = 0x0010_0000;

/// A painted stack.
pub struct StackGauge {
    gdb: Gdb,
    stack: Range<u32>,
}

impl StackGauge {
    /// Boots the board with this kernel, and with a painted stack.
    ///
    /// # Panics
    ///
    /// The kernel's file does not say where its stack is.
    #[must_use]
    pub fn boot(kernel: &Path, board: Board<'_>) -> (Guest, StackGauge) {
        let (guest, mut gdb) = Gdb::boot(board.kernel(kernel.to_owned()));
        let border = |name| symbol(kernel, |found| found == name);
        let stack = border("_sstack")..border("_estack");
        gdb.fill(stack.start, stack.len(), PAINT);
        gdb.stop_at_write(TEST_DEVICE);
        gdb.run();
        (guest, StackGauge { gdb, stack })
    }

    /// Size of the stack in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.stack.len()
    }

    /// How many bytes of the stack were used at most so far.
    ///
    /// # Panics
    ///
    /// QEMU does not hand out the guest's memory.
    #[track_caller]
    pub fn depth(&self, guest: &mut Guest) -> usize {
        let dump = tempfile::NamedTempFile::new().expect("a temporary file");
        guest.qmp().execute(
            "pmemsave",
            json!({ "val": self.stack.start, "size": self.size(), "filename": dump.path() }),
        );
        let stack = fs::read(dump.path()).expect("a dump of the stack");
        let paint = stack.iter().take_while(|byte| **byte == PAINT).count();
        stack.len() - paint
    }

    /// Waits until the kernel ends QEMU, which then stands still just before that.
    #[track_caller]
    pub fn wait_for_the_end(&mut self) {
        self.gdb.wait_for_stop();
    }
}
