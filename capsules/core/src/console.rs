// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The console system call driver: text from and to processes over one serial port.
//!
//! A write is copied and sent in chunks of the transmit buffer; writes of different processes do
//! not mix. One process reads at a time.
//!
//! ```text
//! let grant = kernel.create_grant(console::DRIVER_NUM, &memory_cap);
//! let tx = static_init!([u8; console::DEFAULT_BUF_SIZE], [0; console::DEFAULT_BUF_SIZE]);
//! let rx = static_init!([u8; console::DEFAULT_BUF_SIZE], [0; console::DEFAULT_BUF_SIZE]);
//! let driver = static_init!(Console<'static>, Console::new(uart_device, tx, rx, grant));
//! uart_device.set_transmit_client(driver);
//! uart_device.set_receive_client(driver);
//! ```

mod progress;

use crate::late_upcalls::{LateUpcall, LateUpcalls, Retry};
use crate::turns;
use kernel::ErrorCode;
use kernel::ProcessId;
use kernel::errorcode::into_statuscode;
use kernel::grant::{AllowRoCount, AllowRwCount, Grant, GrantKernelData, UpcallCount};
use kernel::hil::uart::{self, ReceiveClient, TransmitClient};
use kernel::process;
use kernel::processbuffer::{ReadableProcessBuffer, WriteableProcessBuffer};
use kernel::syscall::{CommandReturn, SyscallDriver};
use kernel::utilities::cells::{OptionalCell, TakeCell};
use progress::Progress;

/// The driver's number.
pub const DRIVER_NUM: usize = crate::driver::NUM::Console as usize;

/// The usual size of each buffer: the largest chunk of a write and the longest read.
pub const DEFAULT_BUF_SIZE: usize = 64;

// Number 0 of each kind is unused.
mod upcall {
    pub const WRITE_DONE: usize = 1;
    pub const READ_DONE: usize = 2;
    pub const COUNT: u8 = 3;
}

mod ro_allow {
    pub const WRITE: usize = 1;
    pub const COUNT: u8 = 2;
}

mod rw_allow {
    pub const READ: usize = 1;
    pub const COUNT: u8 = 2;
}

/// A process's use of the console.
#[derive(Default)]
pub struct App {
    /// The write that the process has not been told about yet.
    write: Option<Progress>,
    /// The ends of a write and of a read that found the queue full.
    written: LateUpcall,
    read: LateUpcall,
}

/// The grant of a [`Console`].
pub type ConsoleGrant = Grant<
    App,
    UpcallCount<{ upcall::COUNT }>,
    AllowRoCount<{ ro_allow::COUNT }>,
    AllowRwCount<{ rw_allow::COUNT }>,
>;

/// Text input and output for processes (driver 0x1).
pub struct Console<'a> {
    uart: &'a dyn uart::UartData<'a>,
    apps: ConsoleGrant,
    /// Absent while the port sends it.
    tx_buffer: TakeCell<'static, [u8]>,
    /// Whose write has the port, until it has ended.
    writer: OptionalCell<ProcessId>,
    /// The longest read, which is what `rx_buffer` holds.
    read_limit: usize,
    /// Absent while the port receives into it.
    rx_buffer: TakeCell<'static, [u8]>,
    /// Whose read is wanted, and its length.
    reader: OptionalCell<(ProcessId, usize)>,
    /// Whose read the port is serving.
    receiving_for: OptionalCell<ProcessId>,
    /// Has upcalls that found a queue full tried again.
    retry: OptionalCell<&'a dyn Retry>,
}

impl<'a> Console<'a> {
    /// Creates the driver, which must be both clients of `uart`.
    ///
    /// `tx_buffer` bounds the chunks of a write, `rx_buffer` the length of a read.
    pub fn new(
        uart: &'a dyn uart::UartData<'a>,
        tx_buffer: &'static mut [u8],
        rx_buffer: &'static mut [u8],
        grant: ConsoleGrant,
    ) -> Self {
        Console {
            uart,
            apps: grant,
            tx_buffer: TakeCell::new(tx_buffer),
            writer: OptionalCell::empty(),
            read_limit: rx_buffer.len(),
            rx_buffer: TakeCell::new(rx_buffer),
            reader: OptionalCell::empty(),
            receiving_for: OptionalCell::empty(),
            retry: OptionalCell::empty(),
        }
    }

    /// Has upcalls that find a queue full tried again by `retry`, which serves this driver. Without
    /// it they wait for the next one of their kind.
    pub fn retry_with(&self, retry: &'a dyn Retry) {
        self.retry.set(retry);
    }

    // Out of line, like `read`, so that short commands do not pay for its registers.
    #[inline(never)]
    fn write(&self, process_id: ProcessId, length: usize) -> Result<(), ErrorCode> {
        let begun = self.apps.enter(process_id, |app, kernel_data| {
            let length = length.min(readable_len(kernel_data));
            if length == 0 {
                // Nothing to wait for. A chunk that is on its way belongs to nobody then.
                app.write = None;
                self.tell_written(app, kernel_data, 0);
                return false;
            }
            app.write = Some(Progress::of(length));
            true
        })?;
        // While nobody writes nobody waits either, so this process is the next.
        if begun && self.writer.is_none() {
            self.write_chunk(process_id);
        }
        Ok(())
    }

