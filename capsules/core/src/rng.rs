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
#[cfg(feature = "rng-bytes")]
mod slices;
mod words;

#[cfg(feature = "rng-bytes")]
pub use slices::Slices;
pub use words::Words;

use crate::late_upcalls::{LateUpcall, LateUpcalls, Retry};
use crate::turns;
use crate::waiting::Waiting;
use core::cell::Cell;
use kernel::ErrorCode;
use kernel::ProcessId;
use kernel::errorcode::into_statuscode;
use kernel::grant::{AllowRoCount, AllowRwCount, Grant, GrantKernelData, UpcallCount};
use kernel::process;
use kernel::processbuffer::{WriteableProcessBuffer, WriteableProcessSlice};
use kernel::syscall::{CommandReturn, SyscallDriver};
use kernel::utilities::cells::OptionalCell;
use request::{Fill, Request, Supply};

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
    /// The end of a request that found the queue full.
    done: LateUpcall,
}

/// The grant of an [`RngDriver`].
pub type RngGrant =
    Grant<App, UpcallCount<{ upcall::COUNT }>, AllowRoCount<0>, AllowRwCount<{ rw_allow::COUNT }>>;

/// The form in which a source of type `R` gives random bytes.
pub trait Form<'a, R> {
    /// What the driver keeps for drawing.
    type Scratch: Default;

    /// Asks for a callback. It comes later, with bytes or with an error, unless this fails.
    fn ask(source: &R) -> Result<(), ErrorCode>;

    /// Hands up to `count` bytes to `take` in pieces, as far as they are there without a callback.
    fn draw(source: &R, count: usize, take: &mut dyn FnMut(&[u8]));
}

/// Random bytes for processes (driver 0x40001), from a source of type `R` that gives them in the
/// form `S`.
pub struct RngDriver<'a, R, S: Form<'a, R> = Words> {
    source: &'a R,
    apps: RngGrant,
    /// Whether the source owes a callback.
    asked: Cell<bool>,
    /// Whose requests are not done.
    waiting: Cell<Waiting>,
    /// Who was served last.
    last: OptionalCell<ProcessId>,
    /// Has upcalls that found a queue full tried again.
    retry: OptionalCell<&'a dyn Retry>,
    scratch: S::Scratch,
}

