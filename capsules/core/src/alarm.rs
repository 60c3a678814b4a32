// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The alarm system call driver: one alarm per process on one kernel alarm.
//!
//! Processes see 32 bits of the clock; `process_time` translates. The kernel alarm always holds
//! the nearest deadline of all processes, or an earlier one that was given up. Most of the time
//! one process waits; the driver knows which, and neither looks at others nor compares then.
//!
//! ```text
//! let grant = kernel.create_grant(alarm::DRIVER_NUM, &memory_cap);
//! let driver = static_init!(AlarmDriver<'static, Virtual>, AlarmDriver::new(virtual_alarm, grant));
//! virtual_alarm.set_alarm_client(driver);
//! ```

mod process_time;

use crate::deadline::{Deadline, Nearest};
use crate::waiting::Waiting;
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
    armed: bool,
    /// When to look at it: the process's deadline, or the next try to deliver it.
    wake: Deadline<T>,
    /// The process's deadline as the process gave it.
    expiration: u32,
}

impl<T: Ticks> Default for AlarmData<T> {
    fn default() -> Self {
        AlarmData {
            armed: false,
            wake: Deadline {
                reference: T::from(0u32),
                dt: T::from(0u32),
            },
            expiration: 0,
        }
    }
}

/// The grant of an [`AlarmDriver`].
pub type AlarmGrant<T> =
    Grant<AlarmData<T>, UpcallCount<{ upcall::COUNT }>, AllowRoCount<0>, AllowRwCount<0>>;

/// Alarms for processes (driver 0x0).
pub struct AlarmDriver<'a, A: Alarm<'a>> {
    alarm: &'a A,
    apps: AlarmGrant<A::Ticks>,
    /// Whose alarms may be armed.
    waiting: Cell<Waiting>,
}

/// What is left to do when a process's alarm is set.
enum Next {
    /// To wait for the kernel alarm.
    Wake,
    /// Nothing: it has fired.
    Nothing,
    /// To find the nearest of several.
    CheckAll,
}