    /// Gives the port to the next process that has something to write.
    fn write_next(&self) {
        let last = self.writer.take();
        loop {
            let waiting = turns::after(&self.apps, last).find_map(|app| {
                let process_id = app.processid();
                app.try_enter(|app, _| app.write.is_some())
                    .filter(|waits| *waits)
                    .map(|_| process_id)
            });
            match waiting {
                Some(process_id) if !self.write_chunk(process_id) => {}
                _ => return,
            }
        }
    }

    /// Sends the next part of a process's write; false when the write has ended.
    fn write_chunk(&self, process_id: ProcessId) -> bool {
        let Some(buffer) = self.tx_buffer.take() else {
            // The buffer comes back with a callback, which goes on from here.
            return true;
        };
        let filled = self
            .apps
            .enter(process_id, |app, kernel_data| {
                let progress = app.write.as_mut()?;
                let count = kernel_data
                    .get_readonly_processbuffer(ro_allow::WRITE)
                    .and_then(|text| text.enter(|text| progress.copy_chunk(text, buffer)))
                    .unwrap_or(0);
                if count == 0 {
                    let written = progress.position();
                    app.write = None;
                    self.tell_written(app, kernel_data, written);
                    return None;
                }
                Some(count)
            })
            .unwrap_or(None);
        let Some(count) = filled else {
            self.tx_buffer.replace(buffer);
            return false;
        };
        self.writer.set(process_id);
        match self.uart.transmit_buffer(buffer, count) {
            Ok(()) => true,
            Err((_, buffer)) => {
                self.tx_buffer.replace(buffer);
                self.writer.clear();
                self.end_write(process_id, count);
                false
            }
        }
    }

    /// Ends a write whose last `lost` bytes the port did not send.
    fn end_write(&self, process_id: ProcessId, lost: usize) {
        // A process that is gone needs no answer.
        let _ = self.apps.enter(process_id, |app, kernel_data| {
            if let Some(progress) = app.write.take() {
                let written = progress.position().saturating_sub(lost);
                self.tell_written(app, kernel_data, written);
            }
        });
    }

    #[inline(never)]
    fn read(&self, process_id: ProcessId, length: usize) -> Result<(), ErrorCode> {
        if let Some((reader, _)) = self.reader.get()
            && (reader == process_id || self.is_alive(reader))
        {
            return Err(ErrorCode::BUSY);
        }
        let length = self.apps.enter(process_id, |app, kernel_data| {
            let length = length.min(writeable_len(kernel_data));
            if length > self.read_limit {
                return Err(ErrorCode::INVAL);
            }
            if length == 0 {
                self.tell_read(app, kernel_data, Ok(()), 0);
            }
            Ok(length)
        })??;
        if length == 0 {
            return Ok(());
        }
        self.reader.set((process_id, length));
        if self.receiving_for.is_some() {
            // What was begun for the reader that is gone ends first; `received_buffer` goes on.
            let _ = self.uart.receive_abort();
            return Ok(());
        }
        self.receive().inspect_err(|_| self.reader.clear())
    }

    /// Has the port serve the reader.
    fn receive(&self) -> Result<(), ErrorCode> {
        let Some((process_id, length)) = self.reader.get() else {
            return Ok(());
        };
        let buffer = self.rx_buffer.take().ok_or(ErrorCode::BUSY)?;
        self.receiving_for.set(process_id);
        self.uart
            .receive_buffer(buffer, length)
            .map_err(|(code, buffer)| {
                self.rx_buffer.replace(buffer);
                self.receiving_for.clear();
                code
            })
    }

    #[inline(never)]
    fn abort_read(&self, process_id: ProcessId) {
        let own = self
            .reader
            .get()
            .is_some_and(|(reader, _)| reader == process_id);
        if own && self.receiving_for.contains(&process_id) {
            // The end is reported by `received_buffer`, whether or not the port can hurry it.
            let _ = self.uart.receive_abort();
        } else if own {
            self.finish_read(process_id, &[], Err(ErrorCode::CANCEL));
        }
    }

    /// Hands a reader what was received, and makes room for the next reader.
    fn finish_read(&self, process_id: ProcessId, received: &[u8], outcome: Result<(), ErrorCode>) {
        self.reader.clear();
        // A process that is gone needs no answer.
        let _ = self.apps.enter(process_id, |app, kernel_data| {
            let (status, count) = deliver(kernel_data, received, outcome);
            self.tell_read(app, kernel_data, status, count);
        });
    }

    #[inline]
    fn tell_written(&self, app: &mut App, kernel_data: &GrantKernelData, written: usize) {
        if app
            .written
            .tell(kernel_data, upcall::WRITE_DONE, (written, 0, 0))
        {
            self.try_again_soon();
        }
    }

