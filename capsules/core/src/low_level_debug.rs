// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The low-level debug system call driver: numbers printed without buffers or upcalls.
//!
//! It serves an app that cannot set up a console, such as a runtime that panics. Printing must
//! not fail, so entries that find the port busy wait in the process's grant.
//!
//! ```text
//! let grant = kernel.create_grant(low_level_debug::DRIVER_NUM, &memory_cap);
//! let buffer = static_init!([u8; low_level_debug::BUF_LEN], [0; low_level_debug::BUF_LEN]);
//! let driver = static_init!(LowLevelDebug<'static>, LowLevelDebug::new(buffer, uart_device, grant));
//! uart_device.set_transmit_client(driver);
//! ```

mod entry;

use crate::text::Text;
use crate::turns;
use entry::{Entry, Waiting};
use kernel::ErrorCode;
use kernel::ProcessId;
use kernel::grant::{AllowRoCount, AllowRwCount, Grant, UpcallCount};
use kernel::hil::uart::{Transmit, TransmitClient};
use kernel::process;
use kernel::syscall::{CommandReturn, SyscallDriver};
use kernel::utilities::cells::{OptionalCell, TakeCell};

/// The driver's number.
pub const DRIVER_NUM: usize = crate::driver::NUM::LowLevelDebug as usize;

/// The length of the transmit buffer: room for the longest line.
pub const BUF_LEN: usize = 64;

/// A process's entries that are not printed yet.
#[derive(Default)]
pub struct AppData {
    waiting: Waiting,
}

/// The grant of a [`LowLevelDebug`].
pub type LowLevelDebugGrant = Grant<AppData, UpcallCount<0>, AllowRoCount<0>, AllowRwCount<0>>;

/// Numbers printed for processes (driver 0x8).
pub struct LowLevelDebug<'a> {
    uart: &'a dyn Transmit<'a>,
    /// Absent while the port sends it.
    buffer: TakeCell<'static, [u8]>,
    apps: LowLevelDebugGrant,
    /// Whose entry was printed last.
    last: OptionalCell<ProcessId>,
}

impl<'a> LowLevelDebug<'a> {
    /// Creates the driver, which must be the transmit client of `uart`.
    ///
    /// Lines are cut when `buffer` is shorter than [`BUF_LEN`].
    pub fn new(
        buffer: &'static mut [u8],
        uart: &'a dyn Transmit<'a>,
        grant: LowLevelDebugGrant,
    ) -> Self {
        LowLevelDebug {
            uart,
            buffer: TakeCell::new(buffer),
            apps: grant,
            last: OptionalCell::empty(),
        }
    }

    /// Prints `entry` now, or lets it wait for the port.
    fn add(&self, process_id: ProcessId, entry: Entry) {
        match self.buffer.take() {
            Some(buffer) => self.print(buffer, process_id, entry),
            None => {
                // Without grant memory there is no place to wait, and the entry is dropped.
                let _ = self.apps.enter(process_id, |app, _| app.waiting.add(entry));
            }
        }
    }

    fn print(&self, buffer: &'static mut [u8], process_id: ProcessId, entry: Entry) {
        self.last.set(process_id);
        let mut line = Text::new(buffer);
        entry.write(process_id.id() as u32, &mut line);
        let len = line.len();
        if let Err((_, buffer)) = self.uart.transmit_buffer(buffer, len) {
            // The entry is lost. Those that wait are tried when the next one is printed.
            self.buffer.replace(buffer);
        }
    }
}

impl TransmitClient for LowLevelDebug<'_> {
    fn transmitted_buffer(
        &self,
        tx_buffer: &'static mut [u8],
        _tx_len: usize,
        _rval: Result<(), ErrorCode>,
    ) {
        let next = turns::after(&self.apps, self.last.get()).find_map(|app| {
            let process_id = app.processid();
            app.try_enter(|app, _| app.waiting.take())
                .flatten()
                .map(|entry| (process_id, entry))
        });
        match next {
            Some((process_id, entry)) => self.print(tx_buffer, process_id, entry),
            None => {
                self.buffer.replace(tx_buffer);
            }
        }
    }
}

impl SyscallDriver for LowLevelDebug<'_> {
    /// Commands, as `doc/syscalls/00008_low_level_debug.md` describes them.
    fn command(
        &self,
        command_num: usize,
        r2: usize,
        r3: usize,
        process_id: ProcessId,
    ) -> CommandReturn {
        let entry = match command_num {
            0 => return CommandReturn::success(),
            1 => Entry::Alert(r2 as u32),
            2 => Entry::One(r2 as u32),
            3 => Entry::Two(r2 as u32, r3 as u32),
            _ => return CommandReturn::failure(ErrorCode::NOSUPPORT),
        };
        self.add(process_id, entry);
        CommandReturn::success()
    }

    fn allocate_grant(&self, process_id: ProcessId) -> Result<(), process::Error> {
        self.apps.enter(process_id, |_, _| {})
    }
}