impl<'a, A: Alarm<'a>> AlarmDriver<'a, A> {
    /// Creates the driver, which must be the client of `alarm`.
    pub fn new(alarm: &'a A, grant: AlarmGrant<A::Ticks>) -> Self {
        AlarmDriver {
            alarm,
            apps: grant,
            waiting: Cell::new(Waiting::Nobody),
        }
    }

    fn program(&self, deadline: Deadline<A::Ticks>) {
        self.alarm.set_alarm(deadline.reference, deadline.dt);
    }

    /// Stops the kernel alarm if it was there for this process alone.
    ///
    /// With others waiting it may fire early, which sorts itself out.
    #[cold]
    fn given_up(&self, process_id: ProcessId) {
        if let Waiting::One(other) = self.waiting.get()
            && other == process_id
        {
            self.waiting.set(Waiting::Nobody);
            // If it fires all the same, it finds nobody waiting.
            let _ = self.alarm.disarm();
        }
    }

    /// Fires the process's alarm if it is due. Returns whether it is still armed then.
    #[inline(always)]
    fn check(
        &self,
        app: &mut AlarmData<A::Ticks>,
        kernel_data: &GrantKernelData,
        now: A::Ticks,
    ) -> bool {
        if app.armed && app.wake.is_due(now) {
            app.armed = self.fails_to_tell(app, kernel_data, now);
        }
        app.armed
    }

    /// Tells a process that its alarm fired. If that fails, it is to be tried again at `app.wake`.
    #[inline(always)]
    fn fails_to_tell(
        &self,
        app: &mut AlarmData<A::Ticks>,
        kernel_data: &GrantKernelData,
        now: A::Ticks,
    ) -> bool {
        let time = process_time::present(now) as usize;
        let told = kernel_data.schedule_upcall(upcall::FIRED, (time, app.expiration as usize, 0));
        if told.is_err() {
            app.wake = Deadline {
                reference: now,
                dt: self.alarm.ticks_from_ms(RETRY_MS),
            };
        }
        told.is_err()
    }

    /// Looks at the alarms of all processes, and sets the kernel alarm to the nearest deadline that
    /// is left.
    #[inline(never)]
    fn check_all(&self) {
        let now = self.alarm.now();
        let mut nearest = Nearest::seen_from(now);
        let mut waiting = Waiting::Nobody;
        for app in self.apps.iter() {
            let process_id = app.processid();
            let wake = app.try_enter(|app, kernel_data| {
                self.check(app, kernel_data, now).then_some(app.wake)
            });
            if let Some(wake) = wake.flatten() {
                nearest.consider(wake);
                waiting = waiting.and(process_id);
            }
        }
        self.waiting.set(waiting);
        if let Some(deadline) = nearest.into_deadline() {
            self.program(deadline);
        }
    }

    /// Sets a process's alarm; without a reference, the present is the reference.
    #[inline(always)]
    fn set(
        &self,
        reference: Option<u32>,
        dt: u32,
        process_id: ProcessId,
    ) -> Result<u32, ErrorCode> {
        let mut expiration = 0;
        let next = self.apps.enter(process_id, |app, kernel_data| {
            let now = self.alarm.now();
            let reference = reference.unwrap_or_else(|| process_time::present(now));
            expiration = reference.wrapping_add(dt);
            app.expiration = expiration;
            let wake = process_time::expand(now, reference, dt);
            app.wake = wake;
            app.armed = true;
            if wake.is_due(now) && !self.fails_to_tell(app, kernel_data, now) {
                app.armed = false;
                return Next::Nothing;
            }
            let waiting = self.waiting.get().and(process_id);
            self.waiting.set(waiting);
            if matches!(waiting, Waiting::Several) {
                return Next::CheckAll;
            }
            self.program(app.wake);
            Next::Wake
        })?;
        match next {
            Next::Wake => {}
            Next::Nothing => self.given_up(process_id),
            Next::CheckAll => self.check_all(),
        }
        Ok(expiration)
    }

    fn stop(&self, process_id: ProcessId) -> Result<(), ErrorCode> {
        let armed = self
            .apps
            .enter(process_id, |app, _| core::mem::take(&mut app.armed))?;
        if !armed {
            return Err(ErrorCode::ALREADY);
        }
        self.given_up(process_id);
        Ok(())
    }
}

impl<'a, A: Alarm<'a>> AlarmClient for AlarmDriver<'a, A> {
    fn alarm(&self) {
        match self.waiting.get() {
            Waiting::Nobody => {}
            Waiting::One(process_id) => {
                let armed = self.apps.enter(process_id, |app, kernel_data| {
                    let armed = self.check(app, kernel_data, self.alarm.now());
                    if armed {
                        self.program(app.wake);
                    }
                    armed
                });
                // A process that has ended waits for nothing.
                if armed != Ok(true) {
                    self.waiting.set(Waiting::Nobody);
                }
            }
            Waiting::Several => self.check_all(),
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
        let expiration = |outcome: Result<u32, ErrorCode>| match outcome {
            Ok(expiration) => CommandReturn::success_u32(expiration),
            Err(code) => CommandReturn::failure(code),
        };
        match command_num {
            0 => CommandReturn::success(),
            1 => {
                CommandReturn::success_u32(A::Ticks::u32_left_justified_scale_freq::<A::Frequency>())
            }
            2 => CommandReturn::success_u32(process_time::present(self.alarm.now())),
            3 => self.stop(process_id).into(),
            5 | 6 => {
                // Relative to now, or to the time given.
                let (reference, dt) = match command_num {
                    5 => (None, r2),
                    _ => (Some(r2 as u32), r3),
                };
                expiration(self.set(reference, dt as u32, process_id))
            }
            _ => CommandReturn::failure(ErrorCode::NOSUPPORT),
        }
    }

    fn allocate_grant(&self, process_id: ProcessId) -> Result<(), process::Error> {
        self.apps.enter(process_id, |_, _| {})
    }
}