    fn tell_read(
        &self,
        app: &mut App,
        kernel_data: &GrantKernelData,
        outcome: Result<(), ErrorCode>,
        count: usize,
    ) {
        let arguments = (into_statuscode(outcome), count, 0);
        if app.read.tell(kernel_data, upcall::READ_DONE, arguments) {
            self.try_again_soon();
        }
    }

    #[cold]
    fn try_again_soon(&self) {
        if let Some(retry) = self.retry.get() {
            retry.soon();
        }
    }

    fn is_alive(&self, process_id: ProcessId) -> bool {
        self.apps.enter(process_id, |_, _| {}).is_ok()
    }
}

fn readable_len(kernel_data: &GrantKernelData) -> usize {
    kernel_data
        .get_readonly_processbuffer(ro_allow::WRITE)
        .map_or(0, |buffer| buffer.len())
}

fn writeable_len(kernel_data: &GrantKernelData) -> usize {
    kernel_data
        .get_readwrite_processbuffer(rw_allow::READ)
        .map_or(0, |buffer| buffer.len())
}

/// Copies what was received to the process; returns the status and count to report.
fn deliver(
    kernel_data: &GrantKernelData,
    received: &[u8],
    outcome: Result<(), ErrorCode>,
) -> (Result<(), ErrorCode>, usize) {
    if outcome == Err(ErrorCode::FAIL) {
        return (outcome, 0);
    }
    let copied = kernel_data
        .get_readwrite_processbuffer(rw_allow::READ)
        .and_then(|buffer| {
            buffer.mut_enter(|buffer| {
                let count = buffer.len().min(received.len());
                let fits = buffer.get(..count).zip(received.get(..count));
                fits.and_then(|(to, from)| to.copy_from_slice_or_err(from).ok())
                    .map_or(0, |()| count)
            })
        });
    match copied {
        Ok(count) if count < received.len() => {
            let gone = count == 0 && writeable_len(kernel_data) == 0;
            let code = if gone {
                ErrorCode::NOMEM
            } else {
                ErrorCode::SIZE
            };
            (Err(code), count)
        }
        Ok(count) => (outcome, count),
        Err(_) => (Err(ErrorCode::NOMEM), 0),
    }
}

impl TransmitClient for Console<'_> {
    fn transmitted_buffer(
        &self,
        tx_buffer: &'static mut [u8],
        tx_len: usize,
        rval: Result<(), ErrorCode>,
    ) {
        self.tx_buffer.replace(tx_buffer);
        let Some(process_id) = self.writer.get() else {
            return self.write_next();
        };
        if rval.is_err() {
            // How much of the chunk went out is in `tx_len`; the write ends with it.
            let chunk = self
                .apps
                .enter(process_id, |app, _| {
                    app.write.as_ref().map_or(0, Progress::last_chunk)
                })
                .unwrap_or(0);
            self.end_write(process_id, chunk.saturating_sub(tx_len));
        }
        if !self.write_chunk(process_id) {
            self.writer.set(process_id);
            self.write_next();
        }
    }
}

impl ReceiveClient for Console<'_> {
    fn received_buffer(
        &self,
        rx_buffer: &'static mut [u8],
        rx_len: usize,
        rval: Result<(), ErrorCode>,
        error: uart::Error,
    ) {
        let served = self.receiving_for.take();
        let reader = self.reader.get().map(|(process_id, _)| process_id);
        if let Some(process_id) = reader
            && served == reader
        {
            let outcome = match error {
                uart::Error::None => rval,
                uart::Error::Aborted => Err(ErrorCode::CANCEL),
                _ => Err(ErrorCode::FAIL),
            };
            let received = rx_buffer.get(..rx_len).unwrap_or(&[]);
            self.finish_read(process_id, received, outcome);
        }
        self.rx_buffer.replace(rx_buffer);
        if let Some((process_id, _)) = self.reader.get()
            && let Err(code) = self.receive()
        {
            self.finish_read(process_id, &[], Err(code));
        }
    }
}

impl LateUpcalls for Console<'_> {
    fn try_again(&self) -> bool {
        let mut any_kept = false;
        for process in self.apps.iter() {
            process.try_enter(|app, kernel_data| {
                any_kept |= app.written.try_again(kernel_data, upcall::WRITE_DONE);
                any_kept |= app.read.try_again(kernel_data, upcall::READ_DONE);
            });
        }
        any_kept
    }
}

impl SyscallDriver for Console<'_> {
    /// Commands, as `doc/syscalls/00001_console.md` describes them.
    fn command(
        &self,
        command_num: usize,
        r2: usize,
        _r3: usize,
        process_id: ProcessId,
    ) -> CommandReturn {
        match command_num {
            0 => CommandReturn::success(),
            1 => self.write(process_id, r2).into(),
            2 => self.read(process_id, r2).into(),
            3 => {
                self.abort_read(process_id);
                CommandReturn::success()
            }
            _ => CommandReturn::failure(ErrorCode::NOSUPPORT),
        }
    }

    fn allocate_grant(&self, process_id: ProcessId) -> Result<(), process::Error> {
        self.apps.enter(process_id, |_, _| {})
    }
}
