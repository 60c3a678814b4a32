// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The random number system call driver.
//!
//! Requests of several processes are filled in turn, a quantum each, from one source. An error of
//! the source ends every request with its status, so nobody waits for bytes that do not come.
//!
//! ```text
//! let grant = kernel.create_grant(rng::DRIVER_NUM, &memory_cap);
//! let driver = static_init!(RngDriver<'static, Source>, RngDriver::new(source, grant));
//! source.set_client(driver);
//! ```

mod request;

use crate::turns;
use core::cell::Cell;
use kernel::ErrorCode;
use kernel::ProcessId;
use kernel::errorcode::into_statuscode;
use kernel::grant::{AllowRoCount, AllowRwCount, Grant, GrantKernelData, UpcallCount};
use kernel::hil::rng::{Client, Continue, Rng};
use kernel::process;
use kernel::processbuffer::{ReadableProcessBuffer, WriteableProcessBuffer};
use kernel::syscall::{CommandReturn, SyscallDriver};
use kernel::utilities::cells::OptionalCell;
use request::{Fill, Request};

/// The driver's number.
pub const DRIVER_NUM: usize = crate::driver::NUM::Rng as usize;

mod upcall {
    pub const DONE: usize = 0;
    pub const COUNT: u8 = 1;
}

mod rw_allow {
    pub const DESTINATION: usize = 0;
    pub const COUNT: u8 = 1;
}

/// A process's request.
#[derive(Default)]
pub struct App {
    request: Option<Request>,
}

/// The grant of an [`RngDriver`].
pub type RngGrant =
    Grant<App, UpcallCount<{ upcall::COUNT }>, AllowRoCount<0>, AllowRwCount<{ rw_allow::COUNT }>>;

/// Random bytes for processes (driver 0x40001).
pub struct RngDriver<'a, R: Rng<'a>> {
    rng: &'a R,
    apps: RngGrant,
    /// Whether the source owes a callback.
    asked: Cell<bool>,
    /// Who was served last.
    last: OptionalCell<ProcessId>,
}

impl<'a, R: Rng<'a>> RngDriver<'a, R> {
    /// Creates the driver, which must be the client of `rng`.
    pub fn new(rng: &'a R, grant: RngGrant) -> Self {
        RngDriver {
            rng,
            apps: grant,
            asked: Cell::new(false),
            last: OptionalCell::empty(),
        }
    }

    fn get(&self, process_id: ProcessId, count: usize) -> Result<(), ErrorCode> {
        let wanted = self.apps.enter(process_id, |app, kernel_data| {
            let room = kernel_data
                .get_readwrite_processbuffer(rw_allow::DESTINATION)
                .map_or(0, |buffer| buffer.len());
            app.request = Request::of(count.min(room));
            if app.request.is_none() {
                tell(kernel_data, Ok(()), 0);
            }
            app.request.is_some()
        })?;
        if wanted && !self.asked.replace(true) {
            self.ask();
        }
        Ok(())
    }

    /// Asks the source. A refusal reaches the processes like a later error.
    fn ask(&self) {
        if let Err(code) = self.rng.get() {
            self.asked.set(false);
            self.fail_all(code);
        }
    }

    fn fail_all(&self, code: ErrorCode) {
        for app in self.apps.iter() {
            app.try_enter(|app, kernel_data| {
                if let Some(request) = app.request.take() {
                    tell(kernel_data, Err(code), request.position());
                }
            });
        }
    }

    fn any_waiting(&self) -> bool {
        self.apps
            .iter()
            .any(|app| app.try_enter(|app, _| app.request.is_some()) == Some(true))
    }

    /// Fills a quantum of one request; the next request in turn is another process's.
    fn serve_next(&self, words: &mut dyn Iterator<Item = u32>) -> Option<Fill> {
        turns::after(&self.apps, self.last.get()).find_map(|app| {
            let process_id = app.processid();
            app.try_enter(|app, kernel_data| {
                let request = app.request.as_mut()?;
                let fill = kernel_data
                    .get_readwrite_processbuffer(rw_allow::DESTINATION)
                    .and_then(|buffer| buffer.mut_enter(|buffer| request.fill(buffer, words)))
                    .unwrap_or(Fill::Done { count: 0 });
                if let Fill::Done { count } = fill {
                    app.request = None;
                    tell(kernel_data, Ok(()), count);
                }
                // One that got nothing keeps its turn.
                if fill != Fill::Dry {
                    self.last.set(process_id);
                }
                Some(fill)
            })
            .flatten()
        })
    }
}

/// Ends a request. A full upcall queue loses the upcall, which the process finds in its own
/// count of dropped upcalls.
fn tell(kernel_data: &GrantKernelData, outcome: Result<(), ErrorCode>, count: usize) {
    let arguments = (into_statuscode(outcome), count, 0);
    let _ = kernel_data.schedule_upcall(upcall::DONE, arguments);
}

impl<'a, R: Rng<'a>> Client for RngDriver<'a, R> {
    fn randomness_available(
        &self,
        randomness: &mut dyn Iterator<Item = u32>,
        error: Result<(), ErrorCode>,
    ) -> Continue {
        if let Err(code) = error {
            self.asked.set(false);
            self.fail_all(code);
            return Continue::Done;
        }
        // Each round ends a request, uses up a quantum or finds the source empty.
        while matches!(
            self.serve_next(randomness),
            Some(Fill::Done { .. } | Fill::QuantumOver)
        ) {}
        let more = self.any_waiting();
        self.asked.set(more);
        if more { Continue::More } else { Continue::Done }
    }
}

impl<'a, R: Rng<'a>> SyscallDriver for RngDriver<'a, R> {
    /// Commands, as `doc/syscalls/40001_rng.md` describes them.
    fn command(
        &self,
        command_num: usize,
        r2: usize,
        _r3: usize,
        process_id: ProcessId,
    ) -> CommandReturn {
        match command_num {
            0 => CommandReturn::success(),
            1 => self.get(process_id, r2).into(),
            _ => CommandReturn::failure(ErrorCode::NOSUPPORT),
        }
    }

    fn allocate_grant(&self, process_id: ProcessId) -> Result<(), process::Error> {
        self.apps.enter(process_id, |_, _| {})
    }
}
