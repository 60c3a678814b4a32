// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The alarm system call driver: one alarm per process on one kernel alarm.
//!
//! Processes see 32 bits of the clock; `process_time` translates. The kernel alarm always holds
//! the nearest deadline of all processes, or an earlier one that was given up. Most of the time
//! one process waits; the driver knows which, and looks at no other then.
//!
//! ```text
//! let grant = kernel.create_grant(alarm::DRIVER_NUM, &memory_cap);
//! let driver = static_init!(AlarmDriver<'static, Virtual>, AlarmDriver::new(virtual_alarm, grant));
//! virtual_alarm.set_alarm_client(driver);
//! ```

mod process_time;

use crate::deadline::{Deadline, Nearest};
use core::cell::Cell;
use kernel::ErrorCode;
use kernel::ProcessId;
use kernel::grant::{AllowRoCount, AllowRwCount, Grant, GrantKernelData, UpcallCount};
use kernel::hil::time::{Alarm, AlarmClient, ConvertTicks, Ticks};
use kernel::process;
use kernel::syscall::{CommandReturn, SyscallDriver};

/// The driver's number.
pub const DRIVER_NUM: usize = crate::driver::NUM::Alarm as usize;

/// How long to wait before an upcall that found the queue full is tried again.
const RETRY_MS: u32 = 10;

mod upcall {
    pub const FIRED: usize = 0;
    pub const COUNT: u8 = 1;
}

/// A process's alarm.
pub struct AlarmData<T: Ticks> {
    armed: Option<Armed<T>>,
}

impl<T: Ticks> Default for AlarmData<T> {
    fn default() -> Self {
        AlarmData { armed: None }
    }
}

#[derive(Clone, Copy)]
struct Armed<T: Ticks> {
    /// When to look at it: the process's deadline, or the next try to deliver it.
    wake: Deadline<T>,
    /// The process's deadline as the process gave it.
    expiration: u32,
}

/// The grant of an [`AlarmDriver`].
pub type AlarmGrant<T> =
    Grant<AlarmData<T>, UpcallCount<{ upcall::COUNT }>, AllowRoCount<0>, AllowRwCount<0>>;

/// Alarms for processes (driver 0x0).
pub struct AlarmDriver<'a, A: Alarm<'a>> {
    alarm: &'a A,
    apps: AlarmGrant<A::Ticks>,
    waiting: Cell<Waiting>,
    /// What the kernel alarm is set to.
    programmed: Cell<Option<Deadline<A::Ticks>>>,
}

/// Whose alarms may be armed.
#[derive(Clone, Copy)]
enum Waiting {
    Nobody,
    One(ProcessId),
    /// Any process's, and no more is known.
    Several,
}

impl Waiting {
    /// With an armed alarm of this process too.
    fn and(self, process_id: ProcessId) -> Waiting {
        match self {
            Waiting::Nobody => Waiting::One(process_id),
            Waiting::One(other) if other == process_id => self,
            Waiting::One(_) | Waiting::Several => Waiting::Several,
        }
    }
}