impl<'a, R, S: Form<'a, R>> RngDriver<'a, R, S> {
    fn with_form(source: &'a R, grant: RngGrant) -> Self {
        RngDriver {
            source,
            apps: grant,
            asked: Cell::new(false),
            waiting: Cell::new(Waiting::Nobody),
            last: OptionalCell::empty(),
            retry: OptionalCell::empty(),
            scratch: S::Scratch::default(),
        }
    }

    /// Has upcalls that find a queue full tried again by `retry`, which serves this driver. Without
    /// it they wait for the next one of their kind.
    pub fn retry_with(&self, retry: &'a dyn Retry) {
        self.retry.set(retry);
    }

    fn get(&self, process_id: ProcessId, count: usize) -> Result<(), ErrorCode> {
        let done = self.apps.enter(process_id, |app, kernel_data| {
            let mut request = Request::of(count);
            let fill = kernel_data
                .get_readwrite_processbuffer(rw_allow::DESTINATION)
                .and_then(|buffer| {
                    buffer.mut_enter(|buffer| {
                        request.cut_to(buffer.len());
                        // Those who wait already come first.
                        if self.asked.get() && !request.is_over() {
                            return Fill::Dry;
                        }
                        request.fill(buffer, &mut |count, take| {
                            S::draw(self.source, count, take);
                        })
                    })
                })
                // Without a buffer there is nothing to fill.
                .unwrap_or(Fill::Done { count: 0 });
            if let Fill::Done { count } = fill {
                app.request = None;
                self.tell(app, kernel_data, Ok(()), count);
                return true;
            }
            app.request = Some(request);
            self.waiting.set(self.waiting.get().and(process_id));
            false
        })?;
        if !done && !self.asked.replace(true) {
            self.ask();
        }
        Ok(())
    }

    /// Asks the source. A refusal reaches the processes like a later error.
    fn ask(&self) {
        if let Err(code) = S::ask(self.source) {
            self.asked.set(false);
            self.fail_all(code);
        }
    }

    /// Ends a callback of the source; says whether another one is wanted.
    fn conclude(&self, served: Result<(), ErrorCode>) -> bool {
        if let Err(code) = served {
            self.fail_all(code);
        }
        let more = self.waiting.get() != Waiting::Nobody;
        self.asked.set(more);
        more
    }

    /// Ends a request.
    #[inline]
    fn tell(
        &self,
        app: &mut App,
        kernel_data: &GrantKernelData,
        outcome: Result<(), ErrorCode>,
        count: usize,
    ) {
        let arguments = (into_statuscode(outcome), count, 0);
        if app.done.tell(kernel_data, upcall::DONE, arguments) {
            self.try_again_soon();
        }
    }

    #[cold]
    fn try_again_soon(&self) {
        if let Some(retry) = self.retry.get() {
            retry.soon();
        }
    }

    fn fail_all(&self, code: ErrorCode) {
        self.waiting.set(Waiting::Nobody);
        for app in self.apps.iter() {
            app.try_enter(|app, kernel_data| {
                if let Some(request) = app.request.take() {
                    self.tell(app, kernel_data, Err(code), request.position());
                }
            });
        }
    }

    /// Serves who waits, until the source is dry or nobody waits.
    #[inline(always)]
    fn serve(&self, supply: Supply<'_>) {
        match self.waiting.get() {
            Waiting::Nobody => {}
            Waiting::One(process_id) => {
                let fill = self.apps.enter(process_id, |app, kernel_data| {
                    self.fill(app, kernel_data, |request, buffer| {
                        request.fill(buffer, supply)
                    })
                });
                if fill != Ok(Some(Fill::Dry)) {
                    self.waiting.set(Waiting::Nobody);
                    self.last.set(process_id);
                }
            }
            Waiting::Several => self.serve_in_turn(supply),
        }
    }

    /// Fills a quantum of each request in turn, over and over.
    #[inline(never)]
    fn serve_in_turn(&self, supply: Supply<'_>) {
        loop {
            let last = self.last.get();
            let (mut waiting, mut dry) = (Waiting::Nobody, false);
            for app in turns::after(&self.apps, last) {
                let process_id = app.processid();
                let fill = app.try_enter(|app, kernel_data| {
                    if dry {
                        return app.request.as_ref().map(|_| Fill::Dry);
                    }
                    self.fill(app, kernel_data, |request, buffer| {
                        request.fill_quantum(buffer, supply)
                    })
                });
                match fill.flatten() {
                    Some(Fill::Done { .. }) => self.last.set(process_id),
                    Some(Fill::QuantumOver) => {
                        waiting = waiting.and(process_id);
                        self.last.set(process_id);
                    }
                    // One that got less than its quantum keeps its turn.
                    Some(Fill::Dry) => (waiting, dry) = (waiting.and(process_id), true),
                    None => {}
                }
                // The round ends where it began.
                if Some(process_id) == last {
                    break;
                }
            }
            self.waiting.set(waiting);
            if dry || waiting == Waiting::Nobody {
                return;
            }
        }
    }

    /// Goes on with a process's request, if it has one, and ends it when it is done.
    #[inline(always)]
    fn fill(
        &self,
        app: &mut App,
        kernel_data: &GrantKernelData,
        fill: impl FnOnce(&mut Request, &WriteableProcessSlice) -> Fill,
    ) -> Option<Fill> {
        let request = app.request.as_mut()?;
        let filled = kernel_data
            .get_readwrite_processbuffer(rw_allow::DESTINATION)
            .and_then(|buffer| buffer.mut_enter(|buffer| fill(request, buffer)))
            .unwrap_or(Fill::Done { count: 0 });
        if let Fill::Done { count } = filled {
            app.request = None;
            self.tell(app, kernel_data, Ok(()), count);
        }
        Some(filled)
    }
}

impl<'a, R, S: Form<'a, R>> LateUpcalls for RngDriver<'a, R, S> {
    fn try_again(&self) -> bool {
        let mut any_kept = false;
        for process in self.apps.iter() {
            process.try_enter(|app, kernel_data| {
                any_kept |= app.done.try_again(kernel_data, upcall::DONE);
            });
        }
        any_kept
    }
}

impl<'a, R, S: Form<'a, R>> SyscallDriver for RngDriver<'a, R, S> {
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