impl<'a, A: Alarm<'a>> AlarmDriver<'a, A> {
    /// Creates the driver, which must be the client of `alarm`.
    pub fn new(alarm: &'a A, grant: AlarmGrant<A::Ticks>) -> Self {
        AlarmDriver {
            alarm,
            apps: grant,
            waiting: Cell::new(Waiting::Nobody),
            programmed: Cell::new(None),
        }
    }

    fn program(&self, deadline: Deadline<A::Ticks>) {
        self.programmed.set(Some(deadline));
        self.alarm.set_alarm(deadline.reference, deadline.dt);
    }

    /// Stops the kernel alarm if it was there for this process alone.
    ///
    /// With others waiting it may fire early, which sorts itself out.
    fn given_up(&self, process_id: ProcessId) {
        if let Waiting::One(other) = self.waiting.get()
            && other == process_id
        {
            self.waiting.set(Waiting::Nobody);
            self.programmed.set(None);
            // If it fires all the same, it finds nobody waiting.
            let _ = self.alarm.disarm();
        }
    }

    /// Fires the process's alarm if it is due. Returns when to look at it again.
    #[inline(always)]
    fn check(
        &self,
        app: &mut AlarmData<A::Ticks>,
        kernel_data: &GrantKernelData,
        now: A::Ticks,
    ) -> Option<Deadline<A::Ticks>> {
        let armed = app.armed?;
        if armed.wake.is_due(now) {
            self.fire(app, kernel_data, now, armed.expiration)
        } else {
            Some(armed.wake)
        }
    }

    /// Looks at the alarms of all processes, and returns the nearest deadline that is left.
    #[inline(never)]
    fn check_all(&self, now: A::Ticks) -> Option<Deadline<A::Ticks>> {
        let mut nearest = Nearest::seen_from(now);
        let mut waiting = Waiting::Nobody;
        for app in self.apps.iter() {
            let process_id = app.processid();
            let wake = app.try_enter(|app, kernel_data| self.check(app, kernel_data, now));
            if let Some(wake) = wake.flatten() {
                nearest.consider(wake);
                waiting = waiting.and(process_id);
            }
        }
        self.waiting.set(waiting);
        nearest.into_deadline()
    }

    /// Tells a process that its alarm fired, or arranges another try.
    fn fire(
        &self,
        app: &mut AlarmData<A::Ticks>,
        kernel_data: &GrantKernelData,
        now: A::Ticks,
        expiration: u32,
    ) -> Option<Deadline<A::Ticks>> {
        let arguments = (process_time::present(now) as usize, expiration as usize, 0);
        if kernel_data
            .schedule_upcall(upcall::FIRED, arguments)
            .is_ok()
        {
            app.armed = None;
            return None;
        }
        let wake = Deadline {
            reference: now,
            dt: self.alarm.ticks_from_ms(RETRY_MS),
        };
        app.armed = Some(Armed { wake, expiration });
        Some(wake)
    }

    fn set(
        &self,
        now: A::Ticks,
        reference: u32,
        dt: u32,
        process_id: ProcessId,
    ) -> Result<u32, ErrorCode> {
        let expiration = reference.wrapping_add(dt);
        let deadline = process_time::expand(now, reference, dt);
        let wake = self.apps.enter(process_id, |app, kernel_data| {
            if deadline.is_due(now) {
                return self.fire(app, kernel_data, now, expiration);
            }
            app.armed = Some(Armed {
                wake: deadline,
                expiration,
            });
            Some(deadline)
        })?;
        let Some(wake) = wake else {
            self.given_up(process_id);
            return Ok(expiration);
        };
        let waiting = self.waiting.get().and(process_id);
        self.waiting.set(waiting);
        let keeps_current = matches!(waiting, Waiting::Several)
            && self
                .programmed
                .get()
                .is_some_and(|current| current.remaining(now) <= wake.remaining(now));
        if !keeps_current {
            self.program(wake);
        }
        Ok(expiration)
    }

    fn stop(&self, process_id: ProcessId) -> Result<(), ErrorCode> {
        let armed = self
            .apps
            .enter(process_id, |app, _| app.armed.take().is_some())?;
        if !armed {
            return Err(ErrorCode::ALREADY);
        }
        self.given_up(process_id);
        Ok(())
    }
}

impl<'a, A: Alarm<'a>> AlarmClient for AlarmDriver<'a, A> {
    fn alarm(&self) {
        let now = self.alarm.now();
        let mut next = None;
        match self.waiting.get() {
            Waiting::Nobody => {}
            Waiting::One(process_id) => {
                // A process that has ended waits for nothing.
                let _ = self.apps.enter(process_id, |app, kernel_data| {
                    next = self.check(app, kernel_data, now);
                });
            }
            Waiting::Several => next = self.check_all(now),
        }
        match next {
            Some(deadline) => self.program(deadline),
            None => {
                self.waiting.set(Waiting::Nobody);
                self.programmed.set(None);
            }
        }
    }
}

impl<'a, A: Alarm<'a>> SyscallDriver for AlarmDriver<'a, A> {
    /// Commands, as `doc/syscalls/00000_alarm.md` describes them.
    fn command(
        &self,
        command_num: usize,
        r2: usize,
        r3: usize,
        process_id: ProcessId,
    ) -> CommandReturn {
        let now = || self.alarm.now();
        let expiration = |outcome: Result<u32, ErrorCode>| match outcome {
            Ok(expiration) => CommandReturn::success_u32(expiration),
            Err(code) => CommandReturn::failure(code),
        };
        match command_num {
            0 => CommandReturn::success(),
            1 => {
                CommandReturn::success_u32(A::Ticks::u32_left_justified_scale_freq::<A::Frequency>())
            }
            2 => CommandReturn::success_u32(process_time::present(now())),
            3 => self.stop(process_id).into(),
            5 => {
                let now = now();
                expiration(self.set(now, process_time::present(now), r2 as u32, process_id))
            }
            6 => expiration(self.set(now(), r2 as u32, r3 as u32, process_id)),
            _ => CommandReturn::failure(ErrorCode::NOSUPPORT),
        }
    }

    fn allocate_grant(&self, process_id: ProcessId) -> Result<(), process::Error> {
        self.apps.enter(process_id, |_, _| {})
    }
}
